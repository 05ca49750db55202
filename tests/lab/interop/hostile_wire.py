"""Somebody on the wire who means ill: hears what passes, and speaks in anybody's name, with any TTL and contents."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from failover_world import World
from inside import inside

from failover.core.packet import ControlPacket

_ETH_P_ALL = 3
_ETHERNET, _IP, _UDP = struct.Struct("!6s6sH"), struct.Struct("!BBHHHBBH4s4s"), struct.Struct("!HHHH")
_IPV4, _PROTOCOL_UDP, _BFD_PORT = 0x0800, 17, 3784
_HEADERS = _ETHERNET.size + _IP.size + _UDP.size
_OUR_MAC = bytes.fromhex("02badbadbad0")


@dataclass(frozen=True)
class Envelope:
    """What stands around a BFD packet on its way to one end of a link."""

    mac: bytes
    source: str
    destination: str

    def frame(
        self, payload: bytes, *, ttl: int = 255, source: str | None = None, udp_length: int | None = None
    ) -> bytes:
        """Return an Ethernet frame; a UDP checksum of 0 says that there is none."""
        udp = _UDP.pack(49152, _BFD_PORT, _UDP.size + len(payload) if udp_length is None else udp_length, 0)
        length = _IP.size + len(udp) + len(payload)
        addresses = socket.inet_aton(source or self.source), socket.inet_aton(self.destination)
        bare = _IP.pack(0x45, 0xC0, length, 0, 0, ttl, _PROTOCOL_UDP, 0, *addresses)
        ip = bare[:10] + struct.pack("!H", _checksum(bare)) + bare[12:]
        return _ETHERNET.pack(self.mac, _OUR_MAC, _IPV4) + ip + udp + payload


def _checksum(header: bytes) -> int:
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


class Wire:
    """The middle of a link of the world, next to site `a`: `send` reaches `a`, `hear` tells what `b` sent it."""

    def __init__(self, world: World, link: str) -> None:
        self.port = world.links[link]["a"][1]
        self._socket = inside(world.namespace("mid"), _open, self.port)
        self._socket.settimeout(5)
        interface = world.links[link]["a"][0]
        shown = world.ip("a", "-brief", "link", "show", "dev", interface).split()
        self.mac = bytes.fromhex(shown[2].replace(":", ""))

    def send(self, frame: bytes) -> None:
        self._socket.send(frame)

    def hear(self, source: str) -> Iterator[tuple[bytes, ControlPacket]]:
        """Yield the BFD payloads of a sender that pass from now on, as they are and decoded."""
        while True:
            frame = self._socket.recv(2048)
            if frame[12:14] != b"\x08\x00" or frame[26:30] != socket.inet_aton(source):
                continue
            if frame[23] == _PROTOCOL_UDP and struct.unpack_from("!H", frame, 36)[0] == _BFD_PORT:
                payload = frame[_HEADERS:]
                with contextlib.suppress(ValueError):
                    yield payload, ControlPacket.decode(payload)

    def forget(self) -> None:
        """Let go what has passed until now."""
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(2048)
        self._socket.settimeout(5)

    def close(self) -> None:
        self._socket.close()


def _open(port: str) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    opened.bind((port, _ETH_P_ALL))
    return opened
