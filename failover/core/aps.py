"""The APS message by which the two ends of a protection group keep their selectors aligned (ITU-T G.8031 11.1).

G.8031's four octets of APS-specific information stand unchanged in the middle. Around them is what a datagram over IP
needs and an Ethernet OAM frame has otherwise: a version, the group, the sender's life and a sequence number, so that a
message that was delayed, doubled or sent by an earlier life is known as such, and an authentication section.

| octets | field |
| --- | --- |
| 0 | version, 1 |
| 1 | length of the whole message |
| 2-3 | reserved, 0, ignored |
| 4-7 | group |
| 8-15 | epoch: grows with each life of the sender (wall nanoseconds at its start) |
| 16-19 | sequence: grows with each message of a life |
| 20 | request/state (4 bits), protection type A B D R (4 bits) |
| 21, 22 | requested signal, bridged signal: 0 null (working), 1 normal traffic signal (protection) |
| 23 | bridge type T (1 bit, 0: selector bridge), reserved, ignored |
| 24- | authentication: key ID, 3 reserved octets, HMAC-SHA-256 cut to 16 octets; or nothing |
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag
from hashlib import sha256
from typing import Final

APS_PORT: Final = 7784
"""UDP port of APS, at both ends. Not assigned by IANA to anybody; it reminds of BFD's 3784 and 4784."""
VERSION: Final = 1
LENGTH: Final = 24
DIGEST_LENGTH: Final = 16

_MESSAGE: Final = struct.Struct(">BBHIQIBBBB")
_AUTH: Final = struct.Struct(">B3x")
AUTH_LENGTH: Final = _AUTH.size + DIGEST_LENGTH


class ApsMessageError(ValueError):
    """The bytes are no APS message that may be acted on; the text says why."""


class RequestCode(IntEnum):
    """The request/state field (G.8031 table 11-1). The greater number has the higher priority; gaps are reserved."""

    NR = 0
    DNR = 1
    RR = 2
    EXER = 4
    WTR = 5
    MS = 7
    SD = 9
    SF_W = 11
    FS = 13
    SF_P = 14
    LO = 15


class ProtectionType(IntFlag):
    """The protection type field (G.8031 table 11-1)."""

    APS = 8
    """A: this group speaks APS."""
    BRIDGE = 4
    """B: 1:1, no permanent bridge."""
    BIDIRECTIONAL = 2
    """D: both directions switch together."""
    REVERTIVE = 1
    """R: traffic returns to working."""


class Signal(IntEnum):
    """What a requested or bridged signal field names: what is carried over the protection path."""

    NULL = 0
    NORMAL = 1


@dataclass(frozen=True, slots=True)
class ApsMessage:
    """One APS message. `group` and `sequence` are unsigned 32-bit, `epoch` unsigned 64-bit.

    `auth` is the authentication section as it stands on the wire, empty when there is none.
    """

    request: RequestCode
    protection_type: ProtectionType
    requested: Signal
    bridged: Signal
    group: int
    epoch: int
    sequence: int
    auth: bytes = b""

    def encode(self) -> bytes:
        """Return the message's bytes: 24, plus the authentication section when there is one.

        Raises:
            ApsMessageError: a field does not fit its place on the wire.
        """
        try:
            body = _MESSAGE.pack(
                VERSION, LENGTH + len(self.auth), 0, self.group, self.epoch, self.sequence,
                self.request << 4 | self.protection_type, self.requested, self.bridged, 0,
            )  # fmt: skip
        except struct.error as error:
            raise ApsMessageError(f"field out of range: {error}") from None
        return body + self.auth

    @staticmethod
    def decode(data: bytes) -> ApsMessage:
        """Return the message in a UDP payload; bytes after the message's own length are ignored.

        Raises:
            ApsMessageError: it is none, or asks for something reserved; nothing else is ever raised.
        """
        if len(data) < LENGTH:
            raise ApsMessageError(f"{len(data)} bytes, an APS message has at least {LENGTH}")
        version, length, _, group, epoch, sequence, octet, requested, bridged, _ = _MESSAGE.unpack_from(data)
        if version != VERSION:
            raise ApsMessageError(f"version {version}, must be {VERSION}")
        if not LENGTH <= length <= len(data):
            raise ApsMessageError(f"length {length}, must be {LENGTH} to {len(data)}")
        try:
            request = RequestCode(octet >> 4)
            signals = Signal(requested), Signal(bridged)
        except ValueError as error:
            raise ApsMessageError(f"reserved value: {error}") from None
        kind = ProtectionType(octet & 0x0F)
        return ApsMessage(request, kind, *signals, group, epoch, sequence, data[LENGTH:length])


@dataclass(frozen=True, slots=True)
class ApsKeys:
    """What both ends share: keys they accept by ID (0-255), and the ID to sign with. Any accepted key will do.

    A rollover loses no message in three steps: give both ends the new key, let both sign with it, take the old away.

    Raises:
        ValueError: an ID is out of range, a key is shorter than 16 bytes, or `signing` is none of them; the text never
            shows a key.
    """

    keys: Mapping[int, bytes] = field(repr=False)
    signing: int

    def __post_init__(self) -> None:
        for key_id, key in self.keys.items():
            if not 0 <= key_id <= 255:
                raise ValueError(f"key ID {key_id}, must be 0 to 255")
            if len(key) < DIGEST_LENGTH:
                raise ValueError(f"key {key_id} has {len(key)} bytes, must have at least {DIGEST_LENGTH}")
        if self.signing not in self.keys:
            raise ValueError(f"signing key {self.signing} is none of the keys")

    def sign(self, message: ApsMessage) -> ApsMessage:
        """Return the message with its authentication section."""
        head = _AUTH.pack(self.signing)
        return replace(message, auth=head + _digest(message, head, self.keys[self.signing]))

    def refusal(self, message: ApsMessage) -> str:
        """Return why a message is not to be believed, or an empty string. Replays are told by epoch and sequence."""
        if len(message.auth) != AUTH_LENGTH:
            return f"{len(message.auth)} bytes of authentication, must be {AUTH_LENGTH}"
        head, digest = message.auth[: _AUTH.size], message.auth[_AUTH.size :]
        key = self.keys.get(head[0])
        if key is None:
            return f"unknown key ID {head[0]}"
        return "" if hmac.compare_digest(_digest(message, head, key), digest) else f"hash is wrong for key {head[0]}"


def _digest(message: ApsMessage, head: bytes, key: bytes) -> bytes:
    """Hash the message with zeros where the digest will be: its length field covers them."""
    covered = replace(message, auth=head + bytes(DIGEST_LENGTH)).encode()
    return hmac.digest(key, covered, sha256)[:DIGEST_LENGTH]
