"""Devices as rows and details: whether they answer, what is wrong, what they measure and how that went of late.

No widget, no clock, no judgement: what is shown was judged by netwatch (`lifeline.device-state/1`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from lifeline.i18n import _

from .cells import Age, Cell, Line, Row
from .details import BLANK, alarm_lines, fact, heading, text
from .model import NetworkModel
from .rows import state_cell
from .sentences import told
from .shapes import View
from .sparks import spark
from .words import word

PREFIX: Final = "device:"
ROW_SPARK, DETAIL_SPARK = 12, 24
"""Cells of a plot: in a row, in a detail."""
CHARTED: Final = 12
"""Readings of a device whose history is asked for."""
KIND: Final = {
    "router": _("router"), "switch": _("Ethernet switch"), "server": _("server"), "radio-controller": _("controller"),
    "base-station": _("base station"), "satellite-modem": _("modem"), "microwave-radio": _("microwave"),
    "ups": "UPS", "generator": _("generator"), "rectifier": _("rectifier"), "transfer-switch": _("transfer switch"),
    "gnss-clock": _("clock"), "sensor": _("sensors"),
}  # fmt: skip
REACH: Final = {
    "up": _("answers"), "soft-down": _("in doubt"), "soft-up": _("in doubt"), "down": _("silent"),
    "unknown": _("unknown"),
}  # fmt: skip
HEALTH_WORD: Final = {
    "ok": _("ok"), "warning": _("warning"), "minor": _("minor"), "major": _("major"), "critical": _("critical"),
    "unknown": _("unknown"),
}  # fmt: skip
_REACH: Final = {
    "up": ("ok", "ok", 4), "soft-down": ("warning", "degraded", 2), "soft-up": ("warning", "degraded", 3),
    "down": ("critical", "critical", 0),
}  # fmt: skip
_HEALTH_RANK: Final = {"critical": 0, "major": 1, "unknown": 2, "minor": 3, "warning": 4, "ok": 5}
_SYMBOL: Final = {"ok": "ok", "critical": "critical", "unknown": "unknown"}
_FIRST: Final = (
    "env.temperature", "env.", "lmr.tx", "lmr.channels_f", "radio.", "battery.", "device.temperature", "device.cpu",
    "if.in_octets",
)  # fmt: skip
"""Readings by the beginnings of their names that tell most of a device, the most telling first."""

Past = Callable[[str, str], Sequence[float | None]]
"""Returns what is known of a metric of a subject, oldest first."""


def devices_at(model: NetworkModel, site: str) -> list[View]:
    """Return what is shown of the devices at a site, the worst first."""
    found = [view for subject, view in model.live.items() if subject.startswith(f"{PREFIX}{site}/")]
    return sorted(found, key=lambda view: (_badness(model, view), str(view["subject"])))


def charted(view: View) -> list[tuple[str, str]]:
    """Return the series of a device worth a plot, as subject and metric, the most telling first; counters as rates."""
    readings = [it for it in view["body"].get("readings", ()) if str(it.get("metric")) != "system.uptime_s"]
    readings.sort(key=lambda it: _telling(str(it.get("metric"))))
    return [(str(view["subject"]), _series(it)) for it in readings[:CHARTED]]


def device_row(model: NetworkModel, view: View, past: Past) -> Row:
    """Return a device's row: answers, device, kind, what is wrong, the most telling reading and how it went, heard."""
    body = view["body"]
    subject, name = str(view["subject"]), str(view["subject"]).partition("/")[2]
    wrong = _wrong(model, view)
    series = charted(view)[:1]
    reading = next((it for it in body.get("readings", ()) if series and _series(it) == series[0][1]), None)
    return Row(
        key=subject,
        cells=(
            reach_cell(model, view),
            Cell(name),
            Cell(word(KIND, str(body.get("kind", ""))), "muted"),
            wrong,
            Cell("" if reading is None else _value(reading), sort=None if reading is None else reading.get("value")),
            Cell(spark(past(*series[0]), ROW_SPARK) if series else "", "switched"),
            Cell(Age(view["heard_at_ns"]), "muted", sort=-view["heard_at_ns"]),
        ),
        rank=(_badness(model, view), name),
        haystack=f"{subject} {body.get('address', '')} {body.get('model', '')}",
    )


def device_detail(model: NetworkModel, view: View, past: Past) -> list[Line]:
    """Return a device: whether it answers, its alarms, its states and its readings with what they were."""
    body = view["body"]
    lines = [
        text(Cell(str(view["subject"]).partition(":")[2], "strong"), Cell("  "), reach_cell(model, view)),
        fact(_("Kind"), Cell(word(KIND, str(body.get("kind", "")))), Cell(f"  {_make(body)}", "muted")),
        fact(_("Address"), Cell(str(body.get("address", "")))),
        fact(_("Profile"), Cell(str(body.get("profile") or "-"), "muted")),
        fact(_("Told by"), Cell(str(view["node"])), Cell(Age(view["heard_at_ns"], _("  {age} ago")), "muted")),
    ]
    if body.get("why"):
        lines.append(fact(_("Why"), Cell(told(str(body["why"]), model), "critical")))
    if body.get("flapping"):
        lines.append(fact(_("Why"), Cell(_("it comes and goes: it counts as down until it has kept still"), "warning")))
    return [
        *lines,
        *alarm_lines(model, model.alarms_of(str(view["subject"]))),
        *_states(model, view),
        *_readings(model, view, past),
    ]


