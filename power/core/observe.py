"""What the devices of a plant say, as the plant's parts: readings with their ages, states as words, what is not there.

Whatever is stale, missing or contradicts itself stays unknown. A UPS that is off or on bypass does not back the load:
it is lost for the figures, whatever charge it tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from lifeline.devices import Decoded
from lifeline.i18n import _
from lifeline.model.power import PowerPlant
from lifeline.model.records import Quality

from .network import Network
from .situation import Known, Origin, Situation

STALE_POLLS = 3
"""What is older than so many polls is stale."""
_BYPASSED = frozenset({"bypass", "emergency-bypass", "off", "sleeping"})
_FAILED_ENGINE = frozenset({"failed", "locked"})
_NOT_AUTOMATIC = frozenset({"off", "stop", "blocked", "manual"})
_RUNNING = frozenset({"running", "loaded", "warming", "cooling"})
_BY_PHASE = frozenset({"output.realpower", "output.apparentpower", "genset.realpower", "genset.apparentpower"})
_LEAST = frozenset({"battery.charge", "battery.runtime_s"})
_NEEDED = frozenset(
    {"battery.charge", "battery.temperature", "output.realpower", "ups.load", "dc.voltage", "dc.load_current",
     "dc.load_power", "fuel.level", "fuel.volume", "genset.realpower"}
)  # fmt: skip
_FED = frozenset(
    {
        "online",
        "eco",
        "boost",
        "trim",
        "bypass",
        "test",
        "ok",
        "float",
        "equalise",
        "normal",
        "charging",
        "charged",
        "floating",
    }
)
_DEAD = {"feeds": frozenset({"failed", "bad"}), "generators": frozenset({"stopped", "failed", "locked"})}
_LEAST_VOLTAGE = 0.8
"""Share of the nominal voltage from which on a supply lives."""
_MOST_RUNTIME_S = 7 * 86_400
_LOADED_W = 100.0
"""More than this is load, less is what meters show of none; a load in per cent counts from 10."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a part's device said last."""

    decoded: Decoded
    at_s: float
    """Monotonic time of the answer."""


