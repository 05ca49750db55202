"""GET on gufo-snmp's sockets at a third of its cost: one set of sockets that a loop watches all the time, no tasks.

gufo-snmp's own coroutines tell the selector of the socket anew for each request, and wait through a task. What is
sent and how it is read stays gufo-snmp's.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary, ref

from gufo.snmp import SnmpError
from gufo.snmp.aio.client import SnmpSession

from .recording import Value

Told = dict[str, Value | None]
Take = Callable[["Told | Exception"], None]
_MOST_AT_ONCE: Final = 256


class _Ears:
    """The sockets of one loop, in an epoll of their own: a thousand answers are one event of the loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)  # who keeps this by its loop must not keep the loop
        self._poll: select.epoll | None = None
        self._readers: dict[int, Callable[[], None]] = {}

    def add(self, fd: int, reader: Callable[[], None]) -> None:
        if self._poll is None:
            self._poll = select.epoll()
            asyncio.get_running_loop().add_reader(self._poll.fileno(), self._ready)
        self._readers[fd] = reader
        self._poll.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        if self._poll is not None and self._readers.pop(fd, None) is not None:
            self._poll.unregister(fd)
            if not self._readers:
                if (loop := self._loop()) is not None:
                    loop.remove_reader(self._poll.fileno())
                self._poll.close()
                self._poll = None

    def _ready(self) -> None:
        assert self._poll is not None
        for fd, _events in self._poll.poll(0, _MOST_AT_ONCE):
            if (reader := self._readers.get(fd)) is not None:
                reader()


_ears: WeakKeyDictionary[asyncio.AbstractEventLoop, _Ears] = WeakKeyDictionary()


class Exchange:
    """One opened session's socket, for one GET at a time."""

    def __init__(self, session: SnmpSession) -> None:
        """Watch the socket until `close`.

        Args:
            session: with keys and engine known.
        """
        loop = asyncio.get_running_loop()
        self._session = session  # keeps the socket open
        self._socket, self._fd = session._sock, session._fd  # noqa: SLF001 - there is no other way to it
        self._take: Take | None = None
        self._ears = _ears.setdefault(loop, _Ears(loop))
        self._ears.add(self._fd, self._readable)

    def close(self) -> None:
        """Watch the socket no more; who waits for an answer gets none."""
        self._take = None
        self._ears.remove(self._fd)

    def begin(self, oids: list[str], take: Take) -> None:
        """Send a GET, and have the answer taken, or what was wrong with it; nothing is, where none comes.

        Raises:
            OSError: it cannot be sent.
            SnmpError, ValueError: there is no such request.
        """
        self._take = take
        self._socket.send_get_many(oids)

    async def get(self, oids: list[str], timeout_s: float) -> Told:
        """Return what the agent answers.

        Args:
            oids: what is asked for.
            timeout_s: for an answer.

        Raises:
            TimeoutError: nothing.
            OSError: it cannot be reached.
            SnmpError: the agent refuses, or what it says makes no sense.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Told] = loop.create_future()
        timer = loop.call_later(timeout_s, _settle, answer, TimeoutError())
        try:
            self.begin(oids, lambda told: _settle(answer, told))
            return await answer
        finally:
            timer.cancel()
            self._take = None

    def _readable(self) -> None:
        """Read an answer; one that nobody waits for is read and forgotten."""
        told: Told | Exception
        try:
            told = self._socket.recv_get_many()
        except BlockingIOError:
            return  # an answer to another request than the last one
        except (SnmpError, OSError, ValueError, RuntimeError) as error:
            told = error
        except BaseException as error:
            if not is_panic(error):
                raise
            told = SnmpError(str(error))
        take, self._take = self._take, None
        if take is not None:
            take(told)


def is_panic(error: BaseException) -> bool:
    """Tell whether gufo-snmp's parser gave up on noise: its panic is no `Exception`, and its class has no module."""
    return type(error).__name__ == "PanicException"


def _settle(answer: asyncio.Future[Told], told: Told | Exception) -> None:
    if answer.done():
        return
    if isinstance(told, Exception):
        answer.set_exception(told)
    else:
        answer.set_result(told)
