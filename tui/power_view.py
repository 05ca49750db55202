"""Power as rows and details: what feeds a site, how long it lasts, what would happen.

No widget, no clock, no reckoning: everything shown was reckoned by the site's power daemon (`lifeline.power-state/1`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lifeline.i18n import _

from . import details
from .cells import Age, Cell, Line, Row
from .model import NetworkModel
from .sentences import site_name
from .words import word

Body = Mapping[str, Any]

_GAP: Final = Cell("  ")


def text(*cells: Cell) -> Line:
    """Return a line of texts, two spaces apart."""
    return details.text(*_apart(cells))


def fact(label: str, *cells: Cell) -> Line:
    """Return a line that begins with what it is about."""
    return details.fact(label, *_apart(cells))


def heading(title: str, *cells: Cell) -> Line:
    """Return a heading, and what belongs beside it."""
    return details.heading(title, *(it for cell in cells for it in (_GAP, cell)))


def _apart(cells: Sequence[Cell]) -> list[Cell]:
    return [it for cell in cells if cell.text for it in (_GAP, cell)][1:]


RUNS_ON: Final = {
    "utility": _("utility"), "generator": _("generator"), "battery": _("battery"), "unknown": _("unknown"),
}  # fmt: skip
VERDICT: Final = {
    "met": _("met"), "uncertain": _("uncertain"), "missed": _("missed"), "unknown": _("unknown"),
}  # fmt: skip
READY: Final = {"ready": _("ready"), "not-ready": _("not ready"), "unknown": _("unknown")}
_READY_ROLE: Final = {"ready": "ok", "not-ready": "critical", "unknown": "unknown"}
_VERDICT_ROLE: Final = {"met": "ok", "uncertain": "degraded", "missed": "critical", "unknown": "unknown"}
_VERDICT_RANK: Final = {"missed": 0, "unknown": 1, "uncertain": 2, "met": 3}
_SOURCE_ROLE: Final = {"utility": "ok", "generator": "degraded", "battery": "critical", "unknown": "unknown"}
_BAR = 24


def hours(value: float | None) -> str:
    """Return hours as people say them."""
    if value is None:
        return _("unknown")
    if value >= 24 * 365:
        return _("years")
    return f"{value * 60:.0f}min" if value < 2 else f"{value:.0f}h" if value >= 100 else f"{value:.1f}h"


def figure(body: Body, kind: str, redundancy: str = "n", load: str = "present") -> Mapping[str, Any]:
    """Return one figure of a live state."""
    wanted = (kind, redundancy, load)
    return next(it for it in body["figures"] if (it["kind"], it["redundancy"], it["load"]) == wanted)


def power_row(model: NetworkModel, view: Mapping[str, Any]) -> Row:
    """Return a site's row: what it runs on, how long it lasts with all parts and without one, against its target."""
    body, site = view["body"], str(view["site"])
    n, n_1 = figure(body, "system"), figure(body, "system", "n-1")
    verdict = str(n["verdict"]) if view["fresh"] and not model.stale else "unknown"
    on = str(body["runs_on"]) if view["fresh"] and not model.stale else "unknown"
    name = site_name(site, model)
    return Row(
        key=str(view["subject"]),
        cells=(
            Cell(word(VERDICT, verdict), _VERDICT_ROLE[verdict], _VERDICT_ROLE[verdict], _VERDICT_RANK[verdict]),
            Cell(name),
            Cell(word(RUNS_ON, on), _SOURCE_ROLE[on]),
            Cell(hours(n["h"]), sort=n["h"]),
            Cell(hours(n["low_h"]), "muted", sort=n["low_h"]),
            Cell(hours(n_1["h"]), sort=n_1["h"]),
            Cell(hours(body["target_h"]), "muted", sort=body["target_h"]),
            Cell(Age(view["heard_at_ns"]), "muted", sort=-view["heard_at_ns"]),
        ),
        rank=(_VERDICT_RANK[verdict], n["h"] or 0.0, name),
        haystack=site,
    )


def power_detail(model: NetworkModel, view: Mapping[str, Any]) -> list[Line]:
    """Return a site's detail: figures, plant, discharge, shedding, what if."""
    body = view["body"]
    lines = [heading(site_name(str(view["site"]), model), Cell(word(RUNS_ON, str(body["runs_on"])), "muted"))]
    if not view["fresh"]:
        lines.append(text(Cell(_("Not heard of for {age}: nothing below is known to hold.").format(age=""), "unknown"),
                          Cell(Age(view["heard_at_ns"]), "unknown")))  # fmt: skip
    return [
        *lines,
        *_ready(body),
        *_figures(body),
        *_plant(body),
        *_discharge(body),
        *_batteries(body),
        *_shed(body),
        *_what_if(body),
        text(),
        text(Cell(str(figure(body, "system")["sentence"]), "muted")),
    ]


def _ready(body: Body) -> Iterator[Line]:
    """Tell whether the plant is ready, and what stands against it."""
    verdict = str(body["ready"]["verdict"])
    yield fact(_("Ready"), Cell(word(READY, verdict), _READY_ROLE[verdict]))
    for sentence in body["ready"]["because"]:
        yield text(Cell(f"  {sentence}", "muted"))


