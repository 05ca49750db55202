"""What there is to say about one object: lines of cells for the detail pane. No widget, no clock.

A detail answers, in this order: how does it stand, why, what has the system done and what will it do, what else may
fall with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from lifeline.i18n import _

from .cells import Age, Cell, Countdown, Line
from .model import NetworkModel
from .orders import TITLES
from .rows import (
    agent_cell,
    clock_text,
    district_of,
    end_states,
    health_cell,
    link_of,
    link_state_cell,
    selector_cell,
    state_cell,
    telling_end,
)
from .sentences import alarm_sentence, event_role, event_sentence, path_name, site_name, told
from .shapes import View
from .traffic_detail import router_lines, traffic_lines
from .words import BFD_DIAGNOSTIC, MEDIA, PATH_NAME, PROTECTION_STATE, SEVERITY, SITE_KIND, word

BLANK: Final = Line()
TIMELINE: Final = 12
"""Events in an object's timeline."""


def text(*cells: Cell) -> Line:
    """Return a line of running text."""
    return Line(cells)


def fact(label: str, *cells: Cell) -> Line:
    """Return a line that begins with what it is about."""
    return Line(cells, label)


def heading(title: str, *cells: Cell) -> Line:
    """Return a heading between blocks."""
    return Line((Cell(title, "heading"), *cells))


def detail_of(model: NetworkModel, key: str) -> list[Line]:
    """Return the detail of `site:...`, `group:...` or `link:...`; one line when the hub no longer knows it."""
    kind, _colon, name = key.partition(":")
    views, tell = {
        "site": (model.sites, site_detail),
        "group": (model.groups, group_detail),
        "link": (model.links, link_detail),
    }[kind]
    if name not in views:
        return [text(Cell(_("{key} is not known to the hub.").format(key=key), "unknown"))]
    return tell(model, views[name])


def site_detail(model: NetworkModel, site: View) -> list[Line]:
    """Return a site: health, agent, its alarms, its groups and links."""
    lines: list[Line] = [
        text(Cell(site_name(site["id"], model), "strong"), Cell(f"  {site['id']}", "muted")),
        fact(_("State"), health_cell(model, site["health"])),
        fact(_("Kind"), Cell(word(SITE_KIND, site["kind"]))),
        *([fact(_("District"), Cell(district_of(site)))] if site.get("district") else []),
        fact(_("Agent"), _agent(model, site)),
        *alarm_lines(model, model.alarms_at(site["id"])),
    ]
    groups = model.groups_at(site["id"])
    for group in groups:
        lines += [BLANK, heading(group["id"], Cell("  "), selector_cell(model, group))]
        lines += why_lines(model, group)
    grouped = {group[path] for group in groups for path in ("working", "protection")}
    links = sorted(model.links_at(site["id"]), key=lambda link: (link["id"] in grouped, link["id"]))
    if links:
        lines += [BLANK, heading(_("Links"))]
        lines += [text(Cell(path_name(link["id"], model)), Cell("  "), link_state_cell(model, link)) for link in links]
    return lines


def _agent(model: NetworkModel, site: View) -> Cell:
    heard = site.get("last_heard_at_ns")
    if site["agent"] == "silent" and not model.stale:
        return Cell(Age(heard, _("silent, last word {age} ago")), "critical", "silent")
    return agent_cell(model, site)


def alarm_lines(model: NetworkModel, alarms: Sequence[View]) -> list[Line]:
    """Return a block of alarms; nothing when there are none."""
    if not alarms:
        return []
    lines: list[Line] = [BLANK, heading(_("Alarms"))]
    for alarm in alarms:
        severity = alarm["perceived_severity"]
        lines.append(text(
            Cell(word(SEVERITY, severity), severity),
            Cell("  "),
            Cell(alarm_sentence(alarm, model)),
            Cell(Age(alarm["raised_at_ns"], _("  for {age}")), "muted"),
            *([Cell("  " + _("acknowledged by {who}").format(who=alarm["acknowledged_by"]), "muted")]
              if alarm.get("acknowledged_by") else []),
        ))  # fmt: skip
    return lines


