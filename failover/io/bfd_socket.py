"""BFD control packets on UDP (RFC 5881 single hop): one receiving socket per interface, one sending socket per session.

Received packets carry the kernel's own receive time, so that lateness of this process never looks like silence of the
other end. What can be no session's packet is dropped by the kernel (`core.bfd_filter`), so that a flood costs nothing.
"""

from __future__ import annotations

import array
import errno
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from lifeline import clock

from .kernel_time import SO_TIMESTAMPNS, TIMESPEC, KernelClock

BFD_PORT = 3784
FIRST_SOURCE_PORT, LAST_SOURCE_PORT = 49152, 65535  # RFC 5881 4
TTL = 255  # RFC 5881 5: sent with 255 and received with 255, so that nobody further away than the link can speak
_CS6 = 0xC0  # network control

# Linux numbers that the socket module does not name.
_IP_RECVTTL = 12
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_SO_EE_ORIGIN_LOCAL = 1
_SO_PRIORITY = 12
_SO_ATTACH_FILTER, _SO_MEMINFO = 26, 55
_FILTER_PROGRAM = struct.Struct("@HP")  # struct sock_fprog: instructions, where they are
_FILTER_INSTRUCTION = 8
_MEMINFO = struct.Struct("@9I")  # the last is SK_MEMINFO_DROPS
_PRIORITY_CONTROL = 7  # TC_PRIO_CONTROL, the last one that an unprivileged process may ask for is 6
_INT = struct.Struct("@i")
_EXTENDED_ERROR = struct.Struct("@IBBBBII")  # struct sock_extended_err: errno, origin, type, code, pad, info, data
_ANCILLARY = socket.CMSG_SPACE(TIMESPEC.size) + socket.CMSG_SPACE(_INT.size)
_ERROR_ANCILLARY = socket.CMSG_SPACE(_EXTENDED_ERROR.size + 28)  # and the offender, a sockaddr_in6
_PACKET_MAX = 128
_RECEIVE_BUFFER = 212_992
"""What anybody may ask for; the kernel doubles it: some 550 packets, 10 ms of a flood of 50,000 a second."""
_DRAIN_MAX = 1024
"""More than the buffer holds, so that what waits when draining begins is read before it is missed."""


class Datagram(NamedTuple):
    """A received packet: payload, the sender's address, TTL or hop limit, and monotonic receive time in seconds."""

    payload: bytes
    source: str
    ttl: int
    received_at: float


def _open(version: int, interface: str) -> socket.socket:
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        if version == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    except OSError:
        sock.close()
        raise
    return sock


def admit_only(sock: socket.socket, program: bytes) -> None:
    """Let the kernel drop what a classic BPF program (`core.bfd_filter`) does not let in.

    Raises:
        OSError: the kernel does not accept the program.
    """
    held = array.array("B", program)  # must stay where it is until the kernel has read it
    address, _ = held.buffer_info()
    attached = _FILTER_PROGRAM.pack(len(program) // _FILTER_INSTRUCTION, address)
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attached)


