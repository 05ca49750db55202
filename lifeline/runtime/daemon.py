"""The shell that every sensor daemon runs in: what it judges, shows and measures reaches a hub, and nothing is lost.

A daemon is its work: a coroutine that gets a `Daemon` and runs until it is cancelled.

    async def work(daemon: Daemon) -> None:
        daemon.watch(subjects)
        while True:
            state = await look()
            daemon.judge(judgement_of(state))
            daemon.show("power:sbs-dongcheng", body_of(state))
            daemon.readings(readings_of(state))
            daemon.health.set("ups", HealthState.OK)
            await asyncio.sleep(5)

    sys.exit(run("power", settings, work, components=["ups"]))

All methods are called from the daemon's event loop. Those that put something on record wait for the disk, about a
millisecond.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .. import clock
from ..model.judgement import Judgement
from ..model.records import EventKind, Json, Reading
from . import wire
from .conditions import database_corrupt
from .keeper import Keeper
from .logging import configure_logging
from .memory import Memory
from .metrics import Health, HealthState, UplinkCollector, serve_metrics
from .outbox import Outbox, OutboxFullError, OutboxVersionError
from .systemd import notify, watchdog_interval_s
from .uplink import OnCommand, Uplink

OUTBOX: Final = "outbox"
UPLINK: Final = "uplink"
TICK_S: Final = 1.0
FRESHEN_S: Final = 2.0
"""How often an unchanged live state is told again; a change is told at once."""
FULL_RETRY_S: Final = 1.0
FAREWELL_S: Final = 1.0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2

log = structlog.get_logger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """One daemon's life: whom it serves, whom it tells, where it keeps what it has not told yet."""

    inventory: Path
    site: str
    data: Path
    run: Path
    hubs: tuple[str, ...]
    token_file: Path | None = None
    ca: Path | None = None
    metrics: str | None = None
    """`host:port` for metrics and health, None for nowhere."""


