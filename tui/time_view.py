"""Time as rows and details: sources side by side, C/N0, reasons, the budget, the latest decisions.

No widget, no clock, no judgement: everything shown was judged by the site's time daemon (`lifeline.time-state/1`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from lifeline.i18n import _

from .cells import Age, Cell, Line, Row
from .model import NetworkModel
from .power_view import fact, heading, hours, text
from .sentences import site_name
from .words import word

Body = Mapping[str, Any]

STATE: Final = {
    "locked": _("locked"), "acquiring": _("acquiring"), "holdover-in-spec": _("holdover"),
    "holdover-out-of-spec": _("lost"), "free-run": _("free-run"), "unknown": _("unknown"),
}  # fmt: skip
REASON: Final = {
    "excluded": _("excluded"), "unwatched": _("unwatched"), "silent": _("silent"), "failed": _("failed"),
    "no-fix": _("no fix"), "frozen": _("frozen"), "foreign": _("other constellation"), "jammed": _("jammed"),
    "spoofed": _("spoofed"), "meaconed": _("meaconed"), "moved": _("moved"), "week": _("wrong week"),
    "leap": _("wrong leap second"), "step": _("step"), "ramp": _("ramp"), "diverged": _("unresolved"),
    "qualifying": _("qualifying"), "coarse": _("witness"), "not-chosen": _("not chosen"),
}  # fmt: skip
_ROLE: Final = {"locked": "ok", "acquiring": "degraded", "holdover-in-spec": "degraded", "unknown": "unknown",
                "holdover-out-of-spec": "critical", "free-run": "critical"}  # fmt: skip
_RANK: Final = {
    "holdover-out-of-spec": 0,
    "free-run": 1,
    "unknown": 2,
    "holdover-in-spec": 3,
    "acquiring": 4,
    "locked": 5,
}
_MILD: Final = frozenset({"coarse", "qualifying", "not-chosen"})
_DECISIONS = 8
_SHOWN = 10


def ns(value: float | None) -> str:
    """Return nanoseconds as people say them."""
    if value is None:
        return _("unknown")
    for size, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.0f} ns"


def time_row(model: NetworkModel, view: Mapping[str, Any]) -> Row:
    """Return a site's row: its clock's state, what is selected, how well its time is known, how long it lasts alone."""
    body, site = view["body"], str(view["site"])
    state = str(body["state"]) if view["fresh"] and not model.stale else "unknown"
    role = "degraded" if state == "locked" and not (body["corroborated"] and body["serve"]) else _ROLE[state]
    left_s, name = body["budget_s"]["low"] or 0, site_name(site, model)
    return Row(
        key=str(view["subject"]),
        cells=(
            Cell(word(STATE, state), role, role, _RANK[state]),
            Cell(name),
            Cell(", ".join(body["selected"]) or _("none")),
            Cell(ns(body["bound_ns"]), sort=body["bound_ns"]),
            Cell(ns(body["limit_ns"]), "muted", sort=body["limit_ns"]),
            Cell(hours(left_s / 3600), sort=left_s),
            Cell(Age(view["heard_at_ns"]), "muted", sort=-view["heard_at_ns"]),
        ),
        rank=(_RANK[state], left_s, name),
        haystack=site,
    )


def time_detail(model: NetworkModel, view: Mapping[str, Any]) -> list[Line]:
    """Return a site's detail: clock, budget, sources, chronyd, clients, decisions."""
    body = view["body"]
    state = str(body["state"])
    lines = [heading(site_name(str(view["site"]), model), Cell(word(STATE, state), _ROLE[state]))]
    if not view["fresh"]:
        lines.append(text(Cell(_("Not heard of for {age}: nothing below is known to hold.").format(age=""), "unknown"),
                          Cell(Age(view["heard_at_ns"]), "unknown")))  # fmt: skip
    return [*lines, *_clock(body), *_sources(body), *_chrony(body), *_clients(body), *_decisions(body)]


