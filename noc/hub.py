"""The hub: takes daemons' events in, keeps them, knows how the network stands, and tells whoever asks.

    daemons -> committer -> journal -> record (fold) -> views -> followers

Its truth is in memory and its record is in the journal: killed at any moment it comes back with the same alarms.
The journal's file lock, which the kernel gives back however a process ends, keeps a second hub off the same data. A
lease would do that too, but its holder's successor would have to wait for it to run out after every kill; leases
are for hubs on different machines.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import structlog

from lifeline.clock import monotonic_s, wall_ns
from lifeline.journal import open_engine
from lifeline.journal.engine import Engine, JournalCorruptError, JournalError
from lifeline.model.inventory import Inventory
from lifeline.model.records import Event, EventKind, Json, PerceivedSeverity, Reading, StoredEvent
from lifeline.runtime.conditions import database_corrupt, journal_full, notifications_failing
from lifeline.runtime.logging import EdgeLog
from lifeline.runtime.wire import Intake

from . import settling, telling
from .agents import Agents
from .audit import Sealing
from .broadcast import Broadcast
from .committer import Committer, Outcome
from .history.recorder import Recorder
from .metrics import Gauge, HubMetrics
from .notify.config import Notifications
from .notify.notifier import Notifier
from .projection import Projection
from .record import Record
from .views import AlarmView, EventView, StateView

JOURNAL_FILE: Final = "journal.db"
SNAPSHOT: Final = "record"
SNAPSHOT_EVENTS: Final = 2000
SNAPSHOT_S: Final = 60.0
TICK_S: Final = 0.5
CORRUPT_LOOK_S: Final = 10.0
INFER_S: Final = 0.25
"""Alarms that come within this time are looked at together."""
PUBLISH_S: Final = 0.1
"""Views of one subject are published at most this often."""
ROOM_NEEDED_BYTES: Final = 2 * 1024 * 1024
"""A full journal is tried again when its file system has this much room, so that it does not flap at the brim."""

log = structlog.get_logger(__name__)


class Hub:
    """One hub's life, from `start` to `stop`.

    Attributes:
        node: its own name as a writer of events.
        projection: what it knows.
        broadcast: who follows it.
        metrics: its figures.
        agents: the daemons that are connected.
        history: of readings; None where its file cannot be opened.
        notifier: tells people; None where nobody is to be told.
        on_stored: is told of each event that was committed.
        sealing: the audit.
        more_gauges: figures of what works beside the hub.
    """

    def __init__(self, inventory: Inventory, data: Path, name: str, notifications: Notifications | None = None) -> None:
        """Prepare; nothing is opened before `start`.

        Args:
            inventory: what exists.
            data: its data directory.
            name: of the hub, by habit the id of the site where it runs.
            notifications: whom to tell of what.
        """
        self.node = f"{name}/hub"
        self.boot_id = uuid.uuid4().hex
        self.inventory = inventory
        self.broadcast = Broadcast()
        self.metrics = HubMetrics(self._gauges)
        self.agents = Agents()
        self.history: Recorder | None = None
        self.notifier: Notifier | None = None
        self._notifications = notifications
        self.projection = Projection(inventory, self.node)
        self._path = data / JOURNAL_FILE
        self._began_s = monotonic_s()
        self._seq = 0
        self.on_stored: Callable[[StoredEvent], None] | None = None
        self.more_gauges: Callable[[], Iterable[Gauge]] | None = None
        self.sealing = Sealing(lambda: self.projection.record.audit, self._commit)
        self._journal = ""
        self._untold: Event | None = None
        self._snapshot_at = (0, 0.0)
        self._looked_s = 0.0
        self._shown: dict[str, bytes] = {}
        self._views_due = asyncio.Event()
        self._alarms_due: set[str] = set()
        self._alarms_news = asyncio.Event()
        self._edges = EdgeLog(log)
        self._tasks: list[asyncio.Task[None]] = []
        self._engine: Engine
        self._committer: Committer

    # ---------------------------------------------------------------- life

    async def start(self) -> None:
        """Open the journal, rebuild the record, begin to work.

        Raises:
            JournalBusyError: another hub has this data.
            JournalError: the journal cannot be opened; the text says why.
        """
        self._engine = await asyncio.to_thread(open_engine, self._path)
        record = await self._rebuilt()
        self.projection = Projection(self.inventory, self.node, record, monotonic_s())
        self._snapshot_at = (record.cursor, monotonic_s())
        self._committer = Committer(self._engine, self._stored, self._replace_journal)
        self._work(self._committer.run())
        await self.write(EventKind.DAEMON, f"daemon:{self.node}", {
            "state": "started", "pid": os.getpid(), "version": version("lifeline"),
        })  # fmt: skip
        await self.write_all(settling.after_restart(record.commands.values()))
        await self._tick()
        self._work(self._ticking())
        self._work(self._publishing())
        self._work(self._inferring())
        await self._open_history()
        if self._notifications is not None:
            self.notifier = Notifier(
                self._notifications, self._path.parent, self.node, self._standing, lambda: self.trouble
            )
            self._work(self.notifier.run())
        self._alarms_news.set()
        log.info("hub is ready", node=self.node, cursor=record.cursor, took_s=round(monotonic_s() - self._began_s, 3))

    async def stop(self, reason: str = "the hub stops") -> None:
        """Say goodbye to followers, keep a snapshot, close the journal."""
        self.broadcast.end(reason, for_ever=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._save_snapshot()
        await self._engine.close()

    async def failed(self) -> None:
        """Return when a part of the hub has ended that must not.

        Raises:
            Exception: what ended it.
        """
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _open_history(self) -> None:
        """Begin to keep readings; alarms do without, where that cannot be."""
        try:
            self.history = await asyncio.to_thread(Recorder, self._path.parent)
        except (OSError, sqlite3.Error) as error:
            log.error("history cannot be opened, readings are not kept", error=str(error))  # noqa: TRY400 - the text says it
        else:
            self._work(self.history.run())

    async def _rebuilt(self) -> Record:
        """Return the record: the last snapshot and the journal behind it."""
        record = Record()
        snapshot = await self._engine.load_snapshot(SNAPSHOT)
        if snapshot is not None:
            try:
                record = Record.from_json(snapshot[1])
            except ValueError as error:
                log.warning("snapshot not used, folding the whole journal", error=str(error))
        replayed = 0
        async for stored in self._engine.read(record.cursor):
            record.apply(stored)
            replayed += 1
        self._journal = await self._identity()
        log.info("record rebuilt", cursor=record.cursor, replayed=replayed, malformed=record.malformed)
        return record

    async def _identity(self) -> str:
        """Return the journal's identity: its first event's `boot_id`, empty while it has none."""
        first = [stored.event.boot_id async for stored in self._engine.read(0, 1)]
        return first[0] if first else ""

    async def _replace_journal(self, error: JournalCorruptError) -> Engine:
        """Set a journal aside that turned out damaged; what is known in memory goes on in a fresh one."""
        log.error("journal is damaged, beginning a fresh one", error=str(error))
        await self._engine.close()
        self._engine = await asyncio.to_thread(open_engine, self._path)
        self.projection.record.rewind()
        self._journal = ""
        self._looked_s = 0.0
        await self._save_snapshot()
        self.broadcast.end("the journal was damaged and is replaced")
        return self._engine

    # ---------------------------------------------------------------- events

    @property
    def journal(self) -> str:
        """Identity of the journal that cursors belong to."""
        return self._journal

    @property
    def cursor(self) -> int:
        """Cursor of the latest event that is folded in and published."""
        return self.projection.record.cursor

    @property
    def trouble(self) -> str:
        """What keeps the journal from taking events; empty when it takes them."""
        return str(self._untold.body["text"]) if self._untold else ""

    async def read(
        self, after: int, limit: int | None = None, *, subject: str | None = None, kind: EventKind | None = None
    ) -> AsyncGenerator[StoredEvent]:
        """Yield events of the journal (see `Engine.read`).

        Raises:
            JournalError: it cannot be read; a damaged one is replaced soon after.
        """
        try:
            async for stored in self._engine.read(after, limit, subject=subject, kind=kind):
                yield stored
        except JournalCorruptError as error:
            self._committer.damaged(error)
            raise

    def keep(self, events: Sequence[Event], intake: Intake) -> asyncio.Future[Outcome]:
        """Commit a daemon's events; the future tells what became of them. Batches are taken in the order of calls."""
        settled = self._committer.submit(events, intake)
        settled.add_done_callback(partial(self._settled, monotonic_s()))
        return settled

    def _settled(self, received_s: float, settled: asyncio.Future[Outcome]) -> None:
        if settled.result() is Outcome.COMMITTED:
            self.metrics.acknowledge.observe(monotonic_s() - received_s)
        elif settled.result() is Outcome.NO_ROOM:
            self.metrics.refused.inc()
            self._show_full()

    async def write(self, kind: EventKind, subject: str, body: Mapping[str, Json]) -> bool:
        """Commit an event of the hub's own; False when the journal has no room."""
        return await self.write_all([(kind, subject, body)])

    async def write_all(self, drafts: Iterable[tuple[EventKind, str, Mapping[str, Json]]]) -> bool:
        """Commit events of the hub's own in one transaction; False when the journal has no room."""
        return await self.sealing.commit([self._own(*draft) for draft in drafts])

    async def _commit(self, events: Sequence[Event]) -> bool:
        outcome = await self._committer.submit(events)
        if outcome is not Outcome.COMMITTED:
            self._show_full()
        return outcome is Outcome.COMMITTED

    def _own(self, kind: EventKind, subject: str, body: Mapping[str, Json]) -> Event:
        self._seq += 1
        return Event(self.node, self.boot_id, self._seq, wall_ns(), kind, subject, body)

    def _stored(self, stored: Sequence[StoredEvent], known: int) -> None:
        """Fold and publish what was committed."""
        began_s = monotonic_s()
        self.metrics.known.inc(known)
        if stored and not self._journal:
            self._journal = stored[0].event.boot_id
        for one in stored:
            self._count(one)
            if self.on_stored is not None:
                self.on_stored(one)
            if self.broadcast.wants_events:
                self.broadcast.event(one.cursor, telling.event(EventView.of(one)))
            for change in self.projection.apply(one):
                self._alarms_due.add(change.alarm.id)
                self._alarms_news.set()
            if one.event.kind is EventKind.MAINTENANCE:
                self.projection.correlation.forget()
        self._views_due.set()
        self.metrics.fold.observe(monotonic_s() - began_s)

    def _count(self, stored: StoredEvent) -> None:
        event = stored.event
        self.metrics.events.labels(event.kind.value).inc()
        self.metrics.delay.observe(max(0.0, (stored.recorded_at_ns - event.observed_at_ns) / 1e9))

    # ---------------------------------------------------------------- what is live

    def hear(self, node: str) -> None:
        """Note that a daemon was heard."""
        self.projection.hear(node, monotonic_s(), wall_ns())
        self._views_due.set()

    def set_state(self, node: str, subject: str, body: Mapping[str, Any]) -> None:
        """Take a daemon's live state."""
        self.metrics.states.inc()
        self.projection.set_state(node, subject, body, monotonic_s(), wall_ns())
        self._views_due.set()

    def take_readings(self, readings: Sequence[Reading]) -> None:
        """Take a daemon's readings; nothing waits for them."""
        if self.history is not None:
            self.history.take(readings)

    def _standing(self) -> list[AlarmView]:
        """Return the views of all alarms that stand, without words."""
        now_ns, correlation = wall_ns(), self.projection.correlation
        return [correlation.view(alarm, now_ns, worded=False) for alarm in self.projection.active_alarms()]

    def state(self) -> StateView:
        """Return everything at once."""
        return self.projection.state(self._journal, wall_ns())

    # ---------------------------------------------------------------- by itself

    async def _ticking(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            await self._tick()

    async def _tick(self) -> None:
        """Let the silent become stale, say what the hub itself observes, keep a snapshot now and then."""
        now_s, record = monotonic_s(), self.projection.record
        self.projection.age(now_s)
        self._views_due.set()
        if self._untold is not None and not await self._recover():
            return
        settled = list(settling.by_evidence(record.commands.values(), self.projection.heard_end, wall_ns()))
        if settled:
            await self.write_all(settled)
        silence = list(self.projection.silence(now_s))
        if silence:
            await self.write_all((EventKind.CONDITION, it.subject, it.to_body()) for it in silence)
        if self.notifier is not None:
            condition = notifications_failing(self.node, self.notifier.stuck())
            if self.projection.reports_otherwise(condition):
                await self.write(EventKind.CONDITION, condition.subject, condition.to_body())
        if now_s - self._looked_s >= CORRUPT_LOOK_S or not self._looked_s:
            self._looked_s = now_s
            await self._look_for_corrupt()
        cursor, saved_s = self._snapshot_at
        events = self.cursor - cursor
        if events >= SNAPSHOT_EVENTS or (events and now_s - saved_s >= SNAPSHOT_S):
            await self._save_snapshot()

    def _show_full(self) -> None:
        """Show that the journal has no room; the journal itself cannot be told yet."""
        if self._untold is None:
            text = f"The journal takes no events, nothing is acknowledged: {self._committer.last_error}"
            condition = journal_full(self.node, text)
            self._untold = self._own(EventKind.CONDITION, condition.subject, condition.to_body())
            self._show_unkept(self._untold)

    async def _recover(self) -> bool:
        """Try to tell the journal that it was full and is not any more; return whether it took that."""
        if self._untold is None or shutil.disk_usage(self._path.parent).free < ROOM_NEEDED_BYTES:
            return False
        condition = journal_full(self.node, "")
        over = self._own(EventKind.CONDITION, condition.subject, condition.to_body())
        if await self._committer.submit([self._untold, over]) is not Outcome.COMMITTED:
            return False
        self._untold = None
        self._show_unkept(None)
        return True

    def _show_unkept(self, event: Event | None) -> None:
        self.projection.show_unkept(event)
        self._alarms_due.update(alarm.id for alarm in self.projection.alarms_on(f"daemon:{self.node}"))
        self._views_due.set()

    async def _look_for_corrupt(self) -> None:
        """Raise `database-corrupt` while a journal set aside lies in the data directory, and clear it afterwards."""
        pattern = f"{JOURNAL_FILE}.corrupt-*"
        found = [path for path in self._path.parent.glob(pattern) if not path.name.endswith(("-wal", "-shm"))]
        condition = database_corrupt(self.node, max(found, default=None))
        if self.projection.reports_otherwise(condition):
            await self.write(EventKind.CONDITION, condition.subject, condition.to_body())

    async def save_fold(self, name: str, body: Json) -> None:
        """Keep somebody else's fold of the journal, up to the present cursor.

        Raises:
            JournalError: it cannot be kept.
        """
        await self._engine.save_snapshot(name, self.cursor, body)

    async def load_fold(self, name: str) -> tuple[int, Json] | None:
        """Return (cursor, body) of a fold that was kept, or None."""
        return await self._engine.load_snapshot(name)

    async def _save_snapshot(self) -> None:
        record = self.projection.record
        cursor = record.cursor
        try:
            await self._engine.save_snapshot(SNAPSHOT, cursor, record.to_json())
        except JournalError as error:
            self._edges.failed("snapshot", "snapshot not saved, a restart will take longer", error)
        else:
            self._edges.succeeded("snapshot", "snapshot saved again")
            self._snapshot_at = (cursor, monotonic_s())

    async def _inferring(self) -> None:
        """Say what nobody sees and the alarms show: that a duct is cut."""
        while True:
            await self._alarms_news.wait()
            self._alarms_news.clear()
            inferred = list(self.projection.correlation.inferred(wall_ns()))
            if inferred:
                await self.write_all((EventKind.CONDITION, it.subject, it.to_body()) for it in inferred)
            await asyncio.sleep(INFER_S)

    # ---------------------------------------------------------------- publishing

    async def _publishing(self) -> None:
        while True:
            await self._views_due.wait()
            self._views_due.clear()
            self._publish_views()
            await asyncio.sleep(PUBLISH_S)

    def _publish_views(self) -> None:
        """Publish the views that have changed, each once."""
        now_ns = wall_ns()
        due, self._alarms_due = self._alarms_due, set()
        for identifier in due.union(self.projection.correlation.changed(now_ns)):
            alarm = self.projection.alarm(identifier)
            if alarm is not None and len(self.broadcast):
                subject = f"alarm:{identifier}"
                self.broadcast.state(subject, telling.state(subject, self.projection.correlation.view(alarm, now_ns)))
        for subject in sorted(self.projection.take_dirty()):
            view = self.projection.view(subject) if len(self.broadcast) else None
            if view is None:
                self._shown.pop(subject, None)
                continue
            message = telling.state(subject, view)
            if self._shown.get(subject) != message:
                self._shown[subject] = message
                self.broadcast.state(subject, message)
        for key in self.projection.live.take_dirty():
            live = self.projection.live.get(key) if len(self.broadcast) else None
            if live is not None:
                self.broadcast.state(" ".join(key), telling.state(live.subject, live))

    # ---------------------------------------------------------------- figures

    def _gauges(self) -> Iterable[Gauge]:
        alarms = dict.fromkeys((s.value for s in PerceivedSeverity if s.rank), 0.0)
        for alarm in self.projection.active_alarms():
            alarms[alarm.perceived_severity.value] += 1
        yield "lifeline_hub_alarms:severity", "Active alarms", alarms
        yield "lifeline_hub_connections", "Daemons connected", float(len(self.agents))
        yield "lifeline_hub_followers", "Clients that follow the stream", float(len(self.broadcast))
        yield "lifeline_hub_cursor", "Cursor of the latest event", float(self.cursor)
        yield "lifeline_hub_journal_bytes", "Size of the journal with its write-ahead log", self._journal_bytes()
        yield "lifeline_hub_journal_full", "Whether the journal takes no events", float(self._untold is not None)
        yield "lifeline_hub_malformed_events", "Events passed over", float(self.projection.record.malformed)
        yield "lifeline_hub_malformed_states", "Live states passed over", float(self.projection.malformed)
        if (notifier := self.notifier) is not None:
            sent = {name: float(count) for name, count in notifier.sent.items()}
            yield "lifeline_hub_notifications_sent:receiver", "Notifications that got through", sent
            yield "lifeline_hub_notifications_failed", "Attempts to notify that failed", float(notifier.failed)
            yield "lifeline_hub_notifications_dropped", "Notifications given up", float(notifier.dropped)
        if self.more_gauges is not None:
            yield from self.more_gauges()
        history = self.history
        yield "lifeline_hub_readings", "Readings taken", float(history.taken if history else 0)
        yield "lifeline_hub_readings_dropped", "Readings dropped", float(history.dropped if history else 0)
        yield "lifeline_hub_series", "Series that have a history", float(len(history) if history else 0)
        yield "lifeline_hub_live_states", "Live states known", float(len(self.projection.live))
        yield "lifeline_hub_live_states_refused", "Live states refused", float(self.projection.live.refused)

    def _journal_bytes(self) -> float:
        total = 0.0
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                total += self._path.with_name(self._path.name + suffix).stat().st_size
        return total

    def _work(self, coroutine: Any) -> None:
        self._tasks.append(asyncio.create_task(coroutine))
