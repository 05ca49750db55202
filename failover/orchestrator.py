"""Runs playbooks at the operations centre: starts them, asks for approval, lets them begin, drives them, keeps records.

All that it knows is the fold of its own entries in the journal, so that it goes on after any death of its process. Who
gives it a journal, facts and commands is the hub (`noc.playbooks`).
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, Literal

import structlog

from lifeline.clock import wall_ns
from lifeline.model.records import Condition, Json

from .core.playbook import FINAL, Entry, Facts, IllegalEntryError, Plan, PlanError, Playbook, Run, RunInput, RunState
from .core.playbook.gate import Answer, Occupancy, admit, changed_since
from .core.playbook.plan import resolve
from .core.playbook.run import planned
from .core.playbook.triggers import Firing, Triggers
from .executor import FencedError, RealEffects, drive
from .orchestrator_port import Kept, NoSuchError, Port, RefusedError, WithRuns
from .run_view import by_state, view_of
from .schedules import Schedules
from .steps.kind import Allowed, Context
from .steps.registry import Registry

OURS: Final = "playbook:orchestrator"
"""Subject of entries that are about no run."""
SNAPSHOT_S: Final = 30.0
SHOW_S: Final = 5.0
FINISHED_KEPT: Final = 2000
LOOK_S: Final = 1.0
"""A run that waits for room is looked at again at least this often: guards and limits change without notice."""
FIRED_AT_ONCE: Final = 8
"""Making a plan takes a millisecond, and nothing else has its turn meanwhile."""
BATCH: Final = 20
"""So many runs are looked at before others get their turn in the event loop."""
_NS: Final = 1_000_000_000

log = structlog.get_logger(__name__)


class Orchestrator:
    """The runs of one hub.

    Attributes:
        playbooks: by name.
        runs: by id, oldest first; long finished ones are forgotten here, and stay in the journal.
        halted: set while nothing new is begun.
        registry: the kinds of steps.
        facts: what is known, of runs too.
        effects: how effects are carried out.
        held: why a run that has not begun has not, by id.
        counts: of runs by final state, since the process began.
    """

    def __init__(
        self, port: Port, playbooks: Mapping[str, Playbook], registry: Registry, allowed: Allowed | None = None
    ) -> None:
        self.playbooks = dict(playbooks)
        self.registry = registry
        self.runs: dict[str, Run] = {}
        self.halted = asyncio.Event()
        self.counts: dict[str, int] = {}
        self.held: dict[str, str] = {}
        self._port = port
        self.facts: Facts = WithRuns(port.facts, self.runs)
        self._allowed = allowed or Allowed()
        self._kinds = registry.kinds()
        self._keys: dict[str, str] = {}
        self._latest: dict[str, tuple[int, str]] = {}
        self._triggers = Triggers(self.playbooks.values())
        self._schedules = Schedules(self.playbooks.values(), wall_ns())
        self._token = 0
        self._epoch = 0
        self._queue: asyncio.Queue[tuple[list[tuple[str, Entry]], asyncio.Future[None]]] = asyncio.Queue()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._driving: dict[str, asyncio.Task[None]] = {}
        self.effects = RealEffects(registry, self._context, self._fence)
        self._observed = False

    # ---------------------------------------------------------------- life

    def restore(self, snapshot: Json) -> None:
        """Take up what `Port.save` last kept; the conditions after it are to be observed again, before `start`."""
        self._triggers.restore(snapshot["triggers"])
        self._schedules = Schedules(self.playbooks.values(), int(snapshot["at_ns"]))

    async def start(self) -> None:
        """Fold what is on record, and go on from there."""
        async for kept in self._port.entries():
            self._fold(kept)
        self._epoch = self._token = self._token + 1
        self._tasks.append(asyncio.create_task(self._writing()))
        await self._enter(OURS, {"type": "epoch", "token": self._token})
        for run in [it for it in self.runs.values() if it.state not in FINAL]:
            run.resume()
            if run.began_ns is not None:
                await self._record(run, [{"type": "resumed", "token": self._token}])
        await self._port.save({"triggers": self._triggers.to_json(), "at_ns": wall_ns()})
        self._tasks += [asyncio.create_task(it) for it in (self._working(), self._saving(), self._showing())]
        self._wake.set()

    async def stop(self) -> None:
        """End; what is under way is found unknown by the next life, and its probes decide."""
        tasks = [*self._tasks, *self._driving.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(Exception):  # the snapshot only saves reading
            await self._port.save({"triggers": self._triggers.to_json(), "at_ns": wall_ns()})

    def _fold(self, kept: Kept) -> None:
        body = kept.body
        self._token = max(self._token, int(body.get("token") or 0))
        try:
            self._apply(kept.subject, dict(body), kept.at_ns)
        except (IllegalEntryError, KeyError, ValueError) as error:
            log.warning("entry makes no sense and is passed over", subject=kept.subject, error=str(error))

    def _apply(self, subject: str, body: Entry, at_ns: int) -> None:
        kind = body["type"]
        if subject == OURS:
            if kind == "halted":
                self.halted.set()
            elif kind == "released":
                self.halted.clear()
            elif kind == "merged":
                self._keys[body["key"]] = body["into"]
            return
        identifier = subject.partition(":")[2]
        if kind == "planned":
            run = self.runs[identifier] = Run(body, at_ns)
            self._keys[run.key] = identifier
            if correlation := run.plan["trigger"].get("correlation"):
                self._latest[correlation] = (at_ns, identifier)
            return
        self.runs[identifier].apply(body, at_ns)

    # ---------------------------------------------------------------- the record

    async def _enter(self, subject: str, *entries: Entry) -> None:
        """Put entries on record and fold them in."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(([(subject, entry) for entry in entries], done))
        await done

    async def _record(self, run: Run, entries: Sequence[Entry]) -> None:
        """Put a run's entries on record and apply them to it."""
        intents = ({**it, "token": self._token} if it.get("input") == "intend" else it for it in entries)
        await self._enter(f"playbook:{run.id}", *intents)

    async def _writing(self) -> None:
        """Write whatever has come up in the meantime in one transaction."""
        while True:
            waiting = [await self._queue.get()]
            while not self._queue.empty() and len(waiting) < BATCH:
                waiting.append(self._queue.get_nowait())
            try:
                await self._port.keep([draft for entries, _done in waiting for draft in entries])
            except RefusedError as error:
                for _entries, done in waiting:
                    if not done.done():
                        done.set_exception(RefusedError(str(error)))
                continue
            at_ns = wall_ns()
            for entries, done in waiting:
                try:
                    for subject, entry in entries:
                        self._apply(subject, entry, at_ns)
                        self._shown(subject)
                except IllegalEntryError as error:
                    if not done.done():
                        done.set_exception(error)
                    continue
                if not done.done():
                    done.set_result(None)
            await asyncio.sleep(0)

    def _shown(self, subject: str) -> None:
        run = self.runs.get(subject.partition(":")[2])
        if run is None:
            return
        self._port.show(subject, self.view(run))
        if run.over:
            self.held.pop(run.id, None)
            self.counts[run.state.value] = self.counts.get(run.state.value, 0) + 1
            self._wake.set()
            self._forget()

    def _forget(self) -> None:
        if len(self.runs) > 2 * FINISHED_KEPT:
            over = [it.id for it in self.runs.values() if it.over]
            for identifier in over[:-FINISHED_KEPT]:
                del self.runs[identifier]

    # ---------------------------------------------------------------- what starts runs

    def observe(self, node: str, condition: Condition, at_ns: int) -> None:
        """Take note of a condition that the journal has."""
        self._triggers.observe(node, condition, self._port.site_of(condition.subject), at_ns)
        self._observed = True
        self._wake.set()

    async def plan(self, name: str, parameters: Mapping[str, Json], trigger: Mapping[str, Json]) -> Plan:
        """Return the plan that a run would have.

        Raises:
            NoSuchError: there is no such playbook.
            PlanError: no plan can be made with these parameters.
        """
        if name not in self.playbooks:
            raise NoSuchError("playbook", name)
        return resolve(self.playbooks[name], parameters, trigger, self._kinds)

    async def begin(
        self,
        name: str,
        parameters: Mapping[str, Json],
        *,
        by: str,
        why: str = "",
        key: str | None = None,
        trigger: Mapping[str, Json] | None = None,
    ) -> Run:
        """Plan a run and put it on record; one asked for again under its key is only returned.

        Raises:
            NoSuchError: there is no such playbook.
            PlanError: no plan can be made with these parameters.
            RefusedError: halted, or the journal has no room.
        """
        if key is not None and (known := self.runs.get(self._keys.get(key, ""))):
            return known
        if self.halted.is_set() and trigger is None:
            raise RefusedError("halted: no run is begun until `lifeline playbook release`")
        plan = await self.plan(name, parameters, trigger or {"kind": "person", "by": by})
        identifier = uuid.uuid4().hex[:12]
        await self._enter(f"playbook:{identifier}",
                          planned(identifier, plan, by, why, key or f"person {identifier}", self._token))  # fmt: skip
        self._wake.set()
        return self.runs[identifier]

    async def _fire(self, firing: Firing, now_ns: int) -> None:
        if firing.key in self._keys:
            return
        at_ns, latest = self._latest.get(firing.correlation, (0, ""))
        run = self.runs.get(latest)
        if run is not None and (not run.over or now_ns - at_ns < firing.debounce_s * _NS):
            await self._enter(OURS, {"type": "merged", "key": firing.key, "into": run.id,
                                     "trigger": dict(firing.trigger)})  # fmt: skip
            return
        trigger = {**firing.trigger, "correlation": firing.correlation}
        given = dict(firing.trigger.get("parameters") or {})
        try:
            await self.begin(firing.playbook, given, by=f"trigger:{firing.trigger['kind']}",
                             why=str(firing.trigger.get("text", "")), key=firing.key, trigger=trigger)  # fmt: skip
        except (PlanError, NoSuchError) as error:
            log.error("playbook cannot be started", playbook=firing.playbook, error=str(error))  # noqa: TRY400  # the text says it
            await self._enter(OURS, {"type": "merged", "key": firing.key, "into": "", "trigger": trigger,
                                     "reason": str(error)})  # fmt: skip

    # ---------------------------------------------------------------- what people say

    def run(self, identifier: str) -> Run:
        """Return a run.

        Raises:
            NoSuchError: there is none of that id.
        """
        if identifier not in self.runs:
            raise NoSuchError("run", identifier)
        return self.runs[identifier]

    async def approve(self, identifier: str, by: str, plan_hash: str | None) -> Run:
        """Agree to a run's plan; once it has begun, to its going on.

        Raises:
            RefusedError: it waits for nobody, the plan is another one, or this person does not count.
        """
        run = self.run(identifier)
        if plan_hash is not None and plan_hash != run.hash:
            raise RefusedError(f"run {identifier} has the plan {run.hash[:12]}, not {plan_hash[:12]}")
        if run.state is RunState.RUNNING:
            await self._record(run, [{"type": "agreed", "by": by, "hash": run.hash}])
            return run
        approval = run.plan["approval"]
        if run.state is not RunState.PLANNED or approval is None:
            raise RefusedError(f"run {identifier} is {run.state}, it waits for nobody's approval")
        if approval["not_initiator"] and by == run.by:
            raise RefusedError(f"{by} started run {identifier}; somebody else must approve it")
        if by in run.agreed:
            raise RefusedError(f"{by} has approved run {identifier} already; {approval['people']} people are needed")
        await self._record(run, [{"type": "agreed", "by": by, "hash": run.hash}])
        self._wake.set()
        return run

    async def reject(self, identifier: str, by: str, why: str) -> Run:
        """Refuse a run before it begins.

        Raises:
            RefusedError: it has begun.
        """
        run = self.run(identifier)
        if run.state is not RunState.PLANNED:
            raise RefusedError(f"run {identifier} is {run.state}; it can be aborted")
        await self._record(run, [run.entry(RunInput.REJECT, f"rejected by {by}" + (f": {why}" if why else ""), by)])
        return run

    async def abort(self, identifier: str, by: str) -> Run:
        """End a run: before it begins at once, else after the step under way, and take back what stands.

        Raises:
            RefusedError: it is over, or being taken back.
        """
        run = self.run(identifier)
        if run.state in {RunState.PLANNED, RunState.APPROVED}:
            await self._record(run, [run.entry(RunInput.ABORT, f"aborted by {by}", by)])
        elif run.state in {RunState.RUNNING, RunState.VERIFYING}:
            await self._record(run, [{"type": "abort", "by": by}])
        else:
            raise RefusedError(f"run {identifier} is {run.state}")
        return run

    async def decide(self, identifier: str, verdict: Literal["handled", "again", "back", "close"], by: str) -> Run:
        """Say what is the case with a run that needs a human, so that it goes on.

        Raises:
            RefusedError: it needs none, or that makes no sense.
        """
        run = self.run(identifier)
        try:
            entries = run.decide(verdict, by)
        except IllegalEntryError as error:
            raise RefusedError(str(error)) from None
        await self._record(run, entries)
        self._wake.set()
        return run

    async def free(self, identifier: str, by: str) -> Run:
        """Let a run begin although too much fails at once."""
        run = self.run(identifier)
        await self._record(run, [{"type": "freed", "by": by}])
        self._wake.set()
        return run

    async def halt(self, by: str, *, halted: bool) -> None:
        """Begin nothing any more, no run and no step; or go on."""
        await self._enter(OURS, {"type": "halted" if halted else "released", "by": by})
        self._wake.set()

    # ---------------------------------------------------------------- by itself

    async def _working(self) -> None:
        while True:
            self._wake.clear()
            now_ns = wall_ns()
            due = [*self._triggers.due(now_ns), *self._schedules.due(now_ns)]
            if due:
                for start in range(0, len(due), FIRED_AT_ONCE):
                    batch = due[start : start + FIRED_AT_ONCE]
                    await asyncio.gather(*(self._fire(firing, now_ns) for firing in batch))
                    for firing in batch:
                        self._triggers.settle(firing.key)
            waits = await self._admit(now_ns)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s(waiting=waits)):
                    await self._wake.wait()

    def _pause_s(self, *, waiting: bool) -> float:
        now_ns = wall_ns()
        deadlines = [it for it in (self._triggers.next_deadline_ns(), self._schedules.next_ns()) if it is not None]
        pause = min((max(0.0, (it - now_ns) / _NS) for it in deadlines), default=60.0)
        return min(pause, LOOK_S if waiting else 60.0)

    async def _admit(self, now_ns: int) -> bool:
        """Let runs begin that may, and drive those that have begun; return whether any wait."""
        under_way = Occupancy(self.runs.values(), now_ns)
        share = self.facts.failing_share()
        pending: list[asyncio.Task[None]] = []
        waits = False
        for number, run in enumerate([it for it in self.runs.values() if not it.over]):
            if number % BATCH == BATCH - 1:
                await asyncio.sleep(0)
            if run.state in {RunState.PLANNED, RunState.APPROVED}:
                entries = self._next_word(run, under_way, share, now_ns)
                waits = True
                if entries:
                    pending.append(asyncio.create_task(self._record(run, entries)))
            elif run.id not in self._driving and not self.halted.is_set() and run.state is not RunState.NEEDS_HUMAN:
                self._drive(run)
        for task in pending:
            await task
        for run in self.runs.values():
            if run.state is RunState.RUNNING and run.id not in self._driving and not self.halted.is_set():
                self._drive(run)
        return waits

    def _next_word(self, run: Run, under_way: Occupancy, share: float, now_ns: int) -> list[Entry]:
        """Return what is to be said of a run that has not begun."""
        entries: list[Entry] = []
        approval = run.plan["approval"]
        if run.state is RunState.PLANNED and approval is not None and len(set(run.agreed)) < approval["people"]:
            if now_ns - run.created_ns > approval["expires_s"] * _NS:
                return [run.entry(RunInput.EXPIRE, f"not approved within {approval['expires_s']:g} s")]
            self.held[run.id] = f"waits for approval: {len(set(run.agreed))} of {approval['people']}"
            return []
        if run.state is RunState.PLANNED:
            entries.append(run.entry(RunInput.AGREED, ", ".join(run.agreed)))
        if self.halted.is_set():
            self.held[run.id] = "halted"
            return entries
        if changed := changed_since(run.plan, self.playbooks, self._kinds):
            return [*entries, run.entry(RunInput.REFUSE, changed)]
        said = admit(run, under_way, self.facts, share, freed=bool(run.freed))
        if said.answer is Answer.BEGIN:
            under_way.begin(run)
            self.held.pop(run.id, None)
            return [*entries, run.entry(RunInput.BEGIN, "")]
        if said.answer is Answer.REFUSE:
            return [*entries, run.entry(RunInput.REFUSE, said.why)]
        self.held[run.id] = said.why
        return entries if approval is not None else []  # nobody's word is to be kept: it agrees when it begins

    def _drive(self, run: Run) -> None:
        task = asyncio.create_task(self._driven(run))
        self._driving[run.id] = task
        task.add_done_callback(lambda _task: self._let_go(run))

    def _let_go(self, run: Run) -> None:
        self._driving.pop(run.id, None)
        if not run.over:
            self._wake.set() if run.state is not RunState.NEEDS_HUMAN and not self.halted.is_set() else None

    async def _driven(self, run: Run) -> None:
        try:
            await drive(run, self.facts, self.effects, self._record, halted=self.halted)
        except RefusedError as error:
            log.error("run stands still: its record cannot be kept", run=run.id, error=str(error))  # noqa: TRY400  # the text says it
            await asyncio.sleep(LOOK_S)
        except IllegalEntryError as error:  # a person's word came between: look again
            log.info("run looks again", run=run.id, error=str(error))

    def _fence(self) -> None:
        if self._epoch != self._token:
            raise FencedError("another orchestrator has taken over: nothing was done")

    def _context(self, run: Run, key: str) -> Context:
        return Context(
            run=run.id, key=key, by=f"playbook:{run.plan['playbook']}", token=self._token, facts=self.facts,
            inventory=self._port.inventory, command=self._port.command, known_command=self._port.known_command,
            secrets=run.plan["secrets"], allowed=self._allowed,
        )  # fmt: skip

    async def _saving(self) -> None:
        while True:
            await asyncio.sleep(SNAPSHOT_S)
            if self._observed:
                self._observed = False
                await self._port.save({"triggers": self._triggers.to_json(), "at_ns": wall_ns()})

    async def _showing(self) -> None:
        """Show what is not over again and again, so that it does not look stale."""
        while True:
            await asyncio.sleep(SHOW_S)
            for number, run in enumerate([it for it in self.runs.values() if not it.over]):
                if number % BATCH == BATCH - 1:
                    await asyncio.sleep(0)
                self._port.show(f"playbook:{run.id}", self.view(run))

    # ---------------------------------------------------------------- views

    def view(self, run: Run) -> dict[str, Json]:
        """Return a run for people and programs."""
        return view_of(run, self.held.get(run.id, ""), self._token)

    def views(self, limit: int, names: Iterable[str] | None = None) -> list[dict[str, Json]]:
        """Return the latest runs that are known, the latest first."""
        wanted = set(names) if names is not None else None
        found = (it for it in reversed(self.runs.values()) if wanted is None or it.plan["playbook"] in wanted)
        return [self.view(it) for it in islice(found, limit)]

    def by_state(self) -> dict[str, float]:
        """Return how many runs there are in each state that is not final."""
        return by_state(self.runs.values())