def device_lines(model: NetworkModel, site: str) -> list[Line]:
    """Return a site's devices in brief, for the site's detail."""
    views = devices_at(model, site)
    if not views:
        return []
    names = [text(
        reach_cell(model, view), Cell(f"  {str(view['subject']).partition('/')[2]}  "), _wrong(model, view)
    ) for view in views]  # fmt: skip
    return [BLANK, heading(_("Devices"), Cell("  " + _("`d` shows them"), "muted")), *names]


def reach_cell(model: NetworkModel, view: View) -> Cell:
    """Return whether a device answers; what is not heard of any more is unknown."""
    reach = _reach(model, view)
    role, symbol, rank = _REACH.get(reach, ("unknown", "unknown", 1))
    return state_cell(model, word(REACH, reach), role, symbol, rank)


def _reach(model: NetworkModel, view: View) -> str:
    return str(view["body"].get("reach", "unknown")) if view["fresh"] and not model.stale else "unknown"


def _worst(model: NetworkModel, view: View) -> str:
    healths = [str(it.get("health")) for it in view["body"].get("states", ())]
    if not view["fresh"] or model.stale:
        return "unknown"
    told_of = [it for it in healths if it != "unknown"]  # of what a device calls unknown it has much
    return min(told_of, key=lambda it: _HEALTH_RANK.get(it, 2), default="ok")


def _badness(model: NetworkModel, view: View) -> int:
    reach = _REACH.get(_reach(model, view), ("", "", 1))[2]
    alarms = model.alarms_of(str(view["subject"]))
    worst = min((_HEALTH_RANK.get(str(it["perceived_severity"]), 2) for it in alarms), default=5)
    return 10 * reach + min(worst, _HEALTH_RANK.get(_worst(model, view), 2))


def _wrong(model: NetworkModel, view: View) -> Cell:
    """Return why a device does not answer, or its worst states."""
    body = view["body"]
    if not view["fresh"]:
        return Cell(_("not told of any more"), "unknown")
    if body.get("why"):
        return Cell(told(str(body["why"]), model), "critical", sort=0)
    bad = [it for it in body.get("states", ()) if it.get("health") not in ("ok", "unknown")]
    if alarms := model.alarms_of(str(view["subject"])):
        severity = str(alarms[0]["perceived_severity"])
        more = f" +{len(alarms) - 1}" if len(alarms) > 1 else ""
        return Cell(told(str(alarms[0]["text"]), model) + more, severity, sort=1)
    if not bad:
        return Cell("", sort=9)
    return Cell(", ".join(f"{it['name']}: {it['word']}" for it in bad[:2]), str(bad[0]["health"]), sort=2)


def _states(model: NetworkModel, view: View) -> Iterator[Line]:
    states = view["body"].get("states", ())
    if not states:
        return
    yield BLANK
    yield heading(_("States"))
    for it in states:
        health = str(it.get("health", "unknown"))
        role = "unknown" if health not in HEALTH_WORD else health
        yield Line((state_cell(model, str(it.get("word")), role, _SYMBOL.get(role, "degraded")),), str(it.get("name")))


def _readings(model: NetworkModel, view: View, past: Past) -> Iterator[Line]:
    readings = view["body"].get("readings", ())
    if not readings:
        return
    plotted = set(charted(view))
    yield BLANK
    yield heading(_("Readings"), Cell("  " + _("two hours"), "muted"))
    for it in readings:
        key = str(view["subject"]), _series(it)
        values = past(*key) if key in plotted else ()
        quality = str(it.get("quality", ""))
        good = quality == "good" and not model.stale and view["fresh"]
        yield Line((
            Cell(_value(it), "" if good else "unknown", "" if good else "unknown"),
            Cell(f"  {spark(values, DETAIL_SPARK)}" if values else "", "switched"),
            Cell(_range(values), "muted"),
        ), str(it.get("metric")))  # fmt: skip
    if untold := view["body"].get("untold"):
        yield text(Cell(_("and {n} more values that are not shown").format(n=untold), "muted"))


def _value(reading: Mapping[str, Any]) -> str:
    """Return a reading with its unit; of a counter its rate."""
    unit = reading.get("unit", "")
    unit = "" if unit == "1" else unit  # UCUM's word for a bare number
    if "per_s" in reading:
        return f"{_short(reading['per_s'])} {unit}/s"
    return f"{_short(reading.get('value'))} {unit}".rstrip()


def _short(value: Any) -> str:
    if not isinstance(value, int | float):
        return "-"
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            divisor = 1e3 if suffix == "k" else limit
            return f"{value / divisor:.1f}{suffix}"
    return f"{value:.4g}"


def _range(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"  {_short(min(known))} - {_short(max(known))}" if known and min(known) != max(known) else ""


def _series(reading: Mapping[str, Any]) -> str:
    return f"{reading.get('metric')}/s" if "per_s" in reading else str(reading.get("metric"))


def _telling(metric: str) -> tuple[int, str]:
    return next((n for n, start in enumerate(_FIRST) if metric.startswith(start)), len(_FIRST)), metric


def _make(body: Mapping[str, Any]) -> str:
    return " ".join(str(body[key]) for key in ("vendor", "model") if body.get(key))
