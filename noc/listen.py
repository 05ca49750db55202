"""Where a hub listens: the local Unix socket, whose mode is its lock, and TCP addresses."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lifeline.i18n import _

from .tls import Certificate

SOCKET_FILE: Final = "hub.sock"

_TCP_THIN_LINEAR_TIMEOUTS = 16  # linux/tcp.h
_TCP_OPTIONS = (
    (socket.IPPROTO_TCP, _TCP_THIN_LINEAR_TIMEOUTS, 1),  # answers find a path that has moved without doubling waits
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
"""Connections inherit them: one whose other end was cut off and has long come back on another is let go."""


class ListenError(Exception):
    """An address cannot be listened on; the text says why."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP address to listen on; without a certificate in the clear."""

    host: str
    port: int
    certificate: Certificate | None


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT` or `[IPV6]:PORT`.

    Raises:
        ValueError: it is neither.
    """
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not bare or not port.isdecimal() or int(port) > 65535 or (":" in bare and bare == host):
        raise ValueError(_("{text!r} must be HOST:PORT, such as 10.0.10.1:8443").format(text=text))
    return bare, int(port)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine and cannot be reached from another."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_unspecified(host: str) -> bool:
    """Tell whether a host stands for every address of this machine, and so for no name."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


@contextlib.contextmanager
def local_socket(path: Path) -> Iterator[socket.socket]:
    """Make the local socket: its mode 0600 is its lock, from the first moment on.

    Raises:
        ListenError: another hub listens there, or the directory cannot be written.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    with listening:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if _answers(path):
                raise ListenError(_("another hub listens on {path}").format(path=path))
            path.unlink(missing_ok=True)
            before = os.umask(0o177)
            try:
                listening.bind(str(path))
            finally:
                os.umask(before)
            listening.listen(256)
        except OSError as error:
            raise ListenError(f"{path}: {error.strerror or error}") from error
        listening.setblocking(False)
        try:
            yield listening
        finally:
            path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    """Tell whether somebody listens on a Unix socket; a file left by a killed hub answers nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def tcp_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on a TCP address.

    Raises:
        ListenError: it is taken, or not this machine's.
    """
    try:
        family, _type, _protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family, backlog=256)
    except OSError as error:
        raise ListenError(f"{host}:{port}: {error.strerror or error}") from error
    with listening:
        for level, option, value in _TCP_OPTIONS:
            listening.setsockopt(level, option, value)
        listening.setblocking(False)
        yield listening
