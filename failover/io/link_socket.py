"""UDP that belongs to one interface: for STAMP, whose probe must measure the path it names, and for APS.

SO_BINDTODEVICE holds what is sent to the interface whatever the routes say, and packets that came by another one are
never delivered. The kernel tells when a packet arrived, and when one left the host, so that neither lateness of this
process nor a queue of its own looks like a slow path.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from lifeline import clock

from .kernel_time import SO_TIMESTAMPNS, KernelClock

TTL = 255  # RFC 5082: sent and received with 255, so that nobody further away than the link can speak
_CS6 = 0xC0  # the class of BFD: what is measured is the path, not how full it is with images

# Linux numbers that the socket module does not name.
_SO_PRIORITY, _PRIORITY_INTERACTIVE = 12, 6  # the last one that an unprivileged process may ask for
_SO_TIMESTAMPING = 37
_TX_SOFTWARE, _SOFTWARE = 1 << 1, 1 << 4  # SOF_TIMESTAMPING_*
_IP_PKTINFO, _IP_RECVTTL = 8, 12
_MSG_ERRQUEUE = 0x2000

_INT = struct.Struct("@i")
_ANCILLARY = 512
_PACKET_MAX = 1500
_DRAIN_MAX = 64


class LinkDatagram(NamedTuple):
    """A received packet.

    Attributes:
        payload: what UDP carried.
        source: the sender's address, without a zone.
        port: the sender's port.
        ttl: TTL or hop limit.
        interface: index of the interface by which it came.
        received_at: when it came, monotonic seconds, by the kernel.
    """

    payload: bytes
    source: str
    port: int
    ttl: int
    interface: int
    received_at: float


class LinkSocket:
    """Sends and receives packets by one interface."""

    def __init__(
        self, version: int, interface: str, index: int, local: str, port: int = 0, *, transmit_times: bool = False
    ) -> None:
        """Open the socket.

        Args:
            version: 4 or 6.
            interface: name of the interface.
            index: its index.
            local: address to send from and to be reached at; it must be configured.
            port: port to be reached at; any that is free by default.
            transmit_times: have the kernel note when packets leave; `transmitted` tells.

        Raises:
            OSError: no such interface or address, or the port is taken or needs CAP_NET_BIND_SERVICE.
        """
        self._version, self._index = version, index
        self._clock = KernelClock()
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_PRIORITY, _PRIORITY_INTERACTIVE)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._set_ip_options()
            self.transmit_times = transmit_times and self._ask_for_transmit_times()
            self._socket.bind((local, port, 0, index) if version == 6 else (local, port))
        except OSError:
            self._socket.close()
            raise

    def _set_ip_options(self) -> None:
        if self._version == 6:
            self._level, self._ttl_kind, self._interface_kind = (
                socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, socket.IPV6_PKTINFO,
            )  # fmt: skip
            self._interface_at = 16  # behind the address
            options = [
                (socket.IPV6_V6ONLY, 1), (socket.IPV6_UNICAST_HOPS, TTL), (socket.IPV6_TCLASS, _CS6),
                (socket.IPV6_RECVHOPLIMIT, 1), (socket.IPV6_RECVPKTINFO, 1),
            ]  # fmt: skip
        else:
            self._level, self._ttl_kind, self._interface_kind = socket.IPPROTO_IP, socket.IP_TTL, _IP_PKTINFO
            self._interface_at = 0
            options = [(socket.IP_TTL, TTL), (socket.IP_TOS, _CS6), (_IP_RECVTTL, 1), (_IP_PKTINFO, 1)]
        for option, setting in options:
            self._socket.setsockopt(self._level, option, setting)

    def _ask_for_transmit_times(self) -> bool:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _TX_SOFTWARE | _SOFTWARE)
        except OSError:  # an old kernel; the time before the call must do
            return False
        return True

    def fileno(self) -> int:
        """Return the socket's number, for polling."""
        return self._socket.fileno()

    @property
    def port(self) -> int:
        """The port it is bound to."""
        return int(self._socket.getsockname()[1])

    def send(self, payload: bytes, remote: str, port: int) -> None:
        """Send a packet now or never.

        Raises:
            OSError: the kernel did not take it (no carrier, no neighbour, no room).
        """
        self._socket.sendto(payload, (remote, port, 0, self._index) if self._version == 6 else (remote, port))

    def drain(self) -> Iterator[LinkDatagram]:
        """Yield the packets that wait, at most 64: measuring must never keep the loop from BFD.

        Raises:
            OSError: the interface is gone.
        """
        self._clock.read()
        receive = self._socket.recvmsg
        for _ in range(_DRAIN_MAX):
            try:
                payload, ancillary, _flags, source = receive(_PACKET_MAX, _ANCILLARY)
            except BlockingIOError:
                return
            ttl = interface = 0
            received_at = None
            for level, kind, data in ancillary:
                if level == self._level and kind == self._ttl_kind:
                    (ttl,) = _INT.unpack_from(data)
                elif level == self._level and kind == self._interface_kind:
                    (interface,) = _INT.unpack_from(data, self._interface_at)
                elif level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                    received_at = self._clock.monotonic_s(data)
            address = source[0].partition("%")[0] if self._version == 6 else source[0]
            yield LinkDatagram(payload, address, source[1], ttl, interface, received_at or clock.monotonic_s())

    def transmitted(self, length: int) -> tuple[bytes, float] | None:
        """Return a payload of that length and when it left, monotonic seconds; None if no more are known of."""
        try:
            frame, ancillary, _flags, _source = self._socket.recvmsg(_PACKET_MAX, _ANCILLARY, _MSG_ERRQUEUE)
        except OSError:  # nothing there, or news of an error, which the next probe meets by itself
            return None
        self._clock.read()
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPING:
                at = self._clock.monotonic_s(data)
                return None if at is None else (frame[-length:], at)
        return None

    def close(self) -> None:
        """Release the port."""
        with contextlib.suppress(OSError):
            self._socket.close()