class Daemon:
    """One daemon between its start and its end.

    Attributes:
        name: what it does, such as `power`.
        node: its name in events, such as `sbs-dongcheng/power`.
        settings: as it was started.
        health: how its components stand; `outbox` and `uplink` are seen to here.
        keeper: what it has put on record.
    """

    def __init__(
        self, name: str, settings: Settings, outbox: Outbox, components: Iterable[str] = (), token: str | None = None
    ) -> None:
        """Go on where the last life ended; nothing is connected before `serve`.

        Args:
            name: what it does.
            settings: as it was started.
            outbox: an open outbox.
            components: of its health, beside the shell's own.
            token: the hub's bearer token.
        """
        self.name = name
        self.node = f"{settings.site}/{name}"
        self.settings = settings
        self.health = Health(self.node, [OUTBOX, UPLINK, *components])
        memory = Memory(settings.data / f"{name}-memory.json")
        memory.load(outbox)
        self.keeper = Keeper(outbox, memory)
        self.uplink = Uplink(outbox, settings.site, settings.hubs, token, settings.ca, on_command=self._command)
        self.outbox = outbox
        self._obey: OnCommand | None = None
        self._shown: dict[str, tuple[Mapping[str, Json], float]] = {}

    # ---------------------------------------------------------------- what the work says

    def watch(self, subjects: Iterable[str]) -> None:
        """Say on what this daemon may have conditions; those that stand on anything else are cleared."""
        self.keeper.clear_orphans({*subjects, f"daemon:{self.node}"})
        self._store()

    def judge(self, judged: Judgement, at_ns: int | None = None) -> None:
        """Put on record what a judgement changes.

        Args:
            judged: what is known to hold and not to hold.
            at_ns: wall time of the observation; None for now.
        """
        if self.keeper.judge(judged, at_ns):
            self._store()

    def put(self, kind: EventKind, subject: str, body: Mapping[str, Json], at_ns: int | None = None) -> bool:
        """Put an event on record; return False while the disk is full: then it waits in memory."""
        kept = self.keeper.put(kind, subject, body, at_ns)
        if kept:
            self.uplink.notify()
        return kept

    def show(self, subject: str, body: Mapping[str, Json]) -> None:
        """Show a live object's present state: told at once when it has changed, else every `FRESHEN_S`.

        Call it at each look, changed or not: what is not shown for a while becomes stale at the hub, and rightly so.
        """
        before, at_s = self._shown.get(subject, ({}, 0.0))
        now_s = clock.monotonic_s()
        if body != before or now_s - at_s >= FRESHEN_S:
            self._shown[subject] = (body, now_s)
            self.uplink.set_state(subject, body)

    def readings(self, readings: Iterable[Reading]) -> None:
        """Tell what was measured. Readings may be dropped under pressure; nothing waits for them."""
        self.uplink.add_readings(readings)

    def obey(self, carry_out: OnCommand) -> None:
        """Have a hub's commands carried out.

        The shell fences them, and puts intent and outcome on record around `carry_out`; dry runs are passed on as
        they are, and nothing is recorded.
        """
        self._obey = carry_out

    # ---------------------------------------------------------------- life

    async def serve(self, work: Callable[[Daemon], Awaitable[None]], collectors: Sequence[Collector] = ()) -> None:
        """Run the work, the uplink and the figures until cancelled, or until the work ends."""
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self.uplink.run()), tasks.create_task(self._tick())]
            if self.settings.metrics:
                beside.append(tasks.create_task(self._serve_metrics(self.settings.metrics, collectors)))
            if (interval_s := watchdog_interval_s()) is not None:
                beside.append(tasks.create_task(_watchdog(interval_s)))
            notify("READY=1")
            await work(self)
            for task in beside:
                task.cancel()

    def _store(self) -> bool:
        kept = self.keeper.store()
        if kept:
            self.uplink.notify()
        return kept

    async def _tick(self) -> None:
        while True:
            condition = database_corrupt(self.node, self.outbox.corrupt)
            self.keeper.judge({(condition.subject, condition.name): condition if condition.raised else None})
            self._store()
            self._look()
            await asyncio.sleep(TICK_S)

    def _look(self) -> None:
        """Bring the health up to date."""
        status, waiting = self.uplink.status, self.keeper.unstored
        if waiting:
            self.health.set(OUTBOX, HealthState.FAILED, f"disk full, {waiting} events wait in memory")
        else:
            self.health.set(OUTBOX, HealthState.OK)
        if status.connected:
            self.health.set(UPLINK, HealthState.OK, status.hub or "")
        else:
            self.health.set(UPLINK, HealthState.DEGRADED, status.last_error or "no hub reached yet")

    async def _serve_metrics(self, address: str, collectors: Sequence[Collector]) -> None:
        """Serve on `host:port`; where that cannot be, say so and do without: the work matters more."""
        for collector in (_DaemonCollector(self), UplinkCollector(self.outbox, self.uplink), *collectors):
            REGISTRY.register(collector)
        host, _, port = address.rpartition(":")
        try:
            server = await serve_metrics(self.health, host=host, port=int(port))
        except (OSError, ValueError) as error:
            log.warning("metrics are not served", address=address, error=str(error))
            return
        async with server:
            with contextlib.suppress(OSError):
                await server.serve_forever()

    # ---------------------------------------------------------------- commands

    async def _command(self, command: wire.Command) -> wire.CommandResult:
        if self._obey is None:
            return wire.CommandResult(command.id, accepted=False, reason=f"The {self.name} daemon takes no commands.")
        if command.dry_run:
            return await self._obey(command)
        if not self.keeper.admits(command.token):
            reason = f"Command {command.token} comes late: a later one has been obeyed."
            return wire.CommandResult(command.id, accepted=False, reason=reason)
        if not self._note(command, "received"):
            return wire.CommandResult(command.id, accepted=False, reason="The disk is full: nothing acts unrecorded.")
        try:
            result = await self._obey(command)
        except Exception as error:
            self._note(command, "unknown", wire.CommandResult(command.id, accepted=False, reason=str(error)))
            raise
        self._note(command, "done" if result.accepted else "refused", result)
        return result

    def _note(self, command: wire.Command, phase: str, result: wire.CommandResult | None = None) -> bool:
        return self.put(EventKind.COMMAND, command.target, {
            "command_id": command.id, "command": command.command, "target": command.target, "to": command.to,
            "arguments": dict(command.arguments), "at": self.settings.site, "phase": phase, "by": command.by,
            "text": "", "token": command.token, "detail": result.reason if result else "",
            "before": None, "after": result.result if result else None,
        })  # fmt: skip


