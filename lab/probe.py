"""What traffic felt: numbered probes through the network under test, and what became of them.

A *flow* is one direction: a sender in one node's network namespace, a receiver in another's (`lab.probe_io`). The
analysis is pure and works on the raw logs, so that a verdict can be checked again from a file.
"""

from __future__ import annotations

import dataclasses
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from lifeline.clock import monotonic_s

from .probe_io import READY, RECORD

INTERVAL_MS = 1
"""One probe a millisecond: a lost probe is a millisecond of outage."""
PORT = 7007
"""Of the first flow; each further one has the next."""
DRAIN_S = 0.6
"""How long probes in flight are awaited: twice a satellite's one-way delay (ITU-R S.1709: about 270 ms)."""

Record = tuple[int, int]
"""Sequence number, CLOCK_MONOTONIC nanoseconds."""
Spawn = Callable[[Sequence[str]], "subprocess.Popen[bytes]"]
"""Starts a program in a node's network namespace, standard input and output being pipes."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What became of the probes sent within a window."""

    sent: int
    lost: int
    lost_ms: int
    """Lost probes x 1 ms; a probe that took the satellite's 270 ms is late, not lost."""
    longest_gap_ms: int
    """Longest run of consecutive lost probes x 1 ms."""
    duplicated: int
    """Arrivals beyond a probe's first."""
    reordered: int
    """Probes that arrived after one with a higher number (RFC 4737 section 3)."""

    def to_json(self) -> dict[str, int]:
        """Return the numbers under their names."""
        return dataclasses.asdict(self)


def traffic(sent: Iterable[Record], received: Iterable[Record], window: tuple[int, int]) -> Traffic:
    """Return what became of the probes sent within [start, end), in monotonic nanoseconds.

    Args:
        sent: the sender's log.
        received: the receiver's log, in order of arrival.
        window: start (inclusive) and end (exclusive).
    """
    start_ns, end_ns = window
    arrivals: dict[int, int] = {}
    late: set[int] = set()
    highest = -1
    for seq, _at_ns in received:
        arrivals[seq] = arrivals.get(seq, 0) + 1
        if seq < highest and arrivals[seq] == 1:
            late.add(seq)
        highest = max(highest, seq)
    count = lost = gap = longest_gap = duplicated = reordered = 0
    for seq, at_ns in sent:
        if not start_ns <= at_ns < end_ns:
            continue
        count += 1
        arrived = arrivals.get(seq, 0)
        gap = 0 if arrived else gap + 1
        longest_gap = max(longest_gap, gap)
        lost += not arrived
        duplicated += max(arrived - 1, 0)
        reordered += seq in late
    return Traffic(count, lost, lost * INTERVAL_MS, longest_gap * INTERVAL_MS, duplicated, reordered)


@dataclass(frozen=True, slots=True)
class ProbeLog:
    """The raw record of one flow."""

    sent: tuple[Record, ...]
    received: tuple[Record, ...]
    """In order of arrival."""

    def within(self, window: tuple[int, int]) -> Traffic:
        """Return what became of the probes sent within a window."""
        return traffic(self.sent, self.received, window)

    def first_lost_ns(self, window: tuple[int, int]) -> int | None:
        """Return when the first lost probe of a window was sent: the moment a cut took effect."""
        arrived = {seq for seq, _at_ns in self.received}
        return next((at for seq, at in self.sent if window[0] <= at < window[1] and seq not in arrived), None)

    def save(self, stem: Path) -> None:
        """Write `<stem>.sent` and `<stem>.received`, 16 bytes a record, little-endian."""
        stem.with_suffix(".sent").write_bytes(b"".join(RECORD.pack(*r) for r in self.sent))
        stem.with_suffix(".received").write_bytes(b"".join(RECORD.pack(*r) for r in self.received))

    @classmethod
    def load(cls, stem: Path) -> ProbeLog:
        """Read what `save` wrote."""
        return cls(
            _records(stem.with_suffix(".sent").read_bytes()), _records(stem.with_suffix(".received").read_bytes())
        )


@dataclass(frozen=True, slots=True)
class Flow:
    """One direction of traffic: where it starts, where it ends, how to get a process there."""

    name: str
    sender: Spawn
    receiver: Spawn
    source: str
    target: str


class ProbeError(Exception):
    """A probe process did not start or died; the text carries its last words."""


@dataclass(slots=True)
class Probes:
    """Flows that run together. Use as a context manager: its end ends the processes."""

    flows: Sequence[Flow]
    interval_ms: float = INTERVAL_MS
    _senders: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _receivers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _stopped_s: float | None = None

    def start(self) -> None:
        """Start both ends of every flow, wait until all are ready, then let the senders go.

        Raises:
            ProbeError: a process ended before it was ready, for one because its address is not at its node.
        """
        run = random.getrandbits(63)
        for port, flow in enumerate(self.flows, PORT):  # several may end at one address
            self._receivers[flow.name] = flow.receiver(_argv("receive", flow.target, port, run))
            self._senders[flow.name] = flow.sender(
                _argv("send", flow.source, flow.target, port, run, round(self.interval_ms * 1_000_000))
            )
        for process in self._processes():
            assert process.stdout is not None
            if process.stdout.read(len(READY)) != READY:
                words = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
                raise ProbeError(f"probe process ended with {process.wait()}: {words.splitlines()[-1:]}")
        for sender in self._senders.values():
            assert sender.stdin is not None
            sender.stdin.write(b"g")
            sender.stdin.flush()

    def stop(self) -> None:
        """End the senders; what is in flight goes on to arrive."""
        for sender in self._senders.values():
            _close(sender.stdin)
        self._stopped_s = self._stopped_s or monotonic_s()

    def collect(self, drain_s: float = DRAIN_S) -> Mapping[str, ProbeLog]:
        """Wait until `drain_s` after `stop`, end the receivers and return every flow's log.

        Raises:
            ProbeError: a process died while it ran; its log would be a guess.
        """
        self.stop()
        assert self._stopped_s is not None
        time.sleep(max(0.0, self._stopped_s + drain_s - monotonic_s()))
        for receiver in self._receivers.values():
            _close(receiver.stdin)
        return {f.name: ProbeLog(_log(self._senders[f.name]), _log(self._receivers[f.name])) for f in self.flows}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                _close(pipe)

    def _processes(self) -> list[subprocess.Popen[bytes]]:
        return [*self._receivers.values(), *self._senders.values()]


def _argv(*words: str | int) -> list[str]:
    return [sys.executable, "-m", "lab.probe_io", *map(str, words)]


def _close(pipe: object) -> None:
    with suppress(BrokenPipeError):
        if pipe is not None:
            pipe.close()  # type: ignore[attr-defined]  # typeshed calls a pipe IO[bytes] | None


def _log(process: subprocess.Popen[bytes]) -> tuple[Record, ...]:
    assert process.stdout is not None
    data = process.stdout.read()
    if code := process.wait():
        raise ProbeError(f"probe process ended with {code}")
    return _records(data)


def _records(data: bytes) -> tuple[Record, ...]:
    return tuple((seq, at_ns) for seq, at_ns in RECORD.iter_unpack(data))
