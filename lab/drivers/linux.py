"""System calls that Python 3.11 does not name. Standard library only: a node's first process imports this."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x20000000,
    0x40000000,
)
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE, MS_SHARED = 1, 32, 4096, 8192, 16384, 1 << 18, 1 << 20
MNT_DETACH = 2

_SIOCETHTOOL = 0x8946
_ETHTOOL_STXCSUM, _ETHTOOL_STSO, _ETHTOOL_SGSO, _ETHTOOL_SGRO = 0x17, 0x1F, 0x24, 0x2C

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno), what)


def mount(source: str, target: str, filesystem: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system (mount 2); an OSError names the target."""
    result = _libc.mount(
        source.encode(), target.encode(), filesystem.encode() or None, ctypes.c_ulong(flags), options.encode() or None
    )
    _check(result, target)


def umount(target: str, flags: int = MNT_DETACH) -> None:
    """Unmount (umount2 2), lazily unless told otherwise; an OSError names the target."""
    _check(_libc.umount2(target.encode(), flags), target)


def mount_points() -> list[str]:
    """Return where something is mounted, in the order of mounting; a path stands as often as it is covered."""
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def is_mount(path: Path) -> bool:
    """Tell whether something is mounted at a path; unlike `os.path.ismount` it sees binds of the same file system."""
    return str(path) in mount_points()


def unshare(flags: int) -> None:
    """Leave namespaces for new ones (unshare 2)."""
    _check(_libc.unshare(flags), "unshare")


def setns(path: str | Path, kind: int) -> None:
    """Enter the namespace that a file stands for (setns 2)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(descriptor, kind), str(path))
    finally:
        os.close(descriptor)


@contextmanager
def network_namespace(path: str | Path) -> Iterator[None]:
    """Run a block in a network namespace. It moves the calling thread only: open no other thread's sockets in it."""
    with Path("/proc/thread-self/ns/net").open("rb") as home:
        setns(path, CLONE_NEWNET)
        try:
            yield
        finally:
            _check(_libc.setns(home.fileno(), CLONE_NEWNET), "home network namespace")


def offloads_off(interface: str) -> None:
    """Make an interface hand over frames as a wire would carry them: checksums filled in, nothing larger than its MTU.

    A relay in user space would else see frames of 64 KB and checksums not yet computed.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in (_ETHTOOL_STXCSUM, _ETHTOOL_STSO, _ETHTOOL_SGSO, _ETHTOOL_SGRO):
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
            fcntl.ioctl(control, _SIOCETHTOOL, request)
