"""GET on gufo-snmp's socket at a third of its cost: the loop watches the socket all the time, and one timer is all.

gufo-snmp's own coroutines tell the selector of the socket anew for each request, and wait through a task. What is
sent and how it is read stays gufo-snmp's.
"""

from __future__ import annotations

import asyncio

from gufo.snmp import SnmpError
from gufo.snmp.aio.client import SnmpSession

from .recording import Value


class Exchange:
    """One opened session's socket, for one GET at a time."""

    def __init__(self, session: SnmpSession, timeout_s: float) -> None:
        """Watch the socket until `close`.

        Args:
            session: with keys and engine known.
            timeout_s: for an answer.
        """
        self._session = session  # keeps the socket open
        self._socket, self._fd = session._sock, session._fd  # noqa: SLF001 - there is no other way to it
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[dict[str, Value | None]] | None = None
        self._loop.add_reader(self._fd, self._readable)

    def close(self) -> None:
        """Watch the socket no more."""
        self._loop.remove_reader(self._fd)

    async def get(self, oids: list[str]) -> dict[str, Value | None]:
        """Return what the agent answers.

        Raises:
            TimeoutError: nothing.
            OSError: it cannot be reached.
            SnmpError: the agent refuses, or what it says makes no sense.
        """
        answer: asyncio.Future[dict[str, Value | None]] = self._loop.create_future()
        self._answer = answer
        timer = self._loop.call_later(self._timeout_s, _expire, answer)
        try:
            self._socket.send_get_many(oids)
            return await answer
        finally:
            timer.cancel()
            self._answer = None

    def _readable(self) -> None:
        """Read an answer; one that nobody waits for is read and forgotten."""
        answer = self._answer
        try:
            told = self._socket.recv_get_many()
        except BlockingIOError:
            return
        except (SnmpError, OSError, ValueError, RuntimeError) as error:
            if answer is not None and not answer.done():
                answer.set_exception(error)
        except BaseException as error:
            if not is_panic(error):
                raise
            if answer is not None and not answer.done():
                answer.set_exception(SnmpError(str(error)))
        else:
            if answer is not None and not answer.done():
                answer.set_result(told)


def is_panic(error: BaseException) -> bool:
    """Tell whether gufo-snmp's parser gave up on noise: its panic is no `Exception`, and its class has no module."""
    return type(error).__name__ == "PanicException"


def _expire(answer: asyncio.Future[dict[str, Value | None]]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
