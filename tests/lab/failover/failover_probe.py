"""1 kHz probes both ways: `failover_probe.py LOCAL REMOTE RESULT`. It says `ready`, and on SIGTERM
writes what it sent and received.

Sequence numbers are the sending millisecond, so that two ends' results are joined without an exchange.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from pathlib import Path

PORT = 5001
PERIOD_NS = 1_000_000
SO_RCVBUFFORCE = 33


def main(local: str, remote: str, result: str) -> None:
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
    family = socket.AF_INET6 if ":" in local else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    with contextlib.suppress(OSError):  # a prober that is kept waiting must not count as an outage
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
    sock.bind((local, PORT))
    stop = False

    def end(_number: int, _frame: object) -> None:
        nonlocal stop
        stop = True

    signal.signal(signal.SIGTERM, end)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sent: list[int] = []
    received: list[int] = []
    next_ns = time.monotonic_ns() // PERIOD_NS * PERIOD_NS + PERIOD_NS
    end_ns = 0
    while not end_ns or time.monotonic_ns() < end_ns:
        wait = next_ns - time.monotonic_ns()
        readable, _, _ = select.select([sock], [], [], max(0, wait) / 1e9)
        if readable:
            with contextlib.suppress(OSError):
                while True:
                    received.append(struct.unpack("!q", sock.recv(64))[0])
        if time.monotonic_ns() >= next_ns:
            if not stop:
                number = next_ns // PERIOD_NS
                sent.append(number)
                with contextlib.suppress(OSError):
                    sock.sendto(struct.pack("!q", number), (remote, PORT))
            elif not end_ns:
                end_ns = time.monotonic_ns() + 500_000_000  # let the last ones arrive
            next_ns += PERIOD_NS
    Path(result).write_text(json.dumps({"sent": sent, "received": received}))


main(*sys.argv[1:])
