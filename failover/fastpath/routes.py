"""The kernel's side of protection: one nexthop object and the routes over it per group, floating routes underneath.

When an interface loses its light the kernel flushes the nexthop objects that leave by it, *and their routes*. So a
switch always sends both again, in one datagram. A regular route survives a loss of light, which is why the floating
routes underneath are no nexthop objects: with this process dead, the kernel itself falls back to the protection path,
and from a protection path to the one below it.

A group that serves another as a path has no routes. Its nexthop object carries nothing, and is there to be found by the
next life of this process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Protocol

from ..io import rtnetlink
from ..io.netlink import RouteSocket
from ..io.rtnetlink import METRIC_FLOATING, METRIC_SELECTED, Address, Link, Nexthop, Route
from ..plan import FastPathPlan, GroupPlan, SessionPlan


@dataclass(slots=True)
class _Batches:
    """Prebuilt requests of a group, by link; a link whose interface does not exist has none."""

    select: dict[str, bytes] = field(default_factory=dict)
    floating: dict[str, bytes] = field(default_factory=dict)


class Indices(Protocol):
    """Where an interface's index is looked up."""

    def __call__(self, interface: str) -> int | None:
        """Return the index, or None while there is no such interface."""
        ...


class Routes:
    """Nexthops and routes of all groups of this site."""

    def __init__(self, plan: FastPathPlan, index_of: Indices) -> None:
        """Open the socket.

        Raises:
            OSError: no netlink.
        """
        self.socket = RouteSocket()
        self._plan = plan
        self._hops = {session.link: session for session in plan.sessions}
        self._links = {group.id: plan.links_of(group.id) for group in plan.groups}
        """By group: its links, the one to be preferred first."""
        self._index_of = index_of
        self._sources: dict[int, str] = {}
        self._batches: dict[str, _Batches] = {}
        self.rebuild()

    # ------------------------------------------------------------ prebuilt messages

    def rebuild(self) -> set[str]:
        """Build the requests anew after interfaces or addresses changed; return the groups whose requests changed."""
        built = {group.id: self._build(group) for group in self._plan.groups}
        changed = {group for group, batches in built.items() if batches != self._batches.get(group)}
        self._batches = built
        return changed

    def _build(self, group: GroupPlan) -> _Batches:
        batches = _Batches()
        for depth, link in enumerate(self._links[group.id]):
            hop = self._hops[link]
            if (index := self._index_of(hop.interface)) is None:
                continue
            nexthop = rtnetlink.replace_nexthop(group.nexthop_id, index, hop.remote)
            batches.select[link] = nexthop + b"".join(
                rtnetlink.replace_selected_route(prefix, group.nexthop_id, self._sources) for prefix in group.prefixes
            )
            if depth:
                batches.floating[link] = b"".join(
                    rtnetlink.replace_floating_route(prefix, index, hop.remote, self._sources, _floating(depth))
                    for prefix in group.prefixes
                )
        return batches

    def choose_sources(self, addresses: Iterable[Address], links: Mapping[int, Link]) -> None:
        """Choose the preferred source address of our routes by IP version: the site's own, on `lo` if there is one.

        An address on a path's interface is no choice: it dies with the path.
        """
        networks = [ip_network(network) for network in self._plan.source_networks]
        path_interfaces = {session.interface for session in self._plan.sessions}
        ranked: list[tuple[bool, int, int]] = []
        for entry in addresses:
            address, link = ip_address(entry.address), links.get(entry.index)
            if link is None or link.name in path_interfaces or not any(address in network for network in networks):
                continue
            ranked.append((link.name != "lo", address.version, int(address)))
        chosen: dict[int, str] = {}
        for _elsewhere, version, value in sorted(ranked):
            chosen.setdefault(version, str(ip_address(value.to_bytes(4 if version == 4 else 16, "big"))))
        self._sources = chosen

    def selection(self, group: str, link: str) -> bytes:
        """Return the request that sends a group's traffic by a link; empty while its interface does not exist."""
        return self._batches[group].select.get(link, b"")

    def floating(self, group: str, link: str) -> bytes:
        """Return the request for a group's floating routes by a link; empty where there are none."""
        return self._batches[group].floating.get(link, b"")

    # ------------------------------------------------------------ what stands in the kernel

    def adopted(self) -> dict[str, str]:
        """Return the link by which the kernel sends each group now, where its nexthop object stands and is known.

        A group below one whose traffic it carries stands where that traffic goes, whatever its own object says.
        """
        standing = {nexthop.id: nexthop for nexthop in self.socket.nexthops()}
        found: dict[str, str] = {}
        for group in reversed(self._plan.groups):
            nexthop = standing.get(group.nexthop_id)
            for link in self._links[group.id]:
                if nexthop and self._is_by(nexthop, self._hops[link]):
                    found.setdefault(group.id, link)
            carrying = found.get(group.id)
            if carrying in self._links.get(group.protection, ()):
                found.setdefault(group.protection, carrying)
        return found

    def _is_by(self, hop: Nexthop | Route, session: SessionPlan) -> bool:
        return hop.index == self._index_of(session.interface) and hop.gateway == str(ip_address(session.remote))

    def audit(self, carrying: Mapping[str, str]) -> set[str]:
        """Compare the kernel with what should stand, remove what is ours but in no plan, and return groups to repair.

        This may wait for the kernel: `Worker` runs it.

        Args:
            carrying: by which link each group's traffic is to go.
        """
        nexthops, routes = self.socket.nexthops(), self.socket.own_routes()
        self._sweep(nexthops, routes)
        by_id = {nexthop.id: nexthop for nexthop in nexthops}
        by_key = {(route.prefix, route.metric): route for route in routes}
        return {group.id for group in self._plan.groups if not self._stands(group, carrying[group.id], by_id, by_key)}

    def _stands(
        self,
        group: GroupPlan,
        link: str,
        nexthops: Mapping[int, Nexthop],
        routes: Mapping[tuple[str, int], Route],
    ) -> bool:
        nexthop = nexthops.get(group.nexthop_id)
        if nexthop is None or not self._is_by(nexthop, self._hops[link]):
            return False
        for prefix in group.prefixes:
            source = self._sources.get(ip_network(prefix).version)
            selected = routes.get((prefix, METRIC_SELECTED))
            if selected is None or selected.nexthop_id != group.nexthop_id or selected.source != source:
                return False
            for depth, below in enumerate(self._links[group.id][1:], start=1):
                floating = routes.get((prefix, _floating(depth)))
                if floating is None or not self._is_by(floating, self._hops[below]) or floating.source != source:
                    return False
        return True

    def _sweep(self, nexthops: Iterable[Nexthop], routes: Iterable[Route]) -> None:
        ids = {group.nexthop_id for group in self._plan.groups}
        known = {
            (prefix, metric)
            for group in self._plan.groups
            for prefix in group.prefixes
            for metric in (METRIC_SELECTED, *map(_floating, range(1, len(self._links[group.id]))))
        }
        strangers = [
            rtnetlink.delete_route(route.prefix, route.metric)
            for route in routes
            if (route.prefix, route.metric) not in known
        ]
        strangers += [rtnetlink.delete_nexthop(nexthop.id) for nexthop in nexthops if nexthop.id not in ids]
        if strangers:
            self.socket.request(b"".join(strangers))


def _floating(depth: int) -> int:
    """Return the metric of the floating route by the link so many steps below the uppermost."""
    return METRIC_FLOATING + depth - 1
