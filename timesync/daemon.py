"""The time daemon of a site: hears its sources, arbitrates, feeds chronyd what is sound, shows and tells.

It needs no hub: what people decide at the site itself comes through a directory of the machine (`orders`).
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final

import structlog

from lifeline.clock import free_running, wall_ns
from lifeline.config import SecretError
from lifeline.config.secrets import read_secret
from lifeline.devices.snmp import Access
from lifeline.model.inventory import Inventory, Site
from lifeline.model.records import EventKind, Json, Quality, Reading
from lifeline.model.timing import OSCILLATORS, RECEIVERS, TimeProtocol, TimeService, TimeSource, TimeSourceKind
from lifeline.runtime import wire
from lifeline.runtime.daemon import Daemon, Settings, run
from lifeline.runtime.files import write_json
from lifeline.runtime.metrics import HealthState
from lifeline.runtime.options import OptionError, load

from .core.arbiter import Arbiter
from .core.body import change_to_json, live_state
from .core.judge import judge
from .core.source import Sample, SourceState, Telemetry
from .core.verdicts import Decision
from .gate import Gate
from .io import gpsd, listen, ptp
from .io.chrony import SockSample
from .io.ntp import PORT, NtpError, NtpKey, ask
from .leaps import Leaps
from .orders import Order, OrderError, carry_out, state_file, take_orders

log = structlog.get_logger(__name__)

SOURCES, CHRONY = "sources", "chrony"
LOOK_S: Final = 0.5
CLIENT_POLL_S: Final = 16.0
HISTORY: Final = 50


def run_time(settings: Settings) -> int:
    """Be the time daemon until told to stop; return the exit code.

    Raises:
        ConfigError, OptionError: the inventory or an option is wrong.
    """
    inventory = load(settings)
    site = inventory.sites[settings.site]
    if site.timing is None:
        raise OptionError(f"{settings.site} has no 'timing' in {settings.inventory}: say there what its network needs")
    return run("time", settings, partial(work, inventory=inventory, site=site, service=site.timing),
               components=[SOURCES, CHRONY])  # fmt: skip


async def work(daemon: Daemon, inventory: Inventory, site: Site, service: TimeService) -> None:
    """Watch until cancelled."""
    room = _Room(daemon, inventory, site, service)
    daemon.obey(room.obey)
    try:
        async with asyncio.TaskGroup() as tasks:
            for task in room.listeners():
                tasks.create_task(task)
            tasks.create_task(room.sample_clients())
            while True:
                await room.look()
                await asyncio.sleep(LOOK_S)
    finally:
        room.gate.close()


class _Room:
    """A site's clock room between looks."""

    def __init__(self, daemon: Daemon, inventory: Inventory, site: Site, service: TimeService) -> None:
        self._daemon, self._inventory, self._site, self._service = daemon, inventory, site, service
        self._name = daemon.settings.site
        raw_ns, now_ns, _half = free_running()
        self._origin = listen.Origin(now_ns - raw_ns)
        self.leaps = Leaps(service.leap_table, self._origin)
        self._sources = site.time_sources
        oscillator = next((it.figures for it in self._sources.values() if it.kind is TimeSourceKind.HOLDOVER),
                          OSCILLATORS["computer"])  # fmt: skip
        states = {
            name: SourceState(name, it.kind, it.sigma_ns, it.poll_s, has_pulses=_gives_time(it, site))
            for name, it in self._sources.items()
            if it.kind is not TimeSourceKind.HOLDOVER
        }
        self.arbiter = Arbiter.of(service, states, oscillator)
        self.gate = Gate(service, self._sources, self._origin)
        self.troubles: dict[str, str] = {}
        self._history: deque[Mapping[str, Any]] = deque(maxlen=HISTORY)
        self._clients: dict[str, dict[str, Any]] = {}
        self._decision: Decision | None = None
        self._choices = daemon.settings.data / "time-choices.json"
        self._recall()
        subjects = [f"time:{self._name}", *(f"time:{self._name}/{name}" for name in self._sources)]
        daemon.watch([*subjects, *("device:{}/{}".format(*service.place_of(it, self._name)) for it in service.clients)])

    # ---------------------------------------------------------------- what is heard

    def listeners(self) -> list[Coroutine[Any, Any, None]]:
        """Return the tasks that hear the sources."""
        tasks: list[Coroutine[Any, Any, None]] = []
        for name, source in self._sources.items():
            trouble = partial(self._note, name)
            told: Callable[[Telemetry], None] = partial(self.arbiter.telemetry, name) if name in self.arbiter.sources \
                else lambda _said: None  # fmt: skip
            try:
                tasks += self._listeners(name, source, told, trouble)
            except (SecretError, KeyError, ValueError) as error:
                trouble(str(error))
        return tasks

    def _listeners(
        self, name: str, source: TimeSource, told: Callable[[Telemetry], None], trouble: Callable[[str], None]
    ) -> list[Coroutine[Any, Any, None]]:
        tasks: list[Coroutine[Any, Any, None]] = []
        host = self._host(source)
        if source.pulses is not None:
            tasks.append(listen.pulses(source.pulses, partial(self._pulse, name), partial(self._note, name)))
        match source.asked_by:
            case TimeProtocol.GPSD:
                tasks.append(
                    gpsd.follow(
                        host or "127.0.0.1", source.port or gpsd.PORT, source.line, listen.oscillator_s, told, trouble
                    )
                )
            case TimeProtocol.PTP:
                tasks.append(ptp.follow(source.line or ptp.SOCKET, source.poll_s, listen.oscillator_s, told, trouble))
            case TimeProtocol.SERIAL:
                tasks.append(listen.serial(source.line or "", source.baud, told, trouble))
            case TimeProtocol.NTP if host:
                heard = partial(self.arbiter.sample, name)
                tasks.append(
                    listen.server(
                        host,
                        source.port or PORT,
                        self._key(source),
                        source.poll_s,
                        self._origin,
                        heard,
                        told,
                        trouble,
                    )
                )
            case TimeProtocol.SNMP if host:
                device = self._site.devices[source.device or ""]
                access = Access.of(self._inventory.credentials[device.credential]) if device.credential else None
                session = listen.session_of(host, access, source.port)
                tasks.append(listen.clock(session, device.profile, source.poll_s, told, trouble))
                heard = partial(self.arbiter.sample, name)
                # What time it has is asked over NTP; what its server says of itself does not replace the clock's word.
                tasks.append(
                    listen.server(
                        host, PORT, None, max(source.poll_s, 1.0), self._origin, heard, lambda _said: None, trouble
                    )
                )
        return tasks

    def _host(self, source: TimeSource) -> str | None:
        address = self._site.devices[source.device].address if source.device else source.address
        return str(address) if address else None

    def _key(self, source: TimeSource) -> NtpKey | None:
        if source.credential is None or source.key_id is None:
            return None
        return NtpKey.parse(source.key_id, read_secret(self._inventory.credentials[source.credential].secret))

    def _pulse(self, name: str, sample: SockSample) -> None:
        reading = listen.phase_of(sample.at_ns, sample.offset_s * 1e9, self._origin)
        self.gate.take(name, sample, reading.at_s)
        self.arbiter.sample(name, reading)

    def _note(self, name: str, trouble: str) -> None:
        """Log on the edges only."""
        if trouble != self.troubles.get(name, ""):
            if trouble:
                log.warning("time source cannot be asked", source=name, error=trouble)
            else:
                log.info("time source answers", source=name)
        self.troubles[name] = trouble

    async def sample_clients(self) -> None:
        """Compare the devices' NTP time with the trusted one, for ever."""
        while True:
            for client, limit_ns in self._service.clients.items():
                self._clients[client] = await self._sampled(client, limit_ns)
            await asyncio.sleep(CLIENT_POLL_S)

    async def _sampled(self, client: str, limit_ns: float) -> dict[str, Any]:
        """Return how far a device is off the trusted time; that nobody knows where there is none, or no answer."""
        at, device = self._service.place_of(client, self._name)
        told: dict[str, Any] = {
            "site": at,
            "device": device,
            "limit_ns": limit_ns,
            "offset_ns": None,
            "floor_ns": None,
            "off": None,
        }
        model, decision = self.arbiter.model, self._decision
        try:
            got = await ask(str(self._inventory.sites[at].devices[device].address))
        except NtpError as error:
            return told | {"trouble": str(error)}
        if decision is None or not decision.serve or model is None or not got.synchronised:
            return told
        reading: Sample = listen.phase_of(got.sent_wall_ns, got.offset_ns, self._origin)
        offset_ns = reading.phase_ns - model.phase_ns(reading.at_s)
        floor_ns = got.round_trip_ns / 2 + (decision.bound_ns or 0)
        off = abs(offset_ns) > limit_ns + floor_ns
        sound = abs(offset_ns) + floor_ns <= limit_ns
        return told | {
            "offset_ns": round(offset_ns),
            "floor_ns": round(floor_ns),
            "off": True if off else False if sound else None,
        }

    # ---------------------------------------------------------------- a look

    async def look(self) -> None:
        """Decide, feed, verify, judge, show."""
        now_s = listen.oscillator_s()
        self._take_orders()
        self.leaps.look(self.arbiter, now_s, wall_ns() / 1e9)
        decision = self._decision = self.arbiter.decide(now_s)
        self.gate.pass_on(decision, now_s, self.leaps.pending)
        await self.gate.verify(decision, now_s)
        for change in decision.changes:
            body = change_to_json(change, wall_ns())
            self._history.appendleft(body)
            subject = f"time:{self._name}/{change.source}" if change.source else f"time:{self._name}"
            self._daemon.put(EventKind.TIMING, subject, body)
            log.info("decided", source=change.source or None, before=change.before, after=change.after)
        clients = [it for it in self._clients.values() if "off" in it]
        self._daemon.judge(judge(self._name, decision, self.troubles, self.gate.trouble, clients, self.leaps.trouble))
        body = live_state(
            self._name, decision, self.gate.to_json(), clients, self.troubles, self._history, self.leaps.to_json()
        )
        self._daemon.show(f"time:{self._name}", body)
        write_json(state_file(self._daemon.settings.run, self._name), body, durable=False)
        self._daemon.readings(self._readings(decision))
        self._health(decision)

    def _readings(self, decision: Decision) -> list[Reading]:
        at_ns, site = wall_ns(), f"time:{self._name}"
        values = [(site, "clock.uncertainty_ns", decision.bound_ns)]
        values += [(f"{site}/{name}", "clock.phase_error_ns", it.offset_ns) for name, it in decision.sources.items()]
        return [Reading(subject, metric, value, "ns", at_ns, Quality.GOOD)
                for subject, metric, value in values if value is not None]  # fmt: skip

    def _health(self, decision: Decision) -> None:
        out = sorted(name for name, it in decision.sources.items() if it.reason is not None and not it.reason.witnesses)
        self._daemon.health.set(SOURCES, HealthState.DEGRADED if out else HealthState.OK, ", ".join(out))
        trouble = self.gate.trouble
        self._daemon.health.set(CHRONY, HealthState.DEGRADED if trouble else HealthState.OK, trouble or "")

    # ---------------------------------------------------------------- what people say

    async def obey(self, command: wire.Command) -> wire.CommandResult:
        """Carry out a hub's command: time.exclude, time.select, time.lock, time.release."""
        order = Order(command.command.removeprefix("time."), command.target.partition("/")[2], command.by)
        try:
            order.check(self.arbiter)
        except OrderError as error:
            return wire.CommandResult(command.id, accepted=False, reason=str(error))
        if command.dry_run:
            return wire.CommandResult(command.id, accepted=True, reason=order.sentence())
        before = self._chosen()
        carry_out(self.arbiter, order)
        self._remember()
        return wire.CommandResult(
            command.id, accepted=True, reason=order.sentence(), result=self._chosen(), predicted=before
        )

    def _take_orders(self) -> None:
        """Carry out what people at this machine have ordered, on record first."""
        for order in take_orders(self._daemon.settings.run, self._name):
            try:
                order.check(self.arbiter)
            except OrderError as error:
                log.warning("an order is refused", order=order.verb, source=order.source, by=order.by, error=str(error))
                continue
            if not self._record(order, "received"):
                log.warning("the disk is full: nothing acts unrecorded", order=order.verb)
                continue
            before = self._chosen()
            carry_out(self.arbiter, order)
            self._remember()
            self._record(order, "done", order.sentence(), before, self._chosen())

    def _record(
        self, order: Order, phase: str, detail: str = "", before: Json | None = None, after: Json | None = None
    ) -> bool:
        """Put an order of this machine's on record, in the form of a hub's command."""
        target = f"time:{self._name}/{order.source}" if order.source else f"time:{self._name}"
        return self._daemon.put(EventKind.COMMAND, target, {
            "command_id": order.id, "command": f"time.{order.verb}", "target": target, "to": None, "arguments": {},
            "at": self._name, "phase": phase, "by": order.by, "text": "", "token": None, "detail": detail,
            "before": before, "after": after,
        })  # fmt: skip

    def _chosen(self) -> dict[str, Any]:
        chosen = self.arbiter.chosen
        return {"excluded": dict(self.arbiter.excluded), "chosen": None if chosen is None else sorted(chosen),
                "by": self.arbiter.locked_by}  # fmt: skip

    def _remember(self) -> None:
        write_json(self._choices, self._chosen())

    def _recall(self) -> None:
        """Go on with what people had decided in an earlier life; what cannot be read is told, and not guessed."""
        try:
            told = json.loads(self._choices.read_text(encoding="utf-8"))
            excluded = {str(name): str(by) for name, by in told["excluded"].items() if name in self.arbiter.sources}
            chosen = (
                None if told["chosen"] is None else [str(it) for it in told["chosen"] if it in self.arbiter.sources]
            )
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("what people had decided cannot be read", file=str(self._choices), error=str(error))
            return
        self.arbiter.excluded.update(excluded)
        if chosen is not None:
            self.arbiter.select(chosen, str(told.get("by", "")))


def _gives_time(source: TimeSource, site: Site) -> bool:
    """Tell whether samples can come of a source: pulses of a receiver, NTP of a server or a clock."""
    if source.kind in RECEIVERS:
        return source.pulses is not None
    if source.asked_by is TimeProtocol.PTP:
        return False
    return source.address is not None or (source.device is not None and site.devices[source.device].address is not None)
