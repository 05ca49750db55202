"""Steps that change routers, as transactions, or read them: netmiko to all, vtysh to FRR on this machine."""

from __future__ import annotations

import asyncio
import re
from ipaddress import ip_address, ip_network
from typing import Final, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from lifeline.model.actuators import RouterSetting
from lifeline.model.fields import STRICT

from ..core.actuation import (
    DIALECTS,
    ConfigurationError,
    Goal,
    GuardPolicy,
    OspfCost,
    Policy,
    Result,
    StaticRoute,
    redact,
)
from ..core.playbook import Outcome, Recovery, Sight
from ..io.actuators import Actuators, Device, DeviceError, LocalFrr, SshDevice
from .kind import Context, StepError, StepKind

_READS: Final = re.compile(r"(?:show|display|ping)\b[^\r\n;|]*")
"""Commands that change nothing on any platform that we speak to."""
_RESULTS: Final[dict[Result, Literal["did", "failed", "lost"]]] = {
    Result.CHANGED: "did", Result.UNCHANGED: "did", Result.RESTORED: "failed", Result.UNTOUCHED: "failed",
    Result.NEEDS_HUMAN: "lost",
}  # fmt: skip


@dataclass(frozen=True, config=STRICT)
class ConfigArgs:
    """What shall stand on which router."""

    settings: list[RouterSetting] = Field(min_length=1)
    device: str | None = None
    """`site/device` of the inventory; FRR on this machine otherwise."""
    driver: str = "linux"
    """How it is spoken to, as of the inventory's actuators."""
    credential: str | None = None
    """Of the inventory, of kind ssh; the device's own otherwise."""
    port: int = Field(default=22, ge=1, le=65_535)
    guard: Literal["off", "prefer", "require"] = "prefer"
    confirm_within_s: float = Field(default=60.0, ge=10, le=3600)


class RouterConfig(StepKind):
    """Reads, compares, writes what differs, reads back, and restores after a failure. Doing it again writes nothing."""

    name, text, Args = "netmiko.config", "Bring a router's settings to where they shall stand.", ConfigArgs
    recovery = Recovery.PROBE

    async def do(self, args: ConfigArgs, context: Context) -> Outcome:
        """Bring the router there."""
        device, goals = self._device(args, context), _goals(args)
        actuators = Actuators(sessions=1)
        try:
            policy = Policy(guard=GuardPolicy(args.guard), guard_s=args.confirm_within_s)
            record = await actuators.apply(device, goals, policy)
        except DeviceError as error:
            return Outcome("failed", str(error))
        finally:
            await actuators.close()
        before, after = (None if it is None else list(it) for it in (record.before, record.after))
        return Outcome(_RESULTS[record.result], record.reason, before, after)

    async def look(self, args: ConfigArgs, context: Context) -> Sight:
        """Compare."""
        actuators = Actuators(sessions=1)
        try:
            found = await actuators.preview(self._device(args, context), _goals(args))
        except (DeviceError, ConfigurationError) as error:
            raise StepError(str(error)) from None
        finally:
            await actuators.close()
        told = f"to be typed: {'; '.join(found.commands)}" if found.commands else "stands as wanted"
        return Sight("achieved" if found.as_wanted else "untouched", told, list(found.before))

    def _device(self, args: ConfigArgs, context: Context) -> Device:
        return _device(args, context)


class Frr(RouterConfig):
    """The same on FRR: on this machine by vtysh, on another behind ssh."""

    name, text = "frr", "Bring FRR's settings to where they shall stand."


@dataclass(frozen=True, config=STRICT)
class CommandArgs:
    """What to ask which router."""

    commands: list[str] = Field(min_length=1)
    device: str | None = None
    driver: str = "linux"
    credential: str | None = None
    """Of the inventory, of kind ssh; the device's own otherwise."""
    port: int = Field(default=22, ge=1, le=65_535)
    expect: str | None = None
    """Regular expression that must be found in the answer."""


class RouterCommand(StepKind):
    """Asks a router; only commands that show."""

    name, text, Args = "netmiko.command", "Have a router show something.", CommandArgs
    recovery, changes = Recovery.REPEAT, False

    async def do(self, args: CommandArgs, context: Context) -> Outcome:
        """Ask."""
        for command in args.commands:
            if not _READS.fullmatch(command):
                raise StepError(f"{command!r} does not only show; use netmiko.config to change a router")
        device = _device(args, context)
        try:
            said = redact(await asyncio.to_thread(_read, device, args.commands))
        except DeviceError as error:
            return Outcome("failed", str(error))
        found = args.expect is None or re.search(args.expect, said) is not None
        detail = "" if found else f"{args.expect!r} is not in the answer"
        return Outcome("did" if found else "failed", detail, after=said[:4000])


def _read(device: Device, commands: list[str]) -> str:
    session = device.open()
    try:
        return session.read(commands)
    finally:
        session.close()


def _goals(args: ConfigArgs) -> list[Goal]:
    try:
        return [_goal(setting) for setting in args.settings]
    except ValueError as error:
        raise StepError(str(error)) from None


def _goal(setting: RouterSetting) -> Goal:
    if setting.route is None:
        return Goal(OspfCost(setting.interface or "", setting.ospf_cost or 1), setting.present)
    next_hop = ip_address(str(setting.next_hop)) if setting.next_hop is not None else None
    route = StaticRoute(ip_network(str(setting.route)), next_hop, setting.interface, setting.distance)
    return Goal(route, setting.present)


def _device(args: ConfigArgs | CommandArgs, context: Context) -> Device:
    """Return a router of the inventory, or FRR on this machine.

    Raises:
        StepError: there is no such router, or it cannot be spoken to.
    """
    name, driver = args.device, args.driver
    if name is None:
        return LocalFrr("this machine")
    site, _, identifier = name.partition("/")
    known = context.inventory.sites.get(site)
    device = known.devices.get(identifier) if known else None
    if device is None or device.address is None:
        raise StepError(f"the inventory has no device {name!r} with an address")
    credential = context.inventory.credentials.get(args.credential or device.credential or "")
    if credential is None or credential.kind != "ssh" or credential.user is None:
        raise StepError(f"device {name} has no ssh credential")
    if driver not in DIALECTS:
        raise StepError(f"there is no driver {driver!r}: {', '.join(DIALECTS)}")
    return SshDevice(name, str(device.address), DIALECTS[driver], credential.user, credential.secret, args.port,
                     context.allowed.known_hosts)  # fmt: skip
