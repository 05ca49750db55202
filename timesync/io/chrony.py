"""chronyd: what it is fed (SOCK refclocks), what it says (chronyc -n -c), and how it is made to withdraw."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .asked import ask

SOCK: Final = struct.Struct("@qqdiiii")
"""chrony's refclock_sock.c, struct sock_sample: tv, offset, pulse, leap, pad, magic."""
MAGIC: Final = 0x534F434B
TIMEOUT_S: Final = 2.0


class ChronyError(Exception):
    """chronyd cannot be reached; the text says what to do."""


@dataclass(frozen=True, slots=True)
class SockSample:
    """A sample as gpsd writes it and chronyd reads it."""

    at_ns: int
    """This machine's clock when the pulse came, ns since the epoch; the wire carries whole microseconds."""
    offset_s: float
    """True time less this machine's clock then."""
    pulse: bool = False
    leap: int = 0

    def pack(self) -> bytes:
        """Return the datagram."""
        seconds, rest = divmod(self.at_ns, 1_000_000_000)
        return SOCK.pack(seconds, rest // 1000, self.offset_s, int(self.pulse), self.leap, 0, MAGIC)

    @classmethod
    def parse(cls, data: bytes) -> SockSample:
        """Read a datagram.

        Raises:
            ValueError: it is none.
        """
        if len(data) != SOCK.size:
            raise ValueError(f"a sample of {len(data)} bytes; chrony's has {SOCK.size}")
        seconds, micro, offset, pulse, leap, _pad, magic = SOCK.unpack(data)
        if magic != MAGIC:
            raise ValueError("a sample without chrony's mark")
        if not math.isfinite(offset) or not 0 <= micro < 1_000_000 or not 0 < seconds < 1 << 40:
            raise ValueError("a sample of no time")
        return cls(seconds * 1_000_000_000 + micro * 1000, offset, bool(pulse), leap)


class Feeder:
    """Sends samples to one of chronyd's SOCK refclocks; chronyd may come and go."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.sent = 0
        self.error = ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def send(self, sample: SockSample) -> bool:
        """Send a sample; return whether chronyd's socket took it. Why not is in `error`, with the next step."""
        try:
            self._socket.sendto(sample.pack(), self.path)
        except OSError as error:
            self.error = why(error, self.path)
            return False
        self.error = ""
        self.sent += 1
        return True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def why(error: OSError, path: str) -> str:
    """Return what keeps a socket of chronyd's shut, and what to do."""
    match error.errno:
        case errno.ENOENT:
            return f"{path} is not there: start chronyd with 'refclock SOCK {path}' in its configuration"
        case errno.EACCES | errno.EPERM:
            folder = Path(path).parent
            return f"{path} may not be opened: run as root or in chrony's group; {folder} has mode 0750"
        case errno.ECONNREFUSED:
            return f"nobody listens at {path}: chronyd has ended without removing it; start it again"
        case errno.EAGAIN | errno.ENOBUFS:
            return f"{path} is full: chronyd does not read it"
        case _:
            return f"{path}: {error.strerror or error}"


@dataclass(frozen=True, slots=True)
class Refclock:
    """A line of `chronyc -n -c sources`."""

    name: str
    mode: str
    state: str
    """* selected, + combined, - not combined, x falseticker, ~ too variable, ? unusable."""
    stratum: int
    reach: int
    last_rx_s: int | None
    offset_s: float


@dataclass(frozen=True, slots=True)
class Tracking:
    """`chronyc -n -c tracking`."""

    reference: str
    stratum: int
    system_offset_s: float
    """Served time less this machine's clock."""
    root_dispersion_s: float
    leap: str
    frequency_ppm: float

    @property
    def synchronised(self) -> bool:
        """What chronyd says; it goes on saying so long after its last sample, so nothing here trusts it alone."""
        return self.leap != "Not synchronised"


@contextmanager
def _understood() -> Iterator[None]:
    """Turn a number that is none into an error of chronyd's."""
    try:
        yield
    except ValueError as error:
        raise ChronyError(f"chronyc says what it never said before: {error}") from None


def _refclock(row: list[str]) -> Refclock:
    last_s = int(row[6])
    return Refclock(row[2], row[0], row[1], int(row[3]), int(row[5], 8), last_s if last_s < 1 << 31 else None,
                    float(row[8]))  # fmt: skip


class Chronyc:
    """Asks one chronyd through its command socket."""

    def __init__(self, command_socket: str) -> None:
        self.command_socket = command_socket

    async def sources(self) -> list[Refclock]:
        """Return its sources.

        Raises:
            ChronyError: it does not answer.
        """
        rows = await self._table("sources")
        with _understood():
            return [_refclock(row) for row in rows if len(row) >= 10]

    async def spans(self) -> dict[str, tuple[int, float]]:
        """Return, per source, how many samples it keeps and their standard deviation, s (`sourcestats`).

        Raises:
            ChronyError: it does not answer.
        """
        rows = await self._table("sourcestats")
        with _understood():
            return {row[0]: (int(row[1]), float(row[7])) for row in rows if len(row) >= 8}

    async def tracking(self) -> Tracking:
        """Return what it follows.

        Raises:
            ChronyError: it does not answer.
        """
        rows = await self._table("tracking")
        if not rows or len(rows[0]) < 14:
            raise ChronyError(f"chronyd at {self.command_socket} gives no tracking report")
        row = rows[0]
        with _understood():
            return Tracking(row[1] or row[0], int(row[2]), float(row[4]), float(row[11]), row[13], float(row[7]))

    async def withdraw(self) -> None:
        """Make it say that it is not synchronised: what it has measured goes, and its own clock is no reference.

        Raises:
            ChronyError: it does not answer.
        """
        await self._run("local", "off")
        await self._run("reset", "sources")

    async def _table(self, report: str) -> list[list[str]]:
        return [line.split(",") for line in (await self._run(report)).splitlines()]

    async def _run(self, *command: str) -> str:
        argv = ["chronyc", "-n", "-c", "-h", self.command_socket, *command]
        try:
            code, told = await ask(argv, TIMEOUT_S, stderr=asyncio.subprocess.STDOUT)
        except FileNotFoundError:
            raise ChronyError("there is no chronyc: install the package chrony") from None
        except TimeoutError:
            raise ChronyError(f"chronyd at {self.command_socket} does not answer in {TIMEOUT_S:g} s") from None
        text = told.strip()
        if code or text.startswith(("506", "501", "Could not")):
            raise ChronyError(self._why(text))
        return text

    def _why(self, text: str) -> str:
        path = Path(self.command_socket)
        if not path.parent.exists():
            return f"{path.parent} is not there: start chronyd with 'bindcmdaddress {path}'"
        if not os.access(path.parent, os.W_OK | os.X_OK):
            return f"{path.parent} may not be entered: run as root or in chrony's group; it has mode 0750"
        if not path.exists():
            return f"{path} is not there: chronyd does not run, or has another 'bindcmdaddress' (directory: 0750)"
        return f"chronyd at {path} does not answer: {text or 'no reason given'}"
