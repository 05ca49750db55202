"""The truth that the power model is held against: a plant stepped second by second, sharing no code with power/core.

Everything is done the slow way. Batteries are integrated as differential equations, tanks as stocks, and who feeds whom
is found anew in each step. Steps are a second in the first half hour of a discharge and `LONG_S` in the rest of it, and
`COARSE_S` while no battery discharges.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from lifeline.model.power import MAIN, BatteryString, Generator, PowerPlant

COARSE_S = 60.0
FINE_S = 1.0
LONG_S = 5.0
LONG_AFTER_H = 0.5
RECHARGE_H = 10.0
RECHARGE_EFFICIENCY = 0.9


@dataclass
class Truth:
    """What is true of a plant in one run."""

    plant: PowerPlant
    load_kw: Callable[[float], dict[str, float]]
    """Loads by name, kW, at an hour."""
    charge: dict[str, float]
    """Per `unit/string`, at the start."""
    held: dict[str, float]
    """Per `unit/string`, the share of its new capacity."""
    fuel_l: dict[str, float]
    """Per tank."""
    burn_factor: float = 1.0
    lost: frozenset[str] = frozenset()


@dataclass
class _Cells:
    """A battery as differential equations; the amounts are those of all its strings together."""

    string: BatteryString
    held: float
    charge: float
    left: float = field(init=False)
    wells: list[float] = field(init=False)
    empty: bool = False

    def __post_init__(self) -> None:
        self.left = self.charge
        if self.string.kibam_c is not None:
            c, total = self.string.kibam_c, self._kinetic_kwh() * self.charge
            self.wells = [c * total, (1 - c) * total]
        self.empty = self.charge <= 0

    def _kinetic_kwh(self) -> float:
        """Find by bisection the two wells' size with which the rated discharge takes the rated time."""
        string = self.string
        assert string.kibam_c is not None
        assert string.kibam_k_per_h is not None
        kw = string.capacity_kwh / string.rated_h
        low, high = string.capacity_kwh * 0.5, string.capacity_kwh * 20
        for _round in range(60):
            total = (low + high) / 2
            if _wells_last_h(total, string.kibam_c, string.kibam_k_per_h, kw) < string.rated_h:
                low = total
            else:
                high = total
        return (low + high) / 2

    def discharge(self, kw: float, hours: float) -> None:
        """Take power from all strings for a moment."""
        string = self.string
        each_kw = kw / string.count / self.held
        if string.constant_power:
            self.left -= hours / _table_h(string, each_kw)
            self.empty = self.left <= 0
        elif string.kibam_c is not None and string.kibam_k_per_h is not None:
            c, k = string.kibam_c, string.kibam_k_per_h * string.kibam_c * (1 - string.kibam_c)
            flow = k * (self.wells[1] / (1 - c) - self.wells[0] / c)
            self.wells[0] += hours * (flow - each_kw)
            self.wells[1] -= hours * flow
            self.empty = self.wells[0] <= 0
        else:
            rated_kw = string.capacity_kwh / string.rated_h
            exponent = string.peukert if each_kw > rated_kw else 1.0
            assert exponent is not None
            self.left -= hours / (string.rated_h * math.pow(rated_kw / each_kw, exponent))
            self.empty = self.left <= 0

    @property
    def full_kwh(self) -> float:
        """What the strings store now when full."""
        return self.string.capacity_kwh * self.string.count * self.held

    def recharge(self, hours: float) -> bool:
        """Take a tenth of the energy an hour until full; tell whether it drew."""
        if self.string.kibam_c is not None:
            total = self.wells[0] + self.wells[1]
            whole = self._whole_kwh()
            if total >= whole * (1 - 1e-9):
                return False
            total = min(whole, total + whole * RECHARGE_EFFICIENCY / RECHARGE_H * hours)
            self.wells = [self.string.kibam_c * total, (1 - self.string.kibam_c) * total]
        else:
            if self.left >= 1 - 1e-9:
                return False
            self.left = min(1.0, max(0.0, self.left) + RECHARGE_EFFICIENCY / RECHARGE_H * hours)
        self.empty = False
        return True

    def _whole_kwh(self) -> float:
        if not hasattr(self, "_whole"):
            self._whole = self._kinetic_kwh()
        return self._whole


