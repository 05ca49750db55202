"""What is read back is what was taken: at every resolution, over restarts, late, and within bounds."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifeline.model.records import Quality, Reading
from noc.history import recorder as recorder_module
from noc.history.packing import TICK_S, Rollup, Sample, pack, pack_rollups, unpack, unpack_rollups
from noc.history.recorder import FILE, Recorder
from noc.history.store import Resolution

S = 1_000_000_000
BEGIN_S = 1_800_000_000 // 86_400 * 86_400
SUBJECT, METRIC = "power:sbs-a", "battery_charge"


class Clock:
    def __init__(self) -> None:
        self.s = BEGIN_S

    def __call__(self) -> int:
        return self.s * S


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(recorder_module, "wall_ns", clock)
    return clock


@pytest.fixture
def recorder(tmp_path: Path, clock: Clock) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path)
    yield recorder
    recorder.close()


def reading(at_s: float, value: float | None, metric: str = METRIC, subject: str = SUBJECT) -> Reading:
    quality = Quality.MISSING if value is None else Quality.GOOD
    return Reading(subject, metric, value, "%", int(at_s * S), quality)


def flush(recorder: Recorder, now_s: int) -> None:
    recorder._write(*recorder._due(now_s))


def live_through(recorder: Recorder, clock: Clock, seconds: int, step_s: int = 5) -> None:
    """Take a value each `step_s`, equal to the seconds since the beginning, and write as a hub does."""
    for at_s in range(0, seconds, step_s):
        clock.s = BEGIN_S + at_s
        recorder.take([reading(clock.s, float(at_s)), reading(clock.s, 1.0, "other")])
        flush(recorder, clock.s)


# ---------------------------------------------------------------- packing


@given(
    st.lists(
        st.builds(
            lambda series, offset_ms, value, quality: Sample(
                series, BEGIN_S * S + offset_ms * 1_000_000, None if quality is Quality.MISSING else value, quality
            ),
            st.integers(0, 2**32 - 1),
            st.integers(0, TICK_S * 1000 - 1),
            st.floats(allow_nan=False),
            st.sampled_from(Quality),
        )
    )
)
def test_samples_survive_packing(samples: list[Sample]) -> None:
    data = pack(samples, BEGIN_S)
    for number in {it.series for it in samples}:
        assert list(unpack(data, BEGIN_S, number)) == [it for it in samples if it.series == number]


def test_rollups_survive_packing() -> None:
    rollup = Rollup()
    for value in (3.0, 1.0, 2.0):
        rollup.add(value)
    assert list(unpack_rollups(pack_rollups([(7, rollup)]))) == [(7, rollup)]
    assert (rollup.mean, rollup.least, rollup.greatest) == (2.0, 1.0, 3.0)


# ---------------------------------------------------------------- reading back


async def test_single_samples(recorder: Recorder, clock: Clock) -> None:
    live_through(recorder, clock, 60)
    view = await recorder.read(SUBJECT, METRIC, BEGIN_S + 10, BEGIN_S + 20)
    assert (view.unit, view.step_s) == ("%", 0)
    assert view.points == [[(BEGIN_S + at) * S, at, at, at, 1] for at in (10, 15, 20)]


async def test_what_is_not_written_yet_is_told_too(recorder: Recorder, clock: Clock) -> None:
    recorder.take([reading(BEGIN_S, 5.0), reading(BEGIN_S, 6.0, "other")])
    view = await recorder.read(SUBJECT, METRIC, BEGIN_S - 60, BEGIN_S + 60)
    assert [point[1] for point in view.points] == [5.0]


@pytest.mark.parametrize("step_s", [60, 120, 600, 3600])
async def test_roll_ups_tell_mean_least_and_greatest(recorder: Recorder, clock: Clock, step_s: int) -> None:
    live_through(recorder, clock, 7200)
    view = await recorder.read(SUBJECT, METRIC, BEGIN_S, BEGIN_S + 7199, step_s)
    assert len(view.points) == 7200 // step_s
    at_ns, mean, least, greatest, count = view.points[1]
    assert (at_ns, least, greatest, count) == ((BEGIN_S + step_s) * S, step_s, 2 * step_s - 5, step_s // 5)
    assert mean == pytest.approx((step_s + 2 * step_s - 5) / 2)


async def test_a_restart_loses_nothing_and_doubles_nothing(tmp_path: Path, clock: Clock) -> None:
    for life in range(3):
        recorder = Recorder(tmp_path)
        for at_s in range(life * 20, life * 20 + 20, 5):
            clock.s = BEGIN_S + at_s
            recorder.take([reading(clock.s, 1.0)])
        recorder.close()
    recorder = Recorder(tmp_path)
    for step_s, count in ((None, 12), (60, 1), (3600, 1)):
        view = await recorder.read(SUBJECT, METRIC, BEGIN_S, BEGIN_S + 60, step_s)
        assert len(view.points) == count
        assert sum(int(point[4] or 0) for point in view.points) == 12
    recorder.close()


async def test_readings_that_come_late_go_where_they_belong(recorder: Recorder, clock: Clock) -> None:
    live_through(recorder, clock, 3600)
    recorder.take([reading(BEGIN_S + 62, 1e6)])
    clock.s += 600
    flush(recorder, clock.s)
    raw = await recorder.read(SUBJECT, METRIC, BEGIN_S + 60, BEGIN_S + 64)
    assert [point[1] for point in raw.points] == [60.0, 1e6]
    minutes = await recorder.read(SUBJECT, METRIC, BEGIN_S + 60, BEGIN_S + 119, 60)
    assert minutes.points[0][3:] == [1e6, 13]


async def test_missing_values_are_gaps_and_count_for_nothing(recorder: Recorder, clock: Clock) -> None:
    recorder.take([reading(BEGIN_S, 4.0), reading(BEGIN_S + 1, None)])
    raw = await recorder.read(SUBJECT, METRIC, BEGIN_S, BEGIN_S + 5)
    assert [point[1] for point in raw.points] == [4.0, None]
    assert (await recorder.read(SUBJECT, METRIC, BEGIN_S, BEGIN_S + 5, 60)).points[0][4] == 1


def test_the_latest_value_wins_whatever_comes_late(recorder: Recorder, clock: Clock) -> None:
    recorder.take([reading(BEGIN_S, 4.0), reading(BEGIN_S - 10, 3.0)])
    (latest,) = recorder.latest("power:")
    assert latest.value == 4.0


# ---------------------------------------------------------------- bounds


def test_old_partitions_are_dropped(recorder: Recorder, clock: Clock) -> None:
    live_through(recorder, clock, 7200)
    assert len({it for it in recorder._store.partitions() if it.startswith("raw")}) == 2
    clock.s = BEGIN_S + Resolution.RAW.value[2] + 3700
    recorder.take([reading(clock.s, 1.0)])
    flush(recorder, clock.s)
    left = {it for it in recorder._store.partitions() if it.startswith("raw")}
    assert f"raw_{BEGIN_S // 3600}" not in left
    assert len({it for it in recorder._store.partitions() if it.startswith("minute")}) == 1


@pytest.mark.parametrize("off_s", [-25 * 3600, 3600])
def test_a_clock_that_is_wrong_is_not_believed(recorder: Recorder, clock: Clock, off_s: int) -> None:
    recorder.take([reading(BEGIN_S + off_s, 1.0)])
    assert (recorder.taken, recorder.dropped) == (0, 1)


def test_floods_are_bounded_and_counted(recorder: Recorder, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "SERIES_MAX", 10)
    monkeypatch.setattr(recorder_module, "WAITING_MAX", 50)
    recorder.take(reading(BEGIN_S, 1.0, f"m{number}") for number in range(100))
    assert (len(recorder), recorder.taken, recorder.dropped) == (10, 10, 90)
    recorder.take(reading(BEGIN_S, 1.0, "m1") for _ in range(100))
    assert recorder.taken == 50


async def test_a_disk_that_fails_costs_samples_and_nothing_else(
    recorder: Recorder, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(recorder._store, "write", fail)
    recorder.take([reading(BEGIN_S, 1.0)])
    flush(recorder, BEGIN_S)
    assert recorder.dropped == 1
    monkeypatch.undo()
    monkeypatch.setattr(recorder_module, "wall_ns", clock)
    recorder.take([reading(BEGIN_S + 5, 2.0)])
    flush(recorder, BEGIN_S + 5)
    view = await recorder.read(SUBJECT, METRIC, BEGIN_S, BEGIN_S + 10)
    assert [point[1] for point in view.points] == [2.0], "the series is known to the file all the same"


def test_a_damaged_file_is_set_aside(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / FILE).write_bytes(b"not a database, by any means" * 100)
    Recorder(tmp_path).close()
    assert [it.name for it in tmp_path.iterdir() if ".corrupt-" in it.name]


async def test_run_writes_at_the_end(tmp_path: Path, clock: Clock) -> None:
    recorder = Recorder(tmp_path)
    task = asyncio.create_task(recorder.run())
    await asyncio.sleep(0)
    recorder.take([reading(BEGIN_S, 1.0)])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    again = Recorder(tmp_path)
    assert len((await again.read(SUBJECT, METRIC, BEGIN_S, BEGIN_S)).points) == 1
    again.close()


def test_infinite_values_pack(recorder: Recorder) -> None:
    assert next(unpack(pack([Sample(1, 0, math.inf, Quality.GOOD)], 0), 0, 1)).value == math.inf
