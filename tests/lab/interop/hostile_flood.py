"""`python hostile_flood.py PORT RATE SECONDS FILE`: send the frames of a file, round and round, at a steady rate.

What could not be sent in time, because the machine was busy, is not caught up with: that would be a burst, no rate.
The file holds frames, each after its length in two bytes. Prints `{"sent", "elapsed_s"}`; run in the namespace of PORT.
"""

from __future__ import annotations

import itertools
import json
import socket
import struct
import sys
import time
from pathlib import Path

_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20
STEP_S, LATE_S = 0.001, 0.004


def read(data: bytes) -> list[bytes]:
    frames, offset = [], 0
    while offset < len(data):
        (length,) = struct.unpack_from("!H", data, offset)
        frames.append(data[offset + 2 : offset + 2 + length])
        offset += 2 + length
    return frames


def write(frames: list[bytes]) -> bytes:
    return b"".join(struct.pack("!H", len(frame)) + frame for frame in frames)


def flood(port: str, rate: int, seconds: float, frames: list[bytes]) -> tuple[int, float]:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        sender.bind((port, 0))
        supply, send, sent = itertools.cycle(frames), sender.send, 0
        began = done_until = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            due = int((min(now, done_until + LATE_S) - done_until) * rate)
            for frame in itertools.islice(supply, due):
                send(frame)
            sent += due
            done_until = max(done_until + due / rate, now - LATE_S)
            time.sleep(STEP_S)
        return sent, time.monotonic() - began


if __name__ == "__main__":
    port, rate, seconds, file = sys.argv[1:]
    sent, elapsed_s = flood(port, int(rate), float(seconds), read(Path(file).read_bytes()))
    sys.stdout.write(json.dumps({"sent": sent, "elapsed_s": elapsed_s}) + "\n")
