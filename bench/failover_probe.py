"""Both directions of a span's traffic in one process: `python -m bench.failover_probe SITE_NETNS CORE_NETNS`.

One probe a millisecond each way, numbered; a socket stays in the network namespace it was opened in, so one thread
sends for both ends. Receive times are the kernel's, so that receiving needs no process that must be woken in time:
what has come is read between two probes. Beside `lab.probe_io`, which needs four processes, this leaves a machine of
two processors to what is measured.

Standard input: `go` and `stop` lines; end of file ends it. Standard output: `ready`, then for each `stop` four logs
(site to hub sent and received, hub to site sent and received), each a count and so many records of `lab.probe_io`.
"""

from __future__ import annotations

import gc
import os
import select
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from lab.drivers.linux import network_namespace
from lab.probe import INTERVAL_MS, PORT, ProbeLog
from lab.probe_io import PAYLOAD, READY, RECORD
from lifeline.clock import monotonic_ns, wall_ns

from .peers.span import CORE, FLOWS, SITE, Span

_INTERVAL_NS = INTERVAL_MS * 1_000_000
_PRIORITY = 1
"""Lowest of SCHED_FIFO, as in `lab.probe_io`: ahead of ordinary processes, behind every fast path."""
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 33, 35  # asm-generic/socket.h; Python does not name them
_TIMESPEC = struct.Struct("@qq")
_COUNT = struct.Struct("<Q")
_LOOK_EVERY = 10
_BUFFER_BYTES = 8 << 20
_DRAIN_S = 0.01


@dataclass(slots=True)
class _Direction:
    """One direction: a sender at one end, a receiver at the other, and what they have logged."""

    sender: socket.socket
    receiver: socket.socket
    target: str
    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)
    seq: int = 0

    def send(self) -> None:
        at_ns = monotonic_ns()
        with suppress(OSError):  # refused by the kernel (no route, no light) is lost as far as its user is concerned
            self.sender.sendto(PAYLOAD.pack(0, self.seq, at_ns), (self.target, PORT))
        self.sent += RECORD.pack(self.seq, at_ns)
        self.seq += 1

    def drain(self) -> None:
        wall_minus_monotonic_ns = wall_ns() - monotonic_ns()
        with suppress(BlockingIOError):
            while True:
                data, ancillary, _flags, _peer = self.receiver.recvmsg(64, 64)
                if len(data) == PAYLOAD.size:
                    seconds, nanoseconds = _TIMESPEC.unpack_from(ancillary[0][2])
                    at_ns = seconds * 1_000_000_000 + nanoseconds - wall_minus_monotonic_ns
                    self.received += RECORD.pack(PAYLOAD.unpack(data)[1], at_ns)

    def hand_over(self) -> bytes:
        """Return both logs and begin new ones; numbers go on, so that what comes late is nobody else's."""
        logs = b"".join(_COUNT.pack(len(log) // RECORD.size) + log for log in (self.sent, self.received))
        self.sent.clear()
        self.received.clear()
        return logs


def _direction(source: tuple[str, str], target: tuple[str, str]) -> _Direction:
    (near, own), (far, other) = source, target
    with network_namespace(f"/run/netns/{near}"):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.bind((own, 0))
        sender.setblocking(False)
    with network_namespace(f"/run/netns/{far}"):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        receiver.setblocking(False)
        receiver.bind((other, PORT))
    return _Direction(sender, receiver, other)


def _run(directions: tuple[_Direction, ...]) -> None:
    """Probe until a line comes. Pacing is absolute: late probes are sent at once, and none is left out."""
    start_ns = monotonic_ns()
    number = 0
    while number % _LOOK_EVERY or not select.select([0], [], [], 0)[0]:
        if (ahead_ns := start_ns + number * _INTERVAL_NS - monotonic_ns()) > 0:
            time.sleep(ahead_ns / 1e9)
        for direction in directions:
            direction.send()
        number += 1
        if number % _LOOK_EVERY == 0:
            for direction in directions:
                direction.drain()
    sys.stdin.readline()
    time.sleep(_DRAIN_S)
    for direction in directions:
        direction.drain()


def main(site: str, core: str) -> None:
    """Open the sockets, then probe from each `go` to the next `stop`."""
    ends = (site, SITE), (core, CORE)
    directions = _direction(*ends), _direction(*reversed(ends))
    gc.disable()
    with suppress(OSError):  # without the right to it the probes are a little less even, and no less true
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    out = sys.stdout.buffer
    out.write(READY)
    out.flush()
    while sys.stdin.readline():
        for direction in directions:
            direction.drain()
            direction.received.clear()
        _run(directions)
        out.write(b"".join(direction.hand_over() for direction in directions))
        out.flush()


class SpanProbe:
    """The process, as the bench sees it; use as a context manager."""

    def __init__(self, span: Span) -> None:
        pipe = subprocess.PIPE
        argv = [sys.executable, "-m", "bench.failover_probe", span.netns["site"], span.netns["core"]]
        self._process = subprocess.Popen(argv, stdin=pipe, stdout=pipe)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._say, self._hear = self._process.stdin, self._process.stdout

    def __enter__(self) -> Self:
        if self._read(len(READY)) != READY:
            raise OSError("the probe process did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._say, self._hear):
            with suppress(BrokenPipeError):
                pipe.close()

    def start(self) -> None:
        """Let the probes go."""
        self._write(b"go\n")

    def stop(self) -> dict[str, ProbeLog]:
        """Stop the probes and return their logs by flow; those still under way count as lost."""
        self._write(b"stop\n")
        return {flow: ProbeLog(self._records(), self._records()) for flow in FLOWS}

    def _records(self) -> tuple[tuple[int, int], ...]:
        (count,) = _COUNT.unpack(self._read(_COUNT.size))
        return tuple(RECORD.iter_unpack(self._read(count * RECORD.size)))

    def _write(self, line: bytes) -> None:
        self._say.write(line)
        self._say.flush()

    def _read(self, size: int) -> bytes:
        data = self._hear.read(size)
        if len(data) != size:
            raise OSError(f"the probe process ended with {self._process.wait()}")
        return data


if __name__ == "__main__":
    main(*sys.argv[1:])
