"""Agents for tests: a real snmpd, and UDP sockets that answer what no agent should."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import textwrap
from contextlib import asynccontextmanager
from pathlib import Path

SNMPD = shutil.which("snmpd", path="/usr/sbin:/usr/bin")

PASS_PERSIST = textwrap.dedent('''
    """net-snmp's pass_persist protocol over an snmpsim recording."""
    import sys

    TYPES = {"2": "integer", "4": "octetstr", "6": "objectid", "64": "ipaddress", "65": "counter", "66": "gauge",
             "67": "timeticks"}

    def key(oid):
        return tuple(map(int, oid.split(".")))

    values = {}
    for line in open(sys.argv[1], encoding="utf-8", errors="replace"):
        oid, kind, value = (line.rstrip("\\n").split("|", 2) + ["", ""])[:3]
        if kind == "4x":
            kind, value = "4", bytes.fromhex(value).decode("utf-8", "replace")
        if kind in TYPES:
            values[key(oid.lstrip("."))] = (TYPES[kind], value)
    order = sorted(values)

    def tell(oid):
        kind, value = values[oid]
        return "." + ".".join(map(str, oid)) + "\\n" + kind + "\\n" + value

    while line := sys.stdin.readline():
        command = line.strip()
        if command == "PING":
            answer = "PONG"
        else:
            asked = key(sys.stdin.readline().strip().lstrip("."))
            if command == "getnext":
                asked = next((oid for oid in order if oid > asked), None)
            answer = tell(asked) if asked in values else "NONE"
        print(answer, flush=True)
''')


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def snmpd(
    directory: Path, *lines: str, recording: Path | None = None, subtrees: tuple[str, ...] = (), port: int = 0
):
    """Run a real snmpd on loopback; yield its port. `subtrees` are served from a recording."""
    port = port or free_port()
    config = ["rocommunity public 127.0.0.1", *lines]
    if recording is not None:
        script = directory / "replay.py"
        script.write_text(PASS_PERSIST)
        config += [f"pass_persist .{tree} {sys.executable} -u {script} {recording}" for tree in subtrees]
    (directory / "snmpd.conf").write_text("\n".join(config) + "\n")
    environment = {**os.environ, "SNMP_PERSISTENT_DIR": str(directory / "state"), "SNMPCONFPATH": str(directory)}
    process = await asyncio.create_subprocess_exec(
        SNMPD, "-f", "-Lf", str(directory / "log"), "-C", "-c", str(directory / "snmpd.conf"), f"udp:127.0.0.1:{port}",
        env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.wait()


def ber(tag: int, body: bytes) -> bytes:
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([0x82, size >> 8, size & 0xFF])
    return bytes([tag]) + length + body


def number(value: int, tag: int = 2) -> bytes:
    return ber(tag, value.to_bytes(max(1, (value.bit_length() + 8) // 8), "big", signed=True))


def oid(text: str) -> bytes:
    first, second, *rest = map(int, text.split("."))
    body = bytes([first * 40 + second])
    for part in rest:
        chunk = [part & 0x7F]
        while part := part >> 7:
            chunk.append(0x80 | part & 0x7F)
        body += bytes(reversed(chunk))
    return ber(6, body)


def request_id(datagram: bytes) -> int:
    """Return a v2c request's id: version and community, then the PDU's first integer."""
    at = 2 if datagram[1] < 128 else 2 + (datagram[1] & 0x7F)
    at += 2 + datagram[at + 1]
    at += 2 + datagram[at + 1]
    at += 2 if datagram[at + 1] < 128 else 2 + (datagram[at + 1] & 0x7F)
    return int.from_bytes(datagram[at + 2 : at + 2 + datagram[at + 1]], "big", signed=True)


def response(identity: int, *bindings: tuple[str, bytes]) -> bytes:
    bound = b"".join(ber(0x30, oid(name) + value) for name, value in bindings)
    pdu = ber(0xA2, number(identity) + number(0) + number(0) + ber(0x30, bound))
    return ber(0x30, number(1) + ber(4, b"public") + pdu)


class Rogue(asyncio.DatagramProtocol):
    """Answers every request with what a function makes of its id."""

    def __init__(self, answer) -> None:
        self.answer = answer
        self.heard = 0

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data, addr) -> None:
        self.heard += 1
        for datagram in self.answer(request_id(data), self.heard):
            self.transport.sendto(datagram, addr)


@asynccontextmanager
async def rogue(answer):
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: Rogue(answer), local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1], protocol
    finally:
        transport.close()
