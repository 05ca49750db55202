"""Paced UDP streams and a sink that times them: `traffic_streams.py send JSON` and `traffic_streams.py receive JSON`.

All ends run on one machine, so that the monotonic clock tells one-way delays. Both sides say `ready` first.
"""

from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import struct
import sys
import time

SO_RCVBUFFORCE, SO_SNDBUFFORCE = 33, 32
HEADERS = 14 + 20 + 8


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def send(job: dict) -> None:
    """Send streams for so long: [{to, port, dscp, payload, per_s}]; say how many packets each had."""
    streams = []
    for stream in job["streams"]:
        family = socket.AF_INET6 if ":" in stream["to"] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 1 << 24)
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, stream["dscp"] << 2)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, stream["dscp"] << 2)
        sock.connect((stream["to"], stream["port"]))
        streams.append((sock, 1 / stream["per_s"], bytes(stream["payload"] - 8)))
    say("ready")
    began = time.monotonic()
    counts = [0] * len(streams)
    while (elapsed := time.monotonic() - began) < job["seconds"]:
        for number, (sock, gap, padding) in enumerate(streams):
            while counts[number] * gap <= elapsed:
                counts[number] += 1
                with contextlib.suppress(OSError):
                    sock.send(struct.pack("!d", time.monotonic()) + padding)
        time.sleep(0.001)
    say(json.dumps(counts))


def receive(job: dict) -> None:
    """Receive on ports until SIGTERM; say per port: packets, delays in ms (sorted), and the bytes with headers
    that came in so many seconds from the first packet on: what queues give out afterwards is no rate."""
    stop = False

    def end(_number: int, _frame: object) -> None:
        nonlocal stop
        stop = True

    signal.signal(signal.SIGTERM, end)
    sockets = {}
    for port in job["ports"]:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        sock.setblocking(False)
        sock.bind(("::", port))
        sockets[sock] = port
    found: dict[int, dict] = {port: {"packets": 0, "bytes": 0, "delays_ms": []} for port in job["ports"]}
    until: dict[int, float] = {}
    say("ready")
    while not stop:
        readable, _, _ = select.select(list(sockets), [], [], 0.1)
        for sock in readable:
            port = sockets[sock]
            entry = found[port]
            with contextlib.suppress(BlockingIOError):
                while True:
                    data = sock.recv(2048)
                    now = time.monotonic()
                    entry["delays_ms"].append((now - struct.unpack_from("!d", data)[0]) * 1000)
                    entry["packets"] += 1
                    if now < until.setdefault(port, now + job["seconds"]):
                        entry["bytes"] += len(data) + HEADERS
    for entry in found.values():
        entry["delays_ms"].sort()
    say(json.dumps(found))


if __name__ == "__main__":
    {"send": send, "receive": receive}[sys.argv[1]](json.loads(sys.argv[2]))
