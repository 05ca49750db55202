"""A power plant as a graph that can be asked: with these sources alive, who feeds whom, and with how much.

What a part carries is linear in the loads as long as the same parts live: a `Flow` keeps factors, once a combination.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import mul
from typing import Any, NamedTuple

from lifeline.model.power import MAIN, BatteryString, PowerPlant, Technology

from .battery import Model, Part, part_of
from .fuel import Burn, burns_of

SITE_LOAD = "site"  # the one load of a plant that lists none


@dataclass(frozen=True, slots=True)
class LoadNode:
    """A load."""

    name: str
    kw: float
    inputs: tuple[str, ...]
    priority: int
    cooling: bool


@dataclass(frozen=True, slots=True)
class UnitNode:
    """A UPS group or a DC plant: converts while its input lives, bridges while its batteries hold."""

    name: str
    rated_kw: float
    efficiency: float
    battery_efficiency: float
    source: str
    bypass: bool
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class GeneratorNode:
    """A generator set and the tank it burns from."""

    name: str
    rated_kw: float
    tank: str
    burns: tuple[Burn, Burn, Burn] | None
    burn_basis: str
    start_s: float
    cover_s: float
    """All attempts but the last in vain, then the start."""
    start_probability: float
    mttf_h: float


@dataclass(frozen=True, slots=True)
class TankNode:
    """A tank; `floor_l` is what no pump reaches."""

    name: str
    capacity_l: float
    floor_l: float
    refill_from: str | None
    pump_l_per_h: float


@dataclass(frozen=True, slots=True)
class SwitchNode:
    """A transfer switch or a bus."""

    name: str
    inputs: tuple[str, ...]
    bus: bool
    rated_kw: float | None
    transfer_s: float


Factors = tuple[float, ...]
"""kW carried per kW of each load, then per kW of each unit's recharge."""


@dataclass(frozen=True, slots=True)
class UnitFlow:
    """What a unit delivers, and whether it takes that from its batteries."""

    unit: UnitNode
    factors: Factors
    on_battery: bool


@dataclass(frozen=True, slots=True)
class SetFlow:
    """What a group of generators delivers together: as many as the load needs, in this order."""

    generators: tuple[GeneratorNode, ...]
    factors: Factors
    transfer_s: float


@dataclass(frozen=True, slots=True)
class RatedFlow:
    """What a feed or a switch carries, beside its rating."""

    name: str
    rated_kw: float
    factors: Factors


@dataclass(frozen=True, slots=True)
class Flow:
    """Who carries what with certain sources and batteries alive."""

    dark: frozenset[str]
    """Loads without a living input."""
    site_dark: bool
    """Whether a load of the best priority is among them."""
    units: tuple[UnitFlow, ...]
    sets: tuple[SetFlow, ...]
    rated: tuple[RatedFlow, ...]


class SoleUnit(NamedTuple):
    """The one unit with batteries of a plant, as stations have it: its load changes with the last string only."""

    strings: tuple[tuple[str, tuple[Model, Model, Model], float, float], ...]
    """Per part its name, its models, the energy of one string and of all, when new, kWh."""
    rated_kw: float
    efficiency: float
    """On battery."""
    factors: Factors
    site_dark: bool
    """Whether the site is dark even on it."""


def carried(factors: Factors, kw: Iterable[float]) -> float:
    """Return what a part carries, kW."""
    total: float = sum(map(mul, factors, kw))
    return total


