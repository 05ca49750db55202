"""What a site needs of fuel, from its present state."""

from __future__ import annotations

from dataclasses import dataclass

from .network import Network
from .situation import LoadCase, Situation, column, levels_of, loads_of
from .steady import fuel_h, set_burns


@dataclass(frozen=True, slots=True)
class Need:
    """A site that burns fuel."""

    site: str
    out_h: float
    """When its fuel is out, hours from now; the low end of the interval."""
    burn_l_per_h: float
    room_l: float
    """What fits into its tanks now, litres."""
    usable_l: float
    """What its tanks hold above the pipe when full, litres."""
    trip_h: float
    """How long a tanker is away for it."""
    weight: float = 1.0
    """How much it matters."""


def fuel_need(site: str, network: Network, situation: Situation, trip_h: float) -> Need | None:
    """Return what a site needs at its present load, all cooling included; None where something is not known.

    Day tanks are filled from their bulk tanks, which are what a tanker fills.
    """
    here = network.without(situation.lost)
    loads, no_load = loads_of(here, situation, LoadCase.COOLING)
    levels, no_level = levels_of(here, situation)
    if no_load or no_level or here.unknown_burns:
        return None
    kw = column(loads, 0)
    burns, _overloaded = set_burns(here.flow(frozenset(here.generators), frozenset()), kw, 0)
    filled = [tank for tank in here.tanks.values() if tank.refill_from is None]
    return Need(
        site,
        fuel_h(here, kw, levels[0], 0),
        sum(burns.values()),
        sum(tank.capacity_l - levels[2][tank.name] for tank in filled),
        sum(tank.capacity_l - tank.floor_l for tank in filled),
        here.plant.fuel_delivery_h or trip_h,
        1 + here.plant.target_autonomy_h / 72,
    )
