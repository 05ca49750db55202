"""Follows the hub while a drill runs, and dates what it shows on this machine's monotonic clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from lifeline.clock import monotonic_ns, monotonic_s, wall_ns
from lifeline.model.records import Json

from .judge import Sighting


class Hub(Protocol):
    """What a drill asks of `noc.client.HubClient`."""

    async def state(self) -> Mapping[str, Json]:
        """Return the hub's whole state."""
        ...

    def stream(self, after: int) -> AsyncIterator[Any]:
        """Yield messages with `kind`, and `data` for events, from a cursor on."""
        ...


@dataclass(slots=True)
class Watch:
    """Everything the hub has shown since the watch began. `run` is a task; `until` awaits a condition."""

    hub: Hub
    after: int
    wall_minus_monotonic_ns: int = field(default_factory=lambda: wall_ns() - monotonic_ns())
    sightings: list[Sighting] = field(default_factory=list)
    connected: bool = False
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Follow the stream until cancelled."""
        async for message in self.hub.stream(self.after):
            seen_ns = monotonic_ns()
            async with self._news:
                if message.kind in ("connected", "disconnected"):
                    self.connected = message.kind == "connected"
                elif message.kind == "event":
                    happened_ns = message.data["observed_at_ns"] - self.wall_minus_monotonic_ns
                    self.sightings.append(Sighting(happened_ns, seen_ns, message.data))
                self._news.notify_all()

    async def until(self, holds: Callable[[], bool], within_s: float) -> bool:
        """Wait until a condition on the sightings holds; return whether it did in time."""
        deadline_s = monotonic_s() + within_s
        async with self._news:
            while not holds():
                left_s = deadline_s - monotonic_s()
                if left_s <= 0:
                    return False
                try:
                    await asyncio.wait_for(self._news.wait(), left_s)
                except TimeoutError:
                    return holds()
        return True
