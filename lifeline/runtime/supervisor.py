"""Starts a node's daemons, watches them, starts them again, stops them in order; says all of it to the hub.

A thin asyncio shell around `restart.Restarts`, which judges. It imports no store and no web framework: one supervisor
runs on every node.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from ..clock import monotonic_s, wall_ns
from ..model.records import Condition, EventKind, Json
from . import systemd
from .conditions import crash_loop, database_corrupt
from .keeper import Keeper
from .memory import Memory
from .outbox import Outbox, OutboxFullError, OutboxVersionError
from .process import Process
from .restart import CrashLoop, Effect, Phase, Restarts, Stable, Start
from .supervisor_config import DaemonConfig, SupervisorConfig
from .uplink import Uplink

FLUSH_S = 1.0
"""How long a stopping supervisor waits for its last words to reach the hub; they are safe on disk either way."""

log = structlog.get_logger(__name__)


class SupervisorError(Exception):
    """The supervisor cannot run here; the text says why."""

    exit_code = 1


@dataclass(slots=True)
class _Daemon:
    """A daemon as it stands."""

    config: DaemonConfig
    restarts: Restarts
    process: Process | None = None
    since_ns: int = 0
    since_s: float = 0.0
    last_exit: int | str | None = None


class Supervisor:
    """Runs one node's daemons until told to stop."""

    def __init__(self, config: SupervisorConfig) -> None:
        self._config = config
        self._daemons = [_Daemon(daemon, Restarts(config.restart)) for daemon in config.daemons]
        self._outbox: Outbox | None = None
        self._keeper: Keeper | None = None
        self._uplink: Uplink | None = None
        self._stop = asyncio.Event()
        self._since_ns = wall_ns()

    def stop(self) -> None:
        """Ask `run` to stop the daemons and return."""
        self._stop.set()

    async def run(self) -> None:
        """Start the daemons and keep them running until `stop`, SIGTERM or SIGINT.

        Raises:
            SupervisorError: another supervisor serves this run directory, or it cannot be written.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        with _exclusive(self._config.run), self._reporting():
            uplink = asyncio.create_task(self._uplink.run()) if self._uplink else None
            keepers = [asyncio.create_task(self._keep(daemon)) for daemon in self._daemons]
            watchdog = asyncio.create_task(_feed_watchdog())
            try:
                systemd.notify(f"READY=1\nSTATUS=Watching {len(self._daemons)} daemons")
                await self._until_stopped(keepers)
            finally:
                systemd.notify("STOPPING=1")
                await _cancelled(*keepers, watchdog)
                await self._stop_daemons()
                if self._uplink and self._uplink.status.connected:  # the hub may be one of those just stopped
                    await self._uplink.flush(FLUSH_S)
                if uplink:
                    await _cancelled(uplink)
                self._write_status()

    async def _until_stopped(self, keepers: list[asyncio.Task[None]]) -> None:
        """Wait for the stop; a keeper ends only by a mistake of ours, which must not pass in silence."""
        stopped = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait([stopped, *keepers], return_when=asyncio.FIRST_COMPLETED)
        await _cancelled(stopped)
        for task in done - {stopped}:
            task.result()

    # ---------------------------------------------------------------- one daemon

    async def _keep(self, daemon: _Daemon) -> None:
        """Do what the judge says, at its deadlines and at every exit."""
        judge = daemon.restarts
        while True:
            self._perform(daemon, judge.handle_timer(monotonic_s()))
            deadline = judge.next_deadline()
            wait_s = None if deadline is None else max(0.0, deadline - monotonic_s())
            if daemon.process is None:
                await asyncio.sleep(wait_s or 0.0)
                continue
            await asyncio.wait([daemon.process.exited], timeout=wait_s)
            if daemon.process.exited.done():
                self._ended(daemon, daemon.process.exited.result())

    def _perform(self, daemon: _Daemon, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Start():
                    self._start(daemon)
                case CrashLoop(exits):
                    log.error("daemon in a crash loop", name=daemon.config.name, exits=exits)
                    self._say(daemon, {"state": "crash-loop", "exits": exits}, crash_loop_exits=exits)
                case Stable():
                    self._say(daemon, {"state": "stable", "pid": self._pid(daemon)}, crash_loop_exits=0)

    def _start(self, daemon: _Daemon) -> None:
        config = daemon.config
        try:
            daemon.process = Process(config.argv, config.env)
        except OSError as error:
            log.error("daemon cannot be started", name=config.name, program=config.argv[0], error=str(error))  # noqa: TRY400 - the configuration is wrong, not the program
            self._ended(daemon, f"cannot be started: {error.strerror}")
            return
        daemon.restarts.started(monotonic_s())
        daemon.since_ns, daemon.since_s = wall_ns(), monotonic_s()
        log.info("daemon started", name=config.name, pid=daemon.process.pid, starts=daemon.restarts.starts)
        self._say(daemon, {"state": "started", "pid": daemon.process.pid, "restarts": daemon.restarts.starts - 1})

    def _ended(self, daemon: _Daemon, code: int | str) -> None:
        """Note an exit, and let the judge say what follows."""
        pid, ran_s = self._pid(daemon), monotonic_s() - daemon.since_s if daemon.process else 0.0
        daemon.process = None
        daemon.last_exit = _exit_name(code)
        effects = daemon.restarts.exited(monotonic_s())
        deadline = daemon.restarts.next_deadline()
        restart_in_s = round(max(0.0, (deadline or 0.0) - monotonic_s()), 3)
        log.warning("daemon ended", name=daemon.config.name, pid=pid, exit=daemon.last_exit, restart_in_s=restart_in_s)
        self._say(
            daemon,
            {"state": "exited", "pid": pid, "exit": daemon.last_exit, "ran_s": round(ran_s, 3),
             "restart_in_s": restart_in_s},
        )  # fmt: skip
        self._perform(daemon, effects)

    async def _stop_daemons(self) -> None:
        for daemon in reversed(self._daemons):
            if daemon.process is not None:
                pid, code = daemon.process.pid, await daemon.process.stop(daemon.config.grace_s)
                daemon.process = None
                daemon.last_exit = _exit_name(code)
                log.info("daemon stopped", name=daemon.config.name, pid=pid, exit=daemon.last_exit)
                self._say(daemon, {"state": "stopped", "pid": pid, "exit": daemon.last_exit})

    @staticmethod
    def _pid(daemon: _Daemon) -> int | None:
        return daemon.process.pid if daemon.process else None

    # ---------------------------------------------------------------- telling others

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        config = self._config
        if config.outbox is None:
            yield
            return
        node = f"{config.node}/supervisor"
        self._outbox = Outbox(config.outbox, node)
        try:
            with contextlib.suppress(OutboxFullError):  # it opens by itself when there is room
                self._outbox.open()
            if config.hubs:
                token = config.token_file.read_text().strip() if config.token_file else None
                self._uplink = Uplink(self._outbox, config.site, config.hubs, token, config.ca)
        except (OSError, ValueError, OutboxVersionError) as error:
            raise SupervisorError(str(error)) from error
        try:
            memory = Memory(config.outbox.with_name("supervisor-memory.json"))
            memory.load(self._outbox)
            self._keeper = Keeper(self._outbox, memory)
            self._keep_record(database_corrupt(node, self._outbox.corrupt))
            yield
        finally:
            self._outbox.close()

    def _say(self, daemon: _Daemon, body: Mapping[str, Json], *, crash_loop_exits: int | None = None) -> None:
        """Record what happened to a daemon, and show how all stand."""
        name = f"{self._config.node}/{daemon.config.name}"
        if self._keeper is not None:
            self._keeper.put(EventKind.DAEMON, f"daemon:{name}", body)
        self._keep_record(*[] if crash_loop_exits is None else [crash_loop(name, crash_loop_exits)])
        self._write_status()

    def _keep_record(self, *judged: Condition) -> None:
        """Put on record what is new; on a full disk it waits in memory, and keeping daemons alive goes on."""
        if self._keeper is None:
            return
        for condition in judged:
            key = (condition.subject, condition.name)
            # Its own words tell how it ended; that something holds not which never did is no news.
            is_news = condition.raised or key in self._keeper.standing
            self._keeper.judge({key: condition if is_news else None})
        if self._keeper.store() and self._uplink:
            self._uplink.notify()

    def status(self) -> dict[str, Json]:
        """Return how the daemons stand, as `<run>/supervisor.json` has it."""
        return {
            "schema": "lifeline.supervisor/1",
            "node": self._config.node,
            "pid": os.getpid(),
            "since_ns": self._since_ns,
            "daemons": {daemon.config.name: self._daemon_status(daemon) for daemon in self._daemons},
        }

    def _daemon_status(self, daemon: _Daemon) -> dict[str, Json]:
        judge = daemon.restarts
        state = "crash-loop" if judge.in_crash_loop else judge.phase.value
        if judge.phase is Phase.RUNNING and daemon.process is None:
            state = "stopped"
        return {
            "state": state,
            "pid": self._pid(daemon),
            "restarts": max(0, judge.starts - 1),
            "since_ns": daemon.since_ns or None,
            "last_exit": daemon.last_exit,
        }

    def _write_status(self) -> None:
        """Replace the status file at once, so that a reader never sees half of one."""
        path = self._config.run / "supervisor.json"
        fresh = path.with_suffix(".json.new")
        try:
            fresh.write_text(json.dumps(self.status(), indent=2) + "\n")
            fresh.replace(path)
        except OSError as error:
            log.warning("status file not written", path=str(path), error=str(error))


def _exit_name(code: int | str) -> int | str:
    """Return an exit code, or the name of the signal that ended the process."""
    if isinstance(code, int) and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return code


async def _feed_watchdog() -> None:
    """Tell systemd that the loop turns; if it hangs, so does this, and systemd restarts us."""
    interval_s = systemd.watchdog_interval_s()
    while interval_s is not None:
        systemd.notify("WATCHDOG=1")
        await asyncio.sleep(interval_s)


async def _cancelled(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def _exclusive(run: Path) -> Iterator[None]:
    """Hold the run directory for this process.

    Raises:
        SupervisorError: another supervisor holds it, or it cannot be written.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = os.open(run / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SupervisorError(f"{run}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SupervisorError(f"another supervisor serves {run}") from None
        yield
    finally:
        os.close(lock)
