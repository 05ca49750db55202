"""The peer to beat: BIRD 2, static routes with BFD at 10 ms x 3, under the same cuts and the same probes.

Its second path is a plain cable, not a satellite: delay costs no probe, so BIRD has nothing to lose by that.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.probe import Probes, Traffic
from lifeline.clock import monotonic_ns, monotonic_s

from .span import BACKUP_CORE, BACKUP_SITE, CORE, FIBRE_CORE, FIBRE_SITE, SITE, Direction, Mode, Span

_CONFIG = """router id {router_id};
protocol device {{ scan time 1; }}
protocol kernel {{ ipv4 {{ export all; import none; }}; }}
protocol bfd {{ interface "fibre" {{ min rx interval 10 ms; min tx interval 10 ms; multiplier 3; }}; }}
protocol static working {{ ipv4 {{ preference 200; }}; route {prefix} via {fibre} bfd; }}
protocol static protection {{ ipv4 {{ preference 100; }}; route {prefix} via {backup}; }}
"""
_SETTLE_S = 20.0
_BASELINE_S, _CUT_S, _TAIL_S = 0.1, 0.3, 0.1


@dataclass(frozen=True, slots=True)
class PeerRun:
    """What the peer's traffic felt in one cut: per direction."""

    cut: dict[str, Traffic]
    revert: dict[str, Traffic]


def version() -> str | None:
    """Return BIRD's name and version, None when it is not installed."""
    try:
        run = subprocess.run(["bird", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return (run.stdout + run.stderr).strip()


@contextmanager
def running(span: Span) -> Iterator[None]:
    """Run BIRD at both ends of a span until the block ends; it also ends with this process."""
    ends = {
        "site": {"router_id": SITE, "prefix": f"{CORE}/32", "fibre": FIBRE_CORE, "backup": BACKUP_CORE},
        "core": {"router_id": CORE, "prefix": f"{SITE}/32", "fibre": FIBRE_SITE, "backup": BACKUP_SITE},
    }
    daemons: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="lifeline-bird-") as folder:
        try:
            for node, end in ends.items():
                config = Path(folder, f"{node}.conf")
                config.write_text(_CONFIG.format(**end))
                argv = ["bird", "-f", "-c", str(config), "-s", str(config.with_suffix(".ctl"))]
                lease = ["ip", "netns", "exec", span.netns[node], "setpriv", "--pdeathsig", "KILL"]
                daemons.append(subprocess.Popen([*lease, *argv], stderr=subprocess.DEVNULL))
            _wait_for_fibre(span)
            yield
        finally:
            for daemon in daemons:
                daemon.kill()
                daemon.wait()


def measure(span: Span, mode: Mode, direction: Direction) -> PeerRun:
    """Cut, repair, revert once; both routes are on the fibre before and after."""
    _wait_for_fibre(span)
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
        _wait_for_fibre(span)
        time.sleep(_TAIL_S)
        end_ns = monotonic_ns()
        logs = probes.collect(drain_s=0.1)
    return PeerRun(
        cut={name: log.within((cut_ns, repair_ns)) for name, log in logs.items()},
        revert={name: log.within((repair_ns, end_ns)) for name, log in logs.items()},
    )


def _wait_for_fibre(span: Span) -> None:
    deadline = monotonic_s() + _SETTLE_S
    while not all(_on_fibre(span.netns[node], to) for node, to in (("site", CORE), ("core", SITE))):
        if monotonic_s() > deadline:
            raise TimeoutError(f"BIRD's routes are not on the fibre within {_SETTLE_S:.0f} s")
        time.sleep(0.02)


def _on_fibre(netns: str, to: str) -> bool:
    run = subprocess.run(["ip", "-j", "-n", netns, "route", "show", to], capture_output=True, text=True, check=True)
    return any(route.get("dev") == "fibre" for route in json.loads(run.stdout or "[]"))
