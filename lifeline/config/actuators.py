"""Checks what groups say of routers that follow them: that they can be reached, and that the way back is complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..i18n import _
from ..model.actuators import Actuator, Driver, RouterSetting
from ..model.inventory import Device, Inventory, ProtectionGroup
from .problems import Finding, KeyPath, did_you_mean


def check_actuators(inventory: Inventory) -> list[Finding]:
    """Return the mistakes between groups, devices and credentials.

    Args:
        inventory: the sound entries.
    """
    findings: list[Finding] = []
    owners: dict[tuple[str, str, tuple[str, str, str]], str] = {}
    for name, group in inventory.protection_groups.items():
        for site, actuator in group.actuators.items():
            path: KeyPath = ("protection_groups", name, "actuators", site)
            findings += _check_site(inventory, path, group, site)
            if site in inventory.sites:
                findings += _check_device(inventory, path, site, actuator)
            findings += _check_settings(path, actuator)
            for setting in actuator.working:
                owner = owners.setdefault((site, actuator.device, setting.key), name)
                if owner != name:
                    message = _("{setting} on {device!r} follows group {owner!r} already").format(
                        setting=setting.name, device=actuator.device, owner=owner)  # fmt: skip
                    findings.append(Finding((*path, "working"), message))
    return findings


def _check_site(inventory: Inventory, path: KeyPath, group: ProtectionGroup, site: str) -> Iterator[Finding]:
    """Check that the group ends at the site, and that somebody there can act."""
    if site not in group.prefixes:
        hint = did_you_mean(site, group.prefixes, _("there are"))[1]
        yield Finding(path, _("{site!r} is not an end of this group").format(site=site), hint, at_key=True)
    elif (there := inventory.sites.get(site)) is not None and not there.agent:
        yield Finding(path, _("nobody would act at {site!r}, which has no agent").format(site=site), at_key=True)


def _check_device(inventory: Inventory, path: KeyPath, site: str, actuator: Actuator) -> Iterator[Finding]:
    """Check that the device exists and that its driver finds a way to it."""
    devices = inventory.sites[site].devices
    device = devices.get(actuator.device)
    if device is None:
        hint = did_you_mean(actuator.device, devices, _("there are"))[1]
        message = _("there is no device {name!r} at this site").format(name=actuator.device)
        yield Finding((*path, "device"), message, hint)
    elif actuator.driver is not Driver.VTYSH:
        yield from _check_access(inventory, (*path, "device"), actuator, device)


def _check_access(inventory: Inventory, path: KeyPath, actuator: Actuator, device: Device) -> Iterator[Finding]:
    name = actuator.device
    if device.address is None:
        yield Finding(path, _("{name!r} has no 'address' by which it could be reached").format(name=name))
    if device.credential is None:
        yield Finding(path, _("{name!r} has no 'credential' to log in with").format(name=name))
    elif (credential := inventory.credentials.get(device.credential)) is not None and credential.kind != "ssh":
        message = _("the credential of {name!r}, {credential!r}, is of kind {kind}; changing a router needs ssh")
        yield Finding(path, message.format(name=name, credential=device.credential, kind=credential.kind))


def _check_settings(path: KeyPath, actuator: Actuator) -> Iterator[Finding]:
    """Check that both lists speak of the same settings, each once: what one changes the other must know."""
    sides: dict[str, Sequence[RouterSetting]] = {"working": actuator.working, "protection": actuator.protection}
    for side, settings in sides.items():
        seen: set[tuple[str, str, str]] = set()
        for index, setting in enumerate(settings):
            if setting.key in seen:
                message = _("{setting} stands twice in this list").format(setting=setting.name)
                yield Finding((*path, side, index), message)
            seen.add(setting.key)
    for side, other in (("protection", "working"), ("working", "protection")):
        known = {setting.key for setting in sides[other]}
        for index, setting in enumerate(sides[side]):
            if setting.key not in known:
                message = _("{other!r} does not say what becomes of {setting}; write it there, with 'present: false' "
                            "if it shall not stand").format(other=other, setting=setting.name)  # fmt: skip
                yield Finding((*path, side, index), message)