def _wells_last_h(total: float, c: float, k_prime: float, kw: float) -> float:
    """Integrate the two wells by the midpoint rule until the available one is dry."""
    q1, q2, hours = c * total, (1 - c) * total, 0.0
    k = k_prime * c * (1 - c)
    step = total / kw / 4000
    while q1 > 0 and hours < 1e4:
        flow = k * (q2 / (1 - c) - q1 / c)
        m1, m2 = q1 + step / 2 * (flow - kw), q2 - step / 2 * flow
        flow = k * (m2 / (1 - c) - m1 / c)
        q1, q2, hours = q1 + step * (flow - kw), q2 - step * flow, hours + step
    return hours


def _table_h(string: BatteryString, kw: float) -> float:
    """Read the manufacturer's table as an engineer does on double-logarithmic paper."""
    points = [(math.log10(it.minutes / 60), math.log10(it.kw)) for it in string.constant_power]
    x = math.log10(kw)
    if x <= points[-1][1]:
        return 10 ** points[-1][0] * 10 ** points[-1][1] / kw
    if x > points[0][1] + 1e-12:
        return 1e-9
    for (h0, p0), (h1, p1) in pairwise(points):
        if p1 <= x <= p0:
            return float(10 ** (h0 + (h1 - h0) * (p0 - x) / (p0 - p1)))
    raise AssertionError(kw)


def _burn_l_per_h(generator: Generator, kw: float) -> float:
    """Read a burn table, its line going on to no load."""
    table = generator.burn_l_per_h
    assert table is not None
    percent = kw / generator.rated_kw * 100
    loads = [25, 50, 75, 100] if len(table) == 4 else [0, 25, 50, 75, 100]
    for n in range(len(loads) - 1):
        if percent <= loads[n + 1] or n == len(loads) - 2:
            return table[n] + (table[n + 1] - table[n]) * (percent - loads[n]) / (loads[n + 1] - loads[n])
    raise AssertionError(percent)


