"""Two rtnetlink sockets: one to switch routes, one that hears of interfaces, addresses and nexthops."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from . import rtnetlink
from .rtnetlink import Done, Failure, Parsed

T = TypeVar("T")

_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK = 1, 10, 11, 12
_RTNLGRP_LINK, _RTNLGRP_IPV4_IFADDR, _RTNLGRP_IPV6_IFADDR, _RTNLGRP_NEXTHOP = 1, 5, 9, 32
_BUFFER = 1 << 16
_SO_RCVBUFFORCE = 33  # linux/socket.h; the socket module does not name it
_NO_WAIT = socket.MSG_DONTWAIT


class NetlinkError(OSError):
    """The kernel refused a request or a dump broke off."""


def _open() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    for option in (_NETLINK_EXT_ACK, _NETLINK_CAP_ACK, _NETLINK_GET_STRICT_CHK):
        sock.setsockopt(_SOL_NETLINK, option, 1)
    sock.bind((0, 0))
    return sock


class RouteSocket:
    """Sends prebuilt requests and hears what the kernel refused.

    The kernel works through a datagram's requests inside `send` and queues an answer for those that failed only
    (none asks for NLM_F_ACK): an empty socket after `send` means that all of them are done.
    """

    def __init__(self) -> None:
        self._socket = _open()

    def request(self, batch: bytes) -> list[Failure]:
        """Carry out the requests of a batch in order, and return the refused ones.

        Args:
            batch: messages of `rtnetlink`, one after another. A refused one does not stop the next.
        """
        failures: list[Failure] = []
        try:
            self._socket.send(batch)
            while True:
                data = self._socket.recv(_BUFFER, _NO_WAIT)
                failures.extend(content for _kind, content in rtnetlink.parse(data) if isinstance(content, Failure))
        except BlockingIOError:
            return failures
        except OSError as error:
            return [*failures, Failure(0, error.errno or errno.EIO, error.strerror or str(error))]

    def dump(self, request: bytes) -> list[Parsed]:
        """Return all objects of a dump.

        Raises:
            NetlinkError: the kernel refused.
        """
        return self.dump_with(rtnetlink.parse, request)

    def dump_with(self, parse: Callable[[bytes], Iterator[tuple[int, T | Failure | Done]]], request: bytes) -> list[T]:
        """Return all objects of a dump, read by `parse`.

        Raises:
            NetlinkError: the kernel refused.
        """
        self._socket.send(request)
        found: list[T] = []
        while True:
            for _kind, content in parse(self._socket.recv(_BUFFER)):
                if isinstance(content, Done):
                    return found
                if isinstance(content, Failure):
                    raise NetlinkError(content.errno, str(content))
                found.append(content)

    def links(self) -> list[rtnetlink.Link]:
        """Return all interfaces."""
        return [x for x in self.dump(rtnetlink.dump_links()) if isinstance(x, rtnetlink.Link)]

    def addresses(self) -> list[rtnetlink.Address]:
        """Return all addresses."""
        return [x for x in self.dump(rtnetlink.dump_addresses()) if isinstance(x, rtnetlink.Address)]

    def nexthops(self) -> list[rtnetlink.Nexthop]:
        """Return our nexthop objects."""
        found = (x for x in self.dump(rtnetlink.dump_nexthops()) if isinstance(x, rtnetlink.Nexthop))
        return [x for x in found if x.protocol == rtnetlink.PROTO_LIFELINE]

    def own_routes(self, versions: Sequence[int] = (4, 6)) -> list[rtnetlink.Route]:
        """Return our routes."""
        found: list[rtnetlink.Route] = []
        for version in versions:
            dumped = self.dump(rtnetlink.dump_own_routes(version))
            found.extend(x for x in dumped if isinstance(x, rtnetlink.Route))
        return [x for x in found if x.protocol == rtnetlink.PROTO_LIFELINE]

    def close(self) -> None:
        """Release the socket; what it set in the kernel stays."""
        self._socket.close()


class Monitor:
    """Hears the kernel's news of interfaces, addresses and nexthop objects."""

    def __init__(self) -> None:
        self._socket = _open()
        for group in (_RTNLGRP_LINK, _RTNLGRP_IPV4_IFADDR, _RTNLGRP_IPV6_IFADDR, _RTNLGRP_NEXTHOP):
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 20)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def fileno(self) -> int:
        """Return the socket's number, for polling."""
        return self._socket.fileno()

    def drain(self) -> Iterator[tuple[int, Parsed]]:
        """Yield (message type, content) of all news that wait.

        Raises:
            NetlinkError: news were lost (ENOBUFS): the caller must dump the state anew.
        """
        while True:
            try:
                data = self._socket.recv(_BUFFER, _NO_WAIT)
            except BlockingIOError:
                return
            except OSError as error:
                raise NetlinkError(error.errno, error.strerror) from None
            yield from rtnetlink.parse(data)

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()
