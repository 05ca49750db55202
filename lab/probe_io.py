"""The two ends of a probe flow, run inside a node's network namespace: `python -m lab.probe_io send|receive ...`.

A lean process that does one thing. Its standard input is its lease of life: one byte starts a sender, end of file ends
it, so that it never outlives who started it, however that one dies. Its standard output carries `READY`, then, at the
end, the log: pairs of unsigned 64-bit little-endian numbers (sequence number, CLOCK_MONOTONIC nanoseconds).
"""

from __future__ import annotations

import gc
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from lifeline.clock import monotonic_ns, wall_ns

READY = b"ready\n"
PAYLOAD = struct.Struct("<QQQ")
"""Run number, sequence number, monotonic send time in nanoseconds."""
RECORD = struct.Struct("<QQ")
"""Sequence number, monotonic nanoseconds."""
PRIORITY = 1
"""Lowest of SCHED_FIFO: ahead of ordinary processes, behind every fast path."""

_SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 33, 35  # asm-generic/socket.h; Python does not name them
_TIMESPEC = struct.Struct("@qq")
_STDIN, _STDOUT = 0, 1
_LOOK_EVERY = 20  # probes between two looks at standard input
_RECEIVE_BUFFER_BYTES = 4 << 20


def send(source: str, target: str, port: int, run: int, interval_ns: int) -> bytes:
    """Send numbered probes until standard input ends; return the log of (sequence number, send time).

    Pacing is absolute: probe n is due at start + n x interval. A sender that was late catches up and never skips a
    number. A probe that the kernel refuses (no route, no carrier) was sent as far as its user is concerned: it is lost.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # Not connected: a connected socket would report an ICMP error by failing the *next* probe.
    sock.bind((source, 0))
    to = (target, port)
    log = bytearray()
    _say(READY)
    if not os.read(_STDIN, 1):
        return b""
    start = monotonic_ns()
    seq = 0
    while seq % _LOOK_EVERY or not _ended():
        ahead = start + seq * interval_ns - monotonic_ns()
        if ahead > 0:
            time.sleep(ahead / 1e9)
        sent_ns = monotonic_ns()
        with suppress(OSError):
            sock.sendto(PAYLOAD.pack(run, seq, sent_ns), to)
        log += RECORD.pack(seq, sent_ns)
        seq += 1
    return bytes(log)


def receive(address: str, port: int, run: int) -> bytes:
    """Receive the probes of one run until standard input ends; return the log of (sequence number, receive time).

    The time is the kernel's (SO_TIMESTAMPNS), moved to the monotonic clock; the order is that of arrival.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sock.setblocking(False)
    sock.bind((address, port))
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    poll.register(_STDIN, select.POLLIN)
    wall_minus_monotonic_ns = wall_ns() - monotonic_ns()
    log = bytearray()
    _say(READY)
    ended = False
    while not ended:
        ended = any(fd == _STDIN for fd, _event in poll.poll())
        with suppress(BlockingIOError):
            while True:
                data, ancillary, _flags, _peer = sock.recvmsg(64, 64)
                if len(data) != PAYLOAD.size:
                    continue
                of_run, seq, _sent_ns = PAYLOAD.unpack(data)
                if of_run == run:
                    seconds, nanoseconds = _TIMESPEC.unpack_from(ancillary[0][2])
                    log += RECORD.pack(seq, seconds * 1_000_000_000 + nanoseconds - wall_minus_monotonic_ns)
    return bytes(log)


def _ended() -> bool:
    return bool(select.select([_STDIN], [], [], 0)[0])


def _say(data: bytes) -> None:
    while data:
        data = data[os.write(_STDOUT, data) :]


def main(argv: Sequence[str]) -> int:
    """Run one end: `send SOURCE TARGET PORT RUN INTERVAL_NS` or `receive ADDRESS PORT RUN`."""
    gc.disable()
    with suppress(OSError):  # without the right to it the probes are a little less even, and no less true
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    match argv:
        case ["send", source, target, port, run, interval_ns]:
            log = send(source, target, int(port), int(run), int(interval_ns))
        case ["receive", address, port, run]:
            log = receive(address, int(port), int(run))
        case _:
            print(main.__doc__, file=sys.stderr)
            return 2
    with suppress(BrokenPipeError):
        _say(log)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
