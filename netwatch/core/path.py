"""Says where on a path the break is, from what probes with growing hop limits found from one end or from both. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lifeline.model.inventory import Inventory


class End(StrEnum):
    """How a trace ended."""

    REACHED = "reached"
    SILENT = "silent"
    """Nobody answered beyond the last hop."""
    REFUSED = "refused"
    """The last hop said that it has no way (RFC 792 type 3)."""


@dataclass(frozen=True, slots=True)
class Hop:
    """A router on the way."""

    distance: int
    address: str
    round_trip_ms: float


@dataclass(frozen=True, slots=True)
class Trace:
    """One way as probed."""

    target: str
    hops: tuple[Hop, ...]
    end: End


@dataclass(frozen=True, slots=True)
class Break:
    """Between which addresses, and on which links of the inventory, a path breaks."""

    last_seen: str
    """Site of the last hop that answers; empty where none did."""
    links: tuple[str, ...]
    """Links that may be broken, as far as the inventory tells."""
    text: str


class Places:
    """Which site and which link an address belongs to."""

    def __init__(self, inventory: Inventory) -> None:
        """Index the inventory's addresses."""
        self._sites: dict[str, str] = {}
        self._links: dict[str, str] = {}
        self._ends: dict[str, tuple[str, str]] = {}
        self._prefixes = [(prefix, name) for name, site in inventory.sites.items() for prefix in site.prefixes]
        for name, site in inventory.sites.items():
            for device in site.devices.values():
                if device.address is not None:
                    self._sites[str(device.address)] = name
        for name, link in inventory.links.items():
            self._ends[name] = link.a.site, link.b.site
            for end in (link.a, link.b):
                address = str(end.address.ip)
                self._sites[address] = end.site
                self._links[address] = name

    def site(self, address: str) -> str:
        """Return the site an address stands at; empty if none."""
        if (found := self._sites.get(address)) is not None:
            return found
        from ipaddress import ip_address

        there = ip_address(address)
        return next((name for prefix, name in self._prefixes if there in prefix), "")

    def link(self, address: str) -> str:
        """Return the link whose end has the address; empty if none."""
        return self._links.get(address, "")

    def between(self, one: str, other: str) -> list[str]:
        """Return the links that join two sites."""
        return [name for name, ends in self._ends.items() if set(ends) == {one, other}]

    def leaving(self, site: str) -> list[str]:
        """Return the links that end at a site."""
        return [name for name, ends in self._ends.items() if site in ends]


def locate(near: Trace, far: Trace | None, places: Places, start: str, target: str) -> Break | None:
    """Return where the path between two sites breaks; None when it does not.

    Args:
        near: probed from `start` towards `target`.
        far: probed the other way, from `target`; None where nobody probes there.
        places: of the inventory.
        start: the site that probes.
        target: the site that is not reached.
    """
    if near.end is End.REACHED and (far is None or far.end is End.REACHED):
        return None
    ours = _last(near, places, start)
    theirs = _last(far, places, target) if far is not None else target
    if near.end is End.REACHED:
        return Break(theirs, (), f"{start} reaches {target}, but {target} does not reach {start}: beyond {theirs}")
    if far is not None and far.end is End.REACHED:
        return Break(ours, (), f"{target} reaches {start}, but {start} does not reach {target}: beyond {ours}")
    links = places.between(ours, theirs) if far is not None or ours else []
    where = f"between {ours} and {theirs}" if ours != theirs else f"at {ours}"
    if not links:
        links = places.leaving(ours)
        where = f"beyond {ours}"
    why = "says that it has no way on" if near.end is End.REFUSED else "is the last that answers"
    return Break(ours, tuple(links), f"The path breaks {where}: {ours} {why}")


def _last(trace: Trace, places: Places, start: str) -> str:
    """Return the site of the last hop that is known to the inventory; where the trace begins if none is."""
    for hop in reversed(trace.hops):
        if site := places.site(hop.address):
            return site
    return start


def sites_of(trace: Trace, places: Places) -> list[tuple[Hop, str, str]]:
    """Return each hop with its site and its link."""
    return [(hop, places.site(hop.address), places.link(hop.address)) for hop in trace.hops]


def loops(trace: Trace) -> Sequence[str]:
    """Return addresses that the path passes more than once: packets go round in circles."""
    seen: Mapping[str, int] = {hop.address: 0 for hop in trace.hops}
    counts = dict(seen)
    for hop in trace.hops:
        counts[hop.address] += 1
    return [address for address, count in counts.items() if count > 1]
