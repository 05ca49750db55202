"""What hangs on what: the part of the inventory that root-cause correlation looks at, indexed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ..model.inventory import DeviceKind, Inventory, Media, SiteKind
from ..model.power import PowerPlant

CENTRES: Final = frozenset({SiteKind.CORE_ROOM_WIRED, SiteKind.CORE_ROOM_800M, SiteKind.COMMAND_CENTRE})
"""Who is cut off is cut off from all of these."""


_CARRIERS: Final = {
    DeviceKind.SATELLITE_MODEM: frozenset({Media.SATELLITE}),
    DeviceKind.MICROWAVE_RADIO: frozenset({Media.MICROWAVE}),
    DeviceKind.ROUTER: frozenset(Media),
    DeviceKind.SWITCH: frozenset(Media),
}
"""Which media end in which devices."""


@dataclass(frozen=True, slots=True)
class Cable:
    """A link as far as faults are concerned."""

    ends: tuple[str, str]
    """Sites that it joins."""
    places: tuple[str, ...]
    """Sites without which it does not work: its ends, and what it passes."""
    srgs: tuple[str, ...]
    """Shared-risk groups that it runs through."""
    media: Media
    """What carries it."""


class Topology:
    """Links, groups, sites and supplies of one inventory.

    Attributes:
        cables: links by id.
        links_of_srg: ids of the links that run through a shared-risk group.
        links_at: ids of the links that end at a site.
        links_of_group: ids of the links that a protection group's traffic may take, the preferred one first.
        centres: sites on which the others hang.
        timed_by_core: sites without a time source of their own.
        controllers: radio networks' controllers, as `site/device`.
    """

    def __init__(self, inventory: Inventory) -> None:
        self.cables: dict[str, Cable] = {}
        self.links_of_srg: dict[str, list[str]] = {}
        self.links_at: dict[str, list[str]] = {}
        for name, link in inventory.links.items():
            ends = (link.a.site, link.b.site)
            self.cables[name] = Cable(ends, (*ends, *link.via), tuple(link.srgs), link.media)
            for srg in link.srgs:
                self.links_of_srg.setdefault(srg, []).append(name)
            for site in dict.fromkeys(ends):
                self.links_at.setdefault(site, []).append(name)
        self.links_of_group: Mapping[str, tuple[str, ...]] = {
            name: inventory.links_of_path(name) for name in inventory.protection_groups
        }
        self.centres = frozenset(name for name, site in inventory.sites.items() if site.kind in CENTRES)
        self.timed_by_core = frozenset(name for name, site in inventory.sites.items() if not site.time_sources)
        self._devices = {
            (name, device): one.kind for name, site in inventory.sites.items() for device, one in site.devices.items()
        }
        self.controllers = frozenset(
            f"{site}/{device}" for (site, device), kind in self._devices.items() if kind is DeviceKind.RADIO_CONTROLLER
        )
        self._supplies = {name: dict(_supplies(site.power)) for name, site in inventory.sites.items() if site.power}

    def feeds(self, site: str, unit: str, device: str) -> bool:
        """Tell whether a device at a site hangs on a unit of its power plant; all do where loads are not described."""
        loads = self._supplies.get(site, {})
        return device not in loads or unit == device or unit in loads[device]

    def carries(self, site: str, device: str, link: str) -> bool:
        """Tell whether a link that ends at a site goes through a device there: its modem or radio, or any router."""
        kind = self._devices.get((site, device))
        return kind in _CARRIERS and self.cables[link].media in _CARRIERS[kind]

    def cut_off(self, down: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the sites that no working path joins to a centre, and the failed links at the edge of their island.

        Args:
            down: ids of the links that have failed.
        """
        down = set(down)
        if not self.centres:
            return {}
        reached, waiting = set(self.centres), list(self.centres)
        while waiting:
            for site in self._neighbours(waiting.pop(), down):
                if site not in reached:
                    reached.add(site)
                    waiting.append(site)
        islands: dict[str, tuple[str, ...]] = {}
        for name in sorted({end for link in down if link in self.cables for end in self.cables[link].ends} - reached):
            if name not in islands:
                island = self._island(name, down)
                edge = sorted(link for site in island for link in self.links_at[site] if self._leaves(link, island))
                islands.update(dict.fromkeys(island, tuple(dict.fromkeys(edge))))
        return islands

    def _neighbours(self, site: str, down: set[str]) -> Iterator[str]:
        for link in self.links_at.get(site, ()):
            if link not in down:
                a, b = self.cables[link].ends
                yield b if a == site else a

    def _island(self, site: str, down: set[str]) -> set[str]:
        island, waiting = {site}, [site]
        while waiting:
            for other in self._neighbours(waiting.pop(), down):
                if other not in island:
                    island.add(other)
                    waiting.append(other)
        return island

    def _leaves(self, link: str, island: set[str]) -> bool:
        a, b = self.cables[link].ends
        return (a in island) is not (b in island)


def _supplies(plant: PowerPlant) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each load of a plant with all units on which it hangs, near or far."""
    inputs = {name: list(switch.inputs) for name, switch in plant.switches.items()}
    for units in (plant.ups, plant.dc_plants):
        inputs |= {name: [unit.input] for name, unit in units.items() if unit.input}
    for name, load in plant.loads.items():
        found: set[str] = set()
        waiting = list(load.inputs)
        while waiting:
            unit = waiting.pop()
            if unit not in found:
                found.add(unit)
                waiting += inputs.get(unit, [])
        yield name, frozenset(found)
