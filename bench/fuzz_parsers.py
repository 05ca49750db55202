"""`python -m bench.fuzz_parsers PARSER CORPUS [libFuzzer options]`: feed one parser what coverage teaches (atheris).

A parser may refuse with the error that its documentation names. Whatever else it raises, and whatever it takes and
cannot give back as it was, ends the run with libFuzzer's exit code and leaves the input in the corpus' folder.
"""

from __future__ import annotations

import contextlib
import random
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["failover", "netwatch"]):
    from failover.core.aps import ApsKeys, ApsMessage, ApsMessageError, ProtectionType, RequestCode, Signal
    from failover.core.auth import Authenticator, AuthType, KeyRing
    from failover.core.bfd import Session, SessionConfig
    from failover.core.packet import BfdPacketError, ControlPacket, State
    from failover.core.stamp import ReflectedPacket, Reflector, SenderPacket, StampPacketError
    from failover.io import rtnetlink, tcnetlink
    from failover.io.fastpath_ipc import ReportServer
    from failover.io.stamp_session import timescale
    from netwatch.core import ber, syslog, trap

_KEY = b"a key of 16 bytes"
_UP = ControlPacket(State.UP, 7, 9, 10_000, 10_000, 3)


@dataclass(frozen=True, slots=True)
class Parser:
    """What is fed, by which seeds it starts, and who eats."""

    seeds: tuple[bytes, ...]
    make: Callable[[], Callable[[bytes], object]]


def _bfd() -> Callable[[bytes], object]:
    """Decode, encode again, and let sessions with and without authentication live through it."""
    config = SessionConfig(local_discriminator=9, desired_min_tx_us=10_000, required_min_rx_us=10_000, detect_mult=3)
    ring = KeyRing(AuthType.METICULOUS_KEYED_SHA1, {1: _KEY}, 1)
    jitter = random.Random(1).random

    def eat(data: bytes) -> None:
        try:
            packet = ControlPacket.decode(data)
        except BfdPacketError:
            return
        if ControlPacket.decode(packet.encode()) != packet:
            raise AssertionError(f"{packet} came back otherwise")
        for auth in (None, Authenticator(ring, 1)):
            session = Session(config, 0.0, jitter, auth)
            for now in (0.1, 0.2):
                session.receive(packet, now)
                session.handle_timer(session.next_deadline())

    return eat


def _aps() -> Callable[[bytes], object]:
    keys = ApsKeys({1: _KEY}, 1)

    def eat(data: bytes) -> None:
        try:
            message = ApsMessage.decode(data)
        except ApsMessageError:
            return
        keys.refusal(message)
        if ApsMessage.decode(message.encode()) != message:
            raise AssertionError(f"{message} came back otherwise")

    return eat


def _stamp() -> Callable[[bytes], object]:
    reflector = Reflector(timescale())

    def eat(data: bytes) -> None:
        for decode in (SenderPacket.decode, ReflectedPacket.decode):
            try:
                packet = decode(data)
            except StampPacketError:
                continue
            if decode(packet.encode()) != packet:
                raise AssertionError(f"{packet} came back otherwise")
        try:
            answer = reflector.reflect(data, "somebody", 255, 1.0, 2.0)
        except StampPacketError:
            return
        if len(answer) != max(len(data), 44):
            raise AssertionError("an answer is as long as the question (RFC 8762 4.3)")

    return eat


def _ipc() -> Callable[[bytes], object]:
    """Be the one client of a server, and read its answers."""
    server = ReportServer(Path(tempfile.mkdtemp()) / "fastpath.sock")
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.connect(str(server.path))
    client.setblocking(False)
    server.serve()

    def eat(data: bytes) -> None:
        if not data:
            return  # an empty datagram is a client that hangs up
        client.send(data)
        server.serve()
        with contextlib.suppress(BlockingIOError):
            client.recv(1 << 16)

    return eat


def _netlink() -> Callable[[bytes], object]:
    return lambda data: list(rtnetlink.parse(data))


def _tc() -> Callable[[bytes], object]:
    return lambda data: list(tcnetlink.parse(data))


def _trap() -> Callable[[bytes], object]:
    """Read notifications of every version, and answer informs with what is no longer one."""

    def eat(data: bytes) -> None:
        try:
            told = trap.parse(data)
            trap.engine_of(data)
        except ber.MalformedError:
            return
        if told is not None and told.reply and len(told.reply) != len(data):
            raise AssertionError("an inform is answered by itself (RFC 3416 4.2.7)")

    return eat


def _values() -> Callable[[bytes], object]:
    """Read bindings, as they stand in any SNMP message."""

    def eat(data: bytes) -> None:
        try:
            told = list(ber.bindings(data, 0, len(data), trap.MOST_BINDINGS))
        except ber.MalformedError:
            return
        if any(isinstance(value, str | bytes) and len(value) > 4096 for _name, value in told):
            raise AssertionError("a value is longer than anything of use")

    return eat