def _figures(body: Body) -> Iterator[Line]:
    yield text()
    yield heading(_("How long it lasts"), Cell(_("target {h}").format(h=hours(body["target_h"])), "muted"))
    titles = {"battery": _("Batteries"), "fuel": _("Fuel"), "system": _("Site")}
    for kind, title in titles.items():
        n, n_1 = figure(body, kind), figure(body, kind, "n-1")
        role = _VERDICT_ROLE[n["verdict"]] if kind == "system" else ""
        yield fact(title, Cell(hours(n["h"]), role), Cell(_span(n), "muted"))
        yield fact(_("without one"), Cell(hours(n_1["h"])), Cell(str(n_1["worst"] or ""), "muted"))
    if (chance := body["probability"]) is not None:
        yield fact(
            _("Chance"), Cell(f"{chance['mid']:.1%}"), Cell(f"{chance['low']:.1%} - {chance['high']:.1%}", "muted")
        )


def _span(it: Mapping[str, Any]) -> str:
    return "" if it["low_h"] is None else f"{hours(it['low_h'])} - {hours(it['high_h'])}"


def _plant(body: Body) -> Iterator[Line]:
    """Draw the plant from its units down to its sources; what several are fed from is drawn once."""
    yield text()
    yield heading(_("Plant"))
    parts = {it["part"]: it for it in body["parts"]}
    fed_from: Mapping[str, Sequence[str]] = body["graph"]["fed_from"]
    drawn: set[str] = set()

    def draw(name: str, depth: int) -> Iterator[Line]:
        again = name in drawn and bool(fed_from.get(name))
        drawn.add(name)
        lead = "  " * depth + ("<- " if depth else "")
        yield text(Cell(f"{lead}{name}"), *_part(parts.get(name)), *([Cell("...", "muted")] if again else []))
        for source in () if again else fed_from.get(name, ()):
            yield from draw(source, depth + 1)

    for load in body["graph"]["loads"]:
        yield text(
            Cell(f"{load['name']} {load['kw']:g} kW"), Cell(_("priority {n}").format(n=load["priority"]), "muted")
        )
        for source in load["inputs"]:
            yield from draw(source, 1)


def _part(part: Mapping[str, Any] | None) -> Iterator[Cell]:
    if part is None:
        return
    if not part["fresh"]:
        yield Cell(
            _("not heard") if part["error"] or part["age_s"] else _("not asked"),
            "unknown" if part["error"] else "muted",
        )
        return
    values = part["values"]
    yield Cell(str(part["state"] or _("unknown")), "" if part["state"] else "unknown")
    for key, template in (("battery.charge", "{n:.0f} %"), ("fuel.level", "{n:.0f} %"), ("ups.load", "{n:.0f} %")):
        if key in values:
            yield Cell({"battery.charge": _("charge"), "fuel.level": _("fuel"), "ups.load": _("load")}[key] + " "
                       + template.format(n=values[key]), "muted")  # fmt: skip
    if "output.realpower" in values:
        yield Cell(f"{values['output.realpower'] / 1000:.1f} kW", "muted")


def _discharge(body: Body) -> Iterator[Line]:
    """Draw how the batteries would go if all utility were lost now."""
    outage = body["outage"]
    yield text()
    yield heading(_("If all utility were lost now"))
    if outage is None:
        yield text(Cell(_("unknown"), "unknown"))
        return
    for at_h, charge in outage["charge"]:
        bar = "#" * round(_BAR * charge)
        yield text(Cell(f"{hours(at_h):>7}"), Cell(f"{bar:<{_BAR}}", "muted"), Cell(f"{100 * charge:.0f} %"))
    dark = outage["dark_h"]
    yield fact(_("Dark"), Cell(_("never") if dark is None else _("after {h}").format(h=hours(dark)),
                               "ok" if dark is None else ""))  # fmt: skip


def _batteries(body: Body) -> Iterator[Line]:
    """Show what each battery holds by its age and by experience, and how a unit's last discharge went."""
    if not body["batteries"]:
        return
    yield text()
    yield heading(_("What batteries hold"))
    for it in body["batteries"]:
        age, learned = it["by_age"], it["learned"]
        shown = _("never discharged") if learned is None else _("by experience {n:.0%}").format(n=learned["share"])
        yield fact(str(it["part"]), Cell(_("by age {n:.0%}").format(n=age["mid"])), Cell(shown, "muted"))
    for unit, it in body["discharges"].items():
        head = _("Last battery test of {unit}") if it["test"] else _("Last discharge of {unit}")
        at_h, charge, model = it["points"][-1]
        ended = _("after {h}: {charge:.0%}, by the model {model:.0%}").format(h=hours(at_h), charge=charge, model=model)
        yield fact(head.format(unit=unit), Cell(ended))


def _shed(body: Body) -> Iterator[Line]:
    steps = body["shed"]
    yield text()
    yield heading(_("To shed, in this order"))
    if len(steps) == 1:
        met = steps[0]["verdict"] == "met"
        yield text(Cell(_("nothing: the target is met") if met else _("nothing can be shed"), "muted"))
    for it in steps[1:]:
        verdict = str(it["verdict"])
        yield fact(str(it["load"]), Cell(f"{it['kw']:g} kW"), Cell(_("then {h}").format(h=hours(it["h"]))),
                   Cell(word(VERDICT, verdict), _VERDICT_ROLE[verdict]))  # fmt: skip


def _what_if(body: Body) -> Iterator[Line]:
    yield text()
    yield heading(_("What if utility were lost, and also"))
    for it in body["whatif"]:
        known = it["h"] is not None
        dark = _("dark after {h}").format(h=hours(it["h"])) if known else _("unknown")
        span = f"{hours(it['low_h'])} - {hours(it['high_h'])}" if known else ""
        yield fact(str(it["lose"]), Cell(dark, "" if known else "unknown"), Cell(span, "muted"))
