"""Which conditions hold, judged from the fast path's present state (`lifeline.model.judgement`). Sans-IO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lifeline.model.judgement import Judgement, Key
from lifeline.model.records import Condition, EventType, PerceivedSeverity, ProbableCause

from .protection import Defect

PATH_DOWN = "path-down"
PATH_DEGRADED = "path-degraded"
ON_PROTECTION = "on-protection"
NO_PATH = "no-path"
SWITCH_REFUSED = "switch-refused"
APS_MISMATCH = "aps-mismatch"
APS_NO_RESPONSE = "aps-no-response"
FASTPATH_SILENT = "fastpath-silent"


def judge_path(path: Mapping[str, Any], site: str) -> Judgement:
    """Judge one end of a link.

    Args:
        path: a path's body as the fast path reports it; `signal_fail` None is unknown.
        site: whose end it is.
    """
    return _judge_signal(path, site) | _judge_quality(path, site)


def _judge_signal(path: Mapping[str, Any], site: str) -> Judgement:
    key = (f"link:{path['link']}", PATH_DOWN)
    if path["signal_fail"] is None:
        return {}
    if not path["signal_fail"]:
        return {key: None}
    detail = {name: path[name] for name in ("bfd", "diag", "remote_bfd", "remote_diag", "carrier")} | {"site": site}
    text = f"{site} has lost {path['link']}: {_symptom(path)}"
    return {key: _condition(key, PerceivedSeverity.MAJOR, ProbableCause.LOSS_OF_SIGNAL, text, detail)}


def _judge_quality(path: Mapping[str, Any], site: str) -> Judgement:
    key = (f"link:{path['link']}", PATH_DEGRADED)
    quality = path.get("quality")
    if quality is None:  # not measured any more
        return {key: None}
    if quality["degraded"]:
        text = f"{site} finds {path['link']} degraded: {'; '.join(quality['reasons'])}"
        detail = {"site": site, "reasons": quality["reasons"], "figures": quality["figures"]}
        return {key: _condition(key, PerceivedSeverity.WARNING, ProbableCause.DEGRADED_SIGNAL, text, detail)}
    return {key: None} if quality["known"] else {}


def _symptom(path: Mapping[str, Any]) -> str:
    if path["carrier"] is None:
        return "the interface is gone"
    if not path["carrier"]:
        return "no carrier on the interface"
    refused = (path.get("auth") or {}).get("refused")
    return f"BFD is {path['bfd']} ({path['diag']})" + (f", packets are refused: {refused}" if refused else "")


def judge_group(group: Mapping[str, Any]) -> Judgement:
    """Judge one end of a protection group, both its paths included."""
    site, subject = group["site"], f"group:{group['group']}"
    working, protection = group["working"], group["protection"]
    judged = judge_path(working, site)
    if below := protection.get("group"):  # which tells of its own links itself
        failed = (working["signal_fail"], None if protection["carries"] is None else not protection["carries"])
        spare = below
    else:
        judged |= judge_path(protection, site)
        failed = (working["signal_fail"], protection["signal_fail"])
        spare = protection["link"]

    key = (subject, ON_PROTECTION)
    judged[key] = None
    if group["selector"] == "protection":
        text = f"{site} has {group['group']} on protection: {group['why']}"
        cause = ProbableCause.COMMUNICATIONS_SUBSYSTEM_FAILURE
        judged[key] = _condition(key, PerceivedSeverity.WARNING, cause, text, {"site": site})

    key = (subject, NO_PATH)
    if all(failed):
        text = f"{site} has no path for {group['group']}: {working['link']} and {spare} have failed"
        # A group that is another's protection path carries that one's traffic only when its working link has failed.
        severity = PerceivedSeverity.MAJOR if group.get("above") else PerceivedSeverity.CRITICAL
        judged[key] = _condition(key, severity, ProbableCause.LOSS_OF_SIGNAL, text, {"site": site})
    elif False in failed:
        judged[key] = None

    key = (subject, SWITCH_REFUSED)
    selected = group[group["selector"]]
    if not group["trouble"]:
        judged[key] = None
    elif selected["signal_fail"] is False:  # a route by a path without light is refused as well, and is no news
        text = f"{site} cannot route {group['group']} by {selected['link']}: {group['trouble']}"
        cause = ProbableCause.CONFIGURATION_OR_CUSTOMIZATION_ERROR
        judged[key] = _condition(key, PerceivedSeverity.CRITICAL, cause, text, {"site": site})
    return judged | _judge_aps(group)


_MISMATCHES = {
    Defect.PROVISIONING: PerceivedSeverity.MAJOR,
    Defect.GROUP: PerceivedSeverity.MAJOR,
    Defect.WRONG_PATH: PerceivedSeverity.MAJOR,
    Defect.REVERTIVE: PerceivedSeverity.MINOR,
}
_NO_RESPONSES = {Defect.NO_RESPONSE: PerceivedSeverity.MAJOR, Defect.SILENCE: PerceivedSeverity.MINOR}


def _judge_aps(group: Mapping[str, Any]) -> Judgement:
    """Judge the APS channel: of several defects of a kind the one that matters most is told."""
    judged: Judgement = {}
    defects, site = group.get("aps", {}).get("defects", {}), group["site"]  # absent: a fast path of before APS
    for name, kinds in ((APS_MISMATCH, _MISMATCHES), (APS_NO_RESPONSE, _NO_RESPONSES)):
        key = (f"group:{group['group']}", name)
        judged[key] = None
        standing = [defect for defect in kinds if defect.value in defects]
        if standing:
            text = f"{site} on {group['group']}: {defects[standing[0].value]}"
            detail = {"site": site, "defects": [defect.value for defect in standing]}
            cause = ProbableCause.COMMUNICATIONS_PROTOCOL_ERROR
            judged[key] = _condition(key, kinds[standing[0]], cause, text, detail)
    return judged


def judge_fast_path(site: str, *, silent: bool) -> Judgement:
    """Judge whether a site's fast path lives: without it nothing would be switched."""
    key = (f"daemon:{site}/fastpath", FASTPATH_SILENT)
    if not silent:
        return {key: None}
    cause = ProbableCause.SOFTWARE_PROGRAM_ABNORMALLY_TERMINATED
    text = f"the fast path of {site} is silent: a cut fibre would not be switched there"
    raised = _condition(key, PerceivedSeverity.MAJOR, cause, text, {"site": site})
    return {key: replace(raised, event_type=EventType.PROCESSING_ERROR)}


def _condition(
    key: Key, severity: PerceivedSeverity, cause: ProbableCause, text: str, detail: Mapping[str, Any]
) -> Condition:
    subject, name = key
    return Condition(subject, name, severity, EventType.COMMUNICATIONS, cause, text, detail)
