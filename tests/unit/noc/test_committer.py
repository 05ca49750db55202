"""Group commit: one transaction for what has arrived, in order, and one daemon's trouble stays its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest
from hubworld import Journal, Writer

from lifeline.journal.engine import JournalCorruptError, JournalFullError
from lifeline.model.records import Event, StoredEvent
from lifeline.runtime.wire import Intake
from noc import committer
from noc.committer import Committer, Outcome


class SlowEngine:
    """An engine that takes what it is told to take, one transaction at a time."""

    def __init__(self) -> None:
        self.transactions: list[list[Event]] = []
        self.known: set[tuple[str, str, int]] = set()
        self.errors: list[Exception] = []
        self.unfit: set[int] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self._journal = Journal()

    async def append(self, events: Sequence[Event]) -> list[StoredEvent]:
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        if any(event.seq in self.unfit for event in events):
            raise OverflowError("too large")
        new = [event for event in events if event.key not in self.known]
        self.known.update(event.key for event in new)
        self.transactions.append(list(events))
        return [self._journal.store(event) for event in new]


class Bench:
    """A committer over a slow engine."""

    def __init__(self) -> None:
        self.engine = SlowEngine()
        self.stored: list[StoredEvent] = []
        self.known = 0
        self.replaced = 0
        self.committer = Committer(self.engine, self._store, self._replace)  # type: ignore[arg-type]  # only append is used

    def _store(self, stored: Sequence[StoredEvent], known: int) -> None:
        self.stored += stored
        self.known += known

    async def _replace(self, _error: JournalCorruptError) -> SlowEngine:  # type: ignore[override]  # only append is used
        self.replaced += 1
        return self.engine


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    task = asyncio.create_task(bench.committer.run())
    yield bench
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_what_arrives_while_the_disk_is_busy_goes_into_one_transaction(bench: Bench) -> None:
    writer = Writer()
    bench.engine.gate.clear()
    first = bench.committer.submit(writer.bfd(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [bench.committer.submit(writer.bfd(2)) for _ in range(5)]
    bench.engine.gate.set()
    assert {await settled for settled in (first, *later)} == {Outcome.COMMITTED}
    assert [len(events) for events in bench.engine.transactions] == [1, 10]
    assert [stored.event.seq for stored in bench.stored] == list(range(1, 12))


async def test_a_transaction_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "MAX_GROUP", 5)
    writer = Writer()
    settled = [bench.committer.submit(writer.bfd(2)) for _ in range(4)] + [bench.committer.submit(writer.bfd(9))]
    await asyncio.gather(*settled)
    assert [len(events) for events in bench.engine.transactions] == [4, 4, 9]


async def test_whoever_is_told_finds_its_events_folded(bench: Bench) -> None:
    events = Writer().bfd(3)
    await bench.committer.submit(events)
    assert [stored.event for stored in bench.stored] == events
    await bench.committer.submit(events)
    assert (len(bench.stored), bench.known) == (3, 3)


async def test_behind_a_refused_batch_nothing_of_that_connection_is_kept_until_it_comes_again(bench: Bench) -> None:
    writer, other = Writer(), Writer("core/agent")
    intake, others = Intake(), Intake()
    one, two, three = writer.bfd(2), writer.bfd(2), other.bfd(1)
    bench.engine.errors.append(JournalFullError("full"))
    bench.engine.gate.clear()
    refused = bench.committer.submit(one, intake)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    behind = bench.committer.submit(two, intake)  # on its way before the daemon could know
    elsewhere = bench.committer.submit(three, others)
    bench.engine.gate.set()
    assert await refused is Outcome.NO_ROOM
    assert bench.committer.last_error == "full"
    assert await behind is Outcome.PASSED_OVER
    assert await elsewhere is Outcome.COMMITTED
    assert await bench.committer.submit(one, intake) is Outcome.COMMITTED
    assert await bench.committer.submit(two, intake) is Outcome.COMMITTED


async def test_what_is_unfit_is_refused_alone(bench: Bench) -> None:
    writer, other = Writer(), Writer("core/agent")
    intake = Intake()
    bench.engine.unfit = {2}
    bench.engine.gate.clear()
    blocker = bench.committer.submit(other.bfd(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    fit, unfit, behind = (bench.committer.submit(writer.bfd(1), intake) for _ in range(3))
    elsewhere = bench.committer.submit([*Writer("sbs-b/agent").bfd(1)], Intake())
    bench.engine.gate.set()
    outcomes = [await settled for settled in (blocker, fit, unfit, behind, elsewhere)]
    assert outcomes == [
        Outcome.COMMITTED, Outcome.COMMITTED, Outcome.UNFIT, Outcome.PASSED_OVER, Outcome.COMMITTED,
    ]  # fmt: skip


async def test_a_journal_damaged_in_use_is_replaced_and_the_events_go_into_the_fresh_one(bench: Bench) -> None:
    bench.engine.errors.append(JournalCorruptError("malformed"))
    assert await bench.committer.submit(Writer().bfd(1)) is Outcome.COMMITTED
    assert bench.replaced == 1
    assert len(bench.stored) == 1
