"""The peer to beat: BIRD 2, static routes with BFD at 10 ms x 3, under the same cuts and the same probes.

Its second path is a plain cable, not a satellite: delay costs no probe, so BIRD has nothing to lose by that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.probe import Probes, Traffic
from lifeline.clock import monotonic_ns

from .engine import Engine, said
from .span import BACKUP_CORE, BACKUP_SITE, CORE, FIBRE_CORE, FIBRE_SITE, SITE, Direction, Mode, Span

# `check link`: it reacts to loss of light as well as BIRD can.
_CONFIG = """router id {router_id};
log stderr all;
protocol device {{ scan time 1; }}
protocol kernel {{ ipv4 {{ export all; import none; }}; }}
protocol bfd {{
  debug {{ states, events }};
  interface "fibre" {{ min rx interval 10 ms; min tx interval 10 ms; multiplier 3; }};
}}
protocol static working {{ check link; ipv4 {{ preference 200; }}; route {prefix} via {fibre} bfd; }}
protocol static protection {{ ipv4 {{ preference 100; }}; route {prefix} via {backup}; }}
"""
_BASELINE_S, _CUT_S, _TAIL_S = 0.1, 0.3, 0.1


class Bird(Engine):
    """BIRD at both ends."""

    title = "BIRD 2 static + BFD 10 ms x 3"

    @classmethod
    def version(cls) -> str | None:
        """Return BIRD's name and version, None when it is not installed."""
        return said(["bird", "--version"])

    def _start(self) -> None:
        ends = {
            "site": {"router_id": SITE, "prefix": f"{CORE}/32", "fibre": FIBRE_CORE, "backup": BACKUP_CORE},
            "core": {"router_id": CORE, "prefix": f"{SITE}/32", "fibre": FIBRE_SITE, "backup": BACKUP_SITE},
        }
        for node, end in ends.items():
            config = self.folder / f"{node}.conf"
            config.write_text(_CONFIG.format(**end))
            self.spawn(node, ["bird", "-f", "-c", str(config), "-s", str(config.with_suffix(".ctl"))], f"{node}.log")

    def flaps(self) -> int:
        """Return how often a BFD session went down so far, at both ends together."""
        return sum(Path(log.name).read_text(errors="replace").count("from Up to Down") for log in self._logs)


@dataclass(frozen=True, slots=True)
class PeerRun:
    """What the peer's traffic felt in one cut: per direction."""

    cut: dict[str, Traffic]
    revert: dict[str, Traffic]


@contextmanager
def running(span: Span) -> Iterator[Bird]:
    """Run BIRD at both ends of a span until the block ends; it also ends with this process."""
    with Bird(span) as bird:
        bird.settle()
        yield bird


def measure(bird: Bird, mode: Mode, direction: Direction) -> PeerRun:
    """Cut, repair, revert once; both routes are on the fibre before and after."""
    span = bird.span
    bird.settle()
    with Probes(span.flows()) as probes:
        probes.start()
        time.sleep(_BASELINE_S)
        cut_ns = monotonic_ns()
        try:
            span.cut(mode, direction)
            time.sleep(_CUT_S)
            repair_ns = monotonic_ns()
        finally:
            span.repair()
        bird.settle()
        time.sleep(_TAIL_S)
        end_ns = monotonic_ns()
        logs = probes.collect(drain_s=0.1)
    return PeerRun(
        cut={name: log.within((cut_ns, repair_ns)) for name, log in logs.items()},
        revert={name: log.within((repair_ns, end_ns)) for name, log in logs.items()},
    )