@dataclass(frozen=True)
class Network:
    """A plant without what is lost.

    Losses go by a part's name, or by `module:<unit>`, `string:<unit>/<string>` and `pump:<tank>`.
    """

    plant: PowerPlant
    lost: frozenset[str] = frozenset()
    _flows: dict[tuple[frozenset[str], frozenset[str], frozenset[str]], Flow] = field(default_factory=dict, repr=False)
    _others: dict[frozenset[str], Network] = field(default_factory=dict, repr=False)

    def without(self, lost: Iterable[str]) -> Network:
        """Return the plant without these parts too."""
        all_lost = self.lost | frozenset(lost)
        if all_lost == self.lost:
            return self
        other = self._others.get(all_lost)
        if other is None:
            other = self._others[all_lost] = Network(self.plant, all_lost)
        return other

    @cached_property
    def loads(self) -> tuple[LoadNode, ...]:
        """The loads."""
        if self.plant.loads:
            return tuple(
                LoadNode(name, it.kw, tuple(it.inputs), it.priority, it.kind == "cooling")
                for name, it in self.plant.loads.items()
            )
        inputs = (*self.plant.ups, *self.plant.dc_plants) or (MAIN,)
        return (LoadNode(SITE_LOAD, self.plant.design_load_kw, inputs, 1, cooling=False),)

    @cached_property
    def best_priority(self) -> int:
        """The priority of the loads without which the site is dark."""
        return min(load.priority for load in self.loads)

    @cached_property
    def units(self) -> dict[str, UnitNode]:
        """UPS groups and DC plants that are there."""
        nodes: dict[str, UnitNode] = {}
        for name, ups in self.plant.ups.items():
            strings = ups.strings or _plain_battery(ups.battery_kwh)
            rated_kw = self._modules(name, ups.modules) * ups.module_kw
            parts = self._parts(name, strings)
            nodes[name] = UnitNode(name, rated_kw, ups.efficiency, ups.efficiency, ups.input or MAIN, ups.bypass, parts)
        for name, dc in self.plant.dc_plants.items():
            rated_kw = self._modules(name, dc.rectifiers) * dc.rectifier_kw
            parts = self._parts(name, dc.strings)
            nodes[name] = UnitNode(name, rated_kw, dc.efficiency, 1.0, dc.input or MAIN, bypass=False, parts=parts)
        return {name: node for name, node in nodes.items() if name not in self.lost}

    def _modules(self, unit: str, modules: int) -> int:
        return max(0, modules - (f"module:{unit}" in self.lost))

    def _parts(self, unit: str, strings: Mapping[str, BatteryString]) -> tuple[Part, ...]:
        parts = []
        for name, string in strings.items():
            part = part_of(unit, name, string)
            if f"string:{part.name}" in self.lost:
                part = Part(part.name, part.string, part.count - 1, part.models, part.error, part.method)
            if part.count > 0:
                parts.append(part)
        return tuple(parts)

    @cached_property
    def generators(self) -> dict[str, GeneratorNode]:
        """Generators that are there, and whose tank is."""
        return {
            name: GeneratorNode(
                name,
                it.rated_kw,
                it.tank or name,
                *burns_of(it),
                start_s=it.start_s,
                cover_s=(it.start_attempts - 1) * it.crank_cycle_s + it.start_s,
                start_probability=it.start_probability,
                mttf_h=it.mttf_h,
            )
            for name, it in self.plant.generators.items()
            if name not in self.lost and (it.tank or name) not in self.lost
        }

    @cached_property
    def unknown_burns(self) -> tuple[str, ...]:
        """Generators of which nobody knows what they burn."""
        return tuple(name for name, it in self.generators.items() if it.burns is None)

    @cached_property
    def tanks(self) -> dict[str, TankNode]:
        """Tanks that are there; a generator's own goes by its name."""
        own = {
            name: TankNode(name, it.tank_l, it.tank_l * (1 - it.usable_fraction), None, 0.0)
            for name, it in self.plant.generators.items()
            if it.tank_l is not None
        }
        shared = {
            name: TankNode(
                name,
                it.capacity_l,
                it.capacity_l * (1 - it.usable_fraction),
                None if f"pump:{name}" in self.lost or it.refill_from in self.lost else it.refill_from,
                it.pump_l_per_h or 0.0,
            )
            for name, it in self.plant.tanks.items()
        }
        return {name: tank for name, tank in (own | shared).items() if name not in self.lost}

    @cached_property
    def switches(self) -> dict[str, SwitchNode]:
        """Switches and buses that are there, the main distribution among them."""
        nodes = {
            name: SwitchNode(name, tuple(it.inputs), it.kind == "bus", it.rated_kw, it.transfer_s)
            for name, it in self.plant.switches.items()
        }
        if MAIN not in nodes:
            taken = {name for node in nodes.values() for name in node.inputs}
            taken |= {it.input or MAIN for it in self.plant.ups.values()}
            taken |= {it.input or MAIN for it in self.plant.dc_plants.values()}
            taken |= {name for load in self.plant.loads.values() for name in load.inputs}
            inputs = tuple(name for name in (*self.plant.feeds, *self.plant.generators) if name not in taken)
            nodes[MAIN] = SwitchNode(MAIN, inputs, bus=True, rated_kw=None, transfer_s=1.0)
        return {name: node for name, node in nodes.items() if name not in self.lost}

    @cached_property
    def feeds(self) -> frozenset[str]:
        """Utility feeds that are there."""
        return frozenset(self.plant.feeds) - self.lost

    @cached_property
    def bridging_units(self) -> tuple[UnitNode, ...]:
        """The units that have batteries."""
        return tuple(unit for unit in self.units.values() if unit.parts)

    @cached_property
    def has_cooling(self) -> bool:
        """Whether any load is cooling."""
        return any(load.cooling for load in self.loads)

    @cached_property
    def battery_parts(self) -> int:
        """How many battery parts there are."""
        return sum(len(unit.parts) for unit in self.units.values())

    @cached_property
    def battery_flow(self) -> Flow:
        """Who carries what on all batteries, without any source."""
        return self.flow(frozenset(), frozenset(unit.name for unit in self.bridging_units))

    @cached_property
    def sole_unit(self) -> SoleUnit | None:
        """The only unit with batteries, where there is but one and it carries something."""
        flow = self.battery_flow
        if len(self.bridging_units) != 1 or len(flow.units) != 1:
            return None
        (unit,) = self.bridging_units
        strings = tuple((it.name, it.models, it.string.capacity_kwh, it.capacity_kwh) for it in unit.parts)
        return SoleUnit(strings, unit.rated_kw, unit.battery_efficiency, flow.units[0].factors, flow.site_dark)

    @cached_property
    def healthy(self) -> Flow:
        """Who carries what while everything that is there lives."""
        bridging = frozenset(name for name, unit in self.units.items() if unit.parts)
        return self.flow(self.feeds.union(self.generators), bridging)

    @cached_property
    def design_kw(self) -> dict[str, float]:
        """What each unit delivers at the design load while everything that is there lives, kW."""
        kw = [load.kw for load in self.loads]
        return {it.unit.name: carried(it.factors, kw) for it in self.healthy.units}

    @cached_property
    def cover_h(self) -> float:
        """What batteries must bridge for generators to count: all start attempts, the transfer, a margin; hours."""
        start_s = max((it.cover_s for it in self.generators.values()), default=0.0)
        transfer_s = max((it.transfer_s for it in self.switches.values()), default=0.0)
        return self.plant.start_margin * (start_s + transfer_s) / 3600 if start_s else 0.0

    @cached_property
    def battery_failures(self) -> tuple[str, ...]:
        """Single failures that may shorten what batteries last: a string, a module, a unit of one module."""
        strings = [f"string:{part.name}" for unit in self.units.values() for part in unit.parts]
        return (*strings, *self._module_failures)

    @cached_property
    def fuel_failures(self) -> tuple[str, ...]:
        """Single failures that may shorten what fuel lasts, those of shared parts among them."""
        shared = [name for name in self.plant.tanks if name in self.tanks]
        pumps = [f"pump:{name}" for name, tank in self.tanks.items() if tank.refill_from]
        switches = [name for name in self.plant.switches if name in self.switches]
        return (*self.generators, *shared, *pumps, *switches, *self._module_failures)

    @cached_property
    def single_failures(self) -> tuple[str, ...]:
        """Every single failure that may shorten what the site lasts."""
        return tuple(dict.fromkeys((*self.fuel_failures, *self.battery_failures)))

    @cached_property
    def graph(self) -> dict[str, Any]:
        """What is fed from what, for whoever draws the plant."""
        fed_from = {name: list(switch.inputs) for name, switch in self.switches.items()}
        fed_from |= {name: [unit.source] for name, unit in self.units.items()}
        loads = [
            {"name": load.name, "kw": load.kw, "priority": load.priority, "inputs": list(load.inputs)}
            for load in self.loads
        ]
        return {"fed_from": fed_from, "loads": loads}

    @cached_property
    def without_module(self) -> dict[str, tuple[float, tuple[int, ...]]]:
        """Per unit of several modules, its rating without one, kW, and the columns of all loads that it may feed."""
        rated = {name: it.module_kw * (it.modules - 1) for name, it in self.plant.ups.items()}
        rated |= {name: it.rectifier_kw * (it.rectifiers - 1) for name, it in self.plant.dc_plants.items()}
        return {
            name: (kw, tuple(column for column, load in enumerate(self.loads) if name in load.inputs))
            for name, kw in rated.items()
            if kw > 0
        }

    @cached_property
    def _module_failures(self) -> tuple[str, ...]:
        modules = {name: it.modules for name, it in self.plant.ups.items()}
        modules |= {name: it.rectifiers for name, it in self.plant.dc_plants.items()}
        return tuple(
            name if n == 1 else f"module:{name}"
            for name, n in modules.items()
            if name in self.units and f"module:{name}" not in self.lost
        )

    def flow(self, sources: frozenset[str], bridging: frozenset[str], tripped: frozenset[str] = frozenset()) -> Flow:
        """Return who carries what.

        Args:
            sources: living feeds and generators.
            bridging: units whose batteries hold.
            tripped: units on bypass, and switches that overload has opened.
        """
        key = (sources, bridging, tripped)
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = _Tracer(self, sources, bridging, tripped).flow()
        return flow


