"""How long batteries last alone, and how long fuel lasts alone, at loads that stay as they are. Closed steps.

`bound` chooses what is taken for granted: 0 the low figure, 1 the middle, 2 the high one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from .battery import Part, State
from .network import Flow, GeneratorNode, Network, SoleUnit, TankNode, UnitNode, carried

ENDLESS_H = 24.0 * 366
"""What lasts a year is told as a year."""
_TINY = 1e-9
_DROP_L = 1e-6
_NO_SOURCE: frozenset[str] = frozenset()


def battery_h(network: Network, kw: Sequence[float], holds: Mapping[str, tuple[float, float]], bound: int) -> float:
    """Return how long the batteries alone keep every load of the best priority, hours.

    Args:
        network: the plant.
        kw: the loads, in the network's order.
        holds: per battery part, its state of charge and the share of its new capacity it holds.
        bound: which figure.
    """
    if network.sole_unit is not None:
        hours = _sole_h(network.sole_unit, kw, holds, bound)
        if hours is not None:
            return hours
    units = network.bridging_units
    if not units:
        return 0.0
    states: dict[str, State] = {}
    for unit in units:
        for part in unit.parts:
            charge, share = holds[part.name]
            if charge > 0 and share > 0:
                states[part.name] = part.models[bound].at(charge)
    elapsed_h = 0.0
    tripped: frozenset[str] = frozenset()
    whole = len(states)
    while states:
        if len(states) == whole == network.battery_parts and not tripped:
            flow = network.battery_flow
        else:
            bridging = frozenset([unit.name for unit in units if _holds(unit, states)])
            flow = network.flow(_NO_SOURCE, bridging - tripped)
        if flow.site_dark:
            return elapsed_h
        draws: list[tuple[Part, float]] = []
        overloaded = []
        for it in flow.units:
            load_kw = carried(it.factors, kw)
            if load_kw > it.unit.rated_kw * (1 + _TINY):
                overloaded.append(it.unit.name)
            kw_here, parts = load_kw / it.unit.battery_efficiency, it.unit.parts
            if len(parts) == 1:  # most units, and without a call
                draws.append((parts[0], kw_here / parts[0].count / holds[parts[0].name][1]))
            else:
                draws += part_draws(parts, kw_here, states, holds)
        if overloaded:
            tripped = tripped.union(overloaded)
            continue
        left_h = [part.models[bound].left_h(states[part.name], each) for part, each in draws]
        step_h = min(left_h, default=inf)
        if elapsed_h + step_h >= ENDLESS_H:
            return ENDLESS_H
        elapsed_h += step_h
        if len(states) == 1:
            break  # the last one
        for (part, each), left in zip(draws, left_h, strict=True):
            if left <= step_h * (1 + _TINY) + _TINY:
                del states[part.name]
            else:
                states[part.name] = part.models[bound].after(states[part.name], each, step_h)
    return elapsed_h


def _sole_h(sole: SoleUnit, kw: Sequence[float], holds: Mapping[str, tuple[float, float]], bound: int) -> float | None:
    """Return how long the one unit with batteries keeps its loads; None where it is overloaded."""
    if sole.site_dark:
        return 0.0
    load_kw = carried(sole.factors, kw)
    if load_kw > sole.rated_kw * (1 + _TINY):
        return None
    load_kw /= sole.efficiency
    living = []
    for name, models, string_kwh, capacity_kwh in sole.strings:
        charge, share = holds[name]
        if charge > 0 and share > 0:
            model = models[bound]
            living.append((model, model.at(charge), string_kwh, capacity_kwh * share))
    elapsed_h = 0.0
    while len(living) > 1:
        # Strings share by what they hold: each kWh that a string held when new carries the same.
        each_kw = load_kw / sum([held for *_others, held in living])
        left_h = [model.left_h(state, each_kw * string_kwh) for model, state, string_kwh, _held in living]
        step_h = min(left_h)
        elapsed_h += step_h
        living = [
            (it[0], it[0].after(it[1], each_kw * it[2], step_h), it[2], it[3])
            for it, left in zip(living, left_h, strict=True)
            if left > step_h * (1 + _TINY) + _TINY
        ]
    for model, state, string_kwh, held in living:
        elapsed_h += model.left_h(state, load_kw / held * string_kwh)
    return min(ENDLESS_H, elapsed_h)


def _holds(unit: UnitNode, states: Mapping[str, State]) -> bool:
    for part in unit.parts:  # noqa: SIM110 - asked so often that a generator is felt
        if part.name in states:
            return True
    return False


def part_draws(
    parts: Sequence[Part], kw: float, states: Mapping[str, State], holds: Mapping[str, tuple[float, float]]
) -> list[tuple[Part, float]]:
    """Return what one new string of each part would carry: parts that are not empty share by what they hold."""
    living = [part for part in parts if part.name in states]
    if len(living) == 1:
        part = living[0]
        return [(part, kw / part.count / holds[part.name][1])]
    weights = [part.capacity_kwh * holds[part.name][1] for part in living]
    whole = sum(weights)
    return [
        (part, kw * weight / whole / part.count / holds[part.name][1])
        for part, weight in zip(living, weights, strict=True)
    ]


def running(generators: Sequence[GeneratorNode], kw: float) -> Sequence[GeneratorNode]:
    """Return the first sets of a group that carry a load together; none when all of them cannot."""
    rated_kw = 0.0
    for n, generator in enumerate(generators, 1):
        rated_kw += generator.rated_kw
        if rated_kw * (1 + _TINY) >= kw:
            return generators[:n]
    return ()


def fuel_h(network: Network, kw: Sequence[float], levels_l: Mapping[str, float], bound: int) -> float:
    """Return how long the fuel keeps every load of the best priority, batteries not counted, hours.

    Args:
        network: the plant.
        kw: the loads, in the network's order.
        levels_l: fuel per tank, litres, the unusable part included.
        bound: which figure.

    Raises:
        ValueError: a generator that would run has no known burn.
    """
    if not network.generators:
        return 0.0
    levels = {name: levels_l[name] for name in network.tanks}
    elapsed_h = 0.0
    failed: frozenset[str] = frozenset()
    while True:
        failed |= dry(network, levels)
        flow = network.flow(
            frozenset(network.generators.keys() - failed), frozenset(), failed.intersection(network.units)
        )
        if flow.site_dark:
            return elapsed_h
        burns, overloaded = set_burns(flow, kw, bound)
        overloaded |= {
            it.unit.name for it in flow.units if carried(it.factors, kw) > it.unit.rated_kw * (1 + _TINY)
        }  # fmt: skip
        if overloaded:
            failed |= overloaded
            continue
        rates = tank_rates(network.tanks, levels, burns)
        step_h = min(
            (tank_step_h(network.tanks[name], levels[name], rate) for name, rate in rates.items()), default=inf
        )
        if elapsed_h + step_h >= ENDLESS_H:
            return ENDLESS_H
        elapsed_h += step_h
        move_fuel(network.tanks, levels, rates, step_h)


def dry(network: Network, levels: Mapping[str, float]) -> frozenset[str]:
    """Return the generators whose fuel no longer reaches the pipe. They stay out: the line has drawn air."""
    return frozenset(
        [name for name, it in network.generators.items() if levels[it.tank] <= network.tanks[it.tank].floor_l + _TINY]
    )


def move_fuel(
    tanks: Mapping[str, TankNode], levels: dict[str, float], rates: Mapping[str, float], hours: float
) -> None:
    """Change the levels, and let those that reach an end be exactly there."""
    for name, rate in rates.items():
        level, tank = levels[name] + rate * hours, tanks[name]
        if abs(level - tank.floor_l) < _DROP_L:
            level = tank.floor_l
        elif abs(level - tank.capacity_l) < _DROP_L:
            level = tank.capacity_l
        levels[name] = level


def set_burns(
    flow: Flow, kw: Sequence[float], bound: int, recharge_kw: Sequence[float] = ()
) -> tuple[dict[str, float], set[str]]:
    """Return what each tank loses, litres per hour, and the generators that overload trips.

    Chargers give way to loads: they call for no further set, and take no more than the running ones have left.

    Raises:
        ValueError: a generator that runs has no known burn; the text names it.
    """
    burns: dict[str, float] = {}
    overloaded: set[str] = set()
    for it in flow.sets:
        load_kw = carried(it.factors, kw)
        sets = running(it.generators, load_kw)
        if not sets:
            overloaded |= {generator.name for generator in it.generators}
        rated_kw = sum([generator.rated_kw for generator in sets])
        if recharge_kw:
            load_kw = min(rated_kw, load_kw + carried(it.factors[len(kw) :], recharge_kw))
        for generator in sets:
            if generator.burns is None:
                raise ValueError(generator.name)
            burn = generator.burns[bound].l_per_h(load_kw * generator.rated_kw / rated_kw)
            burns[generator.tank] = burns.get(generator.tank, 0.0) + burn
    return burns, overloaded


def tank_rates(
    tanks: Mapping[str, TankNode], levels: Mapping[str, float], burns: Mapping[str, float]
) -> dict[str, float]:
    """Return how fast each tank's level changes, litres per hour: what is burnt, and what pumps move."""
    rates = {name: -burn for name, burn in burns.items()}
    for name, tank in tanks.items():
        bulk = tank.refill_from
        if bulk is None or levels[bulk] <= tanks[bulk].floor_l + _TINY:
            continue
        full = levels[name] >= tank.capacity_l - _TINY
        pumped = min(tank.pump_l_per_h, burns.get(name, 0.0)) if full else tank.pump_l_per_h
        if pumped:
            rates[name] = rates.get(name, 0.0) + pumped
            rates[bulk] = rates.get(bulk, 0.0) - pumped
    return rates


def tank_step_h(tank: TankNode, level_l: float, rate_l_per_h: float) -> float:
    """Return when a tank is down to what no pump reaches, or full, hours."""
    if rate_l_per_h < 0:
        return max(0.0, level_l - tank.floor_l) / -rate_l_per_h
    if rate_l_per_h > 0 and tank.refill_from is not None:
        return (tank.capacity_l - level_l) / rate_l_per_h
    return inf
