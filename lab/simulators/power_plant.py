"""A site's power plant in simulated time: feeds, transfer, generators, batteries and fuel behave as one.

It is stepped by whoever runs it, as fast as he likes, and tells what each device would say: NUT variables for a UPS,
registers for a generator's controller (`Genset.registers`), a switch's position and sources. Faults are attributes:
`feeds[...] = False`, `gensets[...].fails_to_start = True`, `stuck.add("ats-a")`, `open_strings.add("ups-a/string-1")`,
`bypassed.add("ups-a")`, `tanks[...].leak_l_per_h`. Batteries follow Peukert, written anew here: the plant must not
believe what the model does.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

from lifeline.model.power import MAIN, BatteryString, PowerPlant

from .power_genset import Genset, Tank

_STEP_S = 5.0
_RATED_BATTERY_H = 10.0
_DEFAULT_BURN = (0.30, 0.50, 0.74, 1.0)
_CHARGE_PER_H = 0.09
_HOUR_S = 3600.0


@dataclass
class SimulatedUps:
    """A UPS group or DC plant: its batteries' charge, and what it does."""

    name: str
    source: str
    rated_kw: float
    efficiency: float
    strings: dict[str, BatteryString]
    battery_kwh: float = 0.0
    charge: float = 1.0
    on_battery: bool = False
    load_kw: float = 0.0
    dark: bool = False

    def capacity_kwh(self, open_strings: set[str]) -> float:
        """Return what the strings that are closed hold when full."""
        return self.battery_kwh + sum(
            it.capacity_kwh * it.count for name, it in self.strings.items() if f"{self.name}/{name}" not in open_strings
        )

    def lasts_h(self, open_strings: set[str]) -> float:
        """Return how long full batteries would carry the present load."""
        kw, capacity_kwh = self.load_kw / self.efficiency, self.capacity_kwh(open_strings)
        if not kw or not capacity_kwh:
            return float("inf") if not kw else 0.0
        exponent = max([it.peukert or 1.2 for it in self.strings.values()], default=1.2)
        rated_kw = capacity_kwh / _RATED_BATTERY_H
        return float(_RATED_BATTERY_H * (rated_kw / kw) ** (exponent if kw > rated_kw else 1))


@dataclass
class SimulatedSwitch:
    """A transfer switch: it opens towards the input that dies, and closes towards the one that lives."""

    inputs: tuple[str, ...]
    transfer_s: float
    at: str | None
    """The input it is closed on; None between two."""
    _towards: str | None = None
    _since_s: float = 0.0

    def step(self, lives: Callable[[str], bool], seconds: float, *, stuck: bool) -> None:
        """Take the first input that lives; a stuck switch opens, and does not close again."""
        wanted = next((name for name in self.inputs if lives(name)), None)
        if wanted == self.at or (stuck and self.at is not None and lives(self.at)):
            self._towards = None
            return
        if wanted is not None or (stuck and self.at is not None):
            self.at = None
        if wanted != self._towards:
            self._towards, self._since_s = wanted, 0.0
        self._since_s += seconds
        if wanted is not None and not stuck and self._since_s >= self.transfer_s:
            self.at, self._towards = wanted, None


