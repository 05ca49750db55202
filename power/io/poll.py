"""One task per monitored part: ask, note the answer, wait. A device that is dead or slow delays no other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

import structlog

from lifeline.clock import monotonic_s
from lifeline.devices import Decoded, Family, decode, shipped
from lifeline.devices.snmp import Access, DeviceError, Session
from lifeline.model.inventory import Device, Inventory
from lifeline.model.power import Monitor

from ..core.nut import NutError
from ..core.observe import Answer
from .modbus import ModbusClient, ModbusError
from .nut import NutClient

log = structlog.get_logger(__name__)

DEADLINE_SHARE = 0.8
"""An answer has to be there within this share of the poll interval, and within `MOST_S`."""
MOST_S = 10.0
_SECTIONS = ("feeds", "switches", "tanks", "generators", "ups", "dc_plants")


class Client(Protocol):
    """What can be asked."""

    async def ask(self) -> Decoded:
        """Return what the device says."""

    def close(self) -> None:
        """Forget the connection."""


class SnmpClient:
    """A device over SNMP; its profile is the inventory's, or the one that recognises it."""

    def __init__(self, session: Session, profile: str | None) -> None:
        self._session = session
        self._family: Family | None = shipped().family(profile) if profile else None

    async def ask(self) -> Decoded:
        """Return what the device says."""
        if self._family is None:
            names, _answers = await self._session.recognise(shipped())
            if not names:
                raise DeviceError("no profile recognises this device; name one in the inventory")
            self._family = shipped().family(names[0])
        return decode(self._family, await self._session.ask(self._family))

    def close(self) -> None:
        """Forget the socket."""
        self._session.close()


def monitors(inventory: Inventory, site: str) -> Iterator[tuple[str, Monitor]]:
    """Yield each part of a site's plant that is asked."""
    plant = inventory.sites[site].power
    if plant is None:
        return
    for section in _SECTIONS:
        for name, part in getattr(plant, section).items():
            if part.monitor is not None:
                yield name, part.monitor


def family_name(monitor: Monitor, device: Device) -> str:
    """Return the profile by which a controller on Modbus is read and written."""
    return monitor.name or device.profile or "deepsea-gencomm"


def client_of(inventory: Inventory, site: str, monitor: Monitor) -> Client:
    """Return what asks a part's device.

    Raises:
        SecretError: the device's secret cannot be read here.
        KeyError: there is no such profile.
    """
    device = inventory.sites[site].devices[monitor.device]
    host = str(device.address)
    match monitor.protocol:
        case "nut":
            return NutClient(host, monitor.name, **({"port": monitor.port} if monitor.port else {}))
        case "modbus":
            family = shipped().family(family_name(monitor, device))
            return ModbusClient(host, family, monitor.unit, **({"port": monitor.port} if monitor.port else {}))
        case "snmp":
            access = Access.of(inventory.credentials[device.credential]) if device.credential else Access()
            return SnmpClient(Session(host, access, port=monitor.port or 161), device.profile)


class Poller:
    """The last answer of each part, and why there is none."""

    def __init__(self, heard: Callable[[], None]) -> None:
        """Call `heard` after each answer, and after each that did not come."""
        self.answers: dict[str, Answer] = {}
        self.errors: dict[str, str] = {}
        self._heard = heard

    async def follow(self, part: str, monitor: Monitor, client: Client, delay_s: float = 0.0) -> None:
        """Ask a part's device for ever.

        Args:
            part: its name.
            monitor: how often it is asked.
            client: what asks.
            delay_s: before the first time, so that many devices are not asked at once.
        """
        deadline_s = min(MOST_S, DEADLINE_SHARE * monitor.poll_s)
        await asyncio.sleep(delay_s)
        due_s = monotonic_s()
        with contextlib.closing(client):
            while True:
                try:
                    async with asyncio.timeout(deadline_s):
                        decoded = await client.ask()
                except (NutError, ModbusError, DeviceError, OSError, TimeoutError, ValueError) as error:
                    self._note(part, str(error) or type(error).__name__)
                    client.close()
                else:
                    self.answers[part] = Answer(decoded, monotonic_s())
                    self._note(part, "")
                self._heard()
                due_s = max(due_s + monitor.poll_s, monotonic_s())
                await asyncio.sleep(due_s - monotonic_s())

    def _note(self, part: str, error: str) -> None:
        """Log on the edges only."""
        if error != self.errors.get(part, ""):
            if error:
                log.warning("device does not answer", part=part, error=error)
            else:
                log.info("device answers", part=part)
        self.errors[part] = error
