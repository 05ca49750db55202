"""STAMP in unauthenticated mode (RFC 8762, extended by RFC 8972): its two packets, and a reflector. Sans-IO.

A Session-Sender's test packet and the Session-Reflector's answer are 44 bytes each (RFC 8762 4.2.1, 4.3.1). The
reflector answers with a packet as long as the one that came, so everything behind the 44 bytes is handed back
(RFC 8762 4.3), TLVs with the flags that RFC 8972 4 asks for. A stateful reflector numbers its answers itself (RFC 8762
4.3.1): what is lost on the way there leaves no gap in those numbers, what is lost on the way back does.

Timestamps stay as they are on the wire, 64 bits. Packets are named tuples, not dataclasses: there are many of them.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable
from typing import Final, NamedTuple

STAMP_PORT: Final = 862
"""Where a reflector listens by default (RFC 8762 4.1)."""
BASE_LENGTH: Final = 44
TTL: Final = 255
"""RFC 8762 4.3.1 hands the sender's TTL back; sent with 255, it tells whether the probe was routed (RFC 5082)."""

_TEST: Final = struct.Struct(">IQHH28x")
_TEST_SHORT: Final = struct.Struct(">IQH")
_REFLECTED: Final = struct.Struct(">IQHHQIQH2xB3x")
_TLV: Final = struct.Struct(">BBH")
_SYNCHRONIZED, _PTP = 0x8000, 0x4000
_MULTIPLIER: Final = 0x00FF
_UNRECOGNIZED, _MALFORMED = 0x80, 0x40
_RESERVED_TYPE, _EXTRA_PADDING = 0, 1
_SECOND: Final = 1 << 32
_NS: Final = 1_000_000_000
_MASK_64: Final = (1 << 64) - 1
_UNIX_EPOCH_S: Final = 2_208_988_800  # in NTP's era 0, which began in 1900
_SESSIONS_MAX: Final = 64


class StampPacketError(ValueError):
    """The bytes are no STAMP test packet; the text says why."""


class ErrorEstimate(NamedTuple):
    """How good a clock is, and how its timestamps are written (RFC 4656 4.1.2, RFC 8186 2.3).

    Attributes:
        synchronized: S, whether the clock follows UTC by an external source.
        ptp: Z, whether timestamps are truncated PTPv2 (32 bits of seconds, 32 of nanoseconds) instead of NTP (32.32).
        scale: 6 bits.
        multiplier: 8 bits, never 0.
    """

    synchronized: bool
    ptp: bool
    scale: int
    multiplier: int

    @property
    def seconds(self) -> float:
        """The error, seconds."""
        return float(self.multiplier * 2.0 ** (self.scale - 32))

    def encode(self) -> int:
        """Return the 16 bits of the wire.

        Raises:
            StampPacketError: scale or multiplier is out of range.
        """
        if not (0 <= self.scale <= 63 and 1 <= self.multiplier <= 255):
            raise StampPacketError(f"Scale {self.scale} must be 0 to 63, Multiplier {self.multiplier} 1 to 255")
        flags = (_SYNCHRONIZED if self.synchronized else 0) | (_PTP if self.ptp else 0)
        return flags | self.scale << 8 | self.multiplier

    @classmethod
    def decode(cls, field: int) -> ErrorEstimate:
        """Return the estimate in 16 bits of the wire."""
        return cls(bool(field & _SYNCHRONIZED), bool(field & _PTP), field >> 8 & 0x3F, field & _MULTIPLIER)


FREE_RUNNING: Final = ErrorEstimate(synchronized=False, ptp=False, scale=32, multiplier=1).encode()
"""What we say of our clock: it keeps its pace, and was within about a second of UTC when it started."""


def ntp_timestamp(unix_ns: int) -> int:
    """Return an instant as a 64-bit NTP timestamp (RFC 5905 6), rounded down to 0.2 ns."""
    return (unix_ns + _UNIX_EPOCH_S * _NS) * _SECOND // _NS & _MASK_64


