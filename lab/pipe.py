"""One direction of a satellite path: which frame comes out when, and which never. Pure; the relay moves the frames."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import asdict, dataclass

from .topology import Impairment


@dataclass(slots=True)
class Counters:
    """What went in and what became of it; what is under way is the difference."""

    packets: int = 0
    bytes: int = 0
    lost: int = 0
    """By the path's random loss."""
    dropped: int = 0
    """Because the queue for the rate was full."""
    delivered: int = 0

    def to_json(self) -> dict[str, int]:
        """Return the counters by name."""
        return asdict(self)


class Pipe:
    """A queue for the rate, then the delay with its jitter; order is kept, loss is random but seeded.

    Times are monotonic seconds. The queue is a serialising transmitter without burst: a frame takes its length divided
    by the rate, frames behind it wait, and those that would wait longer than `queue_ms` are dropped.
    """

    def __init__(self, impairment: Impairment, seed: int | str) -> None:
        self.counters = Counters()
        self._random = random.Random(seed)
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._transmitter_free_at = 0.0
        self._last_out = 0.0
        self.impairment = impairment

    @property
    def impairment(self) -> Impairment:
        """What the path does; a change holds from the next frame on."""
        return self._impairment

    @impairment.setter
    def impairment(self, impairment: Impairment) -> None:
        self._impairment = impairment
        self._loss = impairment.loss_pct / 100
        self._seconds_per_byte = 8 / (impairment.rate_kbps * 1000) if impairment.rate_kbps else 0.0
        self._queue_s = impairment.queue_ms / 1000
        self._least_delay_s = (impairment.delay_ms - impairment.jitter_ms) / 1000
        self._spread_s = 2 * impairment.jitter_ms / 1000

    def offer(self, frame: bytes, now: float) -> None:
        """Take a frame that arrived at `now`."""
        counters = self.counters
        counters.packets += 1
        counters.bytes += len(frame)
        if self._loss and self._random.random() < self._loss:
            counters.lost += 1
            return
        start = max(now, self._transmitter_free_at)
        if start - now > self._queue_s:
            counters.dropped += 1
            return
        self._transmitter_free_at = start + len(frame) * self._seconds_per_byte
        out = self._transmitter_free_at + self._least_delay_s + self._spread_s * self._random.random()
        self._last_out = max(self._last_out, out)
        self._under_way.append((self._last_out, frame))

    def next_deadline(self) -> float | None:
        """Return when the next frame comes out, or None."""
        return self._under_way[0][0] if self._under_way else None

    def take(self, now: float) -> bytes | None:
        """Return a frame that is due, in order; None when none is."""
        if not self._under_way or self._under_way[0][0] > now:
            return None
        self.counters.delivered += 1
        return self._under_way.popleft()[1]
