"""Remote routers that follow a protection group's selector: which, how they are spoken to, and what stands there."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic.dataclasses import dataclass

from ..i18n import _
from .fields import STRICT, Address, Id, Network

ROUTER_INTERFACE_PATTERN = r"^[A-Za-z][A-Za-z0-9/.:_-]{0,62}$"
"""An interface as a router itself writes it; nothing that could end a command line and begin another."""


class Driver(StrEnum):
    """How a router is spoken to."""

    VTYSH = "vtysh"
    """FRR on the agent's own machine."""
    LINUX = "linux"
    """FRR behind ssh."""
    HUAWEI_VRP = "huawei_vrp"
    HUAWEI_VRPV8 = "huawei_vrpv8"
    HP_COMWARE = "hp_comware"
    CISCO_IOS = "cisco_ios"


@dataclass(frozen=True, slots=True, config=STRICT)
class RouterSetting:
    """A static route, or an interface's OSPF cost, that shall stand on a router, or shall not."""

    route: Network | None = None
    """The network of a static route."""
    next_hop: Address | None = None
    """Of a route: the router that it goes to."""
    interface: Annotated[str, StringConstraints(pattern=ROUTER_INTERFACE_PATTERN)] | None = None
    """As the router itself writes it; a route needs this or 'next_hop', a cost needs this."""
    distance: Annotated[int, Field(ge=1, le=255)] | None = None
    """Of a route: administrative distance (VRP and Comware: preference), the lower the better."""
    ospf_cost: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """The interface's OSPF cost."""
    present: bool = True
    """Whether it shall stand; false: it shall not, whatever its distance or cost."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same setting to the router, whatever its value."""
        if self.route is None:
            return "ospf-cost", self.interface or "", ""
        return "route", str(self.route), f"{self.next_hop or ''} {self.interface or ''}".strip()

    @property
    def name(self) -> str:
        """The setting in words of the inventory."""
        kind, what, by = self.key
        return f"{kind} {what} {by}".strip()

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if self.route is None:
            if self.next_hop is not None or self.distance is not None:
                raise ValueError(_("'next_hop' and 'distance' belong to a 'route'"))
            if self.interface is None or (self.ospf_cost is None and self.present):
                raise ValueError(_("needs 'route', or 'interface' with 'ospf_cost'"))
            return self
        if self.ospf_cost is not None:
            raise ValueError(_("is a route or an OSPF cost, not both"))
        if self.next_hop is None and self.interface is None:
            raise ValueError(_("a route needs 'next_hop' or 'interface'"))
        if self.next_hop is not None and self.next_hop.version != self.route.version:
            raise ValueError(_("{hop} is no next hop for {network}").format(hop=self.next_hop, network=self.route))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Actuator:
    """A router at a site that the agent there changes after each switch of the group."""

    device: Id
    """The device of this site."""
    driver: Driver
    """How it is spoken to."""
    working: Annotated[list[RouterSetting], Field(min_length=1)]
    """What stands on it while the working path carries."""
    protection: Annotated[list[RouterSetting], Field(min_length=1)]
    """What stands on it while the protection path carries; it speaks of the same settings."""
    guard: Literal["off", "prefer", "require"] = "prefer"
    """Whether the change is made under commit-confirm: not, where the device can, or not at all without."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 22
    """Where its ssh listens."""
    check_s: Annotated[int, Field(ge=10, le=86_400)] = 300
    """How often it is read and compared again, s: a router that was restarted stands as its owner saved it."""