def why_lines(model: NetworkModel, group: View) -> list[Line]:
    """Return why a group's selector stands where it does, and what will happen by itself."""
    ends = [end for _site, end in end_states(model, group) if end]
    if not ends:
        return [fact(_("Why"), Cell(_("neither end has been heard of yet"), "unknown"))]
    end = telling_end(ends)
    lines: list[Line] = [fact(_("Why"), Cell(told(end["why"], model)))]
    waiting = [e["wtr_ends_at_ns"] for e in ends if e["wtr_ends_at_ns"]]
    if all(end[path]["signal_fail"] for path in ("working", "protection")):
        lines.append(fact(_("Next"), Cell(_("takes whichever path works first"))))
    elif waiting and not model.stale:
        lines.append(
            fact(_("Next"), Cell(Countdown(max(waiting), _("reverts to working in {left} (WTR)")), "switched"))
        )
    elif end["selector"] == "protection":
        lines.append(fact(_("Next"), Cell(_next(group))))
    return lines


def _next(group: View) -> str:
    if not group["revertive"]:
        return _("stays on protection until that fails (non-revertive)")
    return _("reverts when working has been healthy for {s:g} s (WTR)").format(s=group["wtr_ms"] / 1000)


def group_detail(model: NetworkModel, group: View) -> list[Line]:
    """Return a protection group: both ends side by side, both paths, and what shares their risk."""
    subjects = [f"group:{group['id']}", *(f"link:{group[path]}" for path in ("working", "protection"))]
    lines: list[Line] = [
        text(Cell(group["id"], "strong"), Cell("  "), health_cell(model, group["health"])),
        fact(_("Traffic"), selector_cell(model, group)),
        *why_lines(model, group),
        *router_lines(model, group),
        *alarm_lines(model, model.alarms_of(*subjects)),
        BLANK,
    ]
    ends = end_states(model, group)
    heard = [end for _site, end in ends if end]
    speaks = [(_("far end"), _far_end), (_("command"), _standing)]
    lines.append(Line(tuple(Cell(site_name(site, model), "strong") for site, _end in ends), _("End"), columns=True))
    lines += [] if not heard else _side_by_side(ends, [
        (_("heard"), lambda end: _fresh(model, end)),
        (_("selector"), lambda end: Cell(word(PATH_NAME, end["selector"]))),
        (_("state"), lambda end: Cell(word(PROTECTION_STATE, end["state"]))),
        (_("request"), lambda end: Cell(end["request"])),
        *(speaks if any("aps" in end for end in heard) else []),
        (_("switches"), lambda end: Cell(str(end["switch_count"]))),
        (_("last"), _last_switch),
    ])  # fmt: skip
    lines += defect_lines(model, ends)
    for path in ("working", "protection"):
        link = link_of(group, path)
        by = [Cell(f"  {group[path]}:", "strong")] if link != group[path] else []
        lines += [BLANK, heading(word(PATH_NAME, path), *by, Cell("  " + path_name(link, model)))]
        measured = any(end[path].get("quality") for end in heard)
        facts = (*PATH_FACTS, *QUALITY_FACTS) if measured else PATH_FACTS
        if heard:
            lines += _side_by_side(ends, [(name, _of_path(model, path, tell)) for name, tell in facts])
        if any(end.get("damping") for end in heard):
            lines += _side_by_side(ends, [(_("penalty"), _penalty(path))])
        lines += [*risk_lines(model, link), *traffic_lines(model, link)]
    timers = _("WTR {wtr:g} s, hold-off {hold_off} ms, {reverting}").format(
        wtr=group["wtr_ms"] / 1000,
        hold_off=group["hold_off_ms"],
        reverting=_("revertive") if group["revertive"] else _("non-revertive"),
    )
    return [*lines, BLANK, fact(_("Timers"), Cell(timers)), *timeline(model, f"group:{group['id']}")]


