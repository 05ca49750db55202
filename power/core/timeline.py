"""What happens, and when, once supplies fail: exact steps from event to event under loads that vary in steps.

Between events every load, burn and charge is constant, so each next event follows from a closed form. Times are hours
from the start of the scenario.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from .battery import Part, State
from .network import Flow, Network, UnitNode, carried
from .steady import ENDLESS_H, dry, move_fuel, part_draws, running, set_burns, tank_rates, tank_step_h

RECHARGE_H = 10.0
"""Chargers deliver a tenth of the batteries' energy an hour."""
_CHARGED = 0.9
"""Share of what the charger draws that is stored."""
_TINY_H = 1e-9
_TINY = 1e-9
_MOST_STEPS = 20_000


class What(StrEnum):
    """What may happen."""

    LOST = "lost"
    RETURNED = "returned"
    STARTING = "starting"
    RUNNING = "running"
    FUEL_OUT = "fuel-out"
    PUMP_IDLE = "pump-idle"
    ON_BATTERY = "on-battery"
    ON_INPUT = "on-input"
    BATTERY_EMPTY = "battery-empty"
    OVERLOADED = "overloaded"
    LOAD_DARK = "load-dark"
    LOAD_BACK = "load-back"
    SITE_DARK = "site-dark"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens to a part of the plant."""

    at_h: float
    subject: str
    what: What


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is done to a plant."""

    lose: tuple[tuple[float, str], ...] = ()
    """When which part is lost, in the network's names of losses."""
    give_back: tuple[tuple[float, str], ...] = ()
    """When which part returns."""
    profile: tuple[tuple[float, tuple[float, ...]], ...] = ()
    """From when on the loads are what, kW in the network's order; the first from 0."""
    horizon_h: float = ENDLESS_H
    bound: int = 1
    """0 takes the least favourable of everything uncertain, 1 the likeliest, 2 the most favourable."""
    carrying: frozenset[str] = frozenset()
    """Generators that carry load at the start already."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened."""

    dark_h: float | None
    """When the first load of the best priority went dark for good or for a while; None within the horizon."""
    happenings: tuple[Happening, ...]
    charges: tuple[tuple[float, float], ...]
    """State of charge of all batteries together, weighted by energy, at each event: the discharge curve."""
    levels_l: Mapping[str, float]
    """Fuel per tank at the end."""


