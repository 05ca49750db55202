"""A site's power plant in simulated time: feeds, transfer, generators, batteries and fuel behave as one.

It is stepped by whoever runs it, as fast as he likes, and tells what each device would say: NUT variables for a UPS,
registers for a generator's controller (`Genset.registers`). Faults are attributes: `feeds[...] = False`,
`gensets[...].fails_to_start = True`, `stuck.add("ats-a")`, `open_strings.add("ups-a/string-1")`,
`bypassed.add("ups-a")`. Batteries follow Peukert, written anew here: the plant must not believe what the model does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lifeline.model.power import MAIN, BatteryString, PowerPlant

from .power_genset import Genset

_STEP_S = 5.0
_RATED_BATTERY_H = 10.0
_DEFAULT_BURN = (0.30, 0.50, 0.74, 1.0)


@dataclass
class SimulatedUps:
    """A UPS group or DC plant: its batteries' charge, and what it does."""

    name: str
    source: str
    rated_kw: float
    efficiency: float
    strings: dict[str, BatteryString]
    charge: float = 1.0
    on_battery: bool = False
    load_kw: float = 0.0
    dark: bool = False

    def capacity_kwh(self, open_strings: set[str]) -> float:
        """Return what the strings that are closed hold when full."""
        return sum(it.capacity_kwh * it.count for name, it in self.strings.items()
                   if f"{self.name}/{name}" not in open_strings)  # fmt: skip


@dataclass
class SimulatedPlant:
    """A plant between two steps."""

    spec: PowerPlant
    load_share: float = 0.7
    fuel_share: float = 0.8
    feeds: dict[str, bool] = field(init=False)
    gensets: dict[str, Genset] = field(init=False)
    units: dict[str, SimulatedUps] = field(init=False)
    stuck: set[str] = field(default_factory=set)
    open_strings: set[str] = field(default_factory=set)
    bypassed: set[str] = field(default_factory=set)
    now_s: float = 0.0
    dark_at_s: float | None = None

    def __post_init__(self) -> None:
        self.feeds = dict.fromkeys(self.spec.feeds, True)
        self.gensets = {}
        for name, it in self.spec.generators.items():
            if it.tank_l is None:
                raise ValueError(f"{name} shares a tank: the simulated plant has a tank for each set only")
            table = it.burn_l_per_h or [share * (it.burn_l_per_h_full_load or 0.0) for share in _DEFAULT_BURN]
            self.gensets[name] = Genset(
                it.rated_kw, it.tank_l, tuple(table[-4:]), fuel_l=it.tank_l * self.fuel_share,
                floor_l=it.tank_l * (1 - it.usable_fraction), start_s=it.start_s,
            )  # fmt: skip
        self.units = {
            name: SimulatedUps(name, it.input or MAIN, it.rated_kw, it.efficiency, it.strings)
            for units in (self.spec.ups, self.spec.dc_plants)
            for name, it in units.items()
        }

    @property
    def loads_kw(self) -> dict[str, tuple[float, tuple[str, ...], int]]:
        """Loads now: kW, what feeds them, priority."""
        if not self.spec.loads:
            return {"site": (self.spec.design_load_kw * self.load_share, tuple(self.units), 1)}
        return {name: (it.kw * self.load_share, tuple(it.inputs), it.priority) for name, it in self.spec.loads.items()}

    def step(self, seconds: float) -> None:
        """Go on by so many seconds, in small steps of the plant's own."""
        while seconds > 0:
            step_s = min(_STEP_S, seconds)
            self._step(step_s)
            self.now_s += step_s
            seconds -= step_s

    def _step(self, seconds: float) -> None:
        drawn = dict.fromkeys(self.gensets, 0.0)
        called: set[str] = set()
        for unit in self.units.values():
            unit.load_kw, unit.dark = 0.0, not self._delivers(unit)
        for kw, inputs, priority in self.loads_kw.values():
            living = [name for name in inputs if self._lives(name)]
            if not living and priority == 1 and self.dark_at_s is None:
                self.dark_at_s = self.now_s
            for name in living:
                self._draw(name, kw / len(living), drawn)
        for unit in self.units.values():
            self._run_unit(unit, seconds, drawn)
        for switch in (*self.spec.switches, MAIN):
            called |= self._called_by(switch)
        for name, genset in self.gensets.items():
            genset.called, genset.load_kw = name in called, drawn[name]
            genset.step(seconds)

    def _inputs(self, switch: str) -> tuple[str, ...]:
        if switch in self.spec.switches:
            return tuple(self.spec.switches[switch].inputs)
        if switch == MAIN and not self.spec.switches:
            return (*self.feeds, *self.gensets)
        return ()

    def _called_by(self, switch: str) -> set[str]:
        """Return the sets that a switch wants: the first that can, once none of its feeds lives."""
        inputs = self._inputs(switch)
        if switch in self.stuck or any(self.feeds.get(name) for name in inputs):
            return set()
        able = [name for name in inputs if name in self.gensets and not self.gensets[name].shut_down]
        return set(able[:1])

    def _chosen(self, switch: str) -> str | None:
        inputs = self._inputs(switch)
        if switch in self.stuck:
            inputs = inputs[:1]
        return next((name for name in inputs if self._lives(name)), None)

    def _lives(self, name: str) -> bool:
        if name in self.feeds:
            return self.feeds[name]
        if name in self.gensets:
            return self.gensets[name].carries
        if name in self.units:
            return self._delivers(self.units[name])
        return self._chosen(name) is not None

    def _delivers(self, unit: SimulatedUps) -> bool:
        if self._lives(unit.source):
            return True
        return unit.name not in self.bypassed and unit.charge > 0 and unit.capacity_kwh(self.open_strings) > 0

    def _draw(self, name: str, kw: float, drawn: dict[str, float]) -> None:
        if name in self.units:
            self.units[name].load_kw += kw
        elif name in self.gensets:
            drawn[name] += kw
        elif name not in self.feeds and (chosen := self._chosen(name)) is not None:
            self._draw(chosen, kw, drawn)

    def _run_unit(self, unit: SimulatedUps, seconds: float, drawn: dict[str, float]) -> None:
        capacity_kwh = unit.capacity_kwh(self.open_strings)
        unit.on_battery = not self._lives(unit.source) and not unit.dark
        if unit.on_battery:
            kw = unit.load_kw / unit.efficiency
            exponent = max((it.peukert or 1.2) for it in unit.strings.values())
            rated_kw = capacity_kwh / _RATED_BATTERY_H
            hours = _RATED_BATTERY_H * (rated_kw / kw) ** (exponent if kw > rated_kw else 1) if kw else float("inf")
            unit.charge = max(0.0, unit.charge - seconds / 3600 / hours)
        elif not unit.dark:
            charging_kw = capacity_kwh / 10 if unit.charge < 1 and capacity_kwh else 0.0
            unit.charge = min(1.0, unit.charge + 0.09 * seconds / 3600)
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