def _penalty(path: str) -> Callable[[View], Cell]:
    """Return what tells a path's penalty for flapping, and for how long it keeps traffic from returning."""

    def tell(end: View) -> Cell:
        damping = (end.get("damping") or {}).get(path)
        if not damping:
            return Cell("-", "muted")
        if until := damping.get("suppressed_until_ns"):
            template = _("{penalty}, suppressed for {left}").format(penalty=damping["penalty"], left="{left}")
            return Cell(Countdown(until, template), "warning")
        return Cell(str(damping["penalty"]))

    return tell


def _far_end(end: View) -> Cell:
    aps = end.get("aps") or {}
    if not aps.get("far_request"):
        return Cell(_("not heard"), "muted")
    return Cell(_("{request} on {path}").format(
        request=aps["far_request"], path=word(PATH_NAME, str(aps["far_selector"]))))  # fmt: skip


def _standing(end: View) -> Cell:
    names = [TITLES.get(name, name) for name in end.get("commands") or ()]
    return Cell(", ".join(names), "strong") if names else Cell("-", "muted")


def defect_lines(model: NetworkModel, ends: Sequence[tuple[str, View | None]]) -> list[Line]:
    """Return what is wrong between the ends, and what keeps an end from switching."""
    lines: list[Line] = []
    for site, end in ends:
        texts = [*((end or {}).get("aps") or {}).get("defects", {}).values(), (end or {}).get("trouble")]
        lines += [
            text(Cell(f"{site_name(site, model)}: "), Cell(told(trouble, model), "major"))
            for trouble in texts
            if trouble
        ]
    return lines


def timeline(model: NetworkModel, subject: str) -> list[Line]:
    """Return the latest events of an object, newest first, of those at hand."""
    events = list(islice((event for event in reversed(model.events) if event["subject"] == subject), TIMELINE))
    if not events:
        return []
    return [
        BLANK,
        heading(_("Timeline")),
        *(
            fact(clock_text(event["observed_at_ns"]), Cell(event_sentence(event, model), event_role(event)))
            for event in events
        ),
    ]


def _last_switch(end: View) -> Cell:
    at = end["last_switch_at_ns"]
    return Cell(Age(at, _("{age} ago")), sort=-at) if at else Cell("-", "muted")


def _fresh(model: NetworkModel, end: View) -> Cell:
    if model.stale or not end["fresh"]:
        return Cell(Age(end["heard_at_ns"], _("{age} ago")), "stale", "stale")
    return Cell(_("now"), "ok")


def _bfd(model: NetworkModel, path: View) -> Cell:
    role = {"Up": "ok", "Down": "critical"}.get(path["bfd"], "unknown")
    return state_cell(model, path["bfd"], role, {"Up": "ok", "Down": "down"}.get(path["bfd"], "unknown"))


def _carrier(model: NetworkModel, path: View) -> Cell:
    if path["carrier"] is None:
        return Cell(_("unknown"), "unknown")
    return state_cell(model, _("up"), "") if path["carrier"] else state_cell(model, _("lost"), "critical", "down")


def _timers(model: NetworkModel, path: View) -> Cell:  # noqa: ARG001 - every fact takes the model
    if path["interval_ms"] is None or path["detect_ms"] is None:
        return Cell(_("unknown"), "unknown")
    return Cell(_("{tx:g} ms, {detect:g} ms").format(tx=path["interval_ms"], detect=path["detect_ms"]))


def _signal(model: NetworkModel, path: View) -> Cell:
    if path["signal_fail"]:
        return state_cell(model, "SF", "critical", "down")
    if (path.get("quality") or {}).get("degraded"):
        return state_cell(model, "SD", "degraded", "degraded")
    return Cell("-")


def _figures(*names: str, unit: str) -> Callable[[NetworkModel, View], Cell]:
    """Return the teller of figures of a path's quality; one that is not measured or not known says so."""

    def tell(model: NetworkModel, path: View) -> Cell:
        quality = path.get("quality")
        if not quality:
            return Cell("-", "muted")
        values = [quality["figures"].get(name) for name in names]
        if not quality.get("measuring") or None in values:
            return Cell(_("not known"), "unknown")
        text = " / ".join(f"{value:.3g}" for value in values)
        return state_cell(model, f"{text} {unit}", "degraded" if quality["degraded"] else "")

    return tell


