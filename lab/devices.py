"""A node's devices beside its router: room sensors, base stations, the controller of a radio network.

One service of a node's label `lifeline.services`, `devices`: it answers by SNMP for the devices that the inventory
has at the node's site. It starts behind everything else, as a modest process, and nobody waits for it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

from lifeline.model.inventory import DeviceKind, Inventory, Site, SiteKind

CONTROL: Final = "devices.sock"
"""Where a node's devices take orders, in the node's /run/lifeline."""
FAULTS: Final = (
    "hang", "slow", "garbage", "reset", "trap-storm",
    "hot", "cold", "humid", "quake", "water", "smoke", "door", "stuck",
    "isolated", "off-air", "no-sync", "no-control-channel", "channel-failed", "stopped",
)  # fmt: skip
"""What can be wrong with devices; `lab.simulators.device_worlds` says with which, and does it."""
PLAYED: Final = (DeviceKind.SENSOR, DeviceKind.BASE_STATION, DeviceKind.RADIO_CONTROLLER)
_CONFIG = "/run/etc/devices.json"
_TRAP_PORT: Final = 162


def service() -> dict[str, Any]:
    """Return how `devices` is started at a node."""
    argv = ["nice", sys.executable, "-m", "lab.simulators.device_room", _CONFIG]
    # pysnmp keeps its engines' boots in the folder for temporary files: in the node's own, not in the host's.
    return {"name": "devices", "argv": argv, "env": {"TMPDIR": "/run"}, "graceful": False}


def files(inventory: Inventory, site_id: str, user: Mapping[str, str]) -> Mapping[str, str]:
    """Return the configuration of a node's devices, by file name; nothing where its site has none.

    Args:
        inventory: what there is.
        site_id: the node's site.
        user: who may ask: `name`, `auth`, `privacy`, `hash`.
    """
    site = inventory.sites.get(site_id)
    devices = {} if site is None else {
        name: {"kind": it.kind.value, "address": str(it.address)}
        for name, it in site.devices.items()
        if it.kind in PLAYED and it.address is not None
    }  # fmt: skip
    if not devices:
        return {}
    controllers = [str(it.address) for it in _of_kind(inventory, DeviceKind.RADIO_CONTROLLER)]
    config: dict[str, Any] = {
        "site": site_id,
        "user": dict(user),
        "devices": devices,
        "stations": [name for name, it in inventory.sites.items() if _has(it, DeviceKind.BASE_STATION)],
        "control": f"/run/lifeline/{CONTROL}",
    }
    if controllers:
        config["controller"] = controllers[0]
    if (watcher := _watcher(inventory)) is not None:
        config["traps"] = [watcher, _TRAP_PORT]
    return {"devices.json": json.dumps(config, indent=1)}


def _of_kind(inventory: Inventory, kind: DeviceKind) -> list[Any]:
    return [it for site in inventory.sites.values() for it in site.devices.values() if it.kind is kind]


def _has(site: Site, kind: DeviceKind) -> bool:
    return any(it.kind is kind for it in site.devices.values())


def _watcher(inventory: Inventory) -> str | None:
    """Return whom devices tell: the first command centre."""
    for site in inventory.sites.values():
        if site.kind is SiteKind.COMMAND_CENTRE:
            return str(next(iter(site.prefixes[0].hosts())))
    return None
