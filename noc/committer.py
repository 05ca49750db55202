"""Group commit: what arrives while the disk is busy goes into one transaction, in order of arrival.

One fsync then serves many daemons. What is committed is folded and published before anybody is told, so that whoever
has an acknowledgement also finds the event in the hub's state.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import structlog

from lifeline.journal.engine import Engine, JournalCorruptError, JournalError
from lifeline.model.records import Event, StoredEvent
from lifeline.runtime.logging import EdgeLog
from lifeline.runtime.wire import Intake

MAX_GROUP = 256
"""Events of one transaction. They are folded in one go (12 ms), and nothing else has its turn meanwhile."""

log = structlog.get_logger(__name__)


class Outcome(Enum):
    """What became of a batch."""

    COMMITTED = auto()
    NO_ROOM = auto()  # nothing of it was kept; send it again later
    PASSED_OVER = auto()  # not kept, because an earlier one of the same connection was not (`wire.Intake`)
    UNFIT = auto()  # nothing of it can ever be kept: a number or text that no journal can hold


@dataclass(slots=True)
class _Batch:
    events: Sequence[Event]
    intake: Intake | None
    done: asyncio.Future[Outcome]


class Committer:
    """The only way into the journal.

    Attributes:
        last_error: the journal's word when it last took no events; empty when that never happened.
    """

    def __init__(
        self,
        engine: Engine,
        on_stored: Callable[[Sequence[StoredEvent], int], None],
        on_corrupt: Callable[[JournalCorruptError], Awaitable[Engine]],
    ) -> None:
        """Prepare.

        Args:
            engine: the journal.
            on_stored: folds and publishes what was committed; is also told how many of a group stood already.
            on_corrupt: replaces a journal that turned out damaged, and returns the fresh one.
        """
        self.last_error = ""
        self._engine = engine
        self._on_stored = on_stored
        self._on_corrupt = on_corrupt
        self._waiting: deque[_Batch] = deque()
        self._news = asyncio.Event()
        self._damage: JournalCorruptError | None = None
        self._edges = EdgeLog(log)

    def damaged(self, error: JournalCorruptError) -> None:
        """Say that a reader found the journal damaged; it is replaced before anything more is committed."""
        self._damage = error
        self._news.set()

    def submit(self, events: Sequence[Event], intake: Intake | None = None) -> asyncio.Future[Outcome]:
        """Queue a batch; the future tells what became of it.

        Args:
            events: kept all or none.
            intake: the rule of the connection that they came by.
        """
        batch = _Batch(events, intake, asyncio.get_running_loop().create_future())
        self._waiting.append(batch)
        self._news.set()
        return batch.done

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            await self._news.wait()
            if self._damage is not None:
                await self._replace(self._damage)
            group = self._next_group()
            if not self._waiting:
                self._news.clear()
            if group:
                await self._commit(group)

    async def _commit(self, group: Sequence[_Batch]) -> None:
        try:
            stored = await self._append([event for batch in group for event in batch.events])
        except JournalError as error:
            self._failed(group, error)
        except Exception as error:  # noqa: BLE001 - one daemon's nonsense must not stop the others' news
            if len(group) > 1:
                for batch in group:
                    if _admitted(batch):
                        await self._commit([batch])
                return
            log.warning("batch is unfit for the journal", node=group[0].events[0].node, error=str(error))
            _refuse(group[0], Outcome.UNFIT)
        else:
            self._committed(group, stored)

    async def _append(self, events: Sequence[Event]) -> list[StoredEvent]:
        try:
            return await self._engine.append(events)
        except JournalCorruptError as error:
            await self._replace(error)
            return await self._engine.append(events)

    async def _replace(self, error: JournalCorruptError) -> None:
        self._engine = await self._on_corrupt(error)
        self._damage = None

    def _next_group(self) -> list[_Batch]:
        """Take batches in order, up to `MAX_GROUP` events, without those that may not be kept any more."""
        group: list[_Batch] = []
        size = 0
        while self._waiting and (not group or size + len(self._waiting[0].events) <= MAX_GROUP):
            batch = self._waiting.popleft()
            if _admitted(batch):
                size += len(batch.events)
                group.append(batch)
        return group

    def _committed(self, group: Sequence[_Batch], stored: Sequence[StoredEvent]) -> None:
        self._edges.succeeded("append", "journal takes events again")
        self._on_stored(stored, sum(len(batch.events) for batch in group) - len(stored))
        for batch in group:
            _resolve(batch, Outcome.COMMITTED)

    def _failed(self, group: Sequence[_Batch], error: JournalError) -> None:
        self.last_error = str(error)
        self._edges.failed("append", "journal takes no events", error)
        for batch in group:
            _refuse(batch, Outcome.NO_ROOM)


def _admitted(batch: _Batch) -> bool:
    """Tell whether a batch may be kept; one behind a hole is passed over."""
    if batch.intake is None or batch.intake.admits(batch.events[0].seq):
        return True
    _resolve(batch, Outcome.PASSED_OVER)
    return False


def _refuse(batch: _Batch, outcome: Outcome) -> None:
    if batch.intake is not None:
        batch.intake.refused(batch.events[0].seq)
    _resolve(batch, outcome)


def _resolve(batch: _Batch, outcome: Outcome) -> None:
    if not batch.done.done():  # whoever waited may have gone
        batch.done.set_result(outcome)
