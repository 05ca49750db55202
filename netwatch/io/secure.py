"""Has SNMPv3 notifications and informs read by pysnmp, in a process of its own that no storm can hold up.

Datagrams stay on the receiver's socket: they are handed over with their sender, and answers come back the same way,
so that reports and acknowledgements leave from the address that was spoken to. Lines of JSON both ways. A sender's
engine is its own authority for what it does not want acknowledged (RFC 3414 1.5.1): the users are made known under each
engine that a device of the inventory names.

Run as `python -m netwatch.io.secure`: the first line of its input says who may speak.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from lifeline.devices.snmp import Access

from ..core.ber import MalformedError
from ..core.trap import MOST_BINDINGS, Notification, Version, engine_of
from .receive import Address

if TYPE_CHECKING:
    from pysnmp.entity.engine import SnmpEngine

MOST_WAITING: Final = 4 << 20
"""Octets that may wait for the process; what comes beyond is dropped, and counted."""
MOST_ENGINES: Final = 4096
_LINE: Final = 1 << 20
_TRAP_OID, _UPTIME = "1.3.6.1.6.3.1.1.4.1.0", "1.3.6.1.2.1.1.3.0"
_AUTH: Final = {"md5": "USM_AUTH_HMAC96_MD5", "sha1": "USM_AUTH_HMAC96_SHA",
                "sha256": "USM_AUTH_HMAC192_SHA256", "sha512": "USM_AUTH_HMAC384_SHA512"}  # fmt: skip
_PRIVACY: Final = {"des": "USM_PRIV_CBC56_DES", "aes128": "USM_PRIV_CFB128_AES", "aes256": "USM_PRIV_CFB256_AES"}
_DOMAIN: Final = (1, 3, 6, 1, 6, 1, 1)  # snmpUDPDomain (RFC 3417 3)


class Secure:
    """The process, and what is under way to it.

    Attributes:
        counted: what was refused or dropped, by reason.
    """

    def __init__(
        self, users: Sequence[Access], engine: str, told: Callable[[Notification, str], None],
        answer: Callable[[bytes, Address], None],
    ) -> None:  # fmt: skip
        """Start nothing yet.

        Args:
            users: of SNMPv3 who may speak.
            engine: what our own engine's id is made from; the same in every life.
            told: takes a notification that was let in, and its source.
            answer: sends a datagram to whom spoke.
        """
        self.counted: Counter[str] = Counter()
        self._users, self._engine = users, engine
        self._told, self._answer = told, answer
        self._process: asyncio.subprocess.Process | None = None

    def take(self, datagram: bytes, address: Address) -> bool:
        """Hand a datagram over; tell whether it is one of SNMPv3.

        Raises:
            MalformedError: it is no SNMP message.
        """
        if engine_of(datagram) is None:
            return False
        pipe = self._process.stdin if self._process else None
        if pipe is None or pipe.transport.get_write_buffer_size() > MOST_WAITING:
            self.counted["dropped: too many wait for their keys"] += 1
        else:
            pipe.write(_line({"from": list(address), "data": b64encode(datagram).decode()}))
        return True

    async def run(self) -> None:
        """Keep the process alive until cancelled; one that ends is started again after a second."""
        while True:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "netwatch.io.secure", stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE, limit=_LINE,
            )  # fmt: skip
            assert process.stdin
            assert process.stdout
            try:
                users = [{"user": it.user, "auth": it.auth, "auth_secret": it.auth_secret, "privacy": it.privacy,
                          "privacy_secret": it.privacy_secret} for it in self._users]  # fmt: skip
                process.stdin.write(_line({"engine": self._engine, "users": users}))
                self._process = process
                while line := await process.stdout.readline():
                    self._heard(json.loads(line))
            finally:
                self._process = None
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            self.counted["the process that knows the keys ended"] += 1
            await asyncio.sleep(1.0)

    def _heard(self, told: dict[str, Any]) -> None:
        if (reason := told.get("refused")) is not None:
            self.counted[f"refused: {reason}"] += 1
        elif "data" in told:
            self._answer(b64decode(told["data"]), tuple(told["to"]))
        else:
            bound = {oid: bytes.fromhex(value["x"]) if isinstance(value, dict) else value
                     for oid, value in told["bindings"].items()}  # fmt: skip
            self._told(Notification(Version.V3, b"", told["trap"], told["uptime_s"], bound), told["source"])


def _line(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode() + b"\n"


# ---------------------------------------------------------------- the process


class _Reader:
    """pysnmp's engine, fed by lines."""

    def __init__(self, engine: str, users: Sequence[dict[str, str]]) -> None:
        from pysnmp.carrier.base import AbstractTransport, AbstractTransportDispatcher
        from pysnmp.entity.engine import SnmpEngine
        from pysnmp.entity.rfc3413.ntfrcv import NotificationReceiver
        from pysnmp.proto.rfc1902 import OctetString

        said = self.say

        class Pipe(AbstractTransport):  # type: ignore[misc]  # pysnmp has no types
            def send_message(self, message: bytes, address: Address) -> None:
                said({"to": list(address), "data": b64encode(bytes(message)).decode()})

        own = b"\x80\x00\x1f\x88\x05" + blake2b(engine.encode(), digest_size=12).digest()  # RFC 3411 5: octets
        self._engine: SnmpEngine = SnmpEngine(OctetString(own))
        self._dispatcher = AbstractTransportDispatcher()
        self._pipe = Pipe()
        self._dispatcher.register_transport(_DOMAIN, self._pipe)
        self._engine.register_transport_dispatcher(self._dispatcher)
        self._users = users
        self._known = {own}
        self._spoken = False
        self._source = ""
        for user in users:
            self._add(user, None)
        NotificationReceiver(self._engine, self._told)

    def say(self, body: dict[str, Any]) -> None:
        self._spoken = True
        sys.stdout.buffer.write(_line(body))
        sys.stdout.buffer.flush()

    def feed(self, datagram: bytes, address: Address) -> None:
        self._spoken, self._source = False, str(address[0])
        try:
            engine = engine_of(datagram)
            if engine and engine not in self._known and len(self._known) < MOST_ENGINES:
                self._known.add(engine)
                for user in self._users:
                    self._add(user, engine)
            self._dispatcher._callback_function(self._pipe, address, datagram)  # noqa: SLF001 - as its transports do
        except Exception as error:  # noqa: BLE001 - whatever a datagram does to pysnmp, it is counted
            self.say({"refused": type(error).__name__})
        if not self._spoken:
            self.say({"refused": "unknown user, wrong key, out of time or not a notification"})

    def _add(self, user: dict[str, str], engine: bytes | None) -> None:
        from pysnmp.entity import config
        from pysnmp.proto.rfc1902 import OctetString

        auth, privacy = _AUTH[user["auth"]], _PRIVACY[user["privacy"]]
        config.add_v3_user(
            self._engine, user["user"],
            getattr(config, auth if user["auth_secret"] else "USM_AUTH_NONE"), user["auth_secret"] or None,
            getattr(config, privacy if user["privacy_secret"] else "USM_PRIV_NONE"), user["privacy_secret"] or None,
            securityEngineId=OctetString(engine) if engine else None,
        )  # fmt: skip

    def _told(self, _engine: Any, _reference: Any, _context: Any, _name: Any, bound: Any, _data: Any) -> None:
        told = {str(oid): _plain(value) for oid, value in bound[:MOST_BINDINGS]}
        values = {oid: value for oid, value in told.items() if value is not None}
        trap, ticks = values.pop(_TRAP_OID, None), values.pop(_UPTIME, 0)
        if not isinstance(trap, str) or not isinstance(ticks, int):
            self.say({"refused": "no snmpTrapOID"})
            return
        self.say({"trap": trap, "uptime_s": ticks / 100, "bindings": values, "source": self._source})


def _plain(value: Any) -> Any:
    """Return pysnmp's value as JSON can carry it: octets that are no text in hexadecimal."""
    from pyasn1.type import univ  # type: ignore[import-untyped]  # it has no types
    from pysnmp.proto.rfc1902 import IpAddress

    if isinstance(value, IpAddress | univ.ObjectIdentifier):
        return value.prettyPrint()
    if isinstance(value, univ.OctetString):
        raw = bytes(value)[:4096]
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            return {"x": raw.hex()}
        return text if text.isprintable() else {"x": raw.hex()}
    return int(value) if isinstance(value, univ.Integer) else None


def _main() -> None:
    first = json.loads(sys.stdin.buffer.readline())
    reader = _Reader(first["engine"], first["users"])
    for line in sys.stdin.buffer:
        told = json.loads(line)
        with contextlib.suppress(MalformedError):
            reader.feed(b64decode(told["data"]), tuple(told["from"]))


if __name__ == "__main__":
    _main()
