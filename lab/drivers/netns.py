"""Nodes as namespaces: real processes of Debian on a kernel shared with the host, no container engine.

A node's network namespace is pinned apart from its processes. Pulling the plug kills the processes and takes the links
down; the cabling stays, and booting reuses it. Nothing here trusts a list of process ids: what lives in a lab's
namespaces belongs to it.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import Any

from lifeline.i18n import _

from .. import clocks, devices, plants
from ..convergence import wait_until
from ..driver import LabError, LinkEnd, NodeSpec, NodeStatus, Progress
from ..place import Place, write_durably, write_secret
from ..topology import Impairment, Link, Topology
from . import linux, pins, processes
from .fabric import FABRIC, MGMT_INTERFACE, Fabric
from .node_init import LAUNCH
from .satellite import Emulator, await_ready, emulator

_STOP_WITHIN_S = 1.5
_ANSWERS_WITHIN_S = 20.0
_STARTS_WITHIN_S = 10.0


class NetnsDriver:
    """Implements `lab.driver.Driver`."""

    def __init__(self, topology: Topology, place: Place) -> None:
        self._topology = topology
        self._place = place
        self._fabric = Fabric(topology, place)
        self._namespaces = (*topology.nodes, FABRIC)

    # Life

    def deploy(self, specs: Mapping[str, NodeSpec], tell: Progress) -> None:
        """Make everything and return when every node is up; whatever fails, leave nothing behind."""
        pins.refuse_foreign(self._place, self._namespaces)
        try:
            tell(_("wiring {links} links").format(links=len(self._topology.links)))
            pins.make(self._place, self._namespaces)
            self._fabric.wire()
            if self._satellites():
                self._emulator.start()
            tell(_("booting {nodes} nodes").format(nodes=len(self._topology.nodes)))
            for node, spec in specs.items():
                self._write_spec(node, spec)
            self._boot(list(self._topology.nodes))
        except BaseException:
            self.destroy()
            raise

    def destroy(self) -> None:
        """End and remove everything, however much or little of it there is."""
        pins.remove(self._place, self._namespaces)

    def status(self) -> dict[str, NodeStatus]:
        """Return how each node is."""
        found = processes.processes_in({node: self._place.pin(node) for node in self._topology.nodes})
        return {
            node: NodeStatus(
                any(process.is_init for process in each),
                {process.pid: process.name for process in each if not process.is_init},
                sum(process.rss_kb for process in each),
            )
            for node, each in found.items()
        }

    def popen(self, node: str, argv: Sequence[str], *, inside: bool = False, **options: Any) -> subprocess.Popen[Any]:
        """Start a program in a node's network; `inside` also with the node's files and processes."""
        entry = [f"--net={self._place.pin(node)}"]
        if inside:
            init = self._init(node)
            if init is None:
                raise LabError(_("{node} is off").format(node=node))
            entry = [f"--target={init}", "--mount", "--uts", "--ipc", "--net", "--pid"]
        return subprocess.Popen(["nsenter", *entry, "--", *argv], **options)

    # Power

    def power_off(self, node: str) -> None:
        """Pull the plug: processes die at once, links go down, nothing in memory stays."""
        pin = self._place.pin(node)
        init = self._init(node)
        if init is not None:
            processes.kill([init])
            processes.await_end(init, _STOP_WITHIN_S)
        lines = []
        with linux.network_namespace(pin):
            links = json.loads(_ip(["-j", "link", "show"]))
        cabled = {"lo", MGMT_INTERFACE, *self._topology.interfaces_at(node)}
        for link in links:
            name = link["ifname"]
            down = [f"link set dev {name} down", f"addr flush dev {name}"]
            lines += down if name in cabled else [f"link del dev {name}"]
        with linux.network_namespace(pin):
            _ip(["-batch", "-"], "\n".join([*lines, "nexthop flush"]) + "\n")
            subprocess.run(["nft", "flush", "ruleset"], check=False, capture_output=True)

    def power_on(self, node: str) -> None:
        """Boot the node; return when its services have started."""
        if not self.is_on(node):
            self._boot([node])

    def is_on(self, node: str) -> bool:
        """Tell whether a node has power."""
        return self._init(node) is not None

    def mend(self) -> None:
        """Start again what the lab runs and what has died: nodes that are off, the satellite relay."""
        off = [node for node, status in self.status().items() if not status.on]
        for node in off:
            self.power_off(node)  # a node that died, rather than was switched off, left its links as they were
        self._boot(off)
        if self._satellites() and not self._emulator.is_alive():
            self._emulator.start()

    # Links

    def has_mid_span(self, link: str) -> bool:
        """Tell whether faults can go into a link without its ends seeing a change of their interfaces."""
        return self._fabric.is_span(self._topology.links[link])

    def mute(self, senders: Collection[LinkEnd]) -> None:
        """Lose, at mid-span and all from the same instant, what these nodes send into these links; carrier stays."""
        self._fabric.cut([self._port(end) for end in senders])

    def unmute(self, senders: Collection[LinkEnd]) -> None:
        """Let the frames of these ends pass again."""
        self._fabric.splice([self._port(end) for end in senders])

    def muted(self) -> frozenset[LinkEnd]:
        """Return the ends whose frames are lost."""
        cut = self._fabric.cut_ports()
        ends = [(link.id, end.node) for link in self._fabric.spans() for end in link.ends]
        return frozenset(end for end in ends if self._port(end) in cut)

    def make_lossy(self, senders: Collection[LinkEnd], loss_pct: float) -> None:
        """Lose, at mid-span and by chance, a share of what these nodes send into these links."""
        self._fabric.make_lossy([self._port(end) for end in senders], loss_pct)

    def make_lossless(self, senders: Collection[LinkEnd]) -> None:
        """Let all frames of these ends pass again."""
        self._fabric.make_lossless([self._port(end) for end in senders])

    def lossy(self) -> Mapping[LinkEnd, float]:
        """Return the ends a share of whose frames is lost, and the share, percent."""
        lossy = self._fabric.lossy_ports()
        ends = [(link.id, end.node) for link in self._fabric.spans() for end in link.ends]
        return {end: lossy[self._port(end)] for end in ends if self._port(end) in lossy}

    def set_light(self, end: LinkEnd, *, on: bool) -> None:
        """Take the carrier from one end of a link, or give it back; no frame passes without it."""
        self._fabric.set_port(self._port(end), up=on)

    def has_light(self, end: LinkEnd) -> bool:
        """Tell whether an end of a link receives carrier."""
        return self._fabric.is_port_up(self._port(end))

    def impair(self, link: str, impairment: Impairment) -> None:
        """Change what a satellite path does to its traffic, from the next frame on."""
        self._emulator.impair(link, impairment)

    def impairment(self, link: str) -> Impairment:
        """Return what a satellite path does to its traffic now."""
        return self._emulator.impairment(link)

    def ask_sky(self, node: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a node's simulated receivers, or tell them what shall be wrong; a sky that still starts is waited for."""
        return self._ask(node, clocks.CONTROL, _("sky"), wanted)

    def ask_plant(self, node: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a node's simulated power plant, or tell it what shall happen; one that still starts is waited for."""
        return self._ask(node, plants.CONTROL, _("power plant"), wanted)

    def ask_devices(self, node: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a node's simulated devices, or tell one what shall be wrong; who still starts is waited for."""
        return self._ask(node, devices.CONTROL, _("room of devices"), wanted)

    def relay_stats(self) -> dict[str, Any]:
        """Return, per satellite path and direction, what passed, was lost and was dropped."""
        return self._emulator.stats() if self._satellites() else {"emulator": None, "links": {}}

    # Inner parts

    def _ask(self, node: str, door: str, what: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a simulator at its socket, a line of JSON each way."""
        with socket.socket(socket.AF_UNIX) as simulator:
            simulator.settimeout(_ANSWERS_WITHIN_S)
            path = str(self._place.node(node) / "run" / door)
            try:
                if not wait_until(lambda: not simulator.connect_ex(path), _STARTS_WITHIN_S):
                    simulator.connect(path)
                simulator.sendall(json.dumps(wanted).encode() + b"\n")
                with simulator.makefile("rb") as told:
                    answer: dict[str, Any] = json.loads(told.readline())
            except (OSError, ValueError) as error:
                text = _("no {what} answers at {node}: {error}").format(what=what, node=node, error=error)
                raise LabError(text) from error
        if not answer.get("ok"):
            text = _("the {what} at {node}: {error}").format(what=what, node=node, error=answer.get("error"))
            raise LabError(text, exit_code=2)
        return answer

    def _port(self, end: LinkEnd) -> str:
        link, node = end
        return self._fabric.port(self._topology.links[link], node)

    @cached_property
    def _emulator(self) -> Emulator:
        return emulator(self._satellites(), self._fabric, self._place)

    def _init(self, node: str) -> int | None:
        found = processes.processes_in({node: self._place.pin(node)})[node]
        return next((process.pid for process in found if process.is_init), None)

    def _satellites(self) -> list[Link]:
        return [link for link in self._topology.links.values() if link.impairment]

    def _write_spec(self, node: str, spec: NodeSpec) -> None:
        folder = self._place.node(node)
        data = self._place.data / node
        for path in (folder / "run", folder / "log", folder / "etc", folder / "new-run", data):
            path.mkdir(parents=True, exist_ok=True)
        (folder / "etc").chmod(0o700)
        for name, text in spec.files.items():
            write_secret(folder / "etc" / name, text)
        asked = self._topology.nodes[node]
        binds = [{"source": str(b.source), "target": b.target, "read_only": b.read_only} for b in asked.binds]
        # The node's /var/lib/lifeline: only a lab has the host's folder of that name as a mount point for it.
        binds.append({"source": str(data), "target": str(self._place.data.parents[1]), "read_only": False})
        address = f"ip address replace {asked.mgmt_ipv4}/{_prefix_length(self._topology)} dev {MGMT_INTERFACE}"
        interfaces = self._topology.interfaces_at(node)
        write_durably(
            folder / "spec.json",
            {
                "hostname": node,
                "netns": str(self._place.pin(node)),
                "new_run": str(folder / "new-run"),
                "run_folders": {
                    "lifeline": {"bind": str(folder / "run")},
                    "log": {"bind": str(folder / "log")},
                    "etc": {"bind": str(folder / "etc")},
                    "frr": {"user": "frr"} if "zebra" in asked.services else {},
                    "snmp": {},
                    "sshd": {},
                    "netns": {},
                },
                "binds": binds,
                "sysctls": dict(asked.sysctls),
                "env": dict(asked.env),
                "interfaces": [*interfaces, *([MGMT_INTERFACE] if asked.mgmt_ipv4 else [])],
                "unloaded": [end.interface for link in self._satellites() for end in link.ends if end.node == node],
                "exec": [*([address.split()] if asked.mgmt_ipv4 else []), *map(list, asked.exec)],
                "services": list(spec.services),
            },
        )

    def _boot(self, nodes: Sequence[str]) -> None:
        """Boot nodes side by side; a LabError tells which failed and at what."""
        with ExitStack() as stack:
            launched = {}
            for node in nodes:
                spec = self._place.node(node) / "spec.json"
                process = subprocess.Popen(
                    [*LAUNCH, str(spec)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                launched[node] = stack.enter_context(process)
            for node, process in launched.items():
                await_ready(process, node)


def _prefix_length(topology: Topology) -> str:
    return (topology.mgmt_subnet or "/32").partition("/")[2]


def _ip(arguments: Sequence[str], text: str = "") -> str:
    return subprocess.run(["ip", *arguments], input=text, text=True, check=True, capture_output=True).stdout
