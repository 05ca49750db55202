"""The BFD Control packet (RFC 5880 4.1): its fields, and bytes to and from them.

Decoding makes every check of RFC 5880 6.8.6 that needs no session: version, length, Detect Mult, the Multipoint bit and
both discriminators. What needs one (is this discriminator mine, is authentication in use) is the session's. Reserved
diagnostic codes pass: misguided pedantry harms interoperability (RFC 5880 6).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

VERSION: Final = 1
MANDATORY_LENGTH: Final = 24
MAX_LENGTH: Final = 255

_MANDATORY: Final = struct.Struct(">BBBBIIIII")
_POLL, _FINAL, _CPI, _AUTH, _DEMAND, _MULTIPOINT = 0x20, 0x10, 0x08, 0x04, 0x02, 0x01
_MIN_LENGTH_WITH_AUTH: Final = 26


class BfdPacketError(ValueError):
    """The bytes are no BFD Control packet that RFC 5880 6.8.6 lets in; the text says which check failed."""


class State(IntEnum):
    """The Sta field; the numbers are the wire's."""

    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3

    @property
    def text(self) -> str:
        """The state as RFC 5880 writes it, such as `AdminDown`."""
        return _STATE_TEXTS[self]


_STATE_TEXTS: Final = ("AdminDown", "Down", "Init", "Up")


class Diagnostic(IntEnum):
    """The Diag field: the sender's reason for its last change of state (RFC 5880 4.1). 9-31 are reserved."""

    NO_DIAGNOSTIC = 0
    CONTROL_DETECTION_TIME_EXPIRED = 1
    ECHO_FUNCTION_FAILED = 2
    NEIGHBOR_SIGNALED_SESSION_DOWN = 3
    FORWARDING_PLANE_RESET = 4
    PATH_DOWN = 5
    CONCATENATED_PATH_DOWN = 6
    ADMINISTRATIVELY_DOWN = 7
    REVERSE_CONCATENATED_PATH_DOWN = 8

    @classmethod
    def _missing_(cls, value: object) -> Diagnostic | None:
        if not isinstance(value, int) or not 0 <= value <= 31:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"RESERVED_{value}"
        member._value_ = value
        return member

    @property
    def text(self) -> str:
        """The code as RFC 5880 4.1 writes it, such as `Control Detection Time Expired`."""
        return self.name.replace("_", " ").title()


@dataclass(frozen=True, slots=True)
class ControlPacket:
    """A BFD Control packet. Intervals are microseconds; discriminators are unsigned 32-bit, `my_discriminator` never 0.

    `auth` is the whole authentication section as it stands on the wire, empty when the A bit is clear.
    """

    state: State
    my_discriminator: int
    your_discriminator: int
    desired_min_tx_us: int
    required_min_rx_us: int
    detect_mult: int
    diagnostic: Diagnostic = Diagnostic.NO_DIAGNOSTIC
    poll: bool = False
    final: bool = False
    demand: bool = False
    control_plane_independent: bool = False
    required_min_echo_rx_us: int = 0
    auth: bytes = b""

    def encode(self) -> bytes:
        """Return the packet's bytes: 24, plus the authentication section when there is one.

        Raises:
            BfdPacketError: a field does not fit its place on the wire.
        """
        return self.encode_with(self.auth)

    def encode_with(self, auth: bytes) -> bytes:
        """Return the packet's bytes with another authentication section than its own.

        Raises:
            BfdPacketError: a field does not fit its place on the wire.
        """
        flags = (
            self.state << 6
            | (_POLL if self.poll else 0)
            | (_FINAL if self.final else 0)
            | (_CPI if self.control_plane_independent else 0)
            | (_AUTH if auth else 0)
            | (_DEMAND if self.demand else 0)
        )
        try:
            mandatory = _MANDATORY.pack(
                VERSION << 5 | self.diagnostic, flags, self.detect_mult, MANDATORY_LENGTH + len(auth),
                self.my_discriminator, self.your_discriminator,
                self.desired_min_tx_us, self.required_min_rx_us, self.required_min_echo_rx_us,
            )  # fmt: skip
        except struct.error as error:
            raise BfdPacketError(f"field out of range: {error}") from None
        return mandatory + auth

    @property
    def begins_anew(self) -> bool:
        """Whether it is of a session that has just begun: it does not know us, and gives no reason for being Down."""
        return not self.your_discriminator and self.state is State.DOWN and not self.diagnostic

    def same_but_for_auth(self, other: ControlPacket) -> bool:
        """Return whether another packet says the same, be it signed differently."""
        return (
            self.state is other.state
            and self.my_discriminator == other.my_discriminator
            and self.your_discriminator == other.your_discriminator
            and self.desired_min_tx_us == other.desired_min_tx_us
            and self.required_min_rx_us == other.required_min_rx_us
            and self.detect_mult == other.detect_mult
            and self.diagnostic == other.diagnostic
            and self.poll is other.poll
            and self.final is other.final
            and self.demand is other.demand
            and self.control_plane_independent is other.control_plane_independent
            and self.required_min_echo_rx_us == other.required_min_echo_rx_us
        )

    @staticmethod
    def decode(data: bytes) -> ControlPacket:
        """Return the packet in a UDP payload; bytes after the packet's own Length are ignored.

        A peer in a steady state repeats itself, so equal bytes give the very same object: the session knows it again
        by identity.

        Raises:
            BfdPacketError: RFC 5880 6.8.6 says to discard it; nothing else is ever raised.
        """
        return _decode(data)


@lru_cache(maxsize=2048)
def _decode(data: bytes) -> ControlPacket:
    if len(data) < MANDATORY_LENGTH:
        raise BfdPacketError(f"{len(data)} bytes, a Control packet has at least {MANDATORY_LENGTH}")
    version_diag, flags, detect_mult, length, mine, yours, min_tx, min_rx, min_echo_rx = _MANDATORY.unpack_from(data)
    minimum = _MIN_LENGTH_WITH_AUTH if flags & _AUTH else MANDATORY_LENGTH
    if version_diag >> 5 != VERSION:
        raise BfdPacketError(f"version {version_diag >> 5}, must be {VERSION}")
    if length < minimum:
        raise BfdPacketError(f"Length {length}, must be at least {minimum}")
    if length > len(data):
        raise BfdPacketError(f"Length {length}, but only {len(data)} bytes came")
    if not detect_mult:
        raise BfdPacketError("Detect Mult is 0")
    if flags & _MULTIPOINT:
        raise BfdPacketError("Multipoint bit is set")
    if not mine:
        raise BfdPacketError("My Discriminator is 0")
    state = _STATES[flags >> 6]
    if not yours and state > State.DOWN:
        raise BfdPacketError(f"Your Discriminator is 0 in state {state.text}")
    return ControlPacket(
        state=state,
        my_discriminator=mine,
        your_discriminator=yours,
        desired_min_tx_us=min_tx,
        required_min_rx_us=min_rx,
        detect_mult=detect_mult,
        diagnostic=Diagnostic(version_diag & 0x1F),
        poll=bool(flags & _POLL),
        final=bool(flags & _FINAL),
        demand=bool(flags & _DEMAND),
        control_plane_independent=bool(flags & _CPI),
        required_min_echo_rx_us=min_echo_rx,
        auth=data[MANDATORY_LENGTH:length] if flags & _AUTH else b"",
    )


_STATES: Final = tuple(State)
