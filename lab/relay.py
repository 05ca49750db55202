"""The satellite relay: `python -m lab.relay CONFIG` in the fabric's network namespace, one process for all paths.

Each path has two interfaces there. A frame that arrives at one is held by a `Pipe` and sent from the other when its
time has come. The kernel's receive time counts, not ours: while a frame is under way for 270 ms, a relay that was kept
from the processor for less adds nothing. A Unix datagram socket answers questions and changes impairments.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifeline.clock import monotonic_s, wall_ns

from .pipe import Pipe
from .topology import Impairment

_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23  # linux/if_packet.h; Python does not name them
_SO_RCVBUFFORCE, _SO_SNDBUFFORCE, _SO_TIMESTAMPNS = 33, 32, 35  # asm-generic/socket.h
_TIMESPEC = struct.Struct("@qq")
_BUFFER_BYTES = 8 << 20
_FRAME_BYTES = 9300
_AT_ONCE = 64
"""Frames read from one interface before others have their turn."""
_LATEST_READ_S = 1.0
"""Bounds what a step of the wall clock, between a frame's arrival and its reading, can do."""


@dataclass(slots=True)
class Port:
    """An interface of the relay; what arrives here leaves through `out`."""

    arrivals: socket.socket
    out: socket.socket
    pipe: Pipe


class Relay:
    """All paths of a lab and the socket that controls them."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._paths: dict[str, dict[str, Port]] = {}
        self._ports: dict[int, Port] = {}
        self._late_max_s = 0.0
        for link in config["links"]:
            impairment = Impairment.from_json(link["impairment"])
            hub, site = _open(link["hub"]), _open(link["site"])
            self._paths[link["id"]] = {
                "to_site": Port(hub, site, Pipe(impairment, f"{config['seed']}/{link['id']}/to_site")),
                "to_hub": Port(site, hub, Pipe(impairment, f"{config['seed']}/{link['id']}/to_hub")),
            }
        for path in self._paths.values():
            self._ports.update({port.arrivals.fileno(): port for port in path.values()})
        self._control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        Path(config["socket"]).unlink(missing_ok=True)
        self._control.bind(config["socket"])
        Path(config["socket"]).chmod(0o600)
        self._control.setblocking(False)

    def run(self) -> None:
        """Relay until killed."""
        ports = self._ports
        pipes = [(port.pipe, port.out) for port in ports.values()]
        waiting = [*ports, self._control.fileno()]
        while True:
            now = monotonic_s()
            deadline = None
            for pipe, out in pipes:
                if (due := pipe.next_deadline()) is not None:
                    if due <= now:
                        due = self._deliver(pipe, out, now)
                    if due is not None and (deadline is None or due < deadline):
                        deadline = due
            # select(2) waits with the precision of a high-resolution timer; epoll(7) rounds up to a millisecond.
            wait_s = None if deadline is None else max(0.0, deadline - monotonic_s())
            ready, _, _ = select.select(waiting, (), (), wait_s)
            for descriptor in ready:
                if descriptor in ports:
                    _receive(ports[descriptor])
                else:
                    self._answer()

    def _deliver(self, pipe: Pipe, out: socket.socket, now: float) -> float | None:
        """Send what is due; return when the next is."""
        due = pipe.next_deadline()
        assert due is not None
        self._late_max_s = max(self._late_max_s, now - due)
        while (frame := pipe.take(now)) is not None:
            # An interface whose other end has no power refuses frames: they are as lost as in the air.
            with suppress(OSError):
                out.send(frame)
        return pipe.next_deadline()

    def _answer(self) -> None:
        with suppress(BlockingIOError):
            request, client = self._control.recvfrom(65536)
            try:
                answer = self._carry_out(json.loads(request))
            except (ValueError, KeyError, TypeError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            if client:
                with suppress(OSError):
                    self._control.sendto(json.dumps(answer).encode(), client)

    def _carry_out(self, request: dict[str, Any]) -> dict[str, Any]:
        if "link" in request:
            path = self._paths[request["link"]]
            impairment = Impairment.from_json(request["impairment"])
            for port in path.values():
                port.pipe.impairment = impairment
        links = {
            link: {
                "impairment": next(iter(path.values())).pipe.impairment.to_json(),
                **{direction: port.pipe.counters.to_json() for direction, port in path.items()},
            }
            for link, path in self._paths.items()
        }
        return {"late_max_ms": self._late_max_s * 1000, "links": links}


def _receive(port: Port) -> None:
    """Hand what has arrived to the pipe, each frame with the kernel's time moved to the monotonic clock."""
    now = monotonic_s()
    monotonic_minus_wall_s = now - wall_ns() / 1e9
    earliest = now - _LATEST_READ_S
    receive, offer = port.arrivals.recvmsg, port.pipe.offer
    with suppress(BlockingIOError, OSError):  # OSError: the node behind it was switched off, the interface is down
        for _ in range(_AT_ONCE):
            frame, ancillary, _flags, _address = receive(_FRAME_BYTES, 64)
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2][:16])
            arrived = seconds + nanoseconds / 1e9 + monotonic_minus_wall_s
            offer(frame, min(max(arrived, earliest), now))


def _open(interface: str) -> socket.socket:
    # Protocol 0 hears nothing: before it is bound, the socket would collect frames of every interface.
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    opened.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    opened.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER_BYTES)
    opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    opened.bind((interface, _ETH_P_ALL))
    opened.setblocking(False)
    return opened


def main(config_path: str) -> None:
    """Open everything, go into the background, say `ready`, relay."""
    relay = Relay(json.loads(Path(config_path).read_text()))
    if os.fork():
        os._exit(0)
    print("ready", flush=True)
    quiet = os.open(os.devnull, os.O_RDWR)
    os.dup2(quiet, sys.stdout.fileno())
    gc.freeze()
    gc.disable()  # nothing below makes cycles
    relay.run()


if __name__ == "__main__":
    main(sys.argv[1])
