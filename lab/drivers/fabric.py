"""The wiring of a lab: one network namespace that holds every cable's middle.

Per link with a mid-span there are two veth pairs that meet here: `l07h` faces the hub end, `l07s` the site end. On a
fibre a bridge joins them and passes everything, as glass does; on a satellite path the relay (or netem) does. Plain
cables are one veth pair between two nodes. Nothing of a lab ever stands in the host's own network namespace.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from lifeline.model.inventory import Media

from ..driver import LabError
from ..place import Place
from ..topology import Endpoint, Link, Topology
from . import linux

FABRIC = "fabric"
MGMT_INTERFACE = "eth0"
_TABLE = "lab"
_SPANS = frozenset({Media.FIBRE, Media.MICROWAVE, Media.RADIO})
_GLASS = "stp_state 0 mcast_snooping 0 group_fwd_mask 0xfff8"
"""No spanning tree, no snooping; link-local frames such as LLDP pass."""


class Fabric:
    """Makes the wiring and reaches into the middle of its links."""

    def __init__(self, topology: Topology, place: Place) -> None:
        self._topology = topology
        self._place = place
        self.pin = place.pin(FABRIC)
        self._names = {link_id: f"l{index:02d}" for index, link_id in enumerate(topology.links, 1)}

    def is_span(self, link: Link) -> bool:
        """Tell whether a link is a bridge of two ports here."""
        return link.media in _SPANS

    def port(self, link: Link, node: str) -> str:
        """Return the name of the port that faces a node."""
        return self._names[link.id] + ("h" if link.hub.node == node else "s")

    def wire(self) -> None:
        """Make every link, all interfaces down at the nodes, up here."""
        lines = ["link set dev lo up"]
        for link in self._topology.links.values():
            lines += self._link(link)
        lines += self._management()
        self.ip(lines)
        ports = [self.port(link, end.node) for link in self.spans() for end in link.ends]
        if ports:
            self.run(["nft", "-f", "-"], _CUTS.format(table=_TABLE, ports=", ".join(ports)))

    def spans(self) -> list[Link]:
        """Return the links that are bridges of two ports here."""
        return [link for link in self._topology.links.values() if self.is_span(link)]

    def _link(self, link: Link) -> list[str]:
        if not self.is_span(link) and link.impairment is None:
            hub, site = (f"name {end.interface} netns {self._pin(end)}" for end in link.ends)
            return [f"link add {hub} mtu {link.mtu} type veth peer {site} mtu {link.mtu}"]
        lines = []
        for end in link.ends:
            port = self.port(link, end.node)
            lines.append(
                f"link add name {port} mtu {link.mtu} type veth "
                f"peer name {end.interface} netns {self._pin(end)} mtu {link.mtu}"
            )
            lines.append(f"link set dev {port} alias {link.id}:{end.node} up")
        return [*lines, *self._bridge(link)] if self.is_span(link) else lines

    def _bridge(self, link: Link) -> list[str]:
        name = self._names[link.id]
        lines = [f"link add name {name} type bridge {_GLASS}", f"link set dev {name} alias {link.id} up"]
        for port in (self.port(link, end.node) for end in link.ends):
            lines += [f"link set dev {port} master {name}", f"link set dev {port} type bridge_slave learning off"]
        return lines

    def _management(self) -> list[str]:
        nodes = [node for node in self._topology.nodes.values() if node.mgmt_ipv4]
        if not nodes:
            return []
        lines = [f"link add name mgmt type bridge {_GLASS}", "link set dev mgmt up"]
        for index, node in enumerate(nodes, 1):
            peer = f"name {MGMT_INTERFACE} netns {self._place.pin(node.name)}"
            lines += [f"link add name m{index:02d} type veth peer {peer}", f"link set dev m{index:02d} master mgmt up"]
        return lines

    def _pin(self, end: Endpoint) -> Path:
        return self._place.pin(end.node)

    def join(self, link: Link) -> None:
        """Put a bridge between a satellite path's two ports, for an emulator that stands on the ports themselves."""
        self.ip(self._bridge(link))

    # Into the middle of a link

    def cut(self, ports: Sequence[str]) -> None:
        """Drop what arrives at these ports, all from the same instant."""
        self.run(["nft", "add", "element", "netdev", _TABLE, "cut", f"{{ {', '.join(ports)} }}"])

    def splice(self, ports: Sequence[str]) -> None:
        """Undo `cut`."""
        standing = [port for port in ports if port in self.cut_ports()]
        if standing:
            self.run(["nft", "delete", "element", "netdev", _TABLE, "cut", f"{{ {', '.join(standing)} }}"])

    def cut_ports(self) -> frozenset[str]:
        """Return the ports whose arrivals are dropped."""
        listed = json.loads(self.run(["nft", "-j", "list", "set", "netdev", _TABLE, "cut"]))
        sets = (item["set"] for item in listed["nftables"] if "set" in item)
        return frozenset(port for each in sets for port in each.get("elem", ()))

    def make_lossy(self, ports: Sequence[str], loss_pct: float) -> None:
        """Drop a share of what arrives at these ports, each frame by chance."""
        of_million = round(loss_pct * 10_000)
        self._edit(
            f'add rule netdev {_TABLE} mid_span iifname "{port}" numgen random mod 1000000 < {of_million} '
            f'counter drop comment "{loss_pct}"'
            for port in ports
        )

    def make_lossless(self, ports: Sequence[str]) -> None:
        """Undo `make_lossy`."""
        self._edit(
            f"delete rule netdev {_TABLE} mid_span handle {handle}"
            for port, _loss_pct, handle in self._lossy_rules()
            if port in ports
        )

    def lossy_ports(self) -> dict[str, float]:
        """Return, by port, the share of its arrivals that is dropped, percent."""
        return {port: loss_pct for port, loss_pct, _handle in self._lossy_rules()}

    def _lossy_rules(self) -> list[tuple[str, float, int]]:
        listed = json.loads(self.run(["nft", "-j", "-a", "list", "chain", "netdev", _TABLE, "mid_span"]))
        rules = [item["rule"] for item in listed["nftables"] if "comment" in item.get("rule", ())]
        return [(rule["expr"][0]["match"]["right"], float(rule["comment"]), rule["handle"]) for rule in rules]

    def _edit(self, lines: Iterable[str]) -> None:
        if text := "\n".join(lines):
            self.run(["nft", "-f", "-"], text + "\n")

    def set_port(self, port: str, *, up: bool) -> None:
        """Set a port up or down: down takes the carrier from the node it faces."""
        self.ip([f"link set dev {port} {'up' if up else 'down'}"])

    def is_port_up(self, port: str) -> bool:
        """Tell whether a port is set up."""
        [link] = json.loads(self.run(["ip", "-j", "link", "show", "dev", port]))
        return "UP" in link["flags"]

    def ip(self, lines: Sequence[str]) -> None:
        """Run lines of `ip` here in one process."""
        self.run(["ip", "-batch", "-"], "\n".join(lines) + "\n")

    def run(self, argv: Sequence[str], text: str = "") -> str:
        """Run a program in the fabric and return what it printed; a LabError has what went wrong."""
        with linux.network_namespace(self.pin):
            result = subprocess.run(argv, input=text, text=True, capture_output=True, check=False, timeout=30)
        if result.returncode:
            raise LabError(f"{' '.join(argv)}: {' '.join(result.stderr.split())}")
        return result.stdout


_CUTS = """table netdev {table} {{
  set cut {{ type ifname; }}
  chain mid_span {{
    type filter hook ingress devices = {{ {ports} }} priority 0; policy accept;
    iifname @cut counter drop
  }}
}}
"""