def ntp_from_ptp(timestamp: int) -> int:
    """Return a truncated PTPv2 timestamp as 32.32 fixed point, so that differences are seconds too (RFC 8186 2.3)."""
    return timestamp & ~(_SECOND - 1) | min((timestamp & _SECOND - 1) * _SECOND // _NS, _SECOND - 1)


def seconds_between(earlier: int, later: int) -> float:
    """Return the time between two NTP timestamps, seconds; right over a change of era too, negative if reversed."""
    return (((later - earlier + (1 << 63)) & _MASK_64) - (1 << 63)) / _SECOND


class Timescale:
    """Timestamps that start near UTC and then run with the monotonic clock: they never jump, so differences hold.

    Args:
        monotonic_s: the monotonic clock, seconds.
        unix_ns: the wall clock at the same moment.
    """

    __slots__ = ("_origin",)

    def __init__(self, monotonic_s: float, unix_ns: int) -> None:
        self._origin = ntp_timestamp(unix_ns) - int(monotonic_s * _SECOND)

    def stamp(self, monotonic_s: float) -> int:
        """Return the NTP timestamp of a moment of the monotonic clock."""
        return self._origin + int(monotonic_s * _SECOND) & _MASK_64


class SenderPacket(NamedTuple):
    """A Session-Sender's packet (RFC 8762 4.2.1; `ssid` RFC 8972 3, 0 when unused); `extra` is what follows it."""

    sequence: int
    timestamp: int
    error_estimate: int = FREE_RUNNING
    ssid: int = 0
    extra: bytes = b""

    def encode(self) -> bytes:
        """Return the packet's bytes.

        Raises:
            StampPacketError: a field does not fit its place on the wire.
        """
        try:
            base = _TEST.pack(self.sequence, self.timestamp, self.error_estimate, self.ssid)
        except struct.error as error:
            raise StampPacketError(f"field out of range: {error}") from None
        return base + self.extra if self.extra else base

    @classmethod
    def decode(cls, data: bytes) -> SenderPacket:
        """Return the packet in a UDP payload. What must be zero is ignored (RFC 8762 4.2.1).

        A packet shorter than 44 bytes, of TWAMP Light, passes as long as it has the fields (RFC 8762 4.6).

        Raises:
            StampPacketError: nothing else is ever raised.
        """
        if len(data) >= BASE_LENGTH:
            sequence, timestamp, estimate, ssid = _TEST.unpack_from(data)
            extra = data[BASE_LENGTH:]
        elif len(data) >= _TEST_SHORT.size:
            (sequence, timestamp, estimate), ssid, extra = _TEST_SHORT.unpack_from(data), 0, b""
        else:
            raise StampPacketError(f"{len(data)} bytes, a test packet has {BASE_LENGTH}")
        if not estimate & _MULTIPLIER:
            raise StampPacketError("Error Estimate has Multiplier 0 (RFC 4656 4.1.2)")
        return cls(sequence, timestamp, estimate, ssid, extra)


class ReflectedPacket(NamedTuple):
    """A Session-Reflector's packet (RFC 8762 4.3.1); fields named `sender_` are what the sender had sent.

    `timestamp` is when it left, `receive_timestamp` when the probe arrived, by the reflector's clock;
    `sender_ttl` is the TTL with which the probe arrived.
    """

    sequence: int
    timestamp: int
    error_estimate: int
    ssid: int
    receive_timestamp: int
    sender_sequence: int
    sender_timestamp: int
    sender_error_estimate: int
    sender_ttl: int
    extra: bytes = b""

    @property
    def ptp(self) -> bool:
        """Whether the reflector's timestamps are truncated PTPv2."""
        return bool(self.error_estimate & _PTP)

    def encode(self) -> bytes:
        """Return the packet's bytes.

        Raises:
            StampPacketError: a field does not fit its place on the wire.
        """
        try:
            return _REFLECTED.pack(*self[:9]) + self.extra
        except struct.error as error:
            raise StampPacketError(f"field out of range: {error}") from None

    @classmethod
    def decode(cls, data: bytes) -> ReflectedPacket:
        """Return the packet in a UDP payload. What must be zero is ignored (RFC 8762 4.3.1).

        Raises:
            StampPacketError: nothing else is ever raised.
        """
        if len(data) < BASE_LENGTH:
            raise StampPacketError(f"{len(data)} bytes, an answer has {BASE_LENGTH}")
        fields = _REFLECTED.unpack_from(data)
        if not fields[2] & _MULTIPLIER:
            raise StampPacketError("Error Estimate has Multiplier 0 (RFC 4656 4.1.2)")
        return cls._make((*fields, data[BASE_LENGTH:]))


class Reflector:
    """Answers test packets.

    A test session is whatever comes from one sender with one SSID (RFC 8972 3); which senders are welcome is the
    caller's to know. Only so many are remembered; beyond that the oldest one's numbers start anew.

    Args:
        timescale: writes the timestamps.
        stateful: number the answers of each session by themselves (RFC 8762 4.3.1), else repeat the sender's number.
    """

    __slots__ = ("_sessions", "_stateful", "_timescale")

    def __init__(self, timescale: Timescale, *, stateful: bool = True) -> None:
        self._timescale = timescale
        self._stateful = stateful
        self._sessions: dict[Hashable, int] = {}

    def reflect(self, payload: bytes, sender: Hashable, ttl: int, received_at: float, now: float) -> bytes:
        """Return the answer to a test packet.

        Args:
            payload: the test packet.
            sender: who sent it, address and port.
            ttl: TTL or hop limit with which it arrived.
            received_at: when it arrived, monotonic seconds.
            now: monotonic seconds.

        Raises:
            StampPacketError: it is none; nothing else is ever raised.
        """
        packet = SenderPacket.decode(payload)
        sequence = self._number((sender, packet.ssid)) if self._stateful else packet.sequence
        stamp = self._timescale.stamp
        answer = _REFLECTED.pack(
            sequence, stamp(now), FREE_RUNNING, packet.ssid, stamp(received_at),
            packet.sequence, packet.timestamp, packet.error_estimate, ttl,
        )  # fmt: skip
        return answer + _handed_back(packet.extra) if packet.extra else answer

    def _number(self, session: Hashable) -> int:
        sequence = self._sessions.get(session, 0)
        if not sequence and len(self._sessions) >= _SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[session] = sequence + 1 & 0xFFFFFFFF
        return sequence


def _handed_back(extra: bytes) -> bytes:
    """Return what followed a test packet as its reflector hands it back, TLV flags set as RFC 8972 4 asks.

    We understand Extra Padding only. A sender sets the U flag of each TLV, so bytes without it whose type is the
    reserved one are padding of TWAMP Light and no TLV.
    """
    out = bytearray(extra)
    at = 0
    while at + _TLV.size <= len(out):
        flags, kind, length = _TLV.unpack_from(out, at)
        if kind == _RESERVED_TYPE and not flags & _UNRECOGNIZED:
            break
        out[at] = 0 if kind == _EXTRA_PADDING else _UNRECOGNIZED
        if at + _TLV.size + length > len(out):
            out[at] |= _MALFORMED
            break
        at += _TLV.size + length
    return bytes(out)
