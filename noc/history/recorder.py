"""Takes readings in, knows the latest, and writes them down once a tick, in a thread of its own."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from lifeline.clock import wall_ns
from lifeline.model.records import Quality, Reading
from lifeline.runtime.logging import EdgeLog

from ..views import HistoryView, ReadingView
from .packing import TICK_S, Rollup, Sample, pack, tick_of
from .store import HistoryStore, Resolution, Row, Series, packed_rollups

FILE: Final = "history.db"
WAITING_MAX: Final = 200_000
"""Samples that wait for the disk; more are dropped and counted."""
SERIES_MAX: Final = 200_000
NAME_MAX: Final = 200
LATE_S: Final = 24 * 3600
EARLY_S: Final = 300
"""Readings further back or ahead than this are not taken: the clock that dated them is wrong."""
POINTS_MAX: Final = 5000
HOURS_S: Final = 600
"""How often what an hour has so far is written: that much of it is lost when the hub is killed."""
_AUTO: Final = ((2 * 3600, Resolution.RAW), (2 * 86_400, Resolution.MINUTE))
"""Up to which span which resolution is read when no step is asked for."""

log = structlog.get_logger(__name__)


class Recorder:
    """The history of one hub.

    Attributes:
        taken: readings taken.
        dropped: readings dropped: no room, too many series, or dated by a clock that is wrong.
    """

    def __init__(self, data: Path) -> None:
        """Open the file in a hub's data directory.

        Raises:
            sqlite3.Error: it cannot be opened.
        """
        self.taken = 0
        self.dropped = 0
        self._store = HistoryStore(data / FILE)
        self._subjects, self._series = self._store.series()
        self._next = 1 + max((it.id for it in self._series.values()), default=0)
        self._new_subjects: dict[str, int] = {}
        self._new_series: dict[tuple[str, str], Series] = {}
        self._latest: dict[str, dict[str, Reading]] = {}
        self._waiting: dict[tuple[int, int], list[Sample]] = {}
        self._count = 0
        self._minutes: dict[int, dict[int, dict[int, Rollup]]] = {}
        self._hours: dict[int, dict[int, dict[int, Rollup]]] = {}
        self._hours_written_s = 0
        self._writing = threading.Lock()
        self._edges = EdgeLog(log)

    def __len__(self) -> int:
        """Return how many series there are."""
        return len(self._series)

    # ---------------------------------------------------------------- taking in

    def take(self, readings: Iterable[Reading]) -> None:
        """Take readings; never blocks."""
        now_s = wall_ns() // 1_000_000_000
        early_ns, late_ns = (now_s + EARLY_S) * 1_000_000_000, (now_s - LATE_S) * 1_000_000_000
        for it in readings:
            series = self._series.get((it.subject, it.metric)) or self._begin(it)
            if series is None or not late_ns < it.observed_at_ns < early_ns or self._count >= WAITING_MAX:
                self.dropped += 1
                continue
            self.taken += 1
            self._count += 1
            latest = self._latest.setdefault(it.subject, {})
            before = latest.get(it.metric)
            if before is None or it.observed_at_ns >= before.observed_at_ns:
                latest[it.metric] = it
            key = (series.subject, tick_of(it.observed_at_ns))
            sample = Sample(series.id, it.observed_at_ns, it.value, it.quality)
            if key in self._waiting:
                self._waiting[key].append(sample)
            else:
                self._waiting[key] = [sample]
            if it.value is not None and it.quality is Quality.GOOD:
                self._roll(series, it.observed_at_ns // 60_000_000_000 * 60, it.value)

    def _begin(self, it: Reading) -> Series | None:
        if len(self._series) >= SERIES_MAX or max(len(it.subject), len(it.metric), len(it.unit)) > NAME_MAX:
            return None
        if it.subject not in self._subjects:
            number = len(self._subjects) + 1
            self._subjects[it.subject] = self._new_subjects[it.subject] = number
        series = Series(self._next, self._subjects[it.subject], it.unit)
        self._next += 1
        self._series[it.subject, it.metric] = self._new_series[it.subject, it.metric] = series
        return series

    def _roll(self, series: Series, minute_s: int, value: float) -> None:
        of_subject = self._minutes.setdefault(minute_s, {}).setdefault(series.subject, {})
        rollup = of_subject.get(series.id)
        if rollup is None:
            rollup = of_subject[series.id] = Rollup()
        rollup.add(value)

    # ---------------------------------------------------------------- writing

    async def run(self) -> None:
        """Write once a tick until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(TICK_S)
                await asyncio.to_thread(self._write, *self._due(wall_ns() // 1_000_000_000))
        finally:
            self.close()

    def close(self) -> None:
        """Write everything and close the file."""
        self._write(*self._due(wall_ns() // 1_000_000_000, everything=True))
        with self._writing:
            self._store.close()

    def _due(self, now_s: int, *, everything: bool = False) -> tuple[dict[str, int], dict[Any, Series], list[Any], int]:
        """Return what is to be written now, and forget it."""
        rows: list[tuple[Resolution, Any]] = [(Resolution.RAW, item) for item in self._waiting.items()]
        for minute_s in [it for it in self._minutes if everything or it + 60 + TICK_S <= now_s]:
            for subject, rollups in self._minutes.pop(minute_s).items():
                rows.append((Resolution.MINUTE, (subject, minute_s, rollups)))
                hour = self._hours.setdefault(minute_s // 3600 * 3600, {}).setdefault(subject, {})
                for series, rollup in rollups.items():
                    hour.setdefault(series, Rollup()).merge(rollup)
        if everything or now_s - self._hours_written_s >= HOURS_S:
            self._hours_written_s = now_s
            for hour_s, subjects_ in self._hours.items():
                rows += [(Resolution.HOUR, (subject, hour_s, it)) for subject, it in subjects_.items()]
            self._hours = {}
        subjects, series_ = self._new_subjects, self._new_series
        self._waiting, self._count, self._new_subjects, self._new_series = {}, 0, {}, {}
        return subjects, series_, rows, now_s

    def _write(
        self, subjects: dict[str, int], series: dict[tuple[str, str], Series], rows: list[Any], now_s: int
    ) -> None:
        """Write what is due; runs in a thread. What cannot be written is lost, and counted."""
        if not rows:
            return
        names = {number: name for name, number in subjects.items()}
        try:
            with self._writing:
                self._store.write(
                    list(names.items()),
                    [(it.id, it.subject, metric, it.unit) for (_, metric), it in series.items()],
                    [(resolution, _packed(resolution, item)) for resolution, item in rows],
                    now_s,
                )
        except sqlite3.Error as error:
            self.dropped += sum(len(item[1]) for resolution, item in rows if resolution is Resolution.RAW)
            self._new_subjects, self._new_series = subjects | self._new_subjects, series | self._new_series
            self._edges.failed("write", "history takes no samples", error)
        else:
            self._edges.succeeded("write", "history takes samples again")

    # ---------------------------------------------------------------- asking

    def latest(self, subject: str = "") -> list[ReadingView]:
        """Return the latest readings of a subject, or of all that begin with it when it ends in `:` or `/`."""
        prefix = not subject or subject.endswith((":", "/"))
        found = [name for name in self._latest if name == subject or (prefix and name.startswith(subject))]
        return [
            ReadingView(it.subject, it.metric, it.value, it.unit, it.observed_at_ns, it.quality)
            for name in sorted(found)
            for it in self._latest[name].values()
        ]

    def subjects(self) -> Sequence[str]:
        """Return the subjects that have a history."""
        return list(self._subjects)

    def metrics(self, subject: str) -> list[str]:
        """Return the metrics of a subject."""
        return sorted(metric for name, metric in self._series if name == subject)

    async def read(self, subject: str, metric: str, from_s: int, to_s: int, step_s: int | None = None) -> HistoryView:
        """Return a series' history.

        Args:
            subject: the subject.
            metric: the metric.
            from_s: wall time, seconds.
            to_s: wall time, seconds.
            step_s: width of a point, seconds; None for what suits the span.

        Raises:
            KeyError: there is no such series.
            sqlite3.Error: the file cannot be read.
        """
        series = self._series[subject, metric]
        resolution, step_s = _resolution(to_s - from_s, step_s)
        present = self._present(series, resolution)
        points = await asyncio.to_thread(self._points, series, resolution, from_s, to_s, step_s, present)
        return HistoryView("lifeline.history/1", subject, metric, series.unit, step_s, points[-POINTS_MAX:])

    def _present(self, series: Series, resolution: Resolution) -> Sequence[Sample] | Mapping[int, Rollup]:
        """Return what is not in the file yet."""
        if resolution is Resolution.RAW:
            rows = (it for (subject, _), it in self._waiting.items() if subject == series.subject)
            return [sample for row in rows for sample in row if sample.series == series.id]
        found: dict[int, Rollup] = {}
        whole = resolution.step_s
        for at_s, subjects in (*self._minutes.items(), *(self._hours.items() if whole == 3600 else ())):
            rollup = subjects.get(series.subject, {}).get(series.id)
            if rollup is not None:
                found.setdefault(at_s // whole * whole, Rollup()).merge(rollup)
        return found

    def _points(
        self, series: Series, resolution: Resolution, from_s: int, to_s: int, step_s: int, present: Any
    ) -> list[list[float | int | None]]:
        if resolution is Resolution.RAW:
            samples = [*self._store.samples(series, tick_of(from_s * 1_000_000_000), to_s), *present]
            samples = [it for it in samples if from_s <= it.at_ns // 1_000_000_000 <= to_s]
            if not step_s:
                return [_point(it) for it in sorted(samples, key=lambda it: it.at_ns)]
            rollups: dict[int, Rollup] = {}
            for it in samples:
                if it.value is not None and it.quality is Quality.GOOD:
                    rollups.setdefault(it.at_ns // 1_000_000_000, Rollup()).add(it.value)
        else:
            rollups = self._store.rollups(series, resolution, from_s // step_s * step_s, to_s)
            for at_s, rollup in present.items():
                rollups.setdefault(at_s, Rollup()).merge(rollup)
        binned: dict[int, Rollup] = {}
        for at_s, rollup in rollups.items():
            if from_s // step_s * step_s <= at_s <= to_s:
                binned.setdefault(at_s // step_s * step_s, Rollup()).merge(rollup)
        return [[at * 1_000_000_000, it.mean, it.least, it.greatest, it.count] for at, it in sorted(binned.items())]


def _packed(resolution: Resolution, item: Any) -> Row:
    if resolution is Resolution.RAW:
        (subject, tick_s), samples = item
        return subject, tick_s, pack(samples, tick_s)
    return packed_rollups(*item)


def _point(it: Sample) -> list[float | int | None]:
    value = it.value if it.quality is not Quality.MISSING else None
    return [it.at_ns, value, value, value, int(it.quality is Quality.GOOD)]


def _resolution(span_s: int, step_s: int | None) -> tuple[Resolution, int]:
    """Return which roll-ups serve a step, or a span, and the step: the finest that is kept for the whole of it."""
    if step_s is None:
        found = next((resolution for longest_s, resolution in _AUTO if span_s <= longest_s), Resolution.HOUR)
        return found, found.step_s
    for resolution in (Resolution.HOUR, Resolution.MINUTE):
        if step_s >= resolution.step_s and step_s % resolution.step_s == 0:
            return resolution, step_s
    return Resolution.RAW, step_s
