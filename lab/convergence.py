"""Waits for what takes its time; asks the kernels of all nodes whether they know a way to one another."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lifeline.clock import monotonic_s
from lifeline.i18n import _

CONVERGE_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.1
_STEADY_LOOKS = 5
"""While adjacencies still come up, zebra takes routes out of the kernel for a moment as it replaces their next hops."""


def wait_until(holds: Callable[[], bool], within_s: float) -> bool:
    """Look until a condition holds; return whether it did in time."""
    deadline = monotonic_s() + within_s
    while not holds():
        if monotonic_s() > deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def loopbacks(pins: Mapping[str, Path]) -> dict[str, list[str]]:
    """Return the addresses that each node has on `lo`, the host-scope ones aside."""
    found = {}
    for node, pin in pins.items():
        [link] = json.loads(_ip(pin, ["-j", "addr", "show", "dev", "lo"]).stdout)
        found[node] = [entry["local"] for entry in link["addr_info"] if entry["scope"] != "host"]
    return found


def unreachable(pins: Mapping[str, Path]) -> dict[str, list[str]]:
    """Return, per node, the other nodes' addresses that it has no route to; nodes without any do not appear."""
    addresses = loopbacks(pins)
    missing = {}
    for node, pin in pins.items():
        others = [address for other, theirs in addresses.items() if other != node for address in theirs]
        answer = _ip(pin, ["-force", "-batch", "-"], "".join(f"route get {address}\n" for address in others))
        if answer.returncode:
            # `Command failed -:3`: the third line; a blackhole fails as well as no route.
            lines = [int(word.removeprefix("-:")) for word in answer.stderr.split() if word.startswith("-:")]
            missing[node] = [others[line - 1] for line in lines] or others
    return missing


def await_convergence(pins: Mapping[str, Path], within_s: float = CONVERGE_WITHIN_S) -> None:
    """Wait until every node has a route to every other's addresses, and keeps it.

    Raises:
        TimeoutError: it names who has no route where.
    """
    missing: dict[str, list[str]] = {}
    steady = 0

    def converged() -> bool:
        nonlocal steady
        missing.clear()
        missing.update(unreachable(pins))
        steady = 0 if missing else steady + 1
        return steady == _STEADY_LOOKS

    if not wait_until(converged, within_s):
        listed = "; ".join(f"{node}: {', '.join(addresses)}" for node, addresses in missing.items())
        raise TimeoutError(_("no route after {s:g} s from {listed}").format(s=within_s, listed=listed))


def _ip(pin: Path, arguments: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ip", "-n", pin.name, *arguments], input=text, text=True, capture_output=True, check=False, timeout=10
    )
