"""Asks every site's router for its interfaces, addresses and neighbours."""

from __future__ import annotations

import asyncio
from typing import Final

from lifeline.config import SecretError
from lifeline.devices import Value
from lifeline.devices.snmp import Access, DeviceError, Session
from lifeline.model.inventory import Device, DeviceKind, Inventory

from ..core.drift import ASKED, Seen, seen

_AT_ONCE: Final = 32
_DEADLINE_S: Final = 15.0
_ROUTERS: Final = frozenset({DeviceKind.ROUTER, DeviceKind.SWITCH})


async def ask_all(inventory: Inventory) -> tuple[dict[str, Seen], dict[str, str]]:
    """Return what each site's router says, and why others said nothing, by site."""
    told: dict[str, Seen] = {}
    silent: dict[str, str] = {}
    places = asyncio.Semaphore(_AT_ONCE)

    async def ask(site: str, device: Device) -> None:
        assert device.credential is not None
        try:
            access = Access.of(inventory.credentials[device.credential])
            async with places, asyncio.timeout(_DEADLINE_S), Session(str(device.address), access) as session:
                answers: dict[str, Value] = {}
                for root in ASKED:
                    answers |= await session.walk(root)
            told[site] = seen(answers)
        except (DeviceError, OSError, TimeoutError, SecretError, ValueError) as error:
            silent[site] = str(error) or "no answer in time"

    async with asyncio.TaskGroup() as tasks:
        for site, one in inventory.sites.items():
            for device in one.devices.values():
                if device.kind in _ROUTERS and device.address is not None and device.credential:
                    tasks.create_task(ask(site, device))
                    break
    return told, silent
