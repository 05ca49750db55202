"""Two nodes, a fibre with a mid-span and a second path beside it: the smallest network in which a fibre can be cut.

The same mid-span as the lab's (docs/adr/0008): a bridge of two ports in a namespace of its own, where faults go in.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from lab.probe import Flow

Mode = Literal["silent", "oneway", "carrier"]
Direction = Literal["to-core", "to-site"]
MODES: tuple[Mode, ...] = ("silent", "oneway", "carrier")
SITE, CORE = "10.1.1.1", "10.0.1.1"
"""Service addresses, on the nodes' loopbacks."""
FIBRE_SITE, FIBRE_CORE = "10.64.1.2", "10.64.1.1"
BACKUP_SITE, BACKUP_CORE = "10.66.1.2", "10.66.1.1"
FLOWS = ("site_to_hub", "hub_to_site")
_FIBRE_INDEX = 100
_number = count()


_OURS = re.compile(r"^llb(\d+)x\d+-\w+$")


def names() -> dict[str, str]:
    """Return names of network namespaces that nobody has yet: they carry the process id."""
    stem = f"llb{os.getpid()}x{next(_number)}"
    return {node: f"{stem}-{node}" for node in ("site", "core", "mid")}


@dataclass(slots=True)
class Span:
    """The network; use as a context manager."""

    netns: dict[str, str] = field(default_factory=names)
    split_backup: bool = False
    """Whether the second path passes through the middle as well, for a satellite's delay; its ends are `up-site` and
    `up-core` there, and whoever splits it must connect them."""

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self.netns.values():
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)

    def _build(self) -> None:
        sweep()
        for name in self.netns.values():
            _run("ip", "netns", "add", name)
        site, core, mid = (self.netns[n] for n in ("site", "core", "mid"))
        for node, port in ((site, "to-site"), (core, "to-core")):
            # A number that the other end does not have: the kernel reports loss of light on a veth whose two numbers
            # happen to be equal up to a second late, if anything else lost or found light meanwhile (linkwatch).
            cable = ("fibre", "index", str(_FIBRE_INDEX), "type", "veth")
            _run("ip", "-n", node, "link", "add", *cable, "peer", "name", port, "netns", mid)
        if self.split_backup:
            for node, port in ((site, "up-site"), (core, "up-core")):
                _run("ip", "-n", node, "link", "add", "backup", "type", "veth", "peer", "name", port, "netns", mid)
                _run("ip", "-n", mid, "link", "set", port, "up")
        else:
            _run("ip", "-n", site, "link", "add", "backup", "type", "veth", "peer", "name", "backup", "netns", core)
        _run("ip", "-n", mid, "link", "add", "span", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        for port in ("to-site", "to-core"):
            _run("ip", "-n", mid, "link", "set", port, "master", "span", "up")
        _run("ip", "-n", mid, "link", "set", "span", "up")
        for node, fibre, backup, service in (
            (site, FIBRE_SITE, BACKUP_SITE, SITE),
            (core, FIBRE_CORE, BACKUP_CORE, CORE),
        ):
            _run("ip", "-n", node, "address", "add", f"{service}/32", "dev", "lo")
            _run("ip", "-n", node, "address", "add", f"{fibre}/30", "dev", "fibre")
            _run("ip", "-n", node, "address", "add", f"{backup}/30", "dev", "backup")
            for link in ("lo", "fibre", "backup"):
                _run("ip", "-n", node, "link", "set", link, "up")
        # Known from the start: else the first packets of a switch would wait for an answer over the second path.
        for node, other, address in ((site, core, BACKUP_CORE), (core, site, BACKUP_SITE)):
            mac = json.loads(_run("ip", "-j", "-n", other, "link", "show", "backup"))[0]["address"]
            _run("ip", "-n", node, "neighbour", "replace", address, "lladdr", mac, "dev", "backup", "nud", "permanent")
        # The rules stand from the start, empty: a cut is then one element added, as fast as the lab's.
        _run("ip", "netns", "exec", mid, "nft", _CUT_TABLE)

    def cut(self, mode: Mode, direction: Direction = "to-core") -> None:
        """Cut the fibre at its mid-span; a direction is what a one-way cut silences."""
        match mode:
            case "silent":
                self._nft("add element netdev cut ports { to-site, to-core }")
            case "oneway":
                # What comes in from the site goes to the core, and the other way round.
                self._nft(f"add element netdev cut ports {{ {'to-site' if direction == 'to-core' else 'to-core'} }}")
            case "carrier":
                _run("ip", "-n", self.netns["mid"], "link", "set", "to-site", "down")

    def repair(self) -> None:
        """Undo every cut."""
        self._nft("flush set netdev cut ports")
        _run("ip", "-n", self.netns["mid"], "link", "set", "to-site", "up")

    def flows(self) -> list[Flow]:
        """Return both directions between the service addresses."""
        site, core = (partial(spawn_in, self.netns[n]) for n in ("site", "core"))
        return [
            Flow(FLOWS[0], site, core, SITE, CORE),
            Flow(FLOWS[1], core, site, CORE, SITE),
        ]

    def _nft(self, command: str) -> None:
        _run("ip", "netns", "exec", self.netns["mid"], "nft", command)


_CUT_TABLE = """table netdev cut {
  set ports { type ifname; }
  chain site { type filter hook ingress device to-site priority 0; iifname @ports drop; }
  chain core { type filter hook ingress device to-core priority 0; iifname @ports drop; }
}"""


def spawn_in(netns: str, argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a program in a named network namespace, with pipes."""
    pipe = subprocess.PIPE
    return subprocess.Popen(["ip", "netns", "exec", netns, *argv], stdin=pipe, stdout=pipe, stderr=pipe)


def sweep() -> None:
    """Remove the namespaces of benchmarks that ended without a chance to do it themselves."""
    for line in _run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        if (found := _OURS.match(name)) and not Path("/proc", found[1]).exists():
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _run(*argv: str) -> str:
    try:
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    except subprocess.CalledProcessError as error:
        raise OSError(f"{' '.join(argv)}: {error.stderr.strip()}") from None
