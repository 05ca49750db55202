"""What may be asked of a router: that a static route stands, or an interface's OSPF cost, or that it does not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

_INTERFACE: Final = re.compile(r"[A-Za-z][A-Za-z0-9/.:_-]{0,62}")


@dataclass(frozen=True, slots=True)
class RouteKey:
    """What makes a static route the same route to the router, whatever its distance."""

    prefix: IPNetwork
    next_hop: IPAddress | None
    interface: str | None


@dataclass(frozen=True, slots=True)
class CostKey:
    """An interface's OSPF cost, whatever it is."""

    interface: str


Key = RouteKey | CostKey


@dataclass(frozen=True, slots=True)
class StaticRoute:
    """A static route. Which of several routes to a prefix carries traffic is decided by their distance.

    Raises:
        ValueError: it leads nowhere, or a value cannot stand in a command.
    """

    prefix: IPNetwork
    next_hop: IPAddress | None = None
    interface: str | None = None
    """As the router itself writes it, such as `GigabitEthernet0/0/1`."""
    distance: int | None = None
    """Administrative distance (VRP and Comware: preference), the lower the better; None for the platform's own."""

    def __post_init__(self) -> None:
        if self.next_hop is None and self.interface is None:
            raise ValueError("a static route needs a next hop or an interface")
        if self.next_hop is not None and self.next_hop.version != self.prefix.version:
            raise ValueError(f"{self.next_hop} is no next hop for {self.prefix}")
        if self.interface is not None:
            _check_interface(self.interface)
        if self.distance is not None and not 1 <= self.distance <= 255:
            raise ValueError(f"distance {self.distance} must be 1 to 255")

    @property
    def key(self) -> RouteKey:
        """What identifies it."""
        return RouteKey(self.prefix, self.next_hop, self.interface)


@dataclass(frozen=True, slots=True)
class OspfCost:
    """An interface's OSPF cost: the lower, the more traffic it attracts (RFC 2328 appendix C.3).

    Raises:
        ValueError: a value cannot stand in a command.
    """

    interface: str
    """As the router itself writes it."""
    cost: int

    def __post_init__(self) -> None:
        _check_interface(self.interface)
        if not 1 <= self.cost <= 65535:
            raise ValueError(f"cost {self.cost} must be 1 to 65535")

    @property
    def key(self) -> CostKey:
        """What identifies it."""
        return CostKey(self.interface)


Setting = StaticRoute | OspfCost


@dataclass(frozen=True, slots=True)
class Goal:
    """A setting that shall stand; or, not `present`, that shall not, whatever its distance or cost."""

    setting: Setting
    present: bool = True


def _check_interface(name: str) -> None:
    """Refuse what could end a command line and begin another."""
    if not _INTERFACE.fullmatch(name):
        raise ValueError(f"{name!r} is no interface name: letters, digits and / . : _ - after a letter")
