"""An event as a sentence that a person on shift understands. One function per kind of event; no widget, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lifeline.i18n import _, language

from .model import NetworkModel
from .orders import TITLES
from .phrases import phrase
from .shapes import View
from .words import BFD_DIAGNOSTIC, COMMAND_PHASE, DAEMON_STATE, MEDIA, PATH_NAME, word

SAY_HOW_THEY_ENDED: Final = frozenset({"crash-loop", "database-corrupt", "agent-silent", "journal-full"})
"""Conditions whose text, once cleared, tells the good news; the text of others is still that of the trouble."""


def event_sentence(event: View, model: NetworkModel) -> str:
    """Return what an event says, in one line without its time."""
    teller = _TELLERS.get(event["kind"])
    try:
        text = teller(event, model) if teller else ""
    except (KeyError, TypeError, AttributeError):  # a body of another shape: a newer daemon's, or a broken one's
        text = ""
    return text or f"{event['subject']}: {event['body']}"


def event_severity(event: View) -> str:
    """Return how much an event matters, as a perceived severity; empty when it only informs."""
    body: Mapping[str, object] = event["body"]
    if event["kind"] == "condition":
        return str(body.get("perceived_severity", "indeterminate"))
    if event["kind"] == "bfd":
        return {"Down": "major", "Up": "cleared"}.get(str(body.get("state")), "")
    if event["kind"] == "daemon":
        return {"exited": "minor", "crash-loop": "critical"}.get(str(body.get("state")), "")
    if event["kind"] == "actuation":
        return {"failed": "major"}.get(str(body.get("phase")), "")
    return ""


def event_role(event: View) -> str:
    """Return the role in which an event is shown: its severity, or that traffic moved."""
    if event["kind"] == "protection":
        return "switched" if event["body"].get("selector") == "protection" else ""
    return event_severity(event)


def site_name(site: str, model: NetworkModel) -> str:
    """Return a site's name in the operator's language, or its id when the hub does not know it."""
    view = model.sites.get(site)
    if view is None:
        return site
    return str((language() == "zh_CN" and view.get("name_zh")) or view.get("name") or site)


def subject_name(subject: str, model: NetworkModel) -> str:
    """Return an object's name as people say it."""
    kind, _colon, name = subject.partition(":")
    if kind == "site":
        return site_name(name, model)
    if kind == "daemon":
        return daemon_name(name, model)
    if kind == "alarm" and (alarm := model.alarms.get(name)):
        return subject_name(alarm["resource"], model)
    if kind == "link" and name in model.links:
        return path_name(name, model)
    return name or subject


def daemon_name(node: str, model: NetworkModel) -> str:
    """Return a daemon's name: its site and its program."""
    site, _slash, program = node.partition("/")
    return _("{site}, {program}").format(site=site_name(site, model), program=program) if program else site_name(
        site, model)  # fmt: skip


def path_name(link: str, model: NetworkModel) -> str:
    """Return a link's id with what carries it."""
    return _("{link} ({media})").format(link=link, media=word(MEDIA, model.media(link)))


def told(sentence: str, model: NetworkModel) -> str:
    """Return a daemon's sentence in the operator's language, with sites by their names."""
    return phrase(sentence, lambda site: site_name(site, model))


def alarm_sentence(alarm: View, model: NetworkModel) -> str:
    """Return what an alarm says."""
    return told(str(alarm.get("text") or alarm["alarm_type_id"]), model)


def alarm_in_brief(alarm: View, model: NetworkModel) -> str:
    """Return what an alarm says in a few words, for a list's cell; all it says when we know no shorter form."""
    brief = {
        "path-down": _("{name} down"),
        "path-degraded": _("{name} degraded"),
        "duct-cut": _("{name} cut"),
        "aps-mismatch": _("{name}: the ends are set otherwise"),
        "aps-no-response": _("{name}: the far end does not answer"),
        "on-protection": _("{name} on protection"),
        "no-path": _("{name}: no path works"),
        "switch-refused": _("{name}: switch refused"),
        "fastpath-silent": _("fast path silent"),
        "agent-silent": _("agent silent, state not known"),
        "crash-loop": _("{name} keeps crashing"),
        "journal-full": _("journal full, events wait"),
        "database-corrupt": _("{name}: database was corrupt"),
        "not-divided": _("{name} not divided"),
        "capacity-reduced": _("{name} carries less"),
        "actuation-failed": _("{name}: router does not follow"),
    }.get(alarm["alarm_type_id"])
    name = str(alarm["resource"]).partition(":")[2].rpartition("/")[2]
    return brief.format(name=name) if brief else alarm_sentence(alarm, model)