class _Run:
    """A plant on its way through a scenario."""

    def __init__(
        self,
        network: Network,
        scenario: Scenario,
        holds: Mapping[str, tuple[float, float]],
        levels: Mapping[str, float],
    ) -> None:
        self._whole = self._network = network
        self._scenario, self._bound, self._holds = scenario, scenario.bound, holds
        self._levels = dict(levels)
        self._now_h = 0.0
        self._lost: set[str] = set()
        self._spent: frozenset[str] = frozenset()  # ran dry, or tripped by overload
        self._tripped: frozenset[str] = frozenset()
        self._ready_h: dict[str, float] = dict.fromkeys(scenario.carrying, 0.0)
        self._states: dict[str, State] = {
            part.name: part.models[self._bound].at(holds[part.name][0])
            for unit in network.units.values()
            for part in unit.parts
            if holds[part.name][1] > 0
        }
        self._empty = {name for name in self._states if holds[name][0] <= 0}
        self._seen: dict[str, What] = {}
        self.happenings: list[Happening] = []
        self.charges: list[tuple[float, float]] = []
        self.dark_h: float | None = None

    def run(self, *, to_the_end: bool) -> Timeline:
        """Step until the site is dark, or to the horizon."""
        horizon_h = self._scenario.horizon_h
        for _step in range(_MOST_STEPS):
            self._lose_and_give_back()
            flow = self._settled_flow()
            self._tell(flow)
            self.charges.append((self._now_h, self._charge()))
            if flow.site_dark and self.dark_h is None:
                self.dark_h = self._now_h
                self._happen("site", What.SITE_DARK)
                if not to_the_end:
                    break
            if self._now_h >= horizon_h:
                break
            self._advance(flow, horizon_h)
        return Timeline(self.dark_h, tuple(self.happenings), tuple(self.charges), self._levels)

    def _happen(self, subject: str, what: What) -> None:
        self.happenings.append(Happening(self._now_h, subject, what))

    def _lose_and_give_back(self) -> None:
        for at_h, name in self._scenario.lose:
            if abs(at_h - self._now_h) <= _TINY_H and name not in self._lost:
                self._lost.add(name)
                self._happen(name, What.LOST)
        for at_h, name in self._scenario.give_back:
            if abs(at_h - self._now_h) <= _TINY_H and name in self._lost:
                self._lost.remove(name)
                self._happen(name, What.RETURNED)
        self._network = self._whole.without(self._lost)

    def _loads(self) -> tuple[float, ...]:
        """Return the loads that hold now."""
        kw: tuple[float, ...] = tuple(load.kw for load in self._network.loads)
        for from_h, loads in self._scenario.profile:
            if from_h <= self._now_h + _TINY_H:
                kw = loads
        return kw

    def _settled_flow(self) -> Flow:
        """Return who carries what now, after starts are called for and overloads have tripped."""
        network = self._network
        while True:
            kw = self._loads()
            for name in sorted(dry(network, self._levels) - self._spent):
                self._happen(name, What.FUEL_OUT)
                self._spent |= {name}
            able = frozenset(network.generators.keys() - self._spent)
            bridging = self._bridging()
            planned = network.flow(network.feeds | able, bridging, self._tripped)
            groups = [(it, running(it.generators, carried(it.factors, kw))) for it in planned.sets]
            if self._spend({each.name for it, sets in groups if not sets for each in it.generators}):
                continue
            wanted = {each.name: each.start_s + it.transfer_s for it, sets in groups for each in sets}
            for name in self._ready_h.keys() - wanted.keys():
                del self._ready_h[name]
            for name in wanted.keys() - self._ready_h.keys():
                self._ready_h[name] = self._now_h + wanted[name] / 3600
                self._happen(name, What.STARTING)
            ready = frozenset(
                each.name
                for _it, sets in groups
                if all(
                    self._ready_h[each.name] <= self._now_h + _TINY_H for each in sets
                )  # they close on the bus together
                for each in sets
            )
            flow = network.flow(network.feeds | ready, bridging, self._tripped)
            if not self._trip(flow, kw):
                return flow

    def _spend(self, generators: set[str]) -> bool:
        """Take out generators that all together cannot carry their load; tell whether there were any."""
        for name in sorted(generators):
            self._happen(name, What.OVERLOADED)
        self._spent |= generators
        return bool(generators)

    def _trip(self, flow: Flow, kw: Sequence[float]) -> bool:
        """Take out what is overloaded; tell whether anything was."""
        units = {it.unit.name for it in flow.units if carried(it.factors, kw) > it.unit.rated_kw * (1 + _TINY)}
        opened = {it.name for it in flow.rated if carried(it.factors, kw) > it.rated_kw * (1 + _TINY)}
        for name in sorted(units | opened):
            self._happen(name, What.OVERLOADED)
        self._tripped |= units | (opened & self._network.switches.keys())
        self._lost |= opened & self._network.feeds
        if opened & self._network.feeds:
            self._network = self._whole.without(self._lost)
        return bool(units or opened)

    def _bridging(self) -> frozenset[str]:
        return frozenset(
            unit.name
            for unit in self._network.units.values()
            if unit.name not in self._tripped
            and any(part.name in self._states and part.name not in self._empty for part in unit.parts)
        )

    def _tell(self, flow: Flow) -> None:
        """Note what has changed since the last step."""
        now: dict[str, What] = {it.unit.name: What.ON_BATTERY if it.on_battery else What.ON_INPUT for it in flow.units}
        now |= {load.name: What.LOAD_BACK for load in self._network.loads}
        now |= dict.fromkeys(flow.dark, What.LOAD_DARK)
        for it in flow.sets:
            now |= {
                generator.name: What.RUNNING for generator in running(it.generators, carried(it.factors, self._loads()))
            }
        for name, what in now.items():
            before = self._seen.get(name, What.ON_INPUT if what is What.ON_BATTERY else
                                    What.LOAD_BACK if what is What.LOAD_DARK else what)  # fmt: skip
            if before is not what or (what is What.RUNNING and name not in self._seen):
                self._happen(name, what)
        self._seen = now

    def _charge(self) -> float:
        whole = stored = 0.0
        for unit in self._network.units.values():
            for part in unit.parts:
                energy = part.capacity_kwh * self._holds[part.name][1]
                whole += energy
                if part.name in self._states and part.name not in self._empty:
                    stored += energy * part.models[self._bound].charge(self._states[part.name])
        return stored / whole if whole else 0.0

    def _advance(self, flow: Flow, horizon_h: float) -> None:
        """Go to the next event."""
        network, bound, kw = self._network, self._bound, self._loads()
        draws = [
            draw for it in flow.units if it.on_battery
            for draw in part_draws([part for part in it.unit.parts if part.name not in self._empty],
                                   carried(it.factors, kw) / it.unit.battery_efficiency, self._states, self._holds)
        ]  # fmt: skip
        charging = [part for it in flow.units if not it.on_battery for part in it.unit.parts if self._takes(part)]
        recharge = [self._recharge_kw(unit, charging) for unit in network.units.values()]
        burns, _overloaded = set_burns(flow, kw, bound, recharge)
        rates = tank_rates(network.tanks, self._levels, burns)
        left_h = [part.models[bound].left_h(self._states[part.name], each) for part, each in draws]
        steps_h = [
            *left_h,
            *(tank_step_h(network.tanks[name], self._levels[name], rate) for name, rate in rates.items()),
        ]
        steps_h += [(1 - self._charge_of(part)) * RECHARGE_H / _CHARGED for part in charging]
        steps_h += [at_h - self._now_h for at_h in self._moments() if at_h > self._now_h + _TINY_H]
        step_h = min(min(steps_h, default=inf), horizon_h - self._now_h)
        for (part, each), left in zip(draws, left_h, strict=True):
            if left <= step_h * (1 + _TINY) + _TINY_H:
                self._empty.add(part.name)
                self._states[part.name] = part.models[bound].at(0.0)
                self.happenings.append(Happening(self._now_h + step_h, part.name, What.BATTERY_EMPTY))
            else:
                self._states[part.name] = part.models[bound].after(self._states[part.name], each, step_h)
        for part in charging:
            charge = min(1.0, self._charge_of(part) + step_h * _CHARGED / RECHARGE_H)
            self._states[part.name] = part.models[bound].at(1.0 if charge > 1 - 1e-9 else charge)
            self._empty.discard(part.name)
        move_fuel(network.tanks, self._levels, rates, step_h)
        self._now_h += step_h

    def _moments(self) -> Iterator[float]:
        """Yield when something is due."""
        yield from (at_h for at_h, _name in self._scenario.lose)
        yield from (at_h for at_h, _name in self._scenario.give_back)
        yield from (from_h for from_h, _kw in self._scenario.profile)
        yield from self._ready_h.values()

    def _charge_of(self, part: Part) -> float:
        return part.models[self._bound].charge(self._states[part.name])

    def _takes(self, part: Part) -> bool:
        return part.name in self._states and self._charge_of(part) < 1 - 1e-9

    def _recharge_kw(self, unit: UnitNode, charging: Sequence[Part]) -> float:
        return sum(
            part.capacity_kwh * self._holds[part.name][1] / RECHARGE_H for part in unit.parts if part in charging
        )


def run(
    network: Network,
    scenario: Scenario,
    holds: Mapping[str, tuple[float, float]],
    levels_l: Mapping[str, float],
    *,
    to_the_end: bool = False,
) -> Timeline:
    """Let a scenario happen.

    Args:
        network: the plant before it.
        scenario: what is done to it.
        holds: per battery part, its state of charge and the share of its new capacity it holds.
        levels_l: fuel per tank, litres, the unusable part included.
        to_the_end: go on to the horizon after the site is dark.

    Raises:
        ValueError: a generator that would run has no known burn; the text names it.
    """
    return _Run(network, scenario, holds, levels_l).run(to_the_end=to_the_end)
