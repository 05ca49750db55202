"""The daemons that are connected now, and the answers that are awaited from them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lifeline.runtime import wire

Send = Callable[[wire.Command], None]
"""Puts a command on its way over one connection."""


class NotConnectedError(Exception):
    """No connection leads to whoever should act; nothing was sent."""


class NoAnswerError(Exception):
    """A command was sent and nothing came back: whether it was carried out is not known."""


class Agents:
    """Routes commands to daemons and their results back.

    Attributes:
        on_late_answer: told of a result that nobody waits for any more, with the node that it came from.
    """

    def __init__(self) -> None:
        self.on_late_answer: Callable[[str, wire.CommandResult], None] = lambda _node, _result: None
        self._connections: dict[str, list[Send]] = {}
        self._awaited: dict[tuple[str, str], asyncio.Future[wire.CommandResult]] = {}

    def __len__(self) -> int:
        """Return how many connections stand."""
        return sum(map(len, self._connections.values()))

    def __contains__(self, node: str) -> bool:
        """Tell whether a daemon is connected."""
        return node in self._connections

    def joined(self, node: str, send: Send) -> None:
        """Note a new connection; commands go over the latest."""
        self._connections.setdefault(node, []).append(send)

    def left(self, node: str, send: Send) -> None:
        """Note that a connection broke; when it was the last one, no answer will come any more."""
        self._connections[node].remove(send)
        if self._connections[node]:
            return
        del self._connections[node]
        for (awaited_of, _id), answer in self._awaited.items():
            if awaited_of == node and not answer.done():
                answer.set_exception(NoAnswerError(f"the connection to {node} broke before it answered"))

    async def order(self, node: str, command: wire.Command, within_s: float) -> wire.CommandResult:
        """Send a command and return its result.

        Raises:
            NotConnectedError: the daemon is not connected; nothing was sent.
            NoAnswerError: it did not answer within `within_s`, or left before it did.
        """
        if node not in self:
            raise NotConnectedError(f"{node} is not connected")
        key = (node, command.id)
        answer: asyncio.Future[wire.CommandResult] = asyncio.get_running_loop().create_future()
        self._awaited[key] = answer
        try:
            self._connections[node][-1](command)
            async with asyncio.timeout(within_s):
                return await answer
        except TimeoutError:
            raise NoAnswerError(f"{node} has not answered within {within_s:g} s") from None
        finally:
            del self._awaited[key]

    def answered(self, node: str, result: wire.CommandResult) -> None:
        """Take a daemon's result."""
        answer = self._awaited.get((node, result.id))
        if answer is None or answer.done():
            self.on_late_answer(node, result)
        else:
            answer.set_result(result)
