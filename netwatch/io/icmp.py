"""Pings many addresses at once: one raw socket with large buffers (RFC 792, RFC 4443; it wants CAP_NET_RAW)."""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Sequence
from typing import Final, Self

from lifeline.clock import monotonic_s

_BUFFER: Final = 8 << 20
_FORCE_RECEIVE, _FORCE_SEND = 33, 32  # SO_RCVBUFFORCE, SO_SNDBUFFORCE
_ATTACH_FILTER: Final = 26
_ECHO_REPLY, _ECHO_REQUEST = 0, 8
_ECHO_REPLY_6, _ECHO_REQUEST_6 = 129, 128
_FILTER_6: Final = 1  # ICMP6_FILTER (RFC 3542 3.2)
_DATA: Final = bytes(48)
_BURST: Final = 64
"""Requests sent between two looks at what has come."""


class Sweeper:
    """A raw socket of its own identifier.

    Each sweep has a number, which the echo carries beside the address's own: a late answer to an earlier sweep counts
    for nothing.
    """

    def __init__(self, *, v6: bool = False) -> None:
        """Open the socket.

        Args:
            v6: for IPv6 addresses; else for IPv4 ones.

        Raises:
            PermissionError: without CAP_NET_RAW.
            OSError: the machine has no IPv6.
        """
        family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
        self._v6 = v6
        self._socket = socket.socket(family, socket.SOCK_RAW, protocol)
        self._socket.setblocking(False)
        for forced, plain in ((_FORCE_RECEIVE, socket.SO_RCVBUF), (_FORCE_SEND, socket.SO_SNDBUF)):
            large_buffer(self._socket, forced, plain, _BUFFER)
        self._id = os.getpid() & 0xFFFF
        self._round = 0
        self._only_ours()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def sweep(self, addresses: Sequence[str], timeout_s: float = 1.0, retries: int = 0) -> dict[str, float]:
        """Return the round-trip time of each address that answers, seconds. Blocks: call it in a thread.

        Args:
            addresses: of the socket's family, at most 65,536, as `str(ip_address())` writes them.
            timeout_s: for answers after the last request.
            retries: how often those that have not answered are asked again.
        """
        found: dict[str, float] = {}
        missing = list(dict.fromkeys(addresses))
        for _attempt in range(retries + 1):
            if missing:
                self._once(missing, timeout_s, found)
                missing = [address for address in missing if address not in found]
        return found

    def _once(self, addresses: Sequence[str], timeout_s: float, found: dict[str, float]) -> None:
        self._round = (self._round + 1) & 0xFFFF
        sent: list[float] = []
        wanted = len(addresses)
        answered: set[int] = set()
        for n, address in enumerate(addresses):
            packet = _request(self._id, n, self._round, v6=self._v6)
            sent.append(monotonic_s())
            try:
                self._socket.sendto(packet, (address, 0))
            except OSError:
                wanted -= 1  # no route, or not an address: it does not answer
            if n % _BURST == _BURST - 1:
                self._drain(addresses, sent, answered, found)
        deadline_s = monotonic_s() + timeout_s
        while len(answered) < wanted and (left_s := deadline_s - monotonic_s()) > 0:
            select.select([self._socket], [], [], left_s)
            self._drain(addresses, sent, answered, found)

    def _drain(self, addresses: Sequence[str], sent: list[float], answered: set[int], found: dict[str, float]) -> None:
        receive = self._socket.recvfrom
        while True:
            try:
                packet, (source, *_port) = receive(256)
            except BlockingIOError:
                return
            at = 0 if self._v6 else (packet[0] & 15) * 4  # RFC 3542 3: without its header
            if len(packet) < at + 12 or packet[at] != (_ECHO_REPLY_6 if self._v6 else _ECHO_REPLY):
                continue
            identifier, n, sweep = struct.unpack_from("!4xHHH", packet, at)
            if identifier == self._id and sweep == self._round and n < len(sent) and addresses[n] == source:
                answered.add(n)
                found.setdefault(source, monotonic_s() - sent[n])

    def _only_ours(self) -> None:
        """Let the kernel drop what is no echo reply to us: on loopback it would hand us our own requests as well."""
        if self._v6:
            blocked = [0xFFFFFFFF] * 8
            blocked[_ECHO_REPLY_6 >> 5] &= ~(1 << (_ECHO_REPLY_6 & 31))
            self._socket.setsockopt(socket.IPPROTO_ICMPV6, _FILTER_6, struct.pack("8I", *blocked))
            return
        code = [
            (0xB1, 0, 0, 0),  # ldxb 4*([0]&0xf)
            (0x50, 0, 0, 0),  # ldb [x + 0]
            (0x15, 0, 3, _ECHO_REPLY),  # jeq reply, else drop
            (0x48, 0, 0, 4),  # ldh [x + 4]
            (0x15, 0, 1, self._id),  # jeq our id, else drop
            (0x06, 0, 0, 0xFFFF),  # accept
            (0x06, 0, 0, 0),  # drop
        ]
        attach_filter(self._socket, code)


def _request(identifier: int, n: int, sweep: int, *, v6: bool) -> bytes:
    body = struct.pack("!HHH", identifier, n, sweep) + _DATA
    if v6:
        return bytes((_ECHO_REQUEST_6, 0, 0, 0)) + body  # the kernel sums it up (RFC 3542 3.1)
    total = (_ECHO_REQUEST << 8) + identifier + n + sweep
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!BBH", _ECHO_REQUEST, 0, ~total & 0xFFFF) + body


def attach_filter(sock: socket.socket, code: Sequence[tuple[int, int, int, int]]) -> None:
    """Attach a classic packet filter to a socket."""
    import ctypes

    program = b"".join(struct.pack("HBBI", *line) for line in code)
    buffer = ctypes.create_string_buffer(program)
    sock.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HL", len(code), ctypes.addressof(buffer)))


def large_buffer(sock: socket.socket, forced: int, plain: int, octets: int) -> None:
    """Give a socket a large buffer, beyond the system's limit where we may."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, forced, octets)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, plain, octets)
