"""How samples lie in the file: fixed records, packed into one blob per subject and tick. Pure.

A sample is 14 bytes: series, time within the tick and quality in one number, value. A roll-up is 32 bytes: series,
count, least, greatest, sum. Missing values are NaN.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from lifeline.model.records import Quality

TICK_S: Final = 5
"""Samples of one subject within this time share a row."""
_SAMPLE: Final = struct.Struct("<IHd")
_ROLLUP: Final = struct.Struct("<IIddd")
_QUALITIES: Final = tuple(Quality)
_QUALITY_SHIFT: Final = 13
_OFFSET_NS: Final = 1_000_000
"""Times are kept to the millisecond."""


@dataclass(slots=True)
class Rollup:
    """Good values of one series within a minute or an hour."""

    count: int = 0
    least: float = math.inf
    greatest: float = -math.inf
    total: float = 0.0

    def add(self, value: float) -> None:
        """Take a value."""
        self.count += 1
        self.total += value
        self.least = min(self.least, value)
        self.greatest = max(self.greatest, value)

    def merge(self, other: Rollup) -> None:
        """Take another roll-up."""
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.greatest = max(self.greatest, other.greatest)

    @property
    def mean(self) -> float | None:
        """The mean; None of nothing."""
        return self.total / self.count if self.count else None


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series."""

    series: int
    at_ns: int
    value: float | None
    quality: Quality


def tick_of(at_ns: int) -> int:
    """Return the beginning of the tick in which a time lies, seconds."""
    return at_ns // (TICK_S * 1_000_000_000) * TICK_S


def pack(samples: Iterable[Sample], tick_s: int) -> bytes:
    """Return samples of one tick as bytes."""
    base_ns = tick_s * 1_000_000_000
    return b"".join(
        _SAMPLE.pack(
            it.series,
            (it.at_ns - base_ns) // _OFFSET_NS | _QUALITIES.index(it.quality) << _QUALITY_SHIFT,
            math.nan if it.value is None else it.value,
        )
        for it in samples
    )


def unpack(data: bytes, tick_s: int, series: int) -> Iterator[Sample]:
    """Yield one series' samples of a row."""
    base_ns = tick_s * 1_000_000_000
    for number, packed, value in _SAMPLE.iter_unpack(data):
        if number == series:
            at_ns = base_ns + (packed & (1 << _QUALITY_SHIFT) - 1) * _OFFSET_NS
            yield Sample(series, at_ns, None if math.isnan(value) else value, _QUALITIES[packed >> _QUALITY_SHIFT])


def pack_rollups(rollups: Iterable[tuple[int, Rollup]]) -> bytes:
    """Return roll-ups of one subject as bytes."""
    return b"".join(_ROLLUP.pack(series, it.count, it.least, it.greatest, it.total) for series, it in rollups)


def unpack_rollups(data: bytes) -> Iterator[tuple[int, Rollup]]:
    """Yield a row's roll-ups with their series."""
    for series, count, least, greatest, total in _ROLLUP.iter_unpack(data):
        yield series, Rollup(count, least, greatest, total)
