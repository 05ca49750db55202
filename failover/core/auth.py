"""BFD authentication by Keyed SHA1 and Meticulous Keyed SHA1 (RFC 5880 4.4, 6.7.4), with key rollover.

The rules:

1. The hash covers the whole packet, with the key, padded to 20 bytes, standing where the hash will be.
2. Every packet carries a sequence number. Meticulous: it grows with every packet sent, and a packet is good only within
   (last, last + 3 x Detect Mult]. Keyed: it grows when contents change, and the last number itself is good as well.
   The numbers are 32 bits and wrap.
3. The first number is learned, and learned anew after two Detection Times of silence (6.8.1, bfd.AuthSeqKnown), so that
   a far end may restart. Only a packet whose hash is right teaches a number: a forgery moves nothing.
4. Any configured key is accepted, one signs. A rollover loses no packet in three steps: give both ends the new key, let
   both sign with it, take the old one away.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from hashlib import sha1
from typing import Final

from .packet import ControlPacket

LENGTH: Final = 28
_KEY_LENGTH: Final = 20
_HEADER: Final = struct.Struct(">BBBBI")
_WINDOW_IN_DETECT_MULTS: Final = 3
_SEQUENCES: Final = 1 << 32


class AuthType(IntEnum):
    """The Auth Type field; the numbers are the wire's."""

    KEYED_SHA1 = 4
    METICULOUS_KEYED_SHA1 = 5


@dataclass(frozen=True, slots=True)
class KeyRing:
    """What both ends share: the keys they accept, 1 to 20 bytes by Key ID (0-255), and the ID to sign with.

    Raises:
        ValueError: a key or an ID is out of range, or `signing` is none of them; the text never shows a key.
    """

    auth_type: AuthType
    keys: Mapping[int, bytes] = field(repr=False)
    signing: int

    def __post_init__(self) -> None:
        for key_id, key in self.keys.items():
            if not 0 <= key_id <= 255:
                raise ValueError(f"Key ID {key_id}, must be 0 to 255")
            if not 1 <= len(key) <= _KEY_LENGTH:
                raise ValueError(f"key {key_id} has {len(key)} bytes, must have 1 to {_KEY_LENGTH}")
        if self.signing not in self.keys:
            raise ValueError(f"signing key {self.signing} is none of the keys")


class Authenticator:
    """The authentication state of one session: bfd.AuthType, XmitAuthSeq, RcvAuthSeq and AuthSeqKnown.

    Args:
        ring: the keys.
        initial_sequence: a random unsigned 32-bit number (RFC 5880 6.8.1).
    """

    __slots__ = ("_received", "_ring", "_sent")

    def __init__(self, ring: KeyRing, initial_sequence: int) -> None:
        self._ring = ring
        self._sent = initial_sequence % _SEQUENCES
        self._received: int | None = None  # None: bfd.AuthSeqKnown is 0

    @property
    def ring(self) -> KeyRing:
        """The keys in use."""
        return self._ring

    @property
    def meticulous(self) -> bool:
        """Whether no two packets may be alike."""
        return self._ring.auth_type is AuthType.METICULOUS_KEYED_SHA1

    def rekey(self, ring: KeyRing) -> None:
        """Use other keys from now on; sequence numbers go on.

        Raises:
            ValueError: the authentication type differs, which no running session survives.
        """
        if ring.auth_type is not self._ring.auth_type:
            raise ValueError("a session's authentication type is fixed")
        self._ring = ring

    def contents_changed(self) -> None:
        """Count a change of what is sent, which Keyed SHA1 gives a new number (Meticulous numbers every packet)."""
        if not self.meticulous:
            self._sent = (self._sent + 1) % _SEQUENCES

    def forget(self) -> None:
        """Learn the far end's number anew from its next packet."""
        self._received = None

    def sign(self, packet: ControlPacket) -> ControlPacket:
        """Return the packet with its authentication section."""
        if self.meticulous:
            self._sent = (self._sent + 1) % _SEQUENCES
        key_id = self._ring.signing
        header = _HEADER.pack(self._ring.auth_type, LENGTH, key_id, 0, self._sent)
        return replace(packet, auth=header + _hash(packet, header, self._ring.keys[key_id]))

    def refusal(self, packet: ControlPacket) -> str:
        """Return why RFC 5880 6.7.4 discards a packet, or an empty string: then its number is the last one received."""
        if not packet.auth:
            return "not authenticated, but authentication is in use"
        if packet.auth[0] != self._ring.auth_type:
            return f"Auth Type {packet.auth[0]}, must be {self._ring.auth_type.value}"
        if not len(packet.auth) == packet.auth[1] == LENGTH:
            return f"Auth Len {packet.auth[1]} in {len(packet.auth)} bytes, must be {LENGTH}"
        _, _, key_id, _, sequence = _HEADER.unpack_from(packet.auth)
        key = self._ring.keys.get(key_id)
        if key is None:
            return f"unknown Key ID {key_id}"
        if self._received is not None:
            ahead = (sequence - self._received) % _SEQUENCES
            if not self.meticulous <= ahead <= _WINDOW_IN_DETECT_MULTS * packet.detect_mult:
                return f"Sequence Number {sequence} is not within the window after {self._received}"
        if not hmac.compare_digest(_hash(packet, packet.auth[: _HEADER.size], key), packet.auth[_HEADER.size :]):
            return f"hash is wrong for key {key_id}"
        self._received = sequence
        return ""


def _hash(packet: ControlPacket, header: bytes, key: bytes) -> bytes:
    data = packet.encode_with(header + key.ljust(_KEY_LENGTH, b"\0"))
    return sha1(data).digest()  # noqa: S324 - the protocol's own hash (RFC 5880 6.7.4)
