"""What makes a node lifeline's: its daemons under one supervisor, the hub's certificate, a token of its own."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lifeline.i18n import _
from lifeline.model.inventory import Inventory
from noc.tls import ensure_certificate
from noc.tokens import Role, TokenStore

from .driver import LabError
from .place import RUN, Place, write_secret
from .topology import Node, Topology

HUB_PORT = 8443
CALL_PORT = 5140
"""Where playbooks call, on loopback at the hub's node: whoever drills listens there."""
ADMINISTRATOR = "lab-administrator"
_LIFELINE = str(Path(sys.executable).with_name("lifeline"))
_ETC, _RUN, _DATA = "/run/etc", "/run/lifeline", "/var/lib/lifeline"
_ASKING = frozenset({"netwatch", "power"})
"""Daemons that ask the nodes' agents by SNMP."""
_LOCAL_HUB = f"unix://{_RUN}/hub.sock"


def hub_node(topology: Topology) -> str | None:
    """Return the node that runs the hub, or None."""
    return next((node.name for node in topology.nodes.values() if "hub" in node.daemons), None)


def check(topology: Topology, inventory: Inventory) -> None:
    """Look whether the daemons of a topology can do what the inventory tells them, before anything is made.

    Raises:
        LabError: it lists every node that is no site, and every end of a link that no interface of the topology is.
    """
    staffed = [node for node in topology.nodes.values() if node.daemons]
    wrong = [
        _("{node} is no site of the inventory").format(node=n.name) for n in staffed if n.name not in inventory.sites
    ]
    if staffed and hub_node(topology) is None:
        wrong.append(_("no node of the topology has the daemon hub"))
    interfaces = {(end.node, end.interface) for link in topology.links.values() for end in link.ends}
    for link_id, link in inventory.links.items():
        for end in (link.a, link.b):
            if end.site in topology.nodes and (end.site, end.interface) not in interfaces:
                text = _("link {link} of the inventory ends at {site}:{interface}, which the topology does not have")
                wrong.append(text.format(link=link_id, site=end.site, interface=end.interface))
    if wrong:
        raise LabError("\n".join(wrong), exit_code=2)


def admit(topology: Topology, inventory: Inventory, place: Place) -> dict[str, dict[str, str]]:
    """Make the hub's certificate and everybody's token; return, per node with daemons, its files by name.

    Also writes the administrator's token to the lab's `secrets/token`. Tokens of an earlier life of the lab end.
    """
    staffed = [node for node in topology.nodes.values() if node.daemons]
    hub = hub_node(topology)
    if hub is None:
        return {}
    data = place.data / hub
    data.mkdir(parents=True, exist_ok=True)
    address = _address(inventory, hub)
    certificate = ensure_certificate(data, [address, hub]).certificate.read_text()
    tokens = TokenStore(data)
    write_secret(place.secrets / "token", _token(tokens, ADMINISTRATOR, Role.ADMINISTRATOR))
    knows_all = place.inventory.read_text()
    knows_opened = re.sub(rf"{re.escape(str(RUN))}/[^/\s]+/secrets", _ETC, knows_all)
    return {
        node.name: {
            "inventory.yml": knows_opened if _ASKING & {*node.daemons} else knows_all,
            **(_snmp_secrets(place) if _ASKING & {*node.daemons} else {}),
            **(_router_access(topology, inventory, place) if node.name == hub else {}),
            "hub.crt": certificate,
            "token": _token(tokens, node.name, Role.AGENT),
            "supervise.json": json.dumps(_supervisor(node, address, is_hub=node.name == hub), indent=1),
        }
        for node in staffed
    }


def _snmp_secrets(place: Place) -> dict[str, str]:
    """Return what opens the nodes' agents, for a node that asks them."""
    files = [place.secrets / name for name in ("snmp-auth", "snmp-priv")]
    return {file.name: file.read_text() for file in files if file.exists()}


def _router_access(topology: Topology, inventory: Inventory, place: Place) -> dict[str, str]:
    """Return what opens the nodes' routers by ssh, and their host keys, for playbooks."""
    reached = [it.name for it in topology.nodes.values() if "sshd" in it.services and it.name in inventory.sites]
    host = (place.secrets / "ssh-host.pub").read_text()
    known_hosts = "".join(f"{_address(inventory, name)} {host}" for name in reached)
    return {"ssh-key": (place.secrets / "ssh-key").read_text(), "known_hosts": known_hosts}


def service() -> dict[str, Any]:
    """Return how a node starts its lifeline daemons."""
    argv = [_LIFELINE, "supervise", "--config", f"{_ETC}/supervise.json"]
    return {"name": "lifeline", "argv": argv, "graceful": True}


def answers(hub_socket: Path) -> bool:
    """Tell whether a hub listens at a Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(hub_socket)) == 0


def _token(tokens: TokenStore, name: str, role: Role) -> str:
    if name in tokens.all():
        tokens.revoke(name)
    return tokens.create(name, role)


def _address(inventory: Inventory, site: str) -> str:
    """Return the address that a site's services answer at: the first of its first network."""
    return str(next(iter(inventory.sites[site].prefixes[0].hosts())))


def _supervisor(node: Node, hub_address: str, *, is_hub: bool) -> Mapping[str, Any]:
    """Return the supervisor's configuration: the hub talks to its neighbours through its Unix socket."""
    url = _LOCAL_HUB if is_hub else f"https://{hub_address}:{HUB_PORT}"
    access = [] if is_hub else ["--token-file", f"{_ETC}/token", "--ca", f"{_ETC}/hub.crt"]
    at = ["--inventory", f"{_ETC}/inventory.yml", "--run", _RUN]
    here = [*at, "--site", node.name, "--data", _DATA]
    argv = {
        "hub": ["hub", "run", *at, "--data", _DATA, "--listen", f"{hub_address}:{HUB_PORT}", "--tls",
                "--known-hosts", f"{_ETC}/known_hosts", "--set", "credential=ssh-govnet",
                "--set", f"call=syslog://127.0.0.1:{CALL_PORT}"],
        "fastpath": ["fastpath", "run", *here],
        "agent": ["agent", "run", *here, "--hub", url, *access],
        "time": ["time", "run", *here, "--hub", url, *access],
        "power": ["power", "run", *here, "--hub", url, *access],
        "netwatch": ["netwatch", "run", *here, "--hub", url, *access, "--traps", "0.0.0.0:162",
                     "--syslog", "0.0.0.0:514"],
    }  # fmt: skip
    return {
        "node": node.name,
        "run": _RUN,
        "outbox": f"{_DATA}/supervisor.db",
        "hubs": [url],
        **({} if is_hub else {"token_file": f"{_ETC}/token", "ca": f"{_ETC}/hub.crt"}),
        "daemons": [{"name": name, "argv": [_LIFELINE, *argv[name]]} for name in node.daemons],
    }
