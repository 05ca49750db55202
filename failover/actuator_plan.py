"""Which routers follow the selectors at one site, compiled from the inventory: plain data, JSON in and out.

Secrets stay where they are: the plan names the variable or the file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from .core.actuation import Goal, OspfCost, StaticRoute

if TYPE_CHECKING:  # whoever carries out a plan needs no pydantic
    from lifeline.model.actuators import Actuator, RouterSetting
    from lifeline.model.inventory import Inventory


@dataclass(frozen=True, slots=True)
class SettingPlan:
    """A static route (`route`), or an interface's OSPF cost."""

    route: str | None
    next_hop: str | None
    interface: str | None
    value: int | None
    """Distance or cost."""
    present: bool

    def goal(self) -> Goal:
        """Return it as a transaction wants it.

        Raises:
            ValueError: a value cannot stand in a command.
        """
        if self.route is None:
            return Goal(OspfCost(self.interface or "", self.value or 1), self.present)
        next_hop = ip_address(self.next_hop) if self.next_hop else None
        return Goal(StaticRoute(ip_network(self.route), next_hop, self.interface, self.value), self.present)


@dataclass(frozen=True, slots=True)
class ActuatorPlan:
    """A router that follows a group's selector."""

    group: str
    name: str
    """`site/device`; there is one session with a name at any time."""
    driver: str
    address: str | None
    """None for FRR on this machine."""
    port: int
    user: str | None
    secret_env: str | None
    secret_file: str | None
    guard: str
    check_s: int
    working: tuple[SettingPlan, ...]
    protection: tuple[SettingPlan, ...]

    def goals(self, selector: str) -> tuple[Goal, ...]:
        """Return what shall stand while a path carries.

        Raises:
            ValueError: a value cannot stand in a command.
        """
        return tuple(setting.goal() for setting in (self.working if selector == "working" else self.protection))

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ActuatorPlan:
        """Build a plan from what `to_json` and JSON have made of it.

        Raises:
            TypeError | KeyError: a key is missing or unknown.
        """
        lists = {name: tuple(SettingPlan(**setting) for setting in data[name]) for name in ("working", "protection")}
        return cls(**{**data, **lists})


def compile_actuators(inventory: Inventory, site: str) -> tuple[ActuatorPlan, ...]:
    """Compile the inventory for one site: its routers that follow a group.

    Raises:
        KeyError: the inventory has no such site.
    """
    return tuple(_compile(inventory, site))


def _compile(inventory: Inventory, site: str) -> Iterator[ActuatorPlan]:
    devices = inventory.sites[site].devices
    for key, group in inventory.protection_groups.items():
        actuator = group.actuators.get(site)
        if actuator is None:
            continue
        device = devices[actuator.device]
        local = actuator.driver == "vtysh"
        credential = inventory.credentials[device.credential] if device.credential and not local else None
        yield ActuatorPlan(
            group=key,
            name=f"{site}/{actuator.device}",
            driver=actuator.driver.value,
            address=None if local else str(device.address),
            port=actuator.port,
            user=credential.user if credential else None,
            secret_env=credential.secret.env if credential else None,
            secret_file=credential.secret.file if credential else None,
            guard=actuator.guard,
            check_s=actuator.check_s,
            working=_settings(actuator, "working"),
            protection=_settings(actuator, "protection"),
        )


def _settings(actuator: Actuator, selector: str) -> tuple[SettingPlan, ...]:
    settings: list[RouterSetting] = getattr(actuator, selector)
    return tuple(
        SettingPlan(
            route=str(s.route) if s.route is not None else None,
            next_hop=str(s.next_hop) if s.next_hop is not None else None,
            interface=s.interface,
            value=s.distance if s.route is not None else s.ospf_cost,
            present=s.present,
        )
        for s in settings
    )
