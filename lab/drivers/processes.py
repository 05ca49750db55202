"""Finds and ends the processes of a lab by the network namespace they live in: no list of ours can be out of date."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lifeline.clock import monotonic_s


@dataclass(frozen=True, slots=True)
class Process:
    """A process as the host sees it."""

    pid: int
    name: str
    is_init: bool
    """Whether it is process 1 of a process namespace of its own."""
    rss_kb: int


def processes_in(pins: Mapping[str, Path]) -> dict[str, list[Process]]:
    """Return the live processes in each of these network namespaces, by the keys given."""
    inodes = {}
    for key, pin in pins.items():
        with suppress(FileNotFoundError):
            inodes[pin.stat().st_ino] = key
    found: dict[str, list[Process]] = {key: [] for key in pins}
    if not inodes:
        return found
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        # A process may end while we look at it; one that has ended (a zombie) has no namespace any more.
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            node = inodes.get((entry / "ns/net").stat().st_ino)
            if node is not None:
                found[node].append(_process(int(entry.name)))
    return found


def end(pins: Mapping[str, Path], within_s: float = 5.0) -> bool:
    """Kill every process in these namespaces, a node's process 1 first; return whether all are gone in time."""
    deadline = monotonic_s() + within_s
    while True:
        alive = [process for each in processes_in(pins).values() for process in each]
        if not alive:
            return True
        if monotonic_s() > deadline:
            return False
        kill(process.pid for process in sorted(alive, key=lambda process: not process.is_init))
        _await_end([process.pid for process in alive], deadline)


def kill(pids: Iterable[int], number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to processes that may be gone already."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def await_end(pid: int, within_s: float) -> bool:
    """Wait for a process to end that need not be our child; return whether it did in time."""
    return _await_end([pid], monotonic_s() + within_s)


def _await_end(pids: Iterable[int], deadline: float) -> bool:
    import select

    poll = select.poll()
    waiting = {}
    for pid in pids:
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            waiting[descriptor] = pid
            poll.register(descriptor, select.POLLIN)
    try:
        open_ones = set(waiting)
        while open_ones and (left := deadline - monotonic_s()) > 0:
            for descriptor, _event in poll.poll(left * 1000):
                poll.unregister(descriptor)
                open_ones.discard(descriptor)
        return not open_ones
    finally:
        for descriptor in waiting:
            os.close(descriptor)


def _process(pid: int) -> Process:
    fields: dict[str, str] = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        key, _colon, value = line.partition(":")
        fields[key] = value.strip()
    inner = fields.get("NSpid", "").split()
    name = fields["Name"]
    if name.startswith("python"):
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        name = words[words.index("-m") + 1] if "-m" in words[:-1] else name
    rss_kb = int(fields.get("VmRSS", "0 kB").split()[0])
    return Process(pid, name, len(inner) > 1 and inner[-1] == "1", rss_kb)