class TrueRun:
    """One run of a plant after all utility is lost."""

    def __init__(self, truth: Truth) -> None:
        self.truth, self.plant = truth, truth.plant
        self.cells = {
            f"{unit}/{name}": _Cells(string, truth.held[f"{unit}/{name}"], truth.charge[f"{unit}/{name}"])
            for units in (self.plant.ups, self.plant.dc_plants)
            for unit, it in units.items()
            for name, string in it.strings.items()
        }
        self.fuel = dict(truth.fuel_l)
        self.dry: set[str] = set(truth.lost)
        self.tripped: set[str] = set()
        self.ready_h: dict[str, float] = {}
        self.fine_since_h: float | None = None

    def dark_h(self, horizon_h: float) -> float:
        """Step until a load of the best priority is dark; return when that was, or the horizon."""
        hours = 0.0
        while hours < horizon_h:
            fine, dark = self._step(hours)
            if dark:
                return hours
            hours += self._stride_h(hours, fine)
        return horizon_h

    def _stride_h(self, hours: float, fine: bool) -> float:
        if not fine:
            self.fine_since_h = None
            return COARSE_S / 3600
        if self.fine_since_h is None:
            self.fine_since_h = hours
        return (LONG_S if hours - self.fine_since_h > LONG_AFTER_H else FINE_S) / 3600

    def _step(self, hours: float) -> tuple[bool, bool]:
        """Do one step; tell whether steps must be short now, and whether the site is dark."""
        loads = self.truth.load_kw(hours)
        while True:
            plan = self._plan(loads)
            wanted = plan.chosen
            for name in list(self.ready_h):
                if name not in wanted:
                    del self.ready_h[name]
            for name in wanted:
                self.ready_h.setdefault(name, hours + wanted[name] / 3600)
            ready = {
                name
                for group in plan.groups
                if all(self.ready_h[each] <= hours + 1e-12 for each in group)  # they close on the bus together
                for name in group
            }
            walk = _Walk(self, loads, ready)
            if not walk.tripped - self.tripped:
                break
            self.tripped |= walk.tripped
        best = min(load.priority for load in self.plant.loads.values())
        if any(self.plant.loads[name].priority == best for name in walk.dark):
            return False, True
        fine = bool(walk.battery_kw) or ready != set(wanted)
        self._move(walk, self._stride_h(hours, fine))
        return fine, False

    def _plan(self, loads: dict[str, float]) -> _Walk:
        """Walk as if all sets that can came at once: those that are chosen should run."""
        able = {
            name for name, it in self.plant.generators.items()
            if name not in self.dry and self.fuel[it.tank or name] > self._floor(it.tank or name) + 1e-9
        }  # fmt: skip
        self.dry |= set(self.plant.generators) - able
        return _Walk(self, loads, able)

    def _floor(self, tank: str) -> float:
        if tank in self.plant.tanks:
            return self.plant.tanks[tank].capacity_l * (1 - self.plant.tanks[tank].usable_fraction)
        own = self.plant.generators[tank]
        assert own.tank_l is not None
        return own.tank_l * (1 - own.usable_fraction)

    def _move(self, walk: _Walk, hours: float) -> None:
        """Discharge, recharge, burn and pump for a moment."""
        extra_kw: dict[str, float] = {}
        for unit in walk.on_input:
            strings = (self.plant.ups.get(unit) or self.plant.dc_plants[unit]).strings
            drawn = sum(
                self.cells[f"{unit}/{name}"].full_kwh / RECHARGE_H
                for name in strings
                if self.cells[f"{unit}/{name}"].recharge(hours)
            )
            if drawn:
                extra_kw[unit] = drawn
        for unit, kw in walk.battery_kw.items():
            strings = (self.plant.ups.get(unit) or self.plant.dc_plants[unit]).strings
            living = [self.cells[f"{unit}/{name}"] for name in strings if not self.cells[f"{unit}/{name}"].empty]
            whole = sum(it.full_kwh for it in living)
            for it in living:
                it.discharge(kw * it.full_kwh / whole, hours)
        burnt: dict[str, float] = {}
        for name, kw in walk.generator_kw(extra_kw).items():
            generator = self.plant.generators[name]
            source = generator.tank or name
            burnt[source] = burnt.get(source, 0.0) + _burn_l_per_h(generator, kw) * self.truth.burn_factor * hours
        for name, tank in self.plant.tanks.items():
            bulk = tank.refill_from
            if bulk is not None and tank.pump_l_per_h is not None:
                there = max(0.0, self.fuel[bulk] - self._floor(bulk))
                room = tank.capacity_l - self.fuel[name] + burnt.get(name, 0.0)
                moved = max(0.0, min(tank.pump_l_per_h * hours, there, room))
                self.fuel[name] += moved
                self.fuel[bulk] -= moved
        for tank_name, litres in burnt.items():
            self.fuel[tank_name] -= litres