QUALITY_FACTS: Final[Sequence[tuple[str, Callable[[NetworkModel, View], Cell]]]] = (
    (_("loss out/in"), _figures("loss_forward_pct", "loss_backward_pct", unit="%")),
    (_("delay"), _figures("delay_ms", unit="ms")),
    (_("jitter o/i"), _figures("jitter_forward_ms", "jitter_backward_ms", unit="ms")),
)
"""Of a path whose quality is measured."""
PATH_FACTS: Final[Sequence[tuple[str, Callable[[NetworkModel, View], Cell]]]] = (
    ("BFD", _bfd),
    (
        _("signal"),
        _signal,
    ),
    (_("carrier"), _carrier),
    (_("diagnostic"), lambda _model, path: Cell(word(BFD_DIAGNOSTIC, path["diag"]))),
    (_("since"), lambda _model, path: Cell(Age(path["since_ns"], _("{age} ago")))),
    (_("tx, detect"), _timers),
)


def _of_path(model: NetworkModel, path: str, tell: Callable[[NetworkModel, View], Cell]) -> Callable[[View], Cell]:
    return lambda end: tell(model, end[path])


def _side_by_side(
    ends: Sequence[tuple[str, View | None]], facts: Sequence[tuple[str, Callable[[View], Cell]]]
) -> list[Line]:
    """Return a line per fact with a cell per end; an end that was never heard of says so."""
    unheard = Cell(_("not heard of yet"), "unknown")
    return [
        Line(tuple(unheard if end is None else _as_fresh(tell(end), end) for _site, end in ends), name, columns=True)
        for name, tell in facts
    ]


def _as_fresh(cell: Cell, end: View) -> Cell:
    """Return what an end has told; marked as old when it is not heard any more."""
    return cell if end["fresh"] else replace(cell, role="stale", symbol="stale" if cell.symbol else "")


def risk_lines(model: NetworkModel, link: str) -> list[Line]:
    """Return what may fail together with a link."""
    if link not in model.links:
        return []
    return [
        fact(_("shares"), Cell(srg, "strong"), Cell("  " + (", ".join(others) or _("with no other link")), "muted"))
        for srg, others in model.shares_risk_with(link).items()
    ]


def link_detail(model: NetworkModel, link: View) -> list[Line]:
    """Return a link: its ends, what continuity checks say, its groups and what shares its risk."""
    lines: list[Line] = [
        text(Cell(link["id"], "strong"), Cell("  "), link_state_cell(model, link)),
        fact(_("Media"), Cell(word(MEDIA, link["media"]))),
        fact(_("Groups"), Cell(", ".join(link["groups"]) or _("none: nothing protects this link"))),
        *risk_lines(model, link["id"]),
        *alarm_lines(model, model.alarms_of(f"link:{link['id']}")),
    ]
    for side in ("a", "b"):
        end = link[side]
        lines += [BLANK, heading(site_name(end["site"], model))]
        lines.append(fact(_("interface"), Cell(f"{end['interface']}  {end['address']}")))
        if path := link["ends"].get(end["site"]):
            lines += [fact(name, tell(model, path)) for name, tell in PATH_FACTS]
    return [*lines, *traffic_lines(model, link["id"])]


def event_detail(model: NetworkModel, event: View) -> list[Line]:
    """Return an event: the sentence, its envelope, and its body as it stands in the journal."""
    body = json.dumps(event["body"], ensure_ascii=False, indent=2)
    return [
        text(Cell(event_sentence(event, model), "strong")),
        BLANK,
        fact(_("Observed"), Cell(clock_text(event["observed_at_ns"], "%Y-%m-%d %H:%M:%S.%f %z"))),
        fact(_("Recorded"), Cell(clock_text(event["recorded_at_ns"], "%Y-%m-%d %H:%M:%S.%f %z"))),
        fact(_("Writer"), Cell(event["node"])),
        fact(_("Entry"), Cell(f"{event['boot_id']} {event['seq']}, {_('cursor')} {event['cursor']}")),
        fact(_("Subject"), Cell(event["subject"])),
        BLANK,
        *(text(Cell(line)) for line in body.splitlines()),
    ]
