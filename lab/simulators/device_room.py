"""A node's devices: room sensors, a base station or its controller, each with an SNMP agent and faults.

`python -m lab.simulators.device_room CONFIG`; `lab.devices` writes the configuration. A Unix socket takes orders:
`{"act": "look" | "fault" | "heal", "at": device, "kind", "size"}`.

A base station says each second to its controller that it is there, and hears it answer, over whatever the network's
paths are at the time. Without an answer it serves alone (site trunking), and its controller has lost it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lifeline.clock import monotonic_s
from netwatch.core import ber

from .control import carry_out, controlled
from .device_snmp import Agent, User
from .device_worlds import KINDS, LINE_FAULTS, Broken, World, fits
from .netwatch_agent import integer, oid, tlv
from .netwatch_worlds import Controller, Station

HELLO_S: Final = 1.0
ANSWER_S: Final = 2.0
"""More than an answer over satellite takes."""
LOST_S: Final = 5.0
"""Without a hello for so long, a station is on its own: more than a switch to satellite takes."""
HELLO_PORT: Final = 5810
STORM_PER_S: Final = 2000.0
_STORM_STEP_S: Final = 0.05
_LINK_DOWN, _LINK_UP = "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.6.3.1.1.5.4"


@dataclass(slots=True)
class Device:
    """A device: what it is, its agent, and what is wrong with it."""

    name: str
    address: str
    world: World
    agent: Agent
    broken: Broken = field(default_factory=Broken)
    storm: asyncio.Task[None] | None = None


class Room:
    """A node's devices between their start and their end.

    Attributes:
        devices: by name.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Start the agents; an event loop must run.

        Args:
            config: `site`, `user`, `devices` (by name: `kind`, `address`, optionally `port`), and optionally
                `controller` (the address that stations report to), `stations` (sites that report to a controller
                here) and `traps` (address and port).
        """
        self._site = str(config["site"])
        self._controller = config.get("controller")
        self._traps = config.get("traps")
        self._heard_s: dict[str, float] = {}
        user = User(**config["user"])
        self.devices: dict[str, Device] = {}
        for name, it in config["devices"].items():
            kind = KINDS[it["kind"]]
            world: World = (
                Controller({site: Station() for site in config.get("stations", ())}) if kind is Controller else kind()
            )
            told = world.told(f"{self._site}-{name}")
            self.devices[name] = Device(
                name, it["address"], world, Agent(it["address"], it.get("port", 161), told, user)
            )

    def close(self) -> None:
        """End the storms and close the agents."""
        for device in self.devices.values():
            self.heal(device.name)
            device.agent.close()

    # ---------------------------------------------------------------- faults

    def fault(self, name: str, kind: str, size: float = 0.0) -> None:
        """Let a device be wrong from now on.

        Raises:
            ValueError: there is no such device, or it cannot have this fault.
        """
        if name not in self.devices:
            raise ValueError(f"devices: {', '.join(self.devices)}")
        self.heal(name)
        device = self.devices[name]
        device.broken.break_(device.world, kind, size)
        device.agent.line.fault = kind if kind in LINE_FAULTS else None
        if kind == "reset":
            device.agent.restart()
        elif kind == "trap-storm":
            device.storm = asyncio.get_running_loop().create_task(self._storm(device, size or STORM_PER_S))

    def heal(self, name: str) -> None:
        """Let it be right again."""
        if (device := self.devices.get(name)) is not None:
            device.broken.mend(device.world)
            device.agent.line.fault = None
            if device.storm is not None:
                device.storm.cancel()
                device.storm = None

    def look(self) -> dict[str, Any]:
        """Return what there is and what is wrong with it."""
        return {
            "devices": {name: {"fault": it.broken.kind, "fits": fits(it.world)} for name, it in self.devices.items()}
        }

    async def _storm(self, device: Device, per_s: float) -> None:
        """Send linkDown and linkUp in turn, as an interface does that a rodent gnaws at."""
        if self._traps is None:
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((device.address, 0))
            both = [notification(trap, 1) for trap in (_LINK_DOWN, _LINK_UP)]
            while True:
                for n in range(max(1, int(per_s * _STORM_STEP_S))):
                    with contextlib.suppress(OSError):
                        sock.sendto(both[n % 2], tuple(self._traps))
                await asyncio.sleep(_STORM_STEP_S)

    # ---------------------------------------------------------------- the radio network

    async def run(self) -> None:
        """Keep the radio network together until cancelled."""
        stations = [it for it in self.devices.values() if isinstance(it.world, Station)]
        controllers = [it for it in self.devices.values() if isinstance(it.world, Controller)]
        async with asyncio.TaskGroup() as tasks:
            for device in stations if self._controller else ():
                tasks.create_task(self._report(device))
            for device in controllers:
                tasks.create_task(self._attend(device))
            await asyncio.Event().wait()

    async def _report(self, device: Device) -> None:
        """Be a station: say hello, and serve alone while nobody answers."""
        station = device.world
        assert isinstance(station, Station)
        loop, heard_s = asyncio.get_running_loop(), monotonic_s()
        with _socket(device.address) as sock:
            while True:
                if device.broken.kind != "isolated":
                    with contextlib.suppress(OSError, TimeoutError):
                        sock.sendto(self._site.encode(), (self._controller, HELLO_PORT))
                        async with asyncio.timeout(ANSWER_S):
                            await loop.sock_recv(sock, 64)
                        heard_s = monotonic_s()
                await asyncio.sleep(HELLO_S)
                station.isolated = device.broken.kind == "isolated" or monotonic_s() - heard_s >= LOST_S

    async def _attend(self, device: Device) -> None:
        """Be a controller: answer the stations, and know which of them are lost."""
        controller = device.world
        assert isinstance(controller, Controller)
        loop = asyncio.get_running_loop()
        heard_s = dict.fromkeys(controller.sites, monotonic_s())
        with _socket(device.address, HELLO_PORT) as sock:
            while True:
                with contextlib.suppress(OSError, TimeoutError):
                    async with asyncio.timeout(HELLO_S):
                        told, sender = await loop.sock_recvfrom(sock, 64)
                    if not controller.stopped and (site := told.decode(errors="replace")) in heard_s:
                        heard_s[site] = monotonic_s()
                        sock.sendto(told, sender)
                for site, station in controller.sites.items():
                    station.isolated = monotonic_s() - heard_s[site] >= LOST_S

    # ---------------------------------------------------------------- from outside

    async def asked(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a request."""
        return carry_out(self, wanted)


