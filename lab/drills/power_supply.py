"""One tanker for all sites: it goes as `lifeline power plan fuel` would send it, on what the hub shows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from lifeline.model.inventory import Inventory
from power.core.body import situation_from_json
from power.core.needs import fuel_need
from power.core.network import Network
from power.deliveries import Delivery, DeliveryError, plan_deliveries

from .power_drills import RACE_H, tanks_of
from .power_play import PowerDrill, Seen

TANKER_L = 800.0
TRIP_H = 6.0
"""Where a site does not say how long a delivery takes."""


@dataclass(slots=True)
class Tanker:
    """The tanker: waits until every site has told that its fuel is low, then goes by one plan."""

    inventory: Inventory
    trips: list[Delivery] | None = None
    """Still to come; None before there is a plan."""
    _planned_s: dict[str, float] = field(default_factory=dict)
    """Per site, its plant's time when the plan was made."""

    async def bring(self, drill: PowerDrill, seen: Mapping[str, Seen]) -> None:
        """Make the plan once, then bring what is due."""
        if self.trips is None:
            if all(any(name == "low-fuel" for _part, name in it.alarms) for it in seen.values()):
                await self._plan(drill, seen)
            return
        for trip in [it for it in self.trips if self._is_due(it, seen[it.site])]:
            self.trips.remove(trip)
            await self._fill(drill, trip, seen[trip.site])

    async def _plan(self, drill: PowerDrill, seen: Mapping[str, Seen]) -> None:
        needs = []
        for site, it in seen.items():
            plant = self.inventory.sites[site].power
            assert plant is not None
            try:
                need = fuel_need(site, Network(plant), situation_from_json(it.state["situation"]), TRIP_H)
            except ValueError as error:
                drill.wrong.append(f"{site}: {error}")
                continue
            if need is None:
                drill.wrong.append(f"{site}: nobody knows what fuel it needs")
            else:
                needs.append(need)
        try:
            self.trips = await asyncio.to_thread(plan_deliveries, needs, 1, TANKER_L, RACE_H)
        except DeliveryError as error:
            self.trips = []
            drill.wrong.append(str(error))
        self._planned_s = {site: float(it.plant["at_s"]) for site, it in seen.items()}
        for trip in self.trips:
            drill.note(trip.site, f"{trip.litres:.0f} l at {trip.arrive_h:.1f} h, needed by {trip.need_by_h:.1f} h")
        drill.wrong += [f"{it.site}: the plan is {it.late_h:.1f} h late" for it in self.trips if it.late_h > 0]

    def _is_due(self, trip: Delivery, seen: Seen) -> bool:
        return float(seen.plant["at_s"]) - self._planned_s[trip.site] >= trip.arrive_h * 3600

    async def _fill(self, drill: PowerDrill, trip: Delivery, seen: Seen) -> None:
        """Share the litres among the site's tanks by the room they have."""
        plant = self.inventory.sites[trip.site].power
        assert plant is not None
        levels = {tank: seen.plant["tanks"][tank] for tank in tanks_of(plant)}
        room_l = {tank: it["capacity_l"] - it["fuel_l"] for tank, it in levels.items()}
        share = min(1.0, trip.litres / max(1e-9, sum(room_l.values())))
        for tank, litres in room_l.items():
            await drill.ask(trip.site, {"act": "deliver", "at": tank, "litres": share * litres})
        drill.note(trip.site, f"{share * sum(room_l.values()):.0f} l are there")