class Receiver:
    """Hears BFD on one interface."""

    def __init__(self, version: int, interface: str, program: bytes = b"") -> None:
        """Open the socket.

        Args:
            version: 4 or 6.
            interface: name of the interface to hear.
            program: what the kernel lets in (`core.bfd_filter`); empty: everything.

        Raises:
            OSError: no such interface, or the port is taken by another BFD daemon.
        """
        self._socket = _open(version, interface)
        self._clock = KernelClock()
        self._level, self._kind = (
            (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT) if version == 6 else (socket.IPPROTO_IP, socket.IP_TTL)
        )
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._socket.setsockopt(self._level, socket.IPV6_RECVHOPLIMIT if version == 6 else _IP_RECVTTL, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            if program:
                admit_only(self._socket, program)
            self._socket.bind(("::" if version == 6 else "0.0.0.0", BFD_PORT))  # noqa: S104 - bound to one interface
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the socket's number, for polling."""
        return self._socket.fileno()

    @property
    def dropped(self) -> int:
        """How many packets the kernel dropped, at the filter or as the buffer was full; modulo 2^32."""
        counters = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        return int(_MEMINFO.unpack(counters)[-1])

    def drain(self) -> Iterator[Datagram]:
        """Yield the packets that wait, at most 1024, so that a flood cannot keep the loop from its timers.

        Raises:
            OSError: the interface is gone.
        """
        self._clock.read()
        began = clock.monotonic_s()
        receive = self._socket.recvmsg
        for _ in range(_DRAIN_MAX):
            try:
                payload, ancillary, _flags, source = receive(_PACKET_MAX, _ANCILLARY)
            except BlockingIOError:
                return
            ttl, received_at = self._read(ancillary)
            yield Datagram(payload, source[0].partition("%")[0], ttl, received_at)
            if received_at > began:  # all that waited has been read; what comes now can wait for the next pass
                return

    def _read(self, ancillary: list[tuple[int, int, bytes]]) -> tuple[int, float]:
        """Return TTL and receive time: the kernel's, or ours where the wall clock jumped; never later than now."""
        ttl, received_at = 0, None
        for level, kind, data in ancillary:
            if level == self._level and kind == self._kind:
                (ttl,) = _INT.unpack_from(data)
            elif kind == SO_TIMESTAMPNS and level == socket.SOL_SOCKET:
                received_at = self._clock.monotonic_s(data)
        now = clock.monotonic_s()
        return ttl, now if received_at is None else min(received_at, now)

    def close(self) -> None:
        """Release the port."""
        self._socket.close()


class Sender:
    """Speaks for one session, and hears when the far host refuses what it says."""

    def __init__(self, version: int, interface: str, index: int, local: str, remote: str, port_hint: int) -> None:
        """Open the socket on the first free source port.

        Args:
            version: 4 or 6.
            interface: name of the interface to leave by.
            index: its index, the scope of link-local addresses.
            local: source address; it must be configured.
            remote: destination address.
            port_hint: session number; sessions of a site start at different ports (RFC 5881 4: one port each).

        Raises:
            OSError: no such interface, or the address is not configured yet.
        """
        self._socket = _open(version, interface)
        self._destination: tuple[str, int] | tuple[str, int, int, int] = (
            (remote, BFD_PORT, 0, index) if version == 6 else (remote, BFD_PORT)
        )
        try:
            if version == 6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, TTL)
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _CS6)
            else:
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, TTL)
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _CS6)
            level, option = (socket.IPPROTO_IPV6, _IPV6_RECVERR) if version == 6 else (socket.IPPROTO_IP, _IP_RECVERR)
            self._socket.setsockopt(level, option, 1)
            self._prioritise()
            self._bind(version, local, index, port_hint)
        except OSError:
            self._socket.close()
            raise

    def _prioritise(self) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_PRIORITY, _PRIORITY_CONTROL)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_PRIORITY, _PRIORITY_CONTROL - 1)

    def _bind(self, version: int, local: str, index: int, port_hint: int) -> None:
        span = LAST_SOURCE_PORT - FIRST_SOURCE_PORT + 1
        for attempt in range(64):
            port = FIRST_SOURCE_PORT + (port_hint + attempt * 251) % span
            try:
                self._socket.bind((local, port, 0, index) if version == 6 else (local, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE or attempt == 63:
                    raise
            else:
                return

    def fileno(self) -> int:
        """Return the socket's number, for polling: an error is shown when `refused` should be asked."""
        return self._socket.fileno()

    def send(self, payload: bytes) -> None:
        """Send a packet now or never.

        Raises:
            OSError: the kernel did not take it (no carrier, no neighbour, no room).
        """
        try:
            self._socket.sendto(payload, self._destination)
        except ConnectionRefusedError:  # an ICMP error of the past must not eat the packet of the present
            self._socket.sendto(payload, self._destination)

    def refused(self) -> bool:
        """Return whether the far host refused a packet since the last call, as nobody listens there (RFC 1122 4.1.3.1).

        That it says so proves the path in both directions.
        """
        refused = False
        for _ in range(_DRAIN_MAX):
            try:
                _data, ancillary, _flags, _to = self._socket.recvmsg(
                    _PACKET_MAX, _ERROR_ANCILLARY, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT
                )
            except OSError:
                break
            for _level, kind, data in ancillary:
                if kind in (_IP_RECVERR, _IPV6_RECVERR) and len(data) >= _EXTENDED_ERROR.size:
                    number, origin, *_ = _EXTENDED_ERROR.unpack_from(data)
                    refused |= number == errno.ECONNREFUSED and origin != _SO_EE_ORIGIN_LOCAL
        return refused

    def close(self) -> None:
        """Release the port."""
        self._socket.close()
