"""Voice, images and data as paced streams between two sites of the small world, and what arrives of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from failover_world import World

STREAMS = Path(__file__).with_name("traffic_streams.py")
EF, AF41 = 46, 34
VOICE, IMAGES, DATA = 6001, 6002, 6003
SINK = "10.66.0.2"
SECONDS = 2.5


@dataclass(frozen=True)
class Stream:
    seconds: float
    sent: int
    packets: int
    bytes: int
    delays_ms: list[float]

    @property
    def lost(self) -> int:
        return self.sent - self.packets

    @property
    def kbps(self) -> float:
        return self.bytes * 8 / 1000 / self.seconds

    def __str__(self) -> str:
        delays = self.delays_ms
        if not delays:
            return f"sent {self.sent}, none arrived"
        return (
            f"sent {self.sent}, lost {self.lost}, {self.kbps:.0f} kbit/s, delay median {delays[len(delays) // 2]:.1f}, "
            f"99 % {delays[len(delays) * 99 // 100]:.1f}, max {delays[-1]:.1f} ms"
        )


def voice(to: str = SINK, port: int = VOICE) -> dict[str, Any]:
    """G.711 as RTP: 64 kbit/s of sound in 50 packets a second."""
    return {"to": to, "port": port, "dscp": EF, "payload": 172, "per_s": 50}


def images(to: str = SINK, port: int = IMAGES, mbps: float = 20) -> dict[str, Any]:
    return {"to": to, "port": port, "dscp": AF41, "payload": 1200, "per_s": mbps * 1e6 / 8 / 1242}


def data(to: str = SINK, port: int = DATA, mbps: float = 0.7) -> dict[str, Any]:
    return {"to": to, "port": port, "dscp": 0, "payload": 1000, "per_s": mbps * 1e6 / 8 / 1042}


def run_streams(
    world: World, source: str, sink: str, *streams: dict[str, Any], seconds: float = SECONDS
) -> dict[int, Stream]:
    """Send streams from one site to the other; return what arrived, by port."""
    ports = [stream["port"] for stream in streams]
    receiver = _start(world, sink, "receive", {"ports": ports, "seconds": seconds})
    sender = _start(world, source, "send", {"streams": streams, "seconds": seconds})
    counts = json.loads(sender.communicate(timeout=seconds + 10)[0])
    time.sleep(1.0)  # what waits in queues arrives or is lost
    receiver.send_signal(signal.SIGTERM)
    arrived = json.loads(receiver.communicate(timeout=10)[0])
    return {port: Stream(seconds, sent, **arrived[str(port)]) for port, sent in zip(ports, counts, strict=True)}


def _start(world: World, name: str, role: str, job: dict[str, Any]) -> subprocess.Popen[bytes]:
    process = world.spawn(
        name, sys.executable, str(STREAMS), role, json.dumps(job), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def tell(title: str, arrived: dict[int, Stream]) -> None:
    names = {VOICE: "voice", IMAGES: "images", DATA: "data"}
    print(f"\n{title}")  # noqa: T201 - for whoever runs this with -s
    for port, stream in arrived.items():
        print(f"  {names.get(port, port)}: {stream}")  # noqa: T201 - as above
