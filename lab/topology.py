"""The lab's topology as the drivers see it: nodes, and links with their nature. `topology_file` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from lifeline.model.inventory import Media

DEFAULT_QUEUE_MS = 300
"""How much a satellite terminal buffers at its rate before it drops."""


@dataclass(frozen=True, slots=True)
class Impairment:
    """What a satellite path does to each direction of its traffic; frames keep their order."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Half-width of the uniform variation around the delay."""
    loss_pct: float = 0.0
    rate_kbps: float = 0.0
    """0 is no limit."""
    queue_ms: float = DEFAULT_QUEUE_MS
    """Frames that would wait longer for the rate than this are dropped."""

    def __post_init__(self) -> None:
        for name, low, high in _IMPAIRMENT_RANGES:
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name):g}; it must be {low:g} to {high:g}")
        if self.jitter_ms > self.delay_ms:
            raise ValueError(f"jitter_ms {self.jitter_ms:g} is larger than delay_ms {self.delay_ms:g}")

    def to_json(self) -> dict[str, float]:
        """Return the five values by name."""
        return {name: getattr(self, name) for name, _low, _high in _IMPAIRMENT_RANGES}

    @classmethod
    def from_json(cls, body: Mapping[str, float]) -> Self:
        """Return the impairment that `to_json` gave; a ValueError tells what is out of range."""
        return cls(**{name: float(value) for name, value in body.items()})


_IMPAIRMENT_RANGES = (
    ("delay_ms", 0.0, 10_000.0),
    ("jitter_ms", 0.0, 1_000.0),
    ("loss_pct", 0.0, 100.0),
    ("rate_kbps", 0.0, 10_000_000.0),
    ("queue_ms", 0.0, 10_000.0),
)
IMPAIRMENT_KEYS = tuple(name for name, _low, _high in _IMPAIRMENT_RANGES)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a link ends: an interface of a node."""

    node: str
    interface: str

    def __str__(self) -> str:
        return f"{self.node}:{self.interface}"


@dataclass(frozen=True, slots=True)
class Link:
    """A cable, a fibre or a satellite path between two nodes."""

    id: str
    hub: Endpoint
    site: Endpoint
    media: Media
    srgs: tuple[str, ...] = ()
    impairment: Impairment | None = None
    """Of satellite paths."""
    mtu: int = 1500

    @property
    def ends(self) -> tuple[Endpoint, Endpoint]:
        """The hub end, then the site end."""
        return self.hub, self.site

    def end_at(self, node: str) -> Endpoint:
        """Return the end at a node; a KeyError when the link does not end there."""
        for end in self.ends:
            if end.node == node:
                return end
        raise KeyError(node)


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or folder of the host that stands at `target` inside the node."""

    source: Path
    target: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the lab."""

    name: str
    image: str = ""
    """The container image, for drivers that use one."""
    group: str = ""
    mgmt_ipv4: str | None = None
    exec: tuple[tuple[str, ...], ...] = ()
    """Commands run at power-on, in order, before services start."""
    binds: tuple[Bind, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    """Programs of Debian that run here, from the label `lifeline.services`."""
    daemons: tuple[str, ...] = ()
    """Daemons of ours that run here, from the label `lifeline.daemons`."""


@dataclass(frozen=True, slots=True)
class Topology:
    """What is to be deployed."""

    path: Path
    name: str
    nodes: Mapping[str, Node]
    links: Mapping[str, Link]
    mgmt_subnet: str | None = None

    def links_at(self, node: str) -> list[Link]:
        """Return the links that end at a node, in the file's order."""
        return [link for link in self.links.values() if any(end.node == node for end in link.ends)]

    def interfaces_at(self, node: str) -> list[str]:
        """Return a node's data interfaces, in the file's order."""
        return [end.interface for link in self.links_at(node) for end in link.ends if end.node == node]

    def links_in(self, srg: str) -> list[Link]:
        """Return the links that share a risk, such as a duct."""
        return [link for link in self.links.values() if srg in link.srgs]

    @property
    def srgs(self) -> list[str]:
        """The shared-risk groups, in the file's order."""
        return list(dict.fromkeys(srg for link in self.links.values() for srg in link.srgs))
