"""What every way of carrying out a topology must do: namespaces today, containers tomorrow."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .topology import Impairment

Progress = Callable[[str], None]
LinkEnd = tuple[str, str]
"""A link's id and the node at the end that is meant."""


class LabError(Exception):
    """The lab cannot do what was asked; the text says what and why."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """What the lab adds to a node of the topology."""

    files: Mapping[str, str]
    """Files that only root reads, by name; the node finds them in `/run/etc`."""
    services: Sequence[Mapping[str, Any]]
    """`name`, `argv`; and optionally `env`, `ready` (a file that shows it is up), `configure` (a command to run then),
    `graceful` (told to stop before the node goes)."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """How a node is."""

    on: bool
    processes: Mapping[int, str]
    """Host's process ids and program names."""
    rss_kb: int


class Driver(Protocol):
    """Deploys a topology and reaches into it. Every change is idempotent: doing it twice is doing it once.

    Links are named by id. Faults go in at mid-span, between the nodes' interfaces, so that a node's own view (carrier,
    addresses, routes) changes only where the fault would change it.
    """

    def deploy(self, specs: Mapping[str, NodeSpec], tell: Progress) -> None:
        """Make everything and return when every node is up; whatever fails, leave nothing behind."""
        ...

    def destroy(self) -> None:
        """End and remove everything, however much or little of it there is."""
        ...

    def status(self) -> dict[str, NodeStatus]:
        """Return how each node is."""
        ...

    def popen(self, node: str, argv: Sequence[str], *, inside: bool = False, **options: Any) -> subprocess.Popen[Any]:
        """Start a program in a node's network; `inside` also with the node's files and processes, not the host's.

        Args:
            node: name.
            argv: program and arguments.
            inside: for what an operator would run on the node; the node must be on.
            **options: for `subprocess.Popen`.
        """
        ...

    def power_off(self, node: str) -> None:
        """Pull the plug: processes die at once, links go down, nothing in memory stays."""
        ...

    def power_on(self, node: str) -> None:
        """Boot the node; return when its services have started."""
        ...

    def is_on(self, node: str) -> bool:
        """Tell whether a node has power."""
        ...

    def mend(self) -> None:
        """Start again what the lab runs and what has died: nodes that are off, the satellite relay."""
        ...

    def has_mid_span(self, link: str) -> bool:
        """Tell whether faults can go into a link without its ends seeing a change of their interfaces."""
        ...

    def mute(self, senders: Collection[LinkEnd]) -> None:
        """Lose, at mid-span and all from the same instant, what these nodes send into these links; carrier stays."""
        ...

    def unmute(self, senders: Collection[LinkEnd]) -> None:
        """Let the frames of these ends pass again."""
        ...

    def muted(self) -> frozenset[LinkEnd]:
        """Return the ends whose frames are lost."""
        ...

    def make_lossy(self, senders: Collection[LinkEnd], loss_pct: float) -> None:
        """Lose, at mid-span and by chance, a share of what these nodes send into these links."""
        ...

    def make_lossless(self, senders: Collection[LinkEnd]) -> None:
        """Let all frames of these ends pass again."""
        ...

    def lossy(self) -> Mapping[LinkEnd, float]:
        """Return the ends a share of whose frames is lost, and the share, percent."""
        ...

    def set_light(self, end: LinkEnd, *, on: bool) -> None:
        """Take the carrier from one end of a link, or give it back; no frame passes without it."""
        ...

    def has_light(self, end: LinkEnd) -> bool:
        """Tell whether an end of a link receives carrier."""
        ...

    def impair(self, link: str, impairment: Impairment) -> None:
        """Change what a satellite path does to its traffic, from the next frame on."""
        ...

    def impairment(self, link: str) -> Impairment:
        """Return what a satellite path does to its traffic now."""
        ...

    def ask_sky(self, node: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a node's simulated receivers, or tell them what shall be wrong: `lab.simulators.time_room`."""
        ...

    def ask_plant(self, node: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a node's simulated power plant, or tell it what shall happen: `lab.simulators.power_room`."""
        ...

    def ask_devices(self, node: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a node's simulated devices, or tell one what shall be wrong: `lab.simulators.device_room`."""
        ...

    def relay_stats(self) -> dict[str, Any]:
        """Return `emulator` (what makes the satellite paths) and `links`: what passed, was lost, was dropped."""
        ...