def notification(trap: str, uptime_s: float, bindings: Sequence[tuple[str, int]] = ()) -> bytes:
    """Return an SNMPv2c notification (RFC 3416 4.2.6).

    Args:
        trap: snmpTrapOID.0.
        uptime_s: sysUpTime.0.
        bindings: further objects and their integer values.
    """
    bound = [
        tlv(ber.SEQUENCE, oid("1.3.6.1.2.1.1.3.0") + integer(int(uptime_s * 100), ber.TIME_TICKS)),
        tlv(ber.SEQUENCE, oid("1.3.6.1.6.3.1.1.4.1.0") + oid(trap)),
        *(tlv(ber.SEQUENCE, oid(name) + integer(value)) for name, value in bindings),
    ]
    pdu = tlv(0xA7, integer(1) + integer(0) + integer(0) + tlv(ber.SEQUENCE, b"".join(bound)))
    return tlv(ber.SEQUENCE, integer(1) + tlv(ber.OCTET_STRING, b"public") + pdu)


def _socket(address: str, port: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, port))
    sock.setblocking(False)
    return sock


async def live(config: Mapping[str, Any]) -> None:
    """Be a node's devices until cancelled; `control` names the socket that takes orders."""
    room = Room(config)
    try:
        async with controlled(room.asked, config["control"]):
            await room.run()
    finally:
        room.close()


def main(arguments: Sequence[str]) -> int:
    """Be a node's devices until told to stop."""
    (path,) = arguments
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(live(json.loads(Path(path).read_text(encoding="utf-8"))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
