"""A lab: deployed, looked at, entered, broken on purpose, healed, taken down. Verbs and drills stand on it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from lifeline.config import load_inventory
from lifeline.config.problems import did_you_mean
from lifeline.i18n import _
from lifeline.model.inventory import Inventory

from . import convergence, daemons, deployment
from .convergence import wait_until
from .deployment import DEFAULT_NAME
from .driver import Driver, LabError, NodeStatus, Progress
from .drivers import netns, preflight, processes
from .drivers.fabric import FABRIC
from .faults import Faults
from .place import RUN, Place
from .topology import Topology
from .topology_file import load_topology

__all__ = ["DEFAULT_INVENTORY", "DEFAULT_NAME", "DEFAULT_TOPOLOGY", "Lab", "deployed"]

_HERE = Path(__file__).resolve().parents[1] / "containerlab"
DEFAULT_TOPOLOGY = _HERE / "govnet.clab.yml"
DEFAULT_INVENTORY = _HERE / "govnet.inventory.yml"
HUB_WITHIN_S = 60.0


class Lab:
    """A deployed lab.

    Raises:
        LabError: there is no lab of that name, or it did not come up whole.
    """

    def __init__(self, name: str = DEFAULT_NAME) -> None:
        self.name = name
        self._place = Place(name)
        state = self._place.read_state()
        if state is None:
            raise LabError(_("there is no lab {name!r}: run `lifeline lab up`").format(name=name))
        if state["phase"] != "up":
            phase = state["phase"]
            raise LabError(_("lab {name!r} is {phase}: run `lifeline lab down`").format(name=name, phase=phase))
        self._state = state

    @classmethod
    def up(
        cls,
        topology: Path = DEFAULT_TOPOLOGY,
        inventory: Path = DEFAULT_INVENTORY,
        name: str | None = None,
        *,
        with_daemons: bool = True,
        tell: Progress = lambda _text: None,
    ) -> Self:
        """Deploy a topology, wait until its routes have converged, and return the lab; harmless when it is up already.

        Args:
            topology: containerlab file.
            inventory: what lifeline's daemons are told of it.
            name: of the lab; None for the topology's own.
            with_daemons: whether lifeline's daemons run on the nodes.
            tell: takes a line of progress.

        Raises:
            ConfigError: topology or inventory are wrong; nothing was made.
            LabError: this machine cannot carry it out, or something failed; nothing is left behind.
        """
        asked = load_topology(topology)
        known = load_inventory(inventory)
        place = Place(name or asked.name)
        with place.locked():
            state = place.read_state()
            if state and state["phase"] == "up" and place.pin(FABRIC).exists():
                tell(_("lab {name!r} is up already").format(name=place.name))
                lab = cls(place.name)
                if off := [node for node, status in lab.status().items() if not status.on]:
                    tell(_("without power: {nodes}; `lifeline lab heal` boots them").format(nodes=", ".join(off)))
                return lab
            if state:
                tell(_("clearing what an earlier command left of lab {name!r}").format(name=place.name))
                deployment.remove(place, state, keep_data=True)
            if lacks := preflight.lacks(asked):
                raise LabError("\n".join(lacks), exit_code=2)
            deployment.deploy(place, asked, known, topology, inventory, with_daemons=with_daemons, tell=tell)
        lab = cls(place.name)
        if with_daemons:
            lab.await_hub(tell)
        return lab

    @staticmethod
    def down(name: str = DEFAULT_NAME, *, keep_data: bool = False) -> bool:
        """Remove a lab, however much or little of it there is; return whether there was anything.

        Args:
            name: of the lab.
            keep_data: leave the nodes' /var/lib/lifeline in place for the next `up`.
        """
        place = Place(name)
        if place.read_state() is None:
            return False  # and leave no lock behind where there was no lab
        with place.locked():
            state = place.read_state()
            if state is None:
                return False
            deployment.remove(place, state, keep_data=keep_data)
        return True

    # What it is

    @cached_property
    def topology(self) -> Topology:
        """The topology as it was deployed, whatever has become of the file since."""
        return load_topology(self._place.topology, Path(self._state["topology"]).parent)

    @cached_property
    def inventory(self) -> Inventory:
        """The inventory that the lab's daemons run on."""
        return load_inventory(self._place.inventory)

    @cached_property
    def driver(self) -> Driver:
        """What carries the topology out."""
        return netns.NetnsDriver(self.topology, self._place)

    @cached_property
    def faults(self) -> Faults:
        """What is broken on purpose."""
        return Faults(self.topology, self.driver, self._place)

    @property
    def root(self) -> Path:
        """The lab's folder: state, faults, and per node its `run` and `log`."""
        return self._place.root

    @property
    def hub_url(self) -> str:
        """Where the lab's hub listens for this machine's root."""
        hub = daemons.hub_node(self.topology)
        if hub is None:
            raise LabError(_("no node of the topology has the daemon hub"))
        return f"unix://{self._place.node(hub)}/run/hub.sock"

    def netns_path(self, node: str) -> Path:
        """Return the file that holds a node's network namespace."""
        return self._place.pin(self._known(node))

    # What it does

    def popen(self, node: str, argv: Sequence[str], *, inside: bool = False, **options: Any) -> subprocess.Popen[Any]:
        """Start a program in a node's network namespace, with the host's files; see `Driver.popen`."""
        return self.driver.popen(self._known(node), argv, inside=inside, **options)

    def run(self, node: str, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program on a node, as its operator would, and return what it printed."""
        pipes = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.popen(node, argv, inside=True, **pipes, **options) as process:
            out, err = process.communicate()
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)

    def kill(self, node: str, daemon: str) -> None:
        """Kill a daemon of lifeline's at a node with SIGKILL; its supervisor starts it again.

        Args:
            node: name.
            daemon: that runs as a module of its own: agent, fastpath.

        Raises:
            LabError: it does not run there.
        """
        running = processes.processes_in({node: self.netns_path(node)})[node]
        pids = [process.pid for process in running if process.name.endswith(f".{daemon}")]
        if not pids:
            raise LabError(_("no {daemon} runs at {node}").format(daemon=daemon, node=node))
        processes.kill(pids)

    def status(self) -> dict[str, NodeStatus]:
        """Return how each node is."""
        return self.driver.status()

    def relay_stats(self) -> dict[str, Any]:
        """Return what passed, was lost and was dropped on each satellite path and direction."""
        return self.driver.relay_stats()

    def unreachable(self) -> dict[str, list[str]]:
        """Return, per node that is on, the addresses of other nodes that it has no route to; empty when converged."""
        return convergence.unreachable(self._powered())

    def await_convergence(self) -> None:
        """Wait until every node that is on has a route to every other; a TimeoutError names those that have not."""
        convergence.await_convergence(self._powered())

    def await_hub(self, tell: Progress = lambda _text: None, within_s: float = HUB_WITHIN_S) -> None:
        """Wait until the hub takes connections; a TimeoutError names its log. The lab stays up, to be looked at."""
        hub = daemons.hub_node(self.topology)
        if hub is None:
            return
        tell(_("waiting for the hub"))
        folder = self._place.node(hub)
        if not wait_until(lambda: daemons.answers(folder / "run/hub.sock"), within_s):
            log = folder / "log/lifeline.log"
            raise TimeoutError(_("the hub does not answer after {s:g} s; see {log}").format(s=within_s, log=log))

    def _powered(self) -> dict[str, Path]:
        return {node: self.netns_path(node) for node, status in self.status().items() if status.on}

    def _known(self, node: str) -> str:
        if node not in self.topology.nodes:
            _guess, hint = did_you_mean(node, self.topology.nodes, _("nodes"))
            raise LabError(_("the lab has no node {node!r}; {hint}").format(node=node, hint=hint), exit_code=2)
        return node


def deployed() -> list[str]:
    """Return the names of the labs of this machine."""
    return sorted(path.parent.name for path in RUN.glob("*/state.json"))
