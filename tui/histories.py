"""What was measured of late: fetched from the hub for the devices in view, and followed live. No widget.

Only what a screen asks for is fetched, once a while, and not again while the answer is young.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from lifeline.clock import monotonic_s
from noc.client import HubRefusedError, HubUnreachableError

Key = tuple[str, str]
"""Subject and metric."""
SPAN_S: Final = 7200
POINTS: Final = 48
YOUNG_S: Final = 30.0
_KEPT: Final = 4000
"""Series kept: about those of all devices that one has looked at in a day."""


class Asked(Protocol):
    """What is asked of `noc.client.HubClient`."""

    async def history(
        self, subject: str, metric: str, from_s: int | None = None, to_s: int | None = None, step_s: int | None = None
    ) -> dict[str, Any]:
        """Return a metric's history."""
        ...


@dataclass(slots=True)
class Histories:
    """Series by subject and metric.

    Args:
        client: the hub's client.
        changed: called when something has come.
    """

    client: Asked
    changed: Callable[[], None]
    _series: dict[Key, tuple[float | None, ...]] = field(default_factory=dict)
    _asked_s: dict[Key, float] = field(default_factory=dict)
    _waiting: deque[Key] = field(default_factory=deque)
    _busy: bool = False

    def of(self, subject: str, metric: str) -> tuple[float | None, ...]:
        """Return what is known of a series, oldest first; nothing before it has been fetched."""
        return self._series.get((subject, metric), ())

    def want(self, keys: Iterable[Key]) -> bool:
        """Note what is in view; tell whether somebody has to `fetch` now."""
        now_s = monotonic_s()
        for key in keys:
            if now_s - self._asked_s.get(key, -YOUNG_S) >= YOUNG_S:
                self._asked_s[key] = now_s
                self._waiting.append(key)
        return bool(self._waiting) and not self._busy

    async def fetch(self) -> None:
        """Fetch what is wanted, one after the other. What the hub does not know stays empty."""
        self._busy = True
        try:
            while self._waiting:
                subject, metric = key = self._waiting.popleft()
                try:
                    found = await self.client.history(subject, metric, step_s=SPAN_S // POINTS)
                except (HubUnreachableError, HubRefusedError):
                    continue
                if len(self._series) >= _KEPT:
                    self._series.clear()
                self._series[key] = tuple(point[1] for point in found["points"])
                self.changed()
        finally:
            self._busy = False