@dataclass(frozen=True, slots=True)
class PartView:
    """A part of the plant as its device shows it; None is unknown."""

    part: str
    section: str
    state: str | None
    """ups: online, on-battery, bypass ...; generators: stopped, running ...; switches: a, b ...; feeds: ok, failed."""
    age_s: float | None
    """None: never heard."""
    fresh: bool
    values: Mapping[str, float]
    """Good values by the vocabulary's names."""
    states: Mapping[str, str]
    """Every state that the device tells."""
    doubts: tuple[str, ...] = ()
    """What cannot be right, and is not used."""
    problems: tuple[str, ...] = ()
    """What of the answer could not be read, and why."""

    def to_json(self) -> dict[str, Any]:
        """Return the view for the live state."""
        return {
            "part": self.part, "section": self.section, "state": self.state,
            "age_s": None if self.age_s is None else round(self.age_s, 1), "fresh": self.fresh,
            "values": dict(self.values), "states": dict(self.states), "doubts": list(self.doubts),
            "problems": list(self.problems),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Observed:
    """A plant as its devices show it."""

    views: Mapping[str, PartView]
    situation: Situation
    runs_on: str
    """`utility`, `generator`, `battery` or `unknown`."""


_STATE_OF = {
    "ups": ("ups.source",),
    "dc_plants": ("dc.mode",),
    "generators": ("genset.state",),
    "switches": ("ats.source",),
    "feeds": ("mains.status", "ats.source_status", "input.status"),
    "tanks": ("fuel.pump",),
}


def observe(
    network: Network,
    answers: Mapping[str, Answer],
    now_s: float,
    today: date,
    health: Mapping[str, Known] | None = None,
) -> Observed:
    """Return a plant as its devices show it now.

    Args:
        network: the plant, nothing lost.
        answers: per part, its device's last answer.
        now_s: monotonic time.
        today: the day.
        health: per battery part, what discharges and tests have taught.
    """
    plant = network.plant
    views = {name: _view(plant, section, name, answers.get(name), now_s) for section, name in _parts(plant)}
    for name in _fed_by_nothing(network, views):
        doubt = _("{part} says that it is fed, but nothing that could feed it lives").format(part=name)
        views[name] = replace(views[name], state=None, doubts=(*views[name].doubts, doubt))
    situation = Situation(today, health=health or {})
    for name in network.units:
        situation = _with_unit(situation, network, views[name])
    for name, tank in network.tanks.items():
        told = _fuel(views, plant, name, tank.capacity_l)
        if told is not None:
            situation = replace(situation, fuel_l={**situation.fuel_l, name: told})
    lost = frozenset(name for name, view in views.items() if _is_lost(view))
    failed = any(view.section == "feeds" and view.state in _DEAD["feeds"] for view in views.values())
    carrying = frozenset(
        name for name, view in views.items() if view.section == "generators" and _carries(view, failed=failed)
    )
    return Observed(views, replace(situation, lost=lost, carrying=carrying - lost), _runs_on(views, carrying))


def _fed_by_nothing(network: Network, views: Mapping[str, PartView]) -> list[str]:
    """Return the units that say they are fed while, by what was heard before them, every source is dead."""
    dead = {name for name, view in views.items() if view.state in _DEAD.get(view.section, ())}
    since_s = [views[name].age_s or 0.0 for name in dead if views[name].section == "feeds"]
    if not since_s:
        return []
    living = network.flow(network.feeds.union(network.generators).difference(dead), frozenset())
    fed = {it.unit.name for it in living.units}
    return [
        it.unit.name for it in network.healthy.units
        if it.unit.name not in fed and views[it.unit.name].state in _FED
        and (views[it.unit.name].age_s or 0.0) < min(since_s)
    ]  # fmt: skip


def _parts(plant: PowerPlant) -> Iterator[tuple[str, str]]:
    for section in ("feeds", "switches", "tanks", "generators", "ups", "dc_plants"):
        for name in getattr(plant, section):
            yield section, name


def _view(plant: PowerPlant, section: str, name: str, answer: Answer | None, now_s: float) -> PartView:
    monitor = getattr(plant, section)[name].monitor
    if answer is None or monitor is None:
        return PartView(name, section, None, None, fresh=False, values={}, states={})
    age_s = now_s - answer.at_s
    if age_s > STALE_POLLS * monitor.poll_s:
        return PartView(name, section, None, age_s, fresh=False, values={}, states={})
    decoded = answer.decoded
    values = dict(_values(decoded))
    states = {it.key: word for it in decoded.states if (word := decoded.state(it.name, it.instance)) is not None}
    state = next((word for key in _STATE_OF[section] if (word := decoded.state(key)) is not None), None)
    if section == "dc_plants" and state is None:
        state = {"discharging": "discharge"}.get(decoded.state("battery.status") or "", decoded.state("battery.status"))
    if section == "feeds" and state is None and (volts := values.get("mains.voltage")) is not None:
        state = "ok" if volts > _LEAST_VOLTAGE * 230 else "failed"
    if state == "on-battery" and states.get("battery.test") == "running" and _is_supplied(values):
        state = "test"
    doubts = (*_suspects(decoded), *_contradictions(values, state))
    return PartView(name, section, state, age_s, fresh=True, values=_trusted(values, state), states=states,
                    doubts=doubts, problems=decoded.problems)  # fmt: skip


def _is_supplied(values: Mapping[str, float]) -> bool:
    """Tell whether a unit's input is known to live: what then runs on batteries does so for a test."""
    volts = values.get("input.voltage")
    return volts is not None and volts >= _LEAST_VOLTAGE * values.get("input.voltage_nominal", 230.0)


def _values(decoded: Decoded) -> Iterator[tuple[str, float]]:
    """Yield one value for each metric that is known.

    Power that is told by phase, and nowhere in one figure, is the sum of all phases, or unknown; of several states of
    charge and runtimes the least counts.
    """
    for metric in dict.fromkeys(it.metric for it in decoded.measurements):
        told = decoded.all(metric)
        good = [it.value for it in told if it.quality is Quality.GOOD and it.value is not None]
        if not good:
            continue
        if metric in _BY_PHASE and not any(it.instance == "" and it.quality is Quality.GOOD for it in told):
            if len(good) == len(told):
                yield metric, sum(good)
        elif metric in _LEAST:
            yield metric, min(good)
        elif metric == "battery.voltage" and len(good) > 1:
            yield metric, good[0]
            yield "battery.imbalance", 100 * (max(good) - min(good)) / max(good)
        else:
            whole = decoded.value(metric, "")
            yield metric, good[0] if whole is None else whole


def _suspects(decoded: Decoded) -> Iterator[str]:
    """Yield what a device says of power that cannot be right; figures that it does not have are no lie."""
    load_pct = decoded.value("ups.load")
    idle = load_pct is not None and load_pct < 1
    for it in decoded.measurements:
        # Without load some devices tell a figure for "no end": it is told, for the load may be as wrong.
        if it.quality is Quality.SUSPECT and (it.metric in _NEEDED or (idle and it.metric == "battery.runtime_s")):
            yield f"{it.key}: {it.reason}"


def _contradictions(values: Mapping[str, float], state: str | None) -> Iterator[str]:
    """Yield what a device says against itself."""
    runtime_s, charge, load = (values.get(key) for key in ("battery.runtime_s", "battery.charge", "ups.load"))
    if state == "online" and runtime_s == 0:
        yield _("online with no runtime left: the runtime is not believed")
    if state == "online" and charge == 0:
        yield _("online with an empty battery: the charge is not believed")
    if load is not None and load < 1 and runtime_s is not None and runtime_s > _MOST_RUNTIME_S / 2:
        yield _("a runtime of days without load: the runtime is not believed")


def _trusted(values: dict[str, float], state: str | None) -> dict[str, float]:
    """Return the values without those that the device itself contradicts."""
    trusted = dict(values)
    if state == "online" and trusted.get("battery.runtime_s") == 0:
        del trusted["battery.runtime_s"]
    if state == "online" and trusted.get("battery.charge") == 0:
        del trusted["battery.charge"]
    return trusted


def _with_unit(situation: Situation, network: Network, view: PartView) -> Situation:
    """Add what a UPS or DC plant tells: load, charge, temperature, runtime."""
    name, age_s = view.part, view.age_s or 0.0
    unit = network.units[name]

    def known(value: float | None) -> Known:
        return Known(value, age_s, Origin.MEASURED)

    kw = _kw(view.values, unit.rated_kw)
    charge = view.values.get("battery.charge")
    if charge is None and (view.state == "float" or view.states.get("battery.status") in {"floating", "charged"}):
        charge = 100.0  # chargers float once batteries are full
    runtime_s = view.values.get("battery.runtime_s")
    celsius = view.values.get("battery.temperature")
    load_kw, charges = {**situation.load_kw, name: known(kw)}, dict(situation.charge)
    charges[name] = known(None if charge is None else min(1.0, charge / 100))
    temps, runtimes = dict(situation.temp_c), dict(situation.runtime_h)
    if celsius is not None:
        temps[name] = known(celsius)
    if runtime_s is not None and view.state in {"on-battery", "online"}:
        runtimes[name] = known(runtime_s / 3600)
    return replace(situation, load_kw=load_kw, charge=charges, temp_c=temps, runtime_h=runtimes)


def _kw(values: Mapping[str, float], rated_kw: float) -> float | None:
    """Return what a unit delivers: measured, from current and voltage, or from its load in per cent."""
    for key in ("output.realpower", "dc.load_power"):
        if key in values:
            return values[key] / 1000
    if "dc.voltage" in values and "dc.load_current" in values:
        return values["dc.voltage"] * values["dc.load_current"] / 1000
    return values["ups.load"] / 100 * rated_kw if "ups.load" in values else None


def _fuel(views: Mapping[str, PartView], plant: PowerPlant, tank: str, capacity_l: float) -> Known | None:
    """Return a tank's level as its own gauge tells it, or the controller of a generator that burns from it."""
    burners = [name for name, it in plant.generators.items() if (it.tank or name) == tank]
    for name in (*((tank,) if tank in plant.tanks else ()), *burners):
        view = views[name]
        if "fuel.volume" in view.values:
            return Known(view.values["fuel.volume"], view.age_s or 0.0)
        if "fuel.level" in view.values:
            return Known(min(100.0, view.values["fuel.level"]) / 100 * capacity_l, view.age_s or 0.0)
    return None


def _is_lost(view: PartView) -> bool:
    """Tell whether a part is known not to help: dead, on bypass or off, failed, or not to start by itself."""
    if view.section == "ups":
        return view.state in _BYPASSED
    if view.section == "generators":
        if view.states.get("genset.alarm") == "shutdown" or view.states.get("genset.start") == "failed":
            return True
        idle = view.state not in _RUNNING
        return view.state in _FAILED_ENGINE or (idle and view.states.get("genset.mode") in _NOT_AUTOMATIC)
    if view.section == "feeds":
        return view.state in _DEAD["feeds"]
    return view.section == "switches" and view.states.get("ats.switch") == "failed"


def _runs_on(views: Mapping[str, PartView], carrying: frozenset[str]) -> str:
    """Return what the site runs on; what bridges is told before what feeds."""
    states = {view.section: set[str]() for view in views.values()}
    for view in views.values():
        if view.state is not None:
            states[view.section].add(view.state)
    if "on-battery" in states.get("ups", ()) or "discharge" in states.get("dc_plants", ()):
        return "battery"
    if carrying:
        return "generator"
    fed = states.get("ups", set()) | states.get("dc_plants", set()) | states.get("feeds", set())
    return "utility" if fed & _FED else "unknown"


def _carries(view: PartView, *, failed: bool) -> bool:
    """Tell whether a generator carries the site: it says so, delivers power, or runs while a feed has failed."""
    if view.state == "loaded":
        return True
    watts = max(view.values.get("genset.realpower", 0.0), 10 * view.values.get("genset.load", 0.0))
    return view.state == "running" and (watts > _LOADED_W or failed)
