"""The live stream: Server-Sent Events (WHATWG HTML 9.2), gapless from any cursor on.

A stream begins with `hello`, then come `event` (a journalled event, its id the cursor) and `state` (a view that has
changed) as they happen, `ping` in silence, and `end` when the hub has a reason to end it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Query, Request, Response

from .. import telling
from ..broadcast import Follower
from ..hub import Hub
from ..views import EventView
from .auth import Identity, Viewer, still_valid
from .problems import documented
from .routes import TheHub

PING_S: Final = 5.0
GATHER_S: Final = 0.2
"""How long views that have changed wait for more: dozens change each second, and a reader wakes once for all."""
SEND_TIMEOUT_S: Final = 30.0
"""A reader that has taken nothing for this long is given up."""
_PAGE: Final = 512

router = APIRouter()
log = structlog.get_logger(__name__)


@router.get(
    "/stream",
    response_class=Response,
    responses={**documented(), 200: {"description": "The stream", "content": {"text/event-stream": {}}}},
)
async def stream(
    request: Request,
    hub: TheHub,
    who: Viewer,
    after: Annotated[int | None, Query(ge=0, description="Begin behind this cursor; now if absent.")] = None,
    journal: Annotated[
        str | None, Query(description="Journal that the cursor belongs to, from an earlier hello.")
    ] = None,
) -> Response:
    """Follow the hub: events from a cursor on, and views as they change."""
    if after is None and (last := request.headers.get("Last-Event-ID", "")).isdigit():
        after = int(last)
    return EventStream(_messages(hub, request, who, after, journal))


async def _messages(
    hub: Hub, request: Request, who: Identity, after: int | None, journal: str | None
) -> AsyncGenerator[bytes]:
    """Yield the stream's messages. The follower joins before `hello`: what changes after it is not missed."""
    follower = hub.broadcast.join()
    try:
        head = hub.cursor
        rewound = (journal or hub.journal) != hub.journal or (after or 0) > head
        cursor = 0 if rewound else head if after is None else after
        yield telling.message("hello", {
            "hub": hub.node, "journal": hub.journal, "cursor": head, "after": cursor, "rewound": rewound,
        })  # fmt: skip
        while follower.ended is None:
            if not follower.live:
                async with aclosing(_from_journal(hub, follower, cursor)) as messages:
                    async for at, message in messages:
                        cursor = at
                        yield message
            if not await follower.wait(PING_S):
                yield telling.PING
            if not still_valid(request, who):
                follower.end("the token was revoked")
            if follower.has_states_only:
                await asyncio.sleep(GATHER_S)
            events, states = follower.take()
            for at, message in events:
                if at > cursor:
                    cursor = at
                    yield message
            if states:
                yield b"".join(states)
        yield telling.message("end", {"reason": follower.ended})
    finally:
        hub.broadcast.leave(follower)


async def _from_journal(hub: Hub, follower: Follower, cursor: int) -> AsyncGenerator[tuple[int, bytes]]:
    """Yield what the journal has behind a cursor, then make the follower live, without a gap between the two."""
    while follower.ended is None:
        page = [stored async for stored in hub.read(cursor, _PAGE)]
        for stored in page:
            cursor = stored.cursor
            yield cursor, telling.event(EventView.of(stored))
        if not page and hub.cursor <= cursor:
            follower.live = True  # nothing is awaited since the look at the hub's cursor: the next event comes live
            return


class EventStream(Response):
    """A response that lasts, whose every send has a time limit, and that ends when its reader goes."""

    media_type = "text/event-stream"

    def __init__(self, messages: AsyncGenerator[bytes]) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._messages = messages

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        """Send until the messages or the reader end."""
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            ended, _left = await asyncio.gather(sending, leaving, return_exceptions=True)
            if isinstance(ended, Exception):  # the reader was given up, or the journal cannot be read
                log.warning("stream ended", error=str(ended) or type(ended).__name__)

    async def _send(self, send: Any) -> None:
        async with aclosing(self._messages) as messages:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for message in messages:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send({"type": "http.response.body", "body": message, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Any) -> None:
    """Return when the reader has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