class _Walk:
    """Who feeds whom in one step."""

    def __init__(self, run: TrueRun, loads: dict[str, float], sources: set[str]) -> None:
        self.run, self.plant, self.sources = run, run.plant, sources
        self.dark: set[str] = set()
        self.tripped: set[str] = set(run.tripped)
        self.battery_kw: dict[str, float] = {}
        self.on_input: set[str] = set()
        self.chosen: dict[str, float] = {}
        self._demand: dict[tuple[str, ...], float] = {}
        self._delay: dict[tuple[str, ...], float] = {}
        self._units: dict[str, float] = {}
        for name, load in self.plant.loads.items():
            inputs = [it for it in load.inputs if self.lives(it)]
            if not inputs:
                self.dark.add(name)
            for it in inputs:
                self.draw(it, loads[name] / len(inputs))
        for unit, kw in self._units.items():
            if kw > self._rated(unit) * (1 + 1e-9):
                self.tripped.add(unit)
        self.groups = [self._needed(names, kw) for names, kw in self._demand.items()]
        for names, group in zip(self._demand, self.groups, strict=True):
            for name in group:
                self.chosen[name] = self.plant.generators[name].start_s + self._delay[names]

    def _rated(self, unit: str) -> float:
        return (self.plant.ups.get(unit) or self.plant.dc_plants[unit]).rated_kw

    def _unit_input(self, unit: str) -> str:
        return (self.plant.ups.get(unit) or self.plant.dc_plants[unit]).input or MAIN

    def _is_unit(self, name: str) -> bool:
        return name in self.plant.ups or name in self.plant.dc_plants

    def lives(self, name: str) -> bool:
        """Tell whether something is alive at its output."""
        if self._is_unit(name):
            if name in self.run.tripped:
                return name in self.plant.ups and self.plant.ups[name].bypass and self.lives(self._unit_input(name))
            strings = (self.plant.ups.get(name) or self.plant.dc_plants[name]).strings
            if any(not self.run.cells[f"{name}/{it}"].empty for it in strings):
                return True
            return self.lives(self._unit_input(name))
        if name in self.plant.switches:
            return any(self.lives(it) for it in self.plant.switches[name].inputs)
        return name in self.sources

    def draw(self, name: str, kw: float) -> None:
        """Take power from something alive."""
        if self._is_unit(name):
            source = self._unit_input(name)
            if name in self.run.tripped:
                self.draw(source, kw)
                return
            self._units[name] = self._units.get(name, 0.0) + kw
            efficiency = (self.plant.ups.get(name) or self.plant.dc_plants[name]).efficiency
            if self.lives(source):
                self.on_input.add(name)
                self.draw(source, kw / efficiency)
            else:
                on_battery = kw / efficiency if name in self.plant.ups else kw
                self.battery_kw[name] = self.battery_kw.get(name, 0.0) + on_battery
        elif name in self.plant.switches:
            switch = self.plant.switches[name]
            living = [it for it in switch.inputs if self.lives(it)]
            others = [it for it in living if not (switch.kind == "bus" and it in self.plant.generators)]
            if others and others[0] not in self.plant.generators:
                self.draw(others[0], kw)
            elif others:
                self._take((others[0],), kw, switch.transfer_s)
            else:
                self._take(tuple(living), kw, switch.transfer_s)
        else:
            self._take((name,), kw, 0.0)

    def _take(self, names: tuple[str, ...], kw: float, delay_s: float) -> None:
        self._demand[names] = self._demand.get(names, 0.0) + kw
        self._delay.setdefault(names, delay_s)

    def _needed(self, names: tuple[str, ...], kw: float) -> list[str]:
        rated, taken = 0.0, []
        for name in names:
            rated += self.plant.generators[name].rated_kw
            taken.append(name)
            if rated * (1 + 1e-9) >= kw:
                return taken
        self.run.dry |= set(names)
        return []

    def generator_kw(self, extra_kw: dict[str, float]) -> dict[str, float]:
        """Return what each set delivers, recharging included; the chargers hang where their units hang."""
        needed = {names: self._needed(names, kw) for names, kw in self._demand.items()}  # chargers give way to loads
        for unit, kw in extra_kw.items():
            efficiency = (self.plant.ups.get(unit) or self.plant.dc_plants[unit]).efficiency
            self.draw(self._unit_input(unit), kw / efficiency)
        delivered: dict[str, float] = {}
        for names, kw in self._demand.items():
            rated = sum(self.plant.generators[name].rated_kw for name in needed[names])
            for name in needed[names]:
                delivered[name] = (
                    delivered.get(name, 0.0) + min(kw, rated) * self.plant.generators[name].rated_kw / rated
                )
        return delivered
