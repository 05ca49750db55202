"""Asks the kernels of all nodes whether they know a way to one another."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path


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


def _ip(pin: Path, arguments: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ip", "-n", pin.name, *arguments], input=text, text=True, capture_output=True, check=False, timeout=10
    )