def _condition(event: View, model: NetworkModel) -> str:
    body = event["body"]
    name = body["subject"].partition(":")[2]
    text = told(body["text"], model)
    if name not in body["text"] and subject_name(body["subject"], model) not in text:
        text = _("{name}: {text}").format(name=subject_name(body["subject"], model), text=text)
    over = body["perceived_severity"] == "cleared" and body.get("name") not in SAY_HOW_THEY_ENDED
    return _("Over: {text}").format(text=text) if over else text


def _protection(event: View, model: NetworkModel) -> str:
    end = event["body"]
    link = end[end["selector"]]["link"]
    return _("{site}: traffic on {media} ({link}). {why}").format(
        site=site_name(end["site"], model), media=word(MEDIA, model.media(link)), link=link, why=told(end["why"], model)
    )


def _bfd(event: View, model: NetworkModel) -> str:
    body = event["body"]
    with_reason = _("BFD {state} on {link} at {site} (was {previous}): {diagnostic}")
    template = with_reason if body["state"] == "Down" else _("BFD {state} on {link} at {site} (was {previous})")
    return template.format(
        state=body["state"],
        link=event["subject"].partition(":")[2],
        site=site_name(body["site"], model),
        previous=body["previous"],
        diagnostic=word(BFD_DIAGNOSTIC, body["diag"]),
    )


def _daemon(event: View, model: NetworkModel) -> str:
    body = event["body"]
    text = _("{daemon}: {state}").format(
        daemon=subject_name(event["subject"], model), state=word(DAEMON_STATE, body["state"])
    )
    told = [_("process {pid}").format(pid=body["pid"])] if body.get("pid") is not None else []
    told += [_("exit code {code}").format(code=body["exit"])] if body.get("exit") is not None else []
    return f"{text} ({', '.join(told)})" if told else text


def _command(event: View, model: NetworkModel) -> str:
    body = event["body"]
    if body["command"].startswith("protection."):
        name = " ".join([body["command"].partition(".")[2], *([body["to"]] if body.get("to") else [])])
        text = _("{who}: {command} of {group} at {site}: {phase}").format(
            who=body.get("by") or event["node"],
            command=TITLES.get(name, name),
            group=event["subject"].partition(":")[2],
            site=site_name(str(body["at"]), model),
            phase=word(COMMAND_PHASE, body["phase"]),
        )
        return f"{text}. {told(body['detail'], model)}" if body.get("detail") else text
    return _("{who}: command {command} on {target}: {phase}").format(
        who=body.get("by") or event["node"],
        command=body["command"],
        target=body.get("target", event["subject"]),
        phase=word(COMMAND_PHASE, body["phase"]),
    )


def _alarm(event: View, model: NetworkModel) -> str:
    body = event["body"]
    said = {
        "acknowledge": _("{who} acknowledged the alarm on {name}"),
        "unacknowledge": _("{who} took back the acknowledgement of the alarm on {name}"),
    }[body["act"]].format(who=body["by"], name=subject_name(event["subject"], model))
    return f"{said}: {body['text']}" if body.get("text") else said


def _traffic(event: View, model: NetworkModel) -> str:
    body = event["body"]
    text = _("{site} reset {n} flows that {group} left behind on going to {path}").format(
        site=site_name(body["site"], model), n=body["count"], group=body["group"],
        path=word(PATH_NAME, body["selector"]))  # fmt: skip
    return f"{text}: {body['refused']}" if body["refused"] else text


def _actuation(event: View, model: NetworkModel) -> str:
    body = event["body"]
    sentence = {
        "requested": _("{site} brings {device} to {path} of {group}"),
        "done": _("{site} has brought {device} to {path} of {group}"),
        "failed": _("{site} could not bring {device} to {path} of {group}"),
    }[body["phase"]].format(
        site=site_name(body["site"], model), device=body["device"], group=body["group"],
        path=word(PATH_NAME, body["selector"]))  # fmt: skip
    return f"{sentence}: {body['reason']}" if body.get("reason") else sentence


_TELLERS: Final[Mapping[str, Callable[[View, NetworkModel], str]]] = {
    "condition": _condition,
    "protection": _protection,
    "bfd": _bfd,
    "daemon": _daemon,
    "command": _command,
    "alarm": _alarm,
    "traffic": _traffic,
    "actuation": _actuation,
}
