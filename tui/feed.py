"""Follows the hub into the model, for as long as the program runs.

The stream reconnects by itself. Live objects are never sent twice, so after every (re)connection the whole state is
asked for once more: with the stream already open, nothing can fall between the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, Protocol

from lifeline.clock import monotonic_ns
from noc.client import HubUnreachableError, StreamMessage

from .model import Change, Connection, HubLink, NetworkModel
from .shapes import View

HISTORY_PAGE: Final = 200
"""Events asked for at a time."""
_RETRY_S: Final = (0.5, 1.0, 2.0, 3.0)
"""Waits before asking for the state again; the last one repeats."""


class Client(Protocol):
    """What this program asks of `noc.client.HubClient`."""

    async def state(self) -> dict[str, Any]:
        """Return the whole state."""
        ...

    async def live(self, subject: str = "") -> list[dict[str, Any]]:
        """Return what daemons show live."""
        ...

    async def events(self, after: int = 0, limit: int = 200) -> list[dict[str, Any]]:
        """Return the first `limit` events after a cursor, oldest first."""
        ...

    async def history(
        self, subject: str, metric: str, from_s: int | None = None, to_s: int | None = None, step_s: int | None = None
    ) -> dict[str, Any]:
        """Return a metric's history."""
        ...

    async def command(
        self,
        command: str,
        target: str,
        text: str = "",
        *,
        idempotency_key: str | None = None,
        at: str | None = None,
        to: str | None = None,
        dry_run: bool | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> Any:
        """Ask the hub to act, or what it would do, and return the command with its outcome."""
        ...

    async def say_of_run(self, identifier: str, word: str, **more: Any) -> dict[str, Any]:
        """Say a person's word about a playbook's run."""
        ...

    async def playbook_preview(self, identifier: str) -> dict[str, Any]:
        """Return how a run's plan would go against what is so now; nothing is done."""
        ...

    def stream(self, after: int | None = None) -> AsyncIterator[StreamMessage]:
        """Yield stream messages from a cursor on, reconnecting by itself."""
        ...


class Feed:
    """One task that folds what the hub says into a model and tells of each change.

    Args:
        client: the hub's client.
        model: what to fold into.
        changed: called after each change, on the event loop.
    """

    def __init__(self, client: Client, model: NetworkModel, changed: Callable[[Change], None]) -> None:
        self._client = client
        self._model = model
        self._changed = changed

    async def run(self) -> None:
        """Follow the hub until cancelled.

        Raises:
            HubRefusedError: the hub does not want this client: its token is wrong or missing.
        """
        await self._load()
        async for message in self._client.stream(self._model.cursor):
            if message.kind == "connected":
                if message.data["rewound"]:
                    self._model.forget_events()
                await self._load()
            elif message.kind == "disconnected":
                self._lost(message.data.get("reason", ""), message.data.get("retry_in_s"))
            elif message.kind == "event":
                self._changed(self._model.add_event(message.data))
            elif message.kind == "state":
                self._changed(self._model.put(message.data["subject"], message.data["body"]))

    async def load_history(self) -> int:
        """Fetch a page of events older than those at hand; return how many there were.

        Raises:
            HubUnreachableError: the hub is away.
        """
        events = self._model.events
        before = events[0]["cursor"] if events else self._model.cursor + 1
        after = before - 1
        found: list[View] = []
        while not found and after > 0:  # the journal may have gaps
            first, after = after, max(0, after - HISTORY_PAGE)
            found = [e for e in await self._client.events(after=after, limit=HISTORY_PAGE) if e["cursor"] <= first]
        self._changed(self._model.add_history(found))
        return len(found)

    async def _load(self) -> None:
        """Fetch the whole state, however long it takes."""
        for attempt in range(1_000_000_000):
            try:
                state = await self._client.state()
                live = await self._client.live()
            except HubUnreachableError as error:
                wait_s = _RETRY_S[min(attempt, len(_RETRY_S) - 1)]
                self._lost(str(error), wait_s)
                await asyncio.sleep(wait_s)
                continue
            now = monotonic_ns()
            self._model.connected(Connection(HubLink.LIVE), now)
            self._model.load_live(live)
            self._changed(self._model.load(state, now))
            return

    def _lost(self, reason: str, retry_in_s: float | None) -> None:
        now = monotonic_ns()
        retry_at = None if retry_in_s is None else now + int(retry_in_s * 1e9)
        self._changed(self._model.connected(Connection(HubLink.LOST, retry_at, reason), now))
