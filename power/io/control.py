"""Carries a command out at a device: writes registers and reads back, or gives upsd an instant command."""

from __future__ import annotations

import asyncio

from lifeline.clock import monotonic_s
from lifeline.config import read_secret
from lifeline.devices import shipped
from lifeline.i18n import _
from lifeline.model.inventory import Inventory
from lifeline.model.power import Monitor

from ..core.control import Plan
from .modbus import ModbusClient
from .nut import NutClient
from .poll import client_of, family_name

VERIFY_S = 3.0
"""Within this time the device has to show that it took the command; the hub waits for six."""
_LOOK_AGAIN_S = 0.2


class ControlError(Exception):
    """The device cannot do it, or did not."""


def cannot(inventory: Inventory, site: str, monitor: Monitor, plan: Plan) -> str:
    """Return why a device has no such command, as far as that is known without asking it; empty where it has."""
    device = inventory.sites[site].devices[monitor.device]
    credential = inventory.credentials.get(device.credential or "")
    if monitor.protocol == "nut" and plan.instant:
        if credential is None or credential.user is None:
            return _("{device} has no credential with a user.").format(device=monitor.device)
        return ""
    if monitor.protocol == "modbus" and plan.writes:
        commands = shipped().family(family_name(monitor, device)).profile.commands
        missing = ", ".join(name for name in plan.writes if name not in commands)
        text = _("The profile of {device} has no command {name}.")
        return text.format(device=monitor.device, name=missing) if missing else ""
    return _("{device} has no such command over {protocol}.").format(device=monitor.device, protocol=monitor.protocol)


async def act(inventory: Inventory, site: str, monitor: Monitor, plan: Plan) -> None:
    """Carry a command out over a connection of its own, and return once the device shows that it took it.

    What `cannot` says is asked before.

    Raises:
        ControlError: the device does not show the effect in time.
        ModbusError, NutError, SecretError, OSError: it refuses, or cannot be reached or opened.
    """
    device = inventory.sites[site].devices[monitor.device]
    client = client_of(inventory, site, monitor)
    try:
        if isinstance(client, NutClient):
            credential = inventory.credentials[device.credential or ""]
            await client.instant(plan.instant, credential.user or "", read_secret(credential.secret))
        elif isinstance(client, ModbusClient):
            commands = shipped().family(family_name(monitor, device)).profile.commands
            for write in (it for name in plan.writes for it in commands[name]):
                await client.write(write.register, write.values)
            await _seen(client, plan)
    finally:
        client.close()


async def _seen(client: ModbusClient, plan: Plan) -> None:
    ends_s = monotonic_s() + VERIFY_S
    while True:
        words = {it.word for it in (await client.ask()).states if it.name == plan.state}
        if words & plan.words:
            return
        if monotonic_s() >= ends_s:
            raise ControlError(_("it was written, but {state} still says {words}").format(
                state=plan.state, words=", ".join(sorted(str(it) for it in words)) or "?"))  # fmt: skip
        await asyncio.sleep(_LOOK_AGAIN_S)
