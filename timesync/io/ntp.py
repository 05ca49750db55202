"""An NTPv4 client (RFC 5905) that asks and never follows: one question, one answer, with its round trip.

Symmetric keys: AES-CMAC (RFC 8573), and SHA-1 and MD5 for servers that know no better. NTS is not spoken.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from lifeline.clock import wall_ns

PORT: Final = 123
_HEADER: Final = struct.Struct("!BBbbII4sQQQQ")
_ERA_S: Final = 2_208_988_800
"""NTP's era 0 began in 1900, Unix time in 1970."""
_ERA: Final = 1 << 32
_CLIENT: Final = 0b00_100_011
_SERVER_MODE: Final = 4
_ALARM: Final = 3
_FRACTION: Final = 1 << 32


class NtpError(Exception):
    """The server's answer is none, or says that it has no time; the text says why."""


@dataclass(frozen=True, slots=True)
class NtpKey:
    """A symmetric key: `AES-128 0011...`, `SHA1 ...`, `MD5 ...`, or text for MD5."""

    number: int
    algorithm: str
    secret: bytes

    @classmethod
    def parse(cls, number: int, text: str) -> NtpKey:
        """Read a secret as chrony's key file has it: `AES128 HEX:0123...`, `SHA1 HEX:...` or `MD5 ASCII:...`.

        Raises:
            ValueError: it is no such key.
        """
        algorithm, _, rest = text.strip().partition(" ")
        if not rest:
            algorithm, rest = "MD5", algorithm
        kind, colon, value = rest.strip().partition(":")
        secret = bytes.fromhex(value) if colon and kind == "HEX" else (value if colon else kind).encode()
        name = algorithm.upper().replace("-", "")
        if name not in {"MD5", "SHA1", "SHA256", "AES128", "AES256"}:
            raise ValueError(f"no algorithm {algorithm!r}; there are MD5, SHA1, SHA256, AES128, AES256")
        if name.startswith("AES") and len(secret) != int(name[3:]) // 8:
            raise ValueError(f"a key for {name} has {int(name[3:]) // 8} bytes, this one {len(secret)}")
        return cls(number, name, secret)

    def mac(self, message: bytes) -> bytes:
        """Return what proves that whoever wrote a message knows the key."""
        if self.algorithm.startswith("AES"):
            cmac = CMAC(AES(self.secret))
            cmac.update(message)
            return cmac.finalize()
        return hashlib.new(self.algorithm.lower(), self.secret + message).digest()[:20]


@dataclass(frozen=True, slots=True)
class NtpAnswer:
    """What a server said, and how far that may be off."""

    offset_ns: float
    """Server's time less ours."""
    round_trip_ns: float
    leap: int
    stratum: int
    root_delay_ns: float
    root_dispersion_ns: float
    transmitted_ns: int
    sent_wall_ns: int

    @property
    def bound_ns(self) -> float:
        """The error cannot exceed this (RFC 5905 appendix A.5.5.2: root distance), if the server is honest."""
        return self.round_trip_ns / 2 + self.root_delay_ns / 2 + self.root_dispersion_ns

    @property
    def synchronised(self) -> bool:
        """Whether the server says that it follows something."""
        return self.leap != _ALARM and 0 < self.stratum < 16


def question(key: NtpKey | None = None) -> bytes:
    """Return a request whose transmit timestamp is a secret, and nothing else of us."""
    header = _HEADER.pack(_CLIENT, 0, 0, 0x20, 0, 0, b"\0" * 4, 0, 0, 0, secrets.randbits(64))
    return header + (struct.pack("!I", key.number) + key.mac(header) if key else b"")


def answer(asked: bytes, got: bytes, sent_ns: int, heard_ns: int, key: NtpKey | None = None) -> NtpAnswer:
    """Return what an answer says.

    Args:
        asked: the request.
        got: the datagram.
        sent_ns: wall time when the request was sent.
        heard_ns: wall time when the answer was heard.
        key: the key that it must be signed with.

    Raises:
        NtpError: it is no answer to this request, is not signed as it must be, or refuses.
    """
    if len(got) < _HEADER.size:
        raise NtpError(f"an answer of {len(got)} bytes")
    flags, stratum, _poll, _precision, delay, dispersion, refid, _ref, origin, receive, transmit = _HEADER.unpack(
        got[: _HEADER.size]
    )
    if origin != _HEADER.unpack(asked[: _HEADER.size])[-1]:
        raise NtpError("an answer to another request")
    if flags & 7 != _SERVER_MODE:
        raise NtpError(f"mode {flags & 7}, not a server's")
    if key is not None:
        expected = struct.pack("!I", key.number) + key.mac(got[: _HEADER.size])
        if not hmac.compare_digest(got[_HEADER.size :], expected):
            raise NtpError(f"not signed with key {key.number}")
    if stratum == 0 and flags >> 6 != _ALARM:
        raise NtpError(f"kiss of death: {refid.decode('ascii', 'replace')}")
    received, transmitted = _unix_ns(receive, sent_ns), _unix_ns(transmit, sent_ns)
    if transmit == 0 or transmitted < received:
        raise NtpError("its timestamps go backwards")
    return NtpAnswer(
        ((received - sent_ns) + (transmitted - heard_ns)) / 2, max((heard_ns - sent_ns) - (transmitted - received), 0),
        flags >> 6, stratum, delay * 1e9 / 65536, dispersion * 1e9 / 65536, transmitted, sent_ns,
    )  # fmt: skip


def _unix_ns(stamp: int, near_ns: int) -> int:
    """Return an NTP timestamp in the era that is nearest to now (RFC 5905 6)."""
    seconds, fraction = stamp >> 32, stamp & (_FRACTION - 1)
    near_s = near_ns // 1_000_000_000 + _ERA_S
    seconds += round((near_s - seconds) / _ERA) * _ERA
    return (seconds - _ERA_S) * 1_000_000_000 + fraction * 1_000_000_000 // _FRACTION


async def ask(host: str, port: int = PORT, key: NtpKey | None = None, timeout_s: float = 1.0) -> NtpAnswer:
    """Ask a server once.

    Raises:
        NtpError: no sound answer came in time.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[NtpAnswer] = loop.create_future()
    request = question(key)
    times = [0]

    def heard(data: bytes) -> None:
        if done.done():
            return
        try:
            done.set_result(answer(request, data, times[0], wall_ns(), key))
        except NtpError as error:
            if "another request" not in str(error):
                done.set_exception(error)

    try:
        transport, _protocol = await loop.create_datagram_endpoint(lambda: _Listener(heard), remote_addr=(host, port))
    except OSError as error:
        raise NtpError(f"{host}: {error}") from None
    try:
        times[0] = wall_ns()
        transport.sendto(request)
        async with asyncio.timeout(timeout_s):
            return await done
    except TimeoutError:
        raise NtpError(f"{host}:{port} does not answer") from None
    finally:
        transport.close()


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's signature
        """Pass a datagram on."""
        self._heard(data)
