from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from websockets.asyncio.server import ServerConnection, unix_serve

from lifeline.runtime import wire


class FakeHub:
    """A hub that keeps events in memory and does as it is told; it speaks the real protocol on a real socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"unix://{path}"
        self.kept: dict[tuple[str, str, int], wire.Event] = {}
        self.states: dict[str, object] = {}
        self.readings: list[wire.Reading] = []
        self.hellos: list[wire.Hello] = []
        self.heartbeats = 0
        self.results: list[wire.CommandResult] = []
        self.full = False
        self.mute = False
        self.refuse = ""
        self.changed = asyncio.Condition()
        self._connections: set[ServerConnection] = set()
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> None:
        await self._stack.enter_async_context(unix_serve(self._talk, str(self.path), ping_interval=None))

    async def stop(self) -> None:
        await self._stack.aclose()
        self.path.unlink(missing_ok=True)

    async def order(self, command: wire.Command) -> None:
        """Send a command over every connection that stands."""
        for connection in self._connections:
            await connection.send(wire.encode(command))

    def cut(self) -> None:
        """Break every connection without a goodbye."""
        for connection in self._connections:
            connection.transport.abort()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(holds)

    async def _talk(self, connection: ServerConnection) -> None:
        self._connections.add(connection)
        try:
            await self._converse(connection)
        finally:
            self._connections.discard(connection)

    async def _converse(self, connection: ServerConnection) -> None:
        intake = wire.Intake()
        async for text in connection:
            if self.mute:
                connection.transport.pause_reading()  # like a path gone dark: not even pings are answered
                await connection.wait_closed()
                return
            for answer in self._answers(wire.decode_client(text), intake):
                await connection.send(wire.encode(answer))
                if isinstance(answer, wire.Refused):
                    return
            async with self.changed:
                self.changed.notify_all()

    def _answers(self, message: wire.ClientMessage, intake: wire.Intake) -> Iterator[wire.ServerMessage]:
        match message:
            case wire.Hello():
                self.hellos.append(message)
                yield wire.Refused(self.refuse) if self.refuse else wire.Welcome("fake")
            case wire.Events(events):
                if not intake.admits(events[0].seq):
                    return
                if self.full:
                    intake.refused(events[0].seq)
                    yield wire.Full(0.05)
                else:
                    self.kept.update((event.key, event) for event in events)
                    yield wire.Ack(events[-1].seq)
            case wire.Readings(readings):
                self.readings += readings
            case wire.State(subject, body):
                self.states[subject] = body
            case wire.Heartbeat():
                self.heartbeats += 1
            case wire.CommandResult():
                self.results.append(message)


@contextlib.asynccontextmanager
async def running(work: Awaitable[None]) -> AsyncIterator[asyncio.Future[None]]:
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def eventually(holds: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Wait until something holds that nothing tells of."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110 - what is watched here has no event to await
            await asyncio.sleep(0.005)