class _DaemonCollector(Collector):
    """The shell's figures, read when Prometheus asks."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def collect(self) -> Iterable[Metric]:
        """Yield the figures."""
        keeper = self._daemon.keeper
        yield GaugeMetricFamily("lifeline_daemon_conditions", "Conditions that stand", len(keeper.standing))
        yield GaugeMetricFamily("lifeline_daemon_unstored", "Events that wait for room on the disk", keeper.unstored)
        yield CounterMetricFamily("lifeline_daemon_events_lost", "Events that a full disk made us drop", keeper.lost)


async def run_until_told(
    name: str,
    settings: Settings,
    work: Callable[[Daemon], Awaitable[None]],
    *,
    components: Iterable[str] = (),
    collectors: Sequence[Collector] = (),
    token: str | None = None,
) -> None:
    """Run a daemon until SIGTERM or SIGINT, then give the uplink a moment to tell the last news."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    outbox = Outbox(settings.data / f"{name}-outbox.db", f"{settings.site}/{name}")
    if not await _open(outbox, stop):
        return
    daemon = Daemon(name, settings, outbox, components, token)
    running = asyncio.create_task(daemon.serve(work, collectors))
    stopping = asyncio.create_task(stop.wait())
    log.info("daemon started", site=settings.site, hubs=list(settings.hubs))
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        notify("STOPPING=1")
        if not running.done():
            await daemon.uplink.flush(FAREWELL_S)
    finally:
        stopping.cancel()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        outbox.close()
        log.info("daemon stopped")


def run(
    name: str,
    settings: Settings,
    work: Callable[[Daemon], Awaitable[None]],
    *,
    components: Iterable[str] = (),
    collectors: Sequence[Collector] = (),
) -> int:
    """Be a daemon until SIGTERM or SIGINT, and return the exit code.

    Args:
        name: what it does; its node is `SITE/NAME`, its files in `settings.data` begin with `NAME-`.
        settings: as `lifeline.runtime.options.daemon_options` gives them.
        work: runs until it is cancelled; an exception of its own ends the daemon, for the supervisor to start anew.
        components: of its health.
        collectors: of its figures.
    """
    configure_logging(f"{settings.site}/{name}")
    try:
        token = settings.token_file.read_text(encoding="utf-8").strip() if settings.token_file else None
        asyncio.run(run_until_told(name, settings, work, components=components, collectors=collectors, token=token))
    except (OutboxVersionError, ValueError) as error:
        log.error("cannot start", error=str(error))  # noqa: TRY400 - the text is all there is to know
        return EXIT_USAGE
    except OSError as error:
        log.error("cannot start", error=str(error))  # noqa: TRY400 - the text is all there is to know
        return EXIT_FAILED
    return 0


async def _open(outbox: Outbox, stop: asyncio.Event) -> bool:
    """Open the outbox, waiting for room on a full disk; return False when told to stop meanwhile."""
    while not stop.is_set():
        try:
            outbox.open()
        except OutboxFullError:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), FULL_RETRY_S)
        else:
            return True
    return False


async def _watchdog(interval_s: float) -> None:
    """Tell the service manager that the loop turns."""
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval_s)