def _syslog() -> Callable[[bytes], object]:
    def eat(data: bytes) -> None:
        try:
            told = syslog.parse(data)
        except ber.MalformedError:
            return
        if not (told.text + told.host + told.application).isprintable():
            raise AssertionError("a line moves a cursor")

    return eat


def _element(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((tag, len(body))) + body


def _message(kind: int, body: bytes) -> bytes:
    return rtnetlink.message(kind, 0, body)


_UPTIME = _element(0x30, _element(6, b"\x2b\6\1\2\1\1\3\0"), _element(0x43, b"\4\xd2"))
_TRAP = _element(0x30, _element(6, b"\x2b\6\1\6\3\1\1\4\1\0"), _element(6, b"\x2b\6\1\4\1\x9b\x72\0\7"))
_FAN = _element(0x30, _element(6, b"\x2b\6\1\4\1\x9b\x72\1\1"), _element(4, b"fan 2"))
_BOUND = _element(0x30, _UPTIME, _TRAP, _FAN)


def _notification(version: int, kind: int, *body: bytes) -> bytes:
    return _element(0x30, _element(2, bytes((version,))), _element(4, b"public"), _element(kind, *body))


_NUMBERS = _element(2, b"\7") + _element(2, b"\0") * 2
_FIRST = (_element(6, b"\x2b\6\1\4\1\x9b\x72"), _element(0x40, b"\x0a\0\0\x09"), _element(2, b"\6"), _element(2, b"\7"),
          _element(0x43, b"\x63"), _element(0x30, _FAN))  # fmt: skip
_SECURE = _element(0x30, _element(4, b"engine-7"), _element(2, b"\1"), _element(2, b"\2"), _element(4) * 3)
_NAME = rtnetlink.attribute(rtnetlink.IFLA_IFNAME, b"fibre\0")
PARSERS = {
    "bfd": Parser((_UP.encode(), _UP.encode_with(b"\x05\x1c\x01\x00" + bytes(24))), _bfd),
    "aps": Parser(
        (
            ApsMessage(RequestCode.NR, ProtectionType.APS, Signal.NULL, Signal.NULL, 1, 2, 3).encode(),
            ApsKeys({1: _KEY}, 1)
            .sign(ApsMessage(RequestCode.NR, ProtectionType.APS, Signal.NORMAL, Signal.NORMAL, 1, 2, 3))
            .encode(),
        ),
        _aps,
    ),
    "stamp": Parser(
        (
            SenderPacket(1, 2).encode(),
            SenderPacket(1, 2, extra=b"\x80\x01\x00\x04abcd\x80\x02\x00\x00").encode(),
            ReflectedPacket(1, 2, 1, 0, 3, 1, 2, 1, 255).encode(),
        ),
        _stamp,
    ),
    "ipc": Parser(
        (b'{"ack": 1, "instance": "x"}', b'{"command": {"id": "c1", "group": "pg"}}', b'{"rekey": true}', b"[" * 2000),
        _ipc,
    ),
    "trap": Parser(
        (
            _notification(0, 0xA4, *_FIRST),
            _notification(1, 0xA7, _NUMBERS, _BOUND),
            _notification(1, 0xA6, _NUMBERS, _BOUND),
            _element(0x30, _element(2, b"\3"), _element(0x30), _element(4, _SECURE), _element(4, b"sealed")),
        ),
        _trap,
    ),
    "values": Parser((_BOUND, _element(0x30, _FAN, _element(0x30, _element(6, b"\x2b\6"), b"\x82\0"))), _values),
    "syslog": Parser(
        (
            b'<165>1 2003-10-11T22:14:15.003Z host app 1 ID47 [x@1 iut="3" e="A\\]b"] \xef\xbb\xbftext',
            b"<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed",
            b"<13>plain\n",
        ),
        _syslog,
    ),
    "netlink": Parser(
        (
            _message(rtnetlink.RTM_NEWLINK, bytes(16) + _NAME),
            _message(rtnetlink.RTM_NEWADDR, bytes(8) + rtnetlink.attribute(2, bytes(4))),
            _message(rtnetlink.RTM_NEWNEXTHOP, bytes(8) + rtnetlink.attribute(1, bytes(4))),
            _message(rtnetlink.RTM_NEWROUTE, bytes(12) + rtnetlink.attribute(1, bytes(4))),
            _message(rtnetlink.NLMSG_ERROR, bytes(20)) + _message(rtnetlink.NLMSG_DONE, bytes(4)),
        ),
        _netlink,
    ),
    "tc": Parser(
        tuple(
            _message(
                tcnetlink.RTM_NEWQDISC, bytes(20) + rtnetlink.attribute(1, kind) + rtnetlink.attribute(2, bytes(64))
            )
            for kind in (b"htb\0", b"tbf\0", b"u32\0", b"fq_codel\0", b"bfifo\0")
        ),
        _tc,
    ),
}


def main(name: str, corpus: Path, options: list[str]) -> None:
    """Run until libFuzzer's options end it; does not return."""
    parser = PARSERS[name]
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(parser.seeds):
        (corpus / f"seed{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], str(corpus), f"-artifact_prefix={corpus.parent}/", *options], parser.make())
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