@dataclass
class SimulatedPlant:
    """A plant between two steps."""

    spec: PowerPlant
    load_share: float = 0.7
    fuel_share: float = 0.8
    feeds: dict[str, bool] = field(init=False)
    tanks: dict[str, Tank] = field(init=False)
    """A set's own tank has its name."""
    gensets: dict[str, Genset] = field(init=False)
    switches: dict[str, SimulatedSwitch] = field(init=False)
    units: dict[str, SimulatedUps] = field(init=False)
    stuck: set[str] = field(default_factory=set)
    open_strings: set[str] = field(default_factory=set)
    bypassed: set[str] = field(default_factory=set)
    now_s: float = 0.0
    dark_at_s: float | None = None

    def __post_init__(self) -> None:
        spec = self.spec
        self.feeds = dict.fromkeys(spec.feeds, True)
        self.tanks = {name: self._tank(it.capacity_l, it.usable_fraction) for name, it in spec.tanks.items()}
        for name, tank in spec.tanks.items():
            if tank.refill_from is not None:
                self.tanks[name].refilled_from = self.tanks[tank.refill_from]
                self.tanks[name].pump_l_per_h = tank.pump_l_per_h or 0.0
        self.gensets = {}
        for name, it in spec.generators.items():
            if it.tank is None:
                self.tanks[name] = self._tank(it.tank_l or 0.0, it.usable_fraction)
            table = it.burn_l_per_h or [share * (it.burn_l_per_h_full_load or 0.0) for share in _DEFAULT_BURN]
            self.gensets[name] = Genset(
                it.rated_kw, self.tanks[it.tank or name], tuple(table[-4:]), it.start_s, it.start_attempts,
                it.crank_cycle_s,
            )  # fmt: skip
        switches = {name: (tuple(it.inputs), it.transfer_s) for name, it in spec.switches.items()}
        taken = {source for inputs, _transfer_s in switches.values() for source in inputs}
        free = tuple(name for name in (*spec.feeds, *spec.generators) if name not in taken)
        if MAIN not in switches:
            switches[MAIN] = (free, 1.0)
        self.switches = {
            name: SimulatedSwitch(inputs, transfer_s, next(iter(inputs), None))
            for name, (inputs, transfer_s) in switches.items()
        }
        self.units = {
            name: SimulatedUps(name, it.input or MAIN, it.rated_kw, it.efficiency, it.strings,
                               getattr(it, "battery_kwh", 0.0))
            for units in (spec.ups, spec.dc_plants)
            for name, it in units.items()
        }  # fmt: skip

    def _tank(self, capacity_l: float, usable_fraction: float) -> Tank:
        return Tank(capacity_l, capacity_l * self.fuel_share, capacity_l * (1 - usable_fraction))

    @property
    def loads_kw(self) -> dict[str, tuple[float, tuple[str, ...], int]]:
        """Loads now: kW, what feeds them, priority."""
        if not self.spec.loads:
            return {"site": (self.spec.design_load_kw * self.load_share, tuple(self.units), 1)}
        return {name: (it.kw * self.load_share, tuple(it.inputs), it.priority) for name, it in self.spec.loads.items()}

    @property
    def dark(self) -> bool:
        """Whether a load of the best priority has nothing that feeds it now."""
        return any(
            priority == 1 and not any(map(self.lives, inputs)) for _kw, inputs, priority in self.loads_kw.values()
        )

    def step(self, seconds: float, most_s: float = _STEP_S) -> None:
        """Go on by so many seconds, in small steps of the plant's own."""
        while seconds > 0:
            step_s = min(most_s, seconds)
            self._step(step_s)
            self.now_s += step_s
            seconds -= step_s

    def foretell(self, within_h: float, most_s: float = 30.0) -> float | None:
        """Return in how many hours it will be dark if nothing else happens; None if not within these."""
        twin = deepcopy(self)
        twin.dark_at_s, began_s = None, twin.now_s
        while twin.dark_at_s is None and twin.now_s - began_s < within_h * _HOUR_S:
            twin.step(most_s, most_s)
        return None if twin.dark_at_s is None else (twin.dark_at_s - began_s) / _HOUR_S

    def service(self) -> None:
        """Do what a service visit does: alarms reset, automatic mode, fuel as at first, batteries full."""
        for genset in self.gensets.values():
            genset.reset()
        for tank in self.tanks.values():
            tank.refill(max(tank.capacity_l * self.fuel_share, tank.most_l))
        for unit in self.units.values():
            unit.charge = 1.0
        self.dark_at_s = None

    def _step(self, seconds: float) -> None:
        drawn = dict.fromkeys(self.gensets, 0.0)
        for name, switch in self.switches.items():
            switch.step(self.lives, seconds, stuck=name in self.stuck)
        for unit in self.units.values():
            unit.load_kw, unit.dark = 0.0, not self._delivers(unit)
        if self.dark and self.dark_at_s is None:
            self.dark_at_s = self.now_s
        for kw, inputs, _priority in self.loads_kw.values():
            living = [name for name in inputs if self.lives(name)]
            for name in living:
                self._draw(name, kw / len(living), drawn)
        for unit in self.units.values():
            self._run_unit(unit, seconds, drawn)
        called = {name for switch in self.switches.values() for name in self._called_by(switch)}
        for tank in self.tanks.values():
            tank.step(seconds)
        for name, genset in self.gensets.items():
            genset.called, genset.load_kw, genset.mains_ok = name in called, drawn[name], self.senses(name)
            genset.step(seconds)

    def senses(self, genset: str) -> bool:
        """Tell what a set's controller senses of the utility: the feeds beside it at its switch."""
        inputs = next((it.inputs for it in self.switches.values() if genset in it.inputs), ())
        return any(self.feeds.get(name) for name in inputs)

    def _called_by(self, switch: SimulatedSwitch) -> tuple[str, ...]:
        """Return the sets that a switch wants: the first that can, once none of its feeds lives."""
        if any(self.feeds.get(name) for name in switch.inputs):
            return ()
        return tuple(name for name in switch.inputs if name in self.gensets and not self.gensets[name].shut_down)[:1]

    def calls(self, switch: str) -> bool:
        """Tell whether a switch asks for a generator."""
        return bool(self._called_by(self.switches[switch]))

    def lives(self, name: str) -> bool:
        """Tell whether a feed, set, switch or unit delivers power."""
        if name in self.feeds:
            return self.feeds[name]
        if name in self.gensets:
            return self.gensets[name].carries
        if name in self.units:
            return self._delivers(self.units[name])
        at = self.switches[name].at
        return at is not None and self.lives(at)

    def _delivers(self, unit: SimulatedUps) -> bool:
        if self.lives(unit.source):
            return True
        return unit.name not in self.bypassed and unit.charge > 0 and unit.capacity_kwh(self.open_strings) > 0

    def _draw(self, name: str, kw: float, drawn: dict[str, float]) -> None:
        if name in self.units:
            self.units[name].load_kw += kw
        elif name in self.gensets:
            drawn[name] += kw
        elif name not in self.feeds and (at := self.switches[name].at) is not None and self.lives(at):
            self._draw(at, kw, drawn)

    def _run_unit(self, unit: SimulatedUps, seconds: float, drawn: dict[str, float]) -> None:
        unit.on_battery = not self.lives(unit.source) and not unit.dark
        if unit.on_battery:
            unit.charge = max(0.0, unit.charge - seconds / _HOUR_S / max(1e-6, unit.lasts_h(self.open_strings)))
        elif not unit.dark:
            capacity_kwh = unit.capacity_kwh(self.open_strings)
            charging_kw = capacity_kwh / 10 if unit.charge < 1 and capacity_kwh else 0.0
            unit.charge = min(1.0, unit.charge + _CHARGE_PER_H * seconds / _HOUR_S)
            self._draw(unit.source, (unit.load_kw + charging_kw) / unit.efficiency, drawn)

    def nut_variables(self, unit: str) -> dict[str, str]:
        """Return what a UPS would tell its NUT driver."""
        it = self.units[unit]
        flags = ("BYPASS" if unit in self.bypassed else "OFF" if it.dark else "OB DISCHRG" if it.on_battery else
                 "OL CHRG" if it.charge < 1 else "OL")  # fmt: skip
        if it.on_battery and it.charge < 0.2:
            flags += " LB"
        return {
            "ups.status": flags,
            "battery.charge": f"{100 * it.charge:.1f}",
            "ups.realpower": f"{1000 * it.load_kw:.0f}",
            "ups.load": f"{100 * it.load_kw / it.rated_kw:.1f}",
            "battery.temperature": "22.0",
        }
