"""Reads notifications of SNMPv1 (RFC 1157 4.1.6) and SNMPv2c (RFC 3416 4.2.6, 4.2.7); knows those of SNMPv3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from . import ber
from .ber import MalformedError, Value

MOST_BINDINGS: Final = 128
_UPTIME: Final = "1.3.6.1.2.1.1.3.0"
_TRAP_OID: Final = "1.3.6.1.6.3.1.1.4.1.0"
_GENERIC: Final = "1.3.6.1.6.3.1.1.5"
_ENTERPRISE_SPECIFIC: Final = 6
_RESPONSE, _V1_TRAP, _INFORM, _V2_TRAP = 0xA2, 0xA4, 0xA6, 0xA7


class Version(IntEnum):
    """The version number in a message."""

    V1 = 0
    V2C = 1
    V3 = 3


@dataclass(frozen=True, slots=True)
class Notification:
    """What a device sent unasked."""

    version: Version
    community: bytes
    trap: str
    """snmpTrapOID.0; for SNMPv1 as RFC 3584 3.1 derives it."""
    uptime_s: float
    """sysUpTime.0 of the device when it sent it."""
    bindings: Mapping[str, Value]
    """Its other variables by OID."""
    agent: str = ""
    """SNMPv1's agent address: the device itself where a proxy forwards."""
    reply: bytes = b""
    """What an inform is answered by: itself, as a response (RFC 3416 4.2.7); empty for a trap."""


def parse(data: bytes) -> Notification | None:
    """Read a trap or an inform; return None for one of SNMPv3, which takes keys.

    Raises:
        MalformedError: it is no notification.
    """
    at, end = ber.expect(data, 0, len(data), ber.SEQUENCE)
    start, at = ber.expect(data, at, end, ber.INTEGER)
    version = ber.number(data, start, at)
    if version == Version.V3:
        return None
    if version not in {Version.V1, Version.V2C}:
        raise MalformedError("version")
    start, at = ber.expect(data, at, end, ber.OCTET_STRING)
    community = data[start : min(at, start + 256)]
    place = at
    tag, at, end = ber.element(data, at, end)
    if version == Version.V1 and tag == _V1_TRAP:
        return _first(data, at, end, community)
    if version == Version.V2C and tag == _V2_TRAP:
        return _second(data, at, end, community)
    if version == Version.V2C and tag == _INFORM:
        told = _second(data, at, end, community)
        return replace(told, reply=data[:place] + bytes((_RESPONSE,)) + data[place + 1 :])
    raise MalformedError("not a notification")


def _first(data: bytes, at: int, end: int, community: bytes) -> Notification:
    start, at = ber.expect(data, at, end, ber.OBJECT_IDENTIFIER)
    enterprise = ber.identifier(data, start, at)
    start, at = ber.expect(data, at, end, ber.IP_ADDRESS)
    agent = ber.value(data, ber.IP_ADDRESS, start, at)
    numbers = []
    for tag in (ber.INTEGER, ber.INTEGER, ber.TIME_TICKS):
        start, at = ber.expect(data, at, end, tag)
        numbers.append(ber.number(data, start, at))
    generic, specific, ticks = numbers
    if generic == _ENTERPRISE_SPECIFIC:
        trap = f"{enterprise}.0.{specific & 0xFFFFFFFF}"  # RFC 3584 3.1 (2)
    elif 0 <= generic < _ENTERPRISE_SPECIFIC:
        trap = f"{_GENERIC}.{generic + 1}"
    else:
        raise MalformedError("generic trap")
    bound = {oid: told for oid, told in ber.bindings(data, at, end, MOST_BINDINGS) if told is not None}
    return Notification(Version.V1, community, trap, (ticks & 0xFFFFFFFF) / 100, bound, str(agent))


def _second(data: bytes, at: int, end: int, community: bytes) -> Notification:
    for _field in ("request-id", "error-status", "error-index"):
        _start, at = ber.expect(data, at, end, ber.INTEGER)
    bound = {oid: told for oid, told in ber.bindings(data, at, end, MOST_BINDINGS) if told is not None}
    ticks, trap = bound.pop(_UPTIME, 0), bound.pop(_TRAP_OID, None)
    if not isinstance(trap, str) or not isinstance(ticks, int):
        raise MalformedError("no snmpTrapOID")
    return Notification(Version.V2C, community, trap, ticks / 100, bound)


def engine_of(data: bytes) -> bytes | None:
    """Return the authoritative engine that an SNMPv3 message names (RFC 3414 2.4); None for another version.

    Raises:
        MalformedError: it is no message.
    """
    at, end = ber.expect(data, 0, len(data), ber.SEQUENCE)
    start, at = ber.expect(data, at, end, ber.INTEGER)
    if ber.number(data, start, at) != Version.V3:
        return None
    _start, at = ber.expect(data, at, end, ber.SEQUENCE)
    start, at = ber.expect(data, at, end, ber.OCTET_STRING)
    start, at = ber.expect(data, start, at, ber.SEQUENCE)
    start, at = ber.expect(data, start, at, ber.OCTET_STRING)
    if at - start > 32:
        raise MalformedError("engine")  # RFC 3411 5: 5 to 32 octets
    return data[start:at]
