"""Rows and details of alarms: roots with what follows from them, folded. No widget, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from lifeline.i18n import _

from .cells import Age, Cell, Countdown, Line, Row
from .details import BLANK, fact, heading, text
from .model import NetworkModel, severity_rank
from .rows import clock_text
from .sentences import alarm_sentence, site_name, told
from .shapes import View
from .words import SEVERITY, word

SHOWN: Final = 20
"""Consequences that a detail lists; it counts the others."""
KIND: Final = {
    "site": _("site"), "link": _("link"), "group": _("group"), "device": _("device"), "power": _("power"),
    "time": _("time"), "daemon": _("program"), "srg": _("duct"), "traffic": _("traffic"),
}  # fmt: skip


def symbol_of(severity: str) -> str:
    """Return the symbol that goes with a severity."""
    return {"critical": "critical", "indeterminate": "unknown"}.get(severity, "degraded")


def is_folded(model: NetworkModel, alarm: View) -> bool:
    """Tell whether an alarm follows from another one that stands."""
    root = alarm.get("root")
    return root not in (None, alarm["id"]) and root in model.alarms


def is_quiet(alarm: View) -> bool:
    """Tell whether nobody need look at an alarm: it is shelved, or worked on."""
    return bool(alarm.get("shelved_until_ns") or alarm.get("maintenance"))


def alarm_row(model: NetworkModel, alarm: View) -> Row:
    """Return an alarm's row: severity, on what, what, what follows, seen by, for how long; below its root if folded."""
    folded = is_folded(model, alarm)
    root = model.alarms[alarm["root"]] if folded else alarm
    severity = str(alarm["perceived_severity"])
    kind, _colon, name = str(alarm["resource"]).partition(":")
    follow = len(alarm.get("consequences", ()))
    quiet = is_quiet(alarm)
    return Row(
        key=alarm["id"],
        cells=(
            Cell(
                word(SEVERITY, severity),
                "muted" if quiet else severity,
                symbol_of(severity),
                sort=-severity_rank(severity),
            ),
            Cell(word(KIND, kind), "muted"),
            Cell(("  " if folded else "") + (site_name(name, model) if kind == "site" else name)),
            Cell(alarm_sentence(alarm, model), "muted" if folded or quiet else ""),
            Cell(f"+{follow}" if follow else "", "strong", sort=-follow),
            seen_cell(alarm),
            Cell(Age(alarm["raised_at_ns"]), "muted", sort=-alarm["raised_at_ns"]),
        ),
        rank=(*_rank(root), folded, -severity_rank(severity), alarm["id"]),
        haystack=" ".join((alarm["id"], str(alarm.get("why", "")), *sorted(model.sites_of(alarm["resource"])))),
    )


def _rank(root: View) -> tuple[float | str, ...]:
    """Order roots: what is quiet below, then the worst, then what nobody has seen, then the latest."""
    seen = bool(root.get("acknowledged_by"))
    severity = severity_rank(root["perceived_severity"])
    return is_quiet(root), -severity, seen, -float(root["raised_at_ns"]), root["id"]


def seen_cell(alarm: View) -> Cell:
    """Return what somebody has made of an alarm."""
    if until_ns := alarm.get("shelved_until_ns"):
        return Cell(Countdown(until_ns, _("shelved {left}")), "muted", sort=2)
    if alarm.get("maintenance"):
        return Cell(_("maintenance"), "muted", sort=3)
    if who := alarm.get("acknowledged_by"):
        return Cell(str(who), "muted", sort=1)
    return Cell(_("nobody"), "strong", sort=0)


def alarm_detail(model: NetworkModel, alarm: View) -> list[Line]:
    """Return an alarm: what it says, why, the tree of its causes and consequences, what people did about it."""
    severity = str(alarm["perceived_severity"])
    lines: list[Line] = [
        text(Cell(alarm_sentence(alarm, model), "strong")),
        fact(_("Severity"), Cell(word(SEVERITY, severity), severity, symbol_of(severity))),
        fact(_("Since"), Cell(clock_text(alarm["raised_at_ns"])), Cell(Age(alarm["raised_at_ns"], "  {age}"), "muted")),
        fact(_("Seen by"), seen_cell(alarm)),
        fact(_("Reported by"), Cell(", ".join(alarm.get("reporters", ())))),
        fact(_("Alarm"), Cell(alarm["id"], "muted")),
        BLANK,
        heading(_("Why")),
        text(Cell(told(str(alarm.get("why", "")), model))),
        *_tree(model, alarm),
    ]
    below = [model.alarms[name] for name in alarm.get("consequences", ()) if name in model.alarms]
    if below:
        lines += [BLANK, heading(_("Consequences"), Cell(f"  {len(below)}", "muted"))]
        lines += [_leaf(model, it, 0) for it in islice(below, SHOWN)]
        if len(below) > SHOWN:
            lines.append(text(Cell(_("and {n} more; `x` lists them").format(n=len(below) - SHOWN), "muted")))
    for note in reversed(alarm.get("notes", ())):
        lines += [BLANK, fact(_("Note"), Cell(note["text"])), text(Cell(_told_by(note), "muted"))]
    return lines


def _tree(model: NetworkModel, alarm: View) -> Iterable[Line]:
    """Yield the causes of an alarm, those of each below it, the root marked."""
    if not is_folded(model, alarm):
        return
    yield BLANK
    yield heading(_("Causes"))
    seen = {alarm["id"]}
    waiting = [(name, 0) for name in reversed(alarm.get("parents", ()))]
    while waiting:
        name, depth = waiting.pop()
        cause = model.alarms.get(name)
        if cause is None or name in seen:
            continue
        seen.add(name)
        yield _leaf(model, cause, depth)
        waiting += [(above, depth + 1) for above in reversed(cause.get("parents", ()))]


def _leaf(model: NetworkModel, alarm: View, depth: int) -> Line:
    severity = str(alarm["perceived_severity"])
    root = [Cell("  " + _("root"), "strong")] if depth and alarm.get("root") == alarm["id"] else []
    return text(
        Cell("  " * depth + word(SEVERITY, severity), severity), Cell("  "), Cell(alarm_sentence(alarm, model)), *root
    )


def _told_by(note: View) -> str:
    return _("by {who} at {at}").format(who=note["by"], at=clock_text(note["at_ns"]))
