"""How a lab comes to be and how it goes: state on disk before every step, and nothing left by a step that fails."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from lifeline.clock import wall_ns
from lifeline.i18n import _
from lifeline.model.inventory import Inventory

from . import convergence, daemons, devices, equipment
from .driver import NodeSpec, Progress
from .drivers import netns, pins
from .drivers.fabric import FABRIC
from .place import Place
from .topology import Topology

DEFAULT_NAME = "govnet"
HOST_SOCKET = Path("/run/lifeline/hub.sock")
"""Where `lifeline status` looks by default; of the lab of the default name it leads to that lab's hub."""


def deploy(
    place: Place,
    topology: Topology,
    inventory: Inventory,
    topology_path: Path,
    inventory_path: Path,
    *,
    with_daemons: bool,
    tell: Progress,
) -> None:
    """Make a lab and return once its routes have converged.

    Raises:
        LabError: something failed; nothing is left behind.
        TimeoutError: the routes did not converge; nothing is left behind.
    """
    state: dict[str, Any] = {
        "schema": "lifeline.lab-state/1",
        "name": place.name,
        "phase": "deploying",
        "since_ns": wall_ns(),
        "topology": str(topology_path.resolve()),
        "inventory": str(inventory_path.resolve()),
        "daemons": with_daemons,
        "namespaces": [*topology.nodes, FABRIC],
        "symlinks": [],
    }
    if with_daemons:
        daemons.check(topology, inventory)
    pins.refuse_foreign(place, state["namespaces"])
    kept_data = place.data.exists()
    place.root.mkdir(parents=True)
    place.root.chmod(0o700)
    place.write_state(state)
    try:
        shutil.copyfile(topology_path, place.topology)
        shutil.copyfile(inventory_path, place.inventory)
        netns.NetnsDriver(topology, place).deploy(_specs(place, topology, inventory, with_daemons=with_daemons), tell)
        tell(_("waiting for routes"))
        convergence.await_convergence({node: place.pin(node) for node in topology.nodes})
        if with_daemons:
            _offer_hub(place, topology, state, tell)
        place.write_state(state | {"phase": "up"})
    except BaseException:
        remove(place, state, keep_data=kept_data)
        raise


def remove(place: Place, state: dict[str, Any], *, keep_data: bool) -> None:
    """Remove all that a state on disk says was made, or may have been.

    Raises:
        LabError: a process does not die; calling again goes on from there.
    """
    place.write_state(state | {"phase": "going down"})
    for link in map(Path, state["symlinks"]):
        if link.is_symlink() and link.readlink().is_relative_to(place.root):
            link.unlink()
    pins.remove(place, state["namespaces"])
    if not keep_data:
        shutil.rmtree(place.data, ignore_errors=True)
    shutil.rmtree(place.root)


def _specs(place: Place, topology: Topology, inventory: Inventory, *, with_daemons: bool) -> dict[str, NodeSpec]:
    access = equipment.Access.make()
    access.save(place.secrets)
    admitted = daemons.admit(topology, inventory, place) if with_daemons else {}
    specs = {}
    for node in topology.nodes.values():
        services = [equipment.service(name) for name in node.services]
        rooms = devices.files(inventory, node.name, access.snmp_user) if "devices" in node.services else {}
        if node.name in admitted:
            services.append(daemons.service())
        specs[node.name] = NodeSpec(
            {**equipment.files(node, access, inventory.sites.get(node.name)), **rooms, **admitted.get(node.name, {})},
            services,
        )
    return specs


def _offer_hub(place: Place, topology: Topology, state: dict[str, Any], tell: Progress) -> None:
    """Let this machine's `lifeline status` find the default lab's hub; never in the way of a hub of its own."""
    hub = daemons.hub_node(topology)
    if hub is None:
        return
    tell(_("administrator's token: {path}").format(path=place.secrets / "token"))
    if place.name != DEFAULT_NAME:
        return
    if HOST_SOCKET.is_symlink() and not HOST_SOCKET.exists():
        HOST_SOCKET.unlink()  # of a lab that has gone
    if HOST_SOCKET.exists() or HOST_SOCKET.is_symlink():
        tell(_("{path} is another hub's; reach the lab's with LIFELINE_HUB").format(path=HOST_SOCKET))
        return
    state["symlinks"] = [str(HOST_SOCKET)]
    place.write_state(state)
    HOST_SOCKET.symlink_to(place.node(hub) / "run/hub.sock")