def _clock(body: Body) -> Iterator[Line]:
    left = body["budget_s"]
    yield fact(_("Served"), Cell(_("yes"), "ok") if body["serve"] else Cell(_("no"), "critical"))
    yield fact(_("Sound to"), Cell(ns(body["bound_ns"])),
               _limits(body))  # fmt: skip
    yield fact(_("Lasts alone"), Cell(hours((left["low"] or 0) / 3600)),
               Cell(_("to {h}").format(h=hours((left["high"] or 0) / 3600)), "muted"))  # fmt: skip
    if body["unresolved"]:
        yield text(Cell(_("{sources} disagree, and nothing tells which is wrong.").format(
            sources=", ".join(body["unresolved"])), "critical"))  # fmt: skip
    elif body["selected"] and not body["corroborated"]:
        yield text(Cell(_("Nothing would show if the one source were wrong."), "degraded"))


def _limits(it: Body) -> Cell:
    """Return what is allowed, and what could be seen at all."""
    limits = _("limit {limit}, floor {floor}").format(limit=ns(it["limit_ns"]), floor=ns(it["floor_ns"]))
    return Cell(limits, "muted")


def _sources(body: Body) -> Iterator[Line]:
    yield text()
    yield heading(_("Sources"))
    for it in body["sources"]:
        reason = it["reason"]
        role = "ok" if reason is None else "degraded" if reason in _MILD else "critical"
        shown = _("selected") if reason is None else word(REASON, reason)
        used = "" if it["used"] is None else _("{n} satellites").format(n=it["used"])
        yield fact(str(it["source"]), Cell(shown, role), Cell(ns(it["offset_ns"])), Cell(used, "muted"))
        if bars := _strengths(it["satellites"] or ()):
            yield fact("  C/N0", Cell(bars), Cell(_flags(it), "muted"))
        if reason is not None and it["evidence"]:
            yield text(Cell(f"  {it['evidence'][0]['text']}", "muted"))
        if it["qualifies_in_s"] is not None:
            yield text(Cell("  " + _("qualifies in {n:.0f} s").format(n=it["qualifies_in_s"]), "muted"))
        if it["trouble"]:
            yield text(Cell(f"  {it['trouble']}", "degraded"))


def _strengths(satellites: Any) -> str:
    """Return each satellite's C/N0, the strongest first; bars of block elements take two cells in some terminals."""
    heard = sorted((float(it[2]) for it in satellites if it[2]), reverse=True)
    return " ".join(f"{it:.0f}" for it in heard[:_SHOWN])


def _flags(it: Mapping[str, Any]) -> str:
    told = {"none": _("none"), "mitigated": _("mitigated"), "indicated": _("indicated"), "raised": _("raised")}
    jamming, spoofing = (told.get(str(it[key]), _("unknown")) for key in ("jamming", "spoofing"))
    return _("jamming {jamming}, spoofing {spoofing}").format(jamming=jamming, spoofing=spoofing)


def _chrony(body: Body) -> Iterator[Line]:
    gate = body["gate"]
    if gate["trouble"] is None:
        return
    yield text()
    yield heading("chrony")
    if gate["trouble"]:
        yield text(Cell(str(gate["trouble"]), "degraded"))
    tracking = gate["tracking"]
    if tracking is not None:
        follows = str(tracking["reference"]) if tracking["synchronised"] else _("not synchronised")
        yield fact(_("Follows"), Cell(follows), Cell(_("withdrawn") if gate["withdrawn"] else "", "critical"))


def _clients(body: Body) -> Iterator[Line]:
    if not body["clients"]:
        return
    yield text()
    yield heading(_("Clients"))
    for it in body["clients"]:
        role = {True: "critical", False: "ok", None: "unknown"}[it["off"]]
        name = it["device"] if it["site"] == body["site"] else f"{it['site']}/{it['device']}"
        yield fact(str(name), Cell(ns(it["offset_ns"]), role),
                   _limits(it))  # fmt: skip


def _decisions(body: Body) -> Iterator[Line]:
    yield text()
    yield heading(_("Decisions"))
    words = {**REASON, **STATE, "selected": _("selected")}
    for it in body["history"][:_DECISIONS]:
        at = datetime.fromtimestamp(it["at_ns"] / 1e9).astimezone().strftime("%H:%M:%S")
        yield text(Cell(at, "muted"), Cell(str(it["source"] or _("clock"))),
                   Cell(f"{word(words, it['before'])} > {word(words, it['after'])}"))  # fmt: skip