def _plain_battery(capacity_kwh: float) -> dict[str, BatteryString]:
    return {"battery": BatteryString(Technology.VRLA, capacity_kwh)} if capacity_kwh else {}


class _Tracer:
    """One walk from the loads to the sources."""

    def __init__(
        self, network: Network, sources: frozenset[str], bridging: frozenset[str], tripped: frozenset[str]
    ) -> None:
        self._network, self._sources, self._bridging, self._tripped = network, sources, bridging, tripped
        self._alive: dict[str, bool] = {}
        self._columns = {name: len(network.loads) + i for i, name in enumerate(network.units)}
        self._width = len(network.loads) + len(network.units)
        self._through: dict[str, list[float]] = defaultdict(self._none)
        self._sets: dict[tuple[str, ...], tuple[list[float], float]] = {}
        self._on_battery: dict[str, bool] = {}

    def _none(self) -> list[float]:
        return [0.0] * self._width

    def flow(self) -> Flow:
        """Walk, and return what was found."""
        dark = set()
        for column, load in enumerate(self._network.loads):
            inputs = [name for name in load.inputs if self._lives(name)]
            if not inputs:
                dark.add(load.name)
            for name in inputs:
                self._push(name, column, 1 / len(inputs))
        return self._found(frozenset(dark))

    def _found(self, dark: frozenset[str]) -> Flow:
        network = self._network
        units = tuple(
            UnitFlow(network.units[name], tuple(self._through[name]), on_battery)
            for name, on_battery in self._on_battery.items()
        )
        sets = tuple(
            SetFlow(tuple(network.generators[name] for name in names), tuple(factors), transfer_s)
            for names, (factors, transfer_s) in self._sets.items()
        )
        rated = [
            *((name, feed.rated_kw) for name, feed in network.plant.feeds.items()),
            *((name, switch.rated_kw) for name, switch in network.switches.items() if switch.rated_kw is not None),
        ]
        best = network.best_priority
        return Flow(
            dark,
            any(load.name in dark and load.priority == best for load in network.loads),
            units,
            sets,
            tuple(RatedFlow(name, kw, tuple(self._through[name])) for name, kw in rated if name in self._through),
        )

    def _lives(self, name: str) -> bool:
        alive = self._alive.get(name)
        if alive is None:
            network = self._network
            if (unit := network.units.get(name)) is not None:
                alive = self._lives(unit.source) if name in self._tripped else (
                    name in self._bridging or self._lives(unit.source)
                )  # fmt: skip
                alive = alive and (name not in self._tripped or unit.bypass)
            elif (switch := network.switches.get(name)) is not None:
                alive = name not in self._tripped and any(map(self._lives, switch.inputs))
            else:
                alive = name in self._sources
            self._alive[name] = alive
        return alive

    def _push(self, name: str, column: int, factor: float) -> None:
        """Let a part carry a share of a load, and what feeds it too."""
        self._through[name][column] += factor
        network = self._network
        if (unit := network.units.get(name)) is not None:
            self._push_unit(unit, column, factor)
        elif (switch := network.switches.get(name)) is not None:
            self._push_switch(switch, column, factor)
        elif name in network.generators:
            self._add((name,), column, factor, 0.0)

    def _push_unit(self, unit: UnitNode, column: int, factor: float) -> None:
        if unit.name in self._tripped:
            self._push(unit.source, column, factor)  # on bypass: no conversion, no losses
            return
        mains = self._lives(unit.source)
        if unit.name not in self._on_battery:
            self._on_battery[unit.name] = not mains
            if mains:
                self._push(unit.source, self._columns[unit.name], 1 / unit.efficiency)
        if mains:
            self._push(unit.source, column, factor / unit.efficiency)

    def _push_switch(self, switch: SwitchNode, column: int, factor: float) -> None:
        living = [name for name in switch.inputs if self._lives(name)]
        sets = [name for name in living if name in self._network.generators] if switch.bus else []
        chosen = next((name for name in living if name not in sets), None)
        if chosen in self._network.generators:
            self._add((chosen,), column, factor, switch.transfer_s)
        elif chosen is not None:
            self._push(chosen, column, factor)
        else:
            self._add(tuple(sets), column, factor, switch.transfer_s)

    def _add(self, names: tuple[str, ...], column: int, factor: float, transfer_s: float) -> None:
        factors, _transfer_s = self._sets.setdefault(names, (self._none(), transfer_s))
        factors[column] += factor
