"""Finds in the inventory how a device is reached."""

from __future__ import annotations

from pathlib import Path

from lifeline.config.problems import did_you_mean
from lifeline.i18n import _
from lifeline.model.inventory import Inventory

from ...core.actuation import DIALECTS
from .device import DeviceError
from .ssh import KNOWN_HOSTS, SshDevice


def ssh_device(
    inventory: Inventory, site: str, device: str, known_hosts: Path = KNOWN_HOSTS, transcripts: Path | None = None
) -> SshDevice:
    """Return a device of the inventory as one that can be changed; its `profile` names the platform.

    Raises:
        DeviceError: the inventory does not say how.
    """
    name = f"{site}/{device}"
    found = inventory.sites[site].devices.get(device) if site in inventory.sites else None
    if found is None:
        raise DeviceError(_("the inventory has no device {name}").format(name=name))
    if found.address is None or found.credential is None:
        raise DeviceError(_("{name} needs 'address' and 'credential' to be changed").format(name=name))
    dialect = DIALECTS.get(found.profile or "")
    if dialect is None:
        _guess, hint = did_you_mean(found.profile or "", DIALECTS, _("platforms"))
        text = _("{name}: profile {profile!r} is no platform that can be changed; {hint}")
        raise DeviceError(text.format(name=name, profile=found.profile or "", hint=hint))
    credential = inventory.credentials[found.credential]
    if credential.kind != "ssh" or credential.user is None:
        text = _("{name}: credential {credential} must be of kind ssh to change a device")
        raise DeviceError(text.format(name=name, credential=found.credential))
    return SshDevice(
        name=name,
        address=str(found.address),
        dialect=dialect,
        user=credential.user,
        secret=credential.secret,
        known_hosts=known_hosts,
        transcripts=transcripts,
    )
