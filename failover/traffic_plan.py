"""What one site divides among traffic classes, and by what its flows are pinned to a path, compiled from the inventory.

Plain data, JSON in and out, like the fast path's plan; the agent carries it out. It is no part of the edge loop: the
queues stand whether the traffic is on that path or not, and nothing has to be changed when it switches.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .core.classify import Match
from .core.shaping import ClassTraffic, LinkTraffic, Tree, build_tree
from .core.stranded import PathPin

if TYPE_CHECKING:  # whoever carries out a plan needs no pydantic
    from lifeline.model.inventory import Inventory, Link
    from lifeline.model.traffic import ClassShare, TrafficClass


@dataclass(frozen=True, slots=True)
class InterfaceTraffic:
    """An interface and the links over it that are divided."""

    interface: str
    links: tuple[LinkTraffic, ...]

    def tree(self, capacities_bps: Mapping[str, int] = MappingProxyType({})) -> Tree:
        """Return what is to stand on the interface.

        Args:
            capacities_bps: what links carry at present, where that is known to be less than planned.

        Raises:
            ShapingError: the links do not fit into a tree.
        """
        return build_tree([link.at_capacity(capacities_bps.get(link.link, link.capacity_bps)) for link in self.links])


@dataclass(frozen=True, slots=True)
class TrafficPlan:
    """One site's share in what travels."""

    site: str
    interfaces: tuple[InterfaceTraffic, ...]
    pins: tuple[PathPin, ...]
    """Per group and path at this site: how a flow that belongs to it is known."""

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrafficPlan:
        """Build a plan from what `to_json` and JSON have made of it.

        Raises:
            KeyError | TypeError: a key is missing or unknown.
        """
        return cls(
            site=data["site"],
            interfaces=tuple(
                InterfaceTraffic(i["interface"], tuple(_link_from_json(link) for link in i["links"]))
                for i in data["interfaces"]
            ),
            pins=tuple(
                PathPin(**{**pin, "addresses": tuple(pin["addresses"]), "prefixes": tuple(pin["prefixes"])})
                for pin in data["pins"]
            ),
        )


def compile_traffic(inventory: Inventory, site: str) -> TrafficPlan:
    """Compile the inventory for one site: the links with a profile that end here, and the groups' two paths.

    Raises:
        KeyError: the inventory has no such site.
    """
    _known = inventory.sites[site]
    shaped: dict[str, list[LinkTraffic]] = defaultdict(list)
    for key, link in inventory.links.items():
        if link.traffic_profile is not None and (end := link.end_at(site)) is not None:
            shaped[end.interface].append(_link(inventory, key, link, site))
    interfaces = tuple(InterfaceTraffic(name, tuple(links)) for name, links in shaped.items())
    return TrafficPlan(site, interfaces, tuple(_pins(inventory, site)))


def _link(inventory: Inventory, key: str, link: Link, site: str) -> LinkTraffic:
    assert link.traffic_profile is not None
    assert link.capacity_kbps is not None
    profile = inventory.traffic_profiles[link.traffic_profile]
    rate_bps = profile.rate_kbps(link.capacity_kbps) * 1000
    far = link.far_end(site).address.ip
    prefixes = [
        str(prefix)
        for name, group in inventory.groups_at(site).items()
        if key in inventory.links_of_path(name)
        for prefix in group.prefixes.get(site, ())
    ]
    return LinkTraffic(
        link=key,
        rate_bps=rate_bps,
        control_bps=link.control_kbps * 1000,
        destinations=tuple(dict.fromkeys([f"{far}/{far.max_prefixlen}", *prefixes])),
        classes=tuple(
            _class(name, inventory.traffic_classes[name], share, rate_bps) for name, share in profile.classes.items()
        ),
        overhead_bytes=profile.overhead_bytes,
        round_trip_ms=profile.round_trip_ms,
        capacity_bps=link.capacity_kbps * 1000,
    )


def _class(name: str, traffic_class: TrafficClass, share: ClassShare, rate_bps: int) -> ClassTraffic:
    return ClassTraffic(
        id=name,
        priority=traffic_class.priority,
        guaranteed_bps=share.guaranteed_kbps * 1000,
        ceiling_bps=share.ceiling_kbps * 1000 if share.ceiling_kbps is not None else rate_bps,
        queue_ms=share.queue_ms,
        marks=tuple(mark.code_point for mark in traffic_class.dscp),
        matches=tuple(
            Match(tuple(map(str, match.prefixes)), match.protocol, tuple(match.ports)) for match in traffic_class.match
        ),
    )


def _pins(inventory: Inventory, site: str) -> Iterator[PathPin]:
    for key, group in inventory.groups_at(site).items():
        for name in inventory.links_of_path(key) if group.prefixes else ():
            if (link := inventory.links.get(name)) is not None and (end := link.end_at(site)) is not None:
                prefixes = tuple(map(str, group.prefixes.get(site, ())))
                yield PathPin(key, name, (str(end.address.ip),), prefixes, link.ct_mark)


def _link_from_json(data: Mapping[str, Any]) -> LinkTraffic:
    classes = tuple(
        ClassTraffic(**{**c, "marks": tuple(c["marks"]), "matches": tuple(map(_match_from_json, c["matches"]))})
        for c in data["classes"]
    )
    return LinkTraffic(**{**data, "destinations": tuple(data["destinations"]), "classes": classes})


def _match_from_json(data: Mapping[str, Any]) -> Match:
    return Match(tuple(data["prefixes"]), data["protocol"], _spans(data["ports"]))


def _spans(ports: Iterable[Iterable[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((first, last) for first, last in ports)
