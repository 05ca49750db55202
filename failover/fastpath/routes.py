"""The kernel's side of protection: one nexthop object and the routes over it per group, floating routes underneath.

When an interface loses its light the kernel flushes the nexthop objects that leave by it, *and their routes*. So a
switch always sends both again, in one datagram. A regular route survives a loss of light, which is why the floating
routes underneath are no nexthop objects: with this process dead, the kernel itself falls back to the protection path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Protocol

from ..core.protection import Selector
from ..io import rtnetlink
from ..io.netlink import RouteSocket
from ..io.rtnetlink import METRIC_FLOATING, METRIC_SELECTED, Address, Link, Nexthop, Route
from ..plan import FastPathPlan, GroupPlan, SessionPlan


@dataclass(slots=True)
class _Batches:
    """Prebuilt requests of a group; a selector whose interface does not exist has none."""

    select: dict[Selector, bytes] = field(default_factory=dict)
    floating: bytes = b""


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
        for selector in Selector:
            hop = self._hop(group, selector)
            if (index := self._index_of(hop.interface)) is None:
                continue
            nexthop = rtnetlink.replace_nexthop(group.nexthop_id, index, hop.remote)
            batches.select[selector] = nexthop + b"".join(
                rtnetlink.replace_selected_route(prefix, group.nexthop_id, self._sources) for prefix in group.prefixes
            )
            if selector is Selector.PROTECTION:
                batches.floating = b"".join(
                    rtnetlink.replace_floating_route(prefix, index, hop.remote, self._sources)
                    for prefix in group.prefixes
                )
        return batches

    def _hop(self, group: GroupPlan, selector: Selector) -> SessionPlan:
        return self._plan.session(group.working if selector is Selector.WORKING else group.protection)

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

    def selection(self, group: str, selector: Selector) -> bytes:
        """Return the request that sends a group's traffic by a path; empty while its interface does not exist."""
        return self._batches[group].select.get(selector, b"")

    def floating(self, group: str) -> bytes:
        """Return the request for a group's floating routes; empty while their interface does not exist."""
        return self._batches[group].floating

    # ------------------------------------------------------------ what stands in the kernel

    def adopted(self) -> dict[str, Selector]:
        """Return where the kernel sends each group now, for the groups whose nexthop object stands and is known."""
        standing = {nexthop.id: nexthop for nexthop in self.socket.nexthops()}
        found: dict[str, Selector] = {}
        for group in self._plan.groups:
            nexthop = standing.get(group.nexthop_id)
            for selector in Selector:
                if nexthop and self._is_by(nexthop, self._hop(group, selector)):
                    found[group.id] = selector
        return found

    def _is_by(self, hop: Nexthop | Route, session: SessionPlan) -> bool:
        return hop.index == self._index_of(session.interface) and hop.gateway == str(ip_address(session.remote))

    def audit(self, selectors: Mapping[str, Selector]) -> set[str]:
        """Compare the kernel with what should stand, remove what is ours but in no plan, and return groups to repair.

        This may wait for the kernel: `Worker` runs it.

        Args:
            selectors: the present selector of each group.
        """
        nexthops, routes = self.socket.nexthops(), self.socket.own_routes()
        self._sweep(nexthops, routes)
        by_id = {nexthop.id: nexthop for nexthop in nexthops}
        by_key = {(route.prefix, route.metric): route for route in routes}
        return {group.id for group in self._plan.groups if not self._stands(group, selectors[group.id], by_id, by_key)}

    def _stands(
        self,
        group: GroupPlan,
        selector: Selector,
        nexthops: Mapping[int, Nexthop],
        routes: Mapping[tuple[str, int], Route],
    ) -> bool:
        nexthop = nexthops.get(group.nexthop_id)
        if nexthop is None or not self._is_by(nexthop, self._hop(group, selector)):
            return False
        for prefix in group.prefixes:
            source = self._sources.get(ip_network(prefix).version)
            selected, floating = routes.get((prefix, METRIC_SELECTED)), routes.get((prefix, METRIC_FLOATING))
            if selected is None or selected.nexthop_id != group.nexthop_id or selected.source != source:
                return False
            if floating is None or not self._is_by(floating, self._hop(group, Selector.PROTECTION)):
                return False
            if floating.source != source:
                return False
        return True

    def _sweep(self, nexthops: Iterable[Nexthop], routes: Iterable[Route]) -> None:
        ids = {group.nexthop_id for group in self._plan.groups}
        prefixes = {prefix for group in self._plan.groups for prefix in group.prefixes}
        strangers = [
            rtnetlink.delete_route(route.prefix, route.metric)
            for route in routes
            if route.prefix not in prefixes or route.metric not in {METRIC_SELECTED, METRIC_FLOATING}
        ]
        strangers += [rtnetlink.delete_nexthop(nexthop.id) for nexthop in nexthops if nexthop.id not in ids]
        if strangers:
            self.socket.request(b"".join(strangers))
