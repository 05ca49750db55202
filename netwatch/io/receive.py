"""Receives traps and syslog in storms: the socket is emptied first, what is read waits in a bounded queue.

A source that sends more than its share is cut off, with a count, before it takes the place of others. What is dropped
is counted by reason; what the kernel dropped is read from the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final

from .icmp import large_buffer

_FORCE_RECEIVE: Final = 33
_RXQ_OVFL: Final = 40
BUFFER: Final = 32 << 20
QUEUE: Final = 50_000
"""Datagrams that wait to be read: a burst of five times what one source may send."""
PER_SOURCE: Final = 20_000
_DRAIN: Final = 20_000
"""Datagrams taken from the socket before the loop's other work has its turn."""
_STEP: Final = 500
_SOURCES: Final = 4096
_LINE: Final = 8192


Address = tuple[Any, ...]
"""A datagram's sender as the socket tells it: host and port first."""
Handle = Callable[[bytes, str], bytes | None]
"""Takes a datagram and its source; returns what is answered, if anything. A `ValueError` of it counts as malformed."""


class Receiver:
    """One UDP socket and what waits behind it.

    Attributes:
        received: datagrams taken from the socket.
        handled: datagrams handed on.
        dropped: those that were not, by reason.
        otherwise: tells whether it has taken a datagram in `handle`'s place; it may `answer` later.
        lost_by_kernel: those that found the socket's buffer full.
    """

    def __init__(self, handle: Handle, *, buffer: int = BUFFER) -> None:
        """Listen to nothing yet.

        Args:
            handle: called with each datagram.
            buffer: octets of the socket's buffer.
        """
        self.received = self.handled = self.lost_by_kernel = 0
        self.dropped: Counter[str] = Counter()
        self._handle = handle
        self.otherwise: Callable[[bytes, Address], bool] | None = None
        self._buffer = buffer
        self._socket: socket.socket | None = None
        self._queue: deque[tuple[bytes, Address]] = deque()
        self._waiting: Counter[str] = Counter()
        self._more = asyncio.Event()

    def bind(self, host: str, port: int) -> socket.socket:
        """Open the socket; a port of 0 is any.

        Raises:
            OSError: the address is in use, or not ours.
        """
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        large_buffer(sock, _FORCE_RECEIVE, socket.SO_RCVBUF, self._buffer)
        sock.setsockopt(socket.SOL_SOCKET, _RXQ_OVFL, 1)
        sock.setblocking(False)
        try:
            sock.bind((host, port))
        except OSError:
            sock.close()
            raise
        return sock

    async def run(self, sock: socket.socket) -> None:
        """Receive until cancelled; the socket is closed then."""
        loop = asyncio.get_running_loop()
        self._socket = sock
        with sock:
            loop.add_reader(sock, self._drain, sock)
            try:
                while True:
                    await self._more.wait()
                    self._step()
                    await asyncio.sleep(0)
            finally:
                loop.remove_reader(sock)
                self._socket = None

    def answer(self, datagram: bytes, to: Address) -> None:
        """Send an answer from the address that was spoken to; a full buffer loses it, as datagrams are lost."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(datagram, to)

    def _drain(self, sock: socket.socket) -> None:
        receive, queue, waiting = sock.recvmsg, self._queue, self._waiting
        for _nth in range(_DRAIN):
            try:
                datagram, ancillary, _flags, address = receive(65535, 64)
            except BlockingIOError:
                break
            except OSError:
                continue
            self.received += 1
            for _level, kind, data in ancillary:
                if kind == _RXQ_OVFL and len(data) >= 4:
                    self.lost_by_kernel = struct.unpack_from("I", data)[0]
            source = address[0]
            if len(queue) >= QUEUE:
                self.dropped["queue full"] += 1
            elif waiting[source] >= PER_SOURCE:
                self.dropped["one source too much"] += 1
            else:
                waiting[source] += 1
                queue.append((datagram, address))
        if queue:
            self._more.set()

    def _step(self) -> None:
        for _nth in range(min(_STEP, len(self._queue))):
            datagram, address = self._queue.popleft()
            source = address[0]
            self._waiting[source] -= 1
            self._take(datagram, address, source)
        if not self._queue:
            self._waiting.clear()
            self._more.clear()

    def line(self, frame: bytes, source: str) -> None:
        """Take a message that came over a connection."""
        self.received += 1
        self._take(frame, (source, 0), source)

    def _take(self, datagram: bytes, address: Address, source: str) -> None:
        try:
            taken = self.otherwise is not None and self.otherwise(datagram, address)
            if not taken and (reply := self._handle(datagram, source)):
                self.answer(reply, address)
        except ValueError as error:
            self.dropped[f"malformed: {error}"[:64] if len(self.dropped) < 64 else "malformed"] += 1
        else:
            self.handled += 1


async def serve_lines(receiver: Receiver, host: str, port: int) -> asyncio.Server:
    """Receive syslog over TCP, by octet counting or by lines (RFC 6587); return the server.

    Args:
        receiver: takes and counts them.
        host: address to listen at.
        port: of it.
    """

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = str(writer.get_extra_info("peername")[0])
        with contextlib.suppress(OSError, EOFError, ValueError), contextlib.closing(writer):
            while frame := await _frame(reader):
                receiver.line(frame, source)

    return await asyncio.start_server(take, host, port, limit=_LINE)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """Return a message; nothing at the end.

    Raises:
        ValueError: the framing is wrong, or a message too long: where the next begins is unknown then.
        EOFError: it ended within a message.
    """
    first = await reader.read(1)
    if not first:
        return b""
    if first.isdigit() and first != b"0":
        size = int(first + (await reader.readuntil(b" "))[:-1])
        if size > _LINE:
            raise ValueError("too long")
        return await reader.readexactly(size)
    try:
        return (first + await reader.readuntil(b"\n")).rstrip(b"\n\0")
    except asyncio.LimitOverrunError as error:
        raise ValueError("too long") from error
