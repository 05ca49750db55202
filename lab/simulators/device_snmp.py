"""A device's SNMP agent for the lab's nodes: pysnmp, SNMPv3 authPriv, with a line that can be faulty.

Where thousands of devices are played, `lab.simulators.netwatch_agent` takes pysnmp's place: it is a hundred times
cheaper. Here each device has an engine of its own, as a real one has.
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import cmdrsp, context
from pysnmp.proto import rfc1902
from pysnmp.proto.rfc1905 import endOfMibView, noSuchInstance
from pysnmp.smi.instrum import AbstractMibInstrumController

from lifeline.clock import monotonic_s
from netwatch.core import ber

from .netwatch_agent import Cell

SLOW_S: Final = 3.0
_GARBAGE_BYTES: Final = 64
_TYPES: Final[Mapping[int, Callable[[Any], Any]]] = {
    ber.INTEGER: rfc1902.Integer32,
    ber.OCTET_STRING: lambda value: rfc1902.OctetString(value.encode() if isinstance(value, str) else value),
    ber.OBJECT_IDENTIFIER: rfc1902.ObjectName,
    ber.COUNTER32: rfc1902.Counter32,
    ber.GAUGE32: rfc1902.Gauge32,
    ber.TIME_TICKS: rfc1902.TimeTicks,
    ber.COUNTER64: rfc1902.Counter64,
}
_USM: Final = 3
_AUTHENTICATION: Final = {"sha1": config.USM_AUTH_HMAC96_SHA, "sha256": config.USM_AUTH_HMAC192_SHA256}

Name = tuple[int, ...]
"""An object identifier."""


@dataclass(frozen=True, slots=True)
class User:
    """Who may ask, over SNMPv3 authPriv with AES-128: name, passphrases and hash (`sha1`, `sha256`)."""

    name: str
    auth: str
    privacy: str
    hash: str = "sha256"


class Objects(AbstractMibInstrumController):  # type: ignore[misc] # pysnmp has no types
    """What a device tells, live: values by OID, or what returns them at a time since the device started."""

    def __init__(self, told: Mapping[str, Cell | Callable[[float], Cell]], up_s: Callable[[], float]) -> None:
        """Take what is told and how long the device has been up."""
        self._told = {tuple(map(int, name.split("."))): cell for name, cell in told.items()}
        self._order: list[Name] = sorted(self._told)
        self._up_s = up_s

    def read_variables(self, *varBinds: Any, **_context: Any) -> list[tuple[Any, Any]]:  # noqa: N803 - pysnmp's name
        """Answer a GET."""
        return [(name, self._value(tuple(name))) for name, _value in varBinds]

    def read_next_variables(self, *varBinds: Any, **_context: Any) -> list[tuple[Any, Any]]:  # noqa: N803 - pysnmp's name
        """Answer a GETNEXT, and a GETBULK step by step."""
        answers = []
        for name, _value in varBinds:
            place = bisect_right(self._order, tuple(name))
            if place == len(self._order):
                answers.append((name, endOfMibView))
            else:
                found = self._order[place]
                answers.append((rfc1902.ObjectName(found), self._value(found)))
        return answers

    def _value(self, name: Name) -> Any:
        cell = self._told.get(name)
        if cell is None:
            return noSuchInstance
        tag, value = cell(self._up_s()) if callable(cell) else cell
        return _TYPES[tag](value)


class Line(udp.UdpTransport):  # type: ignore[misc] # pysnmp has no types
    """An agent's socket: `hang` takes requests and answers none, `slow` answers after 3 s, `garbage` answers noise."""

    fault: str | None = None

    def datagram_received(self, datagram: bytes, transportAddress: Any) -> None:  # noqa: N803 - pysnmp's name
        """Take a request."""
        if self.fault == "hang":
            return
        if self.fault == "garbage":
            self.transport.sendto(os.urandom(_GARBAGE_BYTES), transportAddress)
        elif self.fault == "slow":
            asyncio.get_running_loop().call_later(SLOW_S, super().datagram_received, datagram, transportAddress)
        else:
            super().datagram_received(datagram, transportAddress)


class Agent:
    """One device's agent. Open it where an event loop runs.

    Attributes:
        line: its socket.
        started_s: when the device last started; it counts from then on.
    """

    def __init__(self, address: str, port: int, told: Mapping[str, Cell | Callable[[float], Cell]], user: User) -> None:
        """Answer at an address.

        Args:
            address: of the device.
            port: UDP.
            told: what it tells, by OID.
            user: who may ask.
        """
        self.started_s = monotonic_s()
        self.line = Line()
        # RFC 3411 5: text (04) under Net-SNMP's enterprise number, the same at each start.
        self._engine = engine.SnmpEngine(rfc1902.OctetString(b"\x80\x00\x1f\x88\x04" + f"{address}:{port}".encode()))
        config.add_transport(self._engine, udp.DOMAIN_NAME, self.line.open_server_mode((address, port)))
        config.add_v3_user(
            self._engine, user.name, _AUTHENTICATION[user.hash], user.auth, config.USM_PRIV_CFB128_AES, user.privacy
        )
        config.add_vacm_user(self._engine, _USM, user.name, "authPriv", (1,))
        served = context.SnmpContext(self._engine)
        served.unregister_context_name(b"")
        served.register_context_name(b"", Objects(told, lambda: monotonic_s() - self.started_s))
        for responder in (cmdrsp.GetCommandResponder, cmdrsp.NextCommandResponder, cmdrsp.BulkCommandResponder):
            responder(self._engine, served)

    def restart(self) -> None:
        """Start anew: counters and uptime begin at nothing."""
        self.started_s = monotonic_s()

    def close(self) -> None:
        """Close its socket."""
        self._engine.close_dispatcher()
