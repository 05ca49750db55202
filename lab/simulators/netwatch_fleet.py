"""A thousand sites' agents on 127/8 in one process, with faults: `python -m lab.simulators.netwatch_fleet`.

One wildcard socket tells by IP_PKTINFO which address was asked, and answers from it. Orders come on stdin, a line of
JSON each, and are acknowledged on stdout: {"fault": "hang", "sites": [3, 4]}; the faults are in `Fault`.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import selectors
import socket
import struct
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lifeline.clock import monotonic_s

from .netwatch_agent import Agent, SnmpUser
from .netwatch_worlds import Controller, Room, Station, router

_IP_PKTINFO = 8
_BUFFER = 16 << 20
_SLOW_S = 3.0
_BATCH = 256


class Fault(StrEnum):
    """What can be wrong with a device."""

    NONE = "none"
    HANG = "hang"  # takes requests and answers none
    SLOW = "slow"  # answers after 3 s
    GARBAGE = "garbage"  # answers noise
    LOOP = "loop"  # goes round in circles when it is walked
    OTHER_SOURCE = "other-source"  # answers from another site's address
    OTHER_REQUEST = "other-request"  # answers a question that was not put
    OTHER_ENGINE = "other-engine"  # is another SNMP engine than it was, as a device that was swapped
    HUGE = "huge"  # says 60,000 octets of itself
    CLOCK = "clock"  # its engine's time is a year off
    RESET = "reset"  # restarts: counters and uptime begin anew; the fault is over at once


def address(site: int) -> str:
    """Return a site's address: 127.1.0.1 and on."""
    return f"127.{1 + site // 62500}.{site // 250 % 250}.{site % 250 + 1}"


def _engine(n: int, *, other: bool = False) -> bytes:
    return b"\x80\x00\x1f\x88\x04" + (f"other-{n}" if other else f"site-{n}").encode()


@dataclass
class Site:
    """One site's agent and what is wrong with it."""

    agent: Agent
    started_s: float
    fault: Fault = Fault.NONE
    restarted_s: float = 0.0


@dataclass
class Fleet:
    """Sites by address.

    Args:
        sites: how many.
        user: who may ask.
        port: UDP port of all.
        kind: what they are: `router`, `room`, `station` or `controller`.
    """

    sites: int
    user: SnmpUser
    port: int
    kind: str = "router"
    answered: int = 0
    _by_address: dict[bytes, Site] = field(default_factory=dict)
    _late: list[tuple[float, int, bytes, Any, bytes]] = field(default_factory=list)
    _order: int = 0

    def __post_init__(self) -> None:
        now_s = monotonic_s()
        for n in range(self.sites):
            agent = Agent({}, self.user, _engine(n))
            site = Site(agent, now_s - 1000)
            agent.values = self._told(n, site)
            self._by_address[socket.inet_aton(address(n))] = site

    def _told(self, n: int, site: Site) -> Any:
        match self.kind:
            case "room":
                return Room().told(f"site-{n}")
            case "station":
                return Station().told(f"site-{n}")
            case "controller":
                return Controller({f"station-{m}": Station() for m in range(8)}).told(f"site-{n}")
        return router(f"site-{n}", restarted_s=lambda: site.restarted_s)

    def order(self, line: str) -> dict[str, Any]:
        """Carry out an order; return what was done."""
        order = json.loads(line)
        fault = Fault(order["fault"])
        numbers = range(self.sites) if order.get("sites") is None else order["sites"]
        for n in numbers:
            site = self._by_address[socket.inet_aton(address(n))]
            if fault is Fault.RESET:
                site.restarted_s = monotonic_s() - site.started_s
            else:
                site.fault = fault
                site.agent.loops = fault is Fault.LOOP
                site.agent.engine = _engine(n, other=fault is Fault.OTHER_ENGINE)
                site.agent.huge = fault is Fault.HUGE
                site.agent.astray = fault is Fault.OTHER_REQUEST
                site.agent.ahead_s = 365 * 86400 if fault is Fault.CLOCK else 0
        return {"fault": fault, "sites": len(numbers), "answered": self.answered}

    def run(self) -> None:
        """Answer until stdin ends."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, selectors.DefaultSelector() as ready:
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            sock.bind(("0.0.0.0", self.port))
            sock.setblocking(False)
            ready.register(sock, selectors.EVENT_READ)
            ready.register(sys.stdin, selectors.EVENT_READ)
            print(json.dumps({"ready": self.port, "pid": os.getpid()}), flush=True)
            while True:
                wait_s = max(0.0, self._late[0][0] - monotonic_s()) if self._late else None
                for key, _events in ready.select(wait_s):
                    if key.fileobj is sock:
                        self._drain(sock)
                        continue
                    line = sys.stdin.readline()
                    if not line:
                        return
                    print(json.dumps(self.order(line)), flush=True)
                while self._late and self._late[0][0] <= monotonic_s():
                    _due, _n, answer, sender, source = heapq.heappop(self._late)
                    self._send(sock, answer, sender, source)

    def _drain(self, sock: socket.socket) -> None:
        for _nth in range(_BATCH):
            try:
                datagram, ancillary, _flags, sender = sock.recvmsg(65535, 64)
            except BlockingIOError:
                return
            target = struct.unpack("I4s4s", ancillary[0][2][:12])[2]
            site = self._by_address.get(target)
            if site is None or site.fault is Fault.HANG:
                continue
            now_s = monotonic_s()
            answer = (
                os.urandom(64) if site.fault is Fault.GARBAGE else site.agent.answer(datagram, now_s - site.started_s)
            )
            if answer is None:
                continue
            if site.fault is Fault.OTHER_SOURCE:
                target = socket.inet_aton(address(self.sites))
            if site.fault is Fault.SLOW:
                self._order += 1
                heapq.heappush(self._late, (now_s + _SLOW_S, self._order, answer, sender, target))
            else:
                self._send(sock, answer, sender, target)

    def _send(self, sock: socket.socket, answer: bytes, sender: Any, source: bytes) -> None:
        info = struct.pack("I4s4s", 0, source, b"\0\0\0\0")
        try:
            sock.sendmsg([answer], [(socket.IPPROTO_IP, _IP_PKTINFO, info)], 0, sender)
            self.answered += 1
        except OSError:
            pass  # lost, as datagrams are


def main() -> None:
    """Run a fleet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=1000)
    parser.add_argument("--port", type=int, default=1161)
    parser.add_argument("--user", default="lifeline")
    parser.add_argument("--auth", default="authentication")
    parser.add_argument("--privacy", default="private-for-us")
    parser.add_argument("--kind", choices=("router", "room", "station", "controller"), default="router")
    options = parser.parse_args()
    user = SnmpUser(options.user, options.auth, options.privacy)
    Fleet(options.sites, user, options.port, options.kind).run()


if __name__ == "__main__":
    main()
