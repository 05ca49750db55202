"""The netwatch daemon: asks the devices of the sites it is told, hears what they send, judges, shows and tells."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from lifeline.clock import monotonic_s
from lifeline.config import SecretError
from lifeline.devices import shipped
from lifeline.devices.snmp import Access
from lifeline.model.inventory import Inventory
from lifeline.runtime.daemon import Daemon, Settings, run
from lifeline.runtime.metrics import HealthState
from lifeline.runtime.options import OptionError, load

from .core.trap import Notification
from .io.icmp import Sweeper
from .io.poll import Poller, Target
from .io.receive import Receiver, serve_lines
from .io.secure import Secure
from .io.services import probe_all
from .metrics import NetwatchCollector
from .watch import Thing, Watch

log = structlog.get_logger(__name__)

POLLER, PINGS, SERVICES, TRAPS, SYSLOG = "poller", "pings", "services", "traps", "syslog"
SHOW_S = 2.0


@dataclass(frozen=True, slots=True)
class Choice:
    """What a netwatch daemon does."""

    sites: tuple[str, ...] = ()
    """Whose devices it watches; all sites' where empty."""
    period_s: float = 5.0
    traps: str = ""
    """`host:port` where notifications are received; empty for nowhere."""
    syslog: str = ""
    """`host:port` where log lines are received; empty for nowhere."""


def run_netwatch(settings: Settings, choice: Choice) -> int:
    """Be the netwatch daemon until told to stop; return the exit code.

    Raises:
        ConfigError, OptionError: the inventory or an option is wrong.
    """
    inventory = load(settings)
    if missing := [site for site in choice.sites if site not in inventory.sites]:
        raise OptionError(f"{settings.inventory} has no site {', '.join(missing)}")
    collector = NetwatchCollector()
    components = [POLLER, PINGS, SERVICES, *([TRAPS] if choice.traps else []), *([SYSLOG] if choice.syslog else [])]
    todo = partial(work, inventory=inventory, choice=choice, collector=collector)
    return run("netwatch", settings, todo, components=components, collectors=[collector])


async def work(
    daemon: Daemon, inventory: Inventory, choice: Choice, collector: NetwatchCollector | None = None
) -> None:
    """Watch until cancelled.

    Args:
        daemon: the shell.
        inventory: what there is.
        choice: what is watched.
        collector: is shown what it tells of.
    """
    collector = collector or NetwatchCollector()
    watch = Watch(inventory, choice.sites or tuple(inventory.sites), daemon, choice.period_s)
    daemon.watch(watch.subjects(inventory))
    poller = Poller(list(_targets(inventory, watch, choice)), shipped(), watch)
    for subject, device in poller.devices.items():
        watch.things[subject].polled = device

    def trap(datagram: bytes, source: str) -> bytes:
        subject, reply = watch.trap(datagram, source)
        if subject is not None:
            poller.hurry(subject)
        return reply

    def notified(told: Notification, source: str) -> None:
        if (subject := watch.notified(told, source)) is not None:
            poller.hurry(subject)

    traps = Receiver(trap)
    secure = Secure(_users(inventory), daemon.node, notified, traps.answer)
    traps.otherwise = secure.take
    logs = Receiver(watch.line)
    collector.poller, collector.watch = poller, watch
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(poller.run())
        tasks.create_task(_ping(daemon, watch, choice.period_s))
        services = [(it, str(thing.device.address)) for thing in watch.things.values() for it in thing.services]
        tasks.create_task(probe_all(services, watch.probed))
        daemon.health.set(SERVICES, HealthState.OK)
        if choice.traps:
            collector.secure = secure
            tasks.create_task(secure.run())
        for name, at, receiver in ((TRAPS, choice.traps, traps), (SYSLOG, choice.syslog, logs)):
            if at:
                collector.receivers[name] = receiver
                tasks.create_task(_receive(daemon, name, at, receiver))
        while True:
            await asyncio.sleep(SHOW_S)
            watch.show_all()
            _look(daemon, watch)


def _targets(inventory: Inventory, watch: Watch, choice: Choice) -> list[Target]:
    """Return the devices whose agents are asked; one whose secret cannot be read is told of, and pinged only."""
    targets = []
    for subject, thing in watch.things.items():
        if not thing.snmp:
            continue
        try:
            targets.append(_target(inventory, subject, thing, choice.period_s))
        except (SecretError, ValueError) as error:
            log.error("device cannot be asked", subject=subject, error=str(error))  # noqa: TRY400 - the text says it all
    return targets


def _target(inventory: Inventory, subject: str, thing: Thing, period_s: float) -> Target:
    assert thing.device.credential is not None
    access = Access.of(inventory.credentials[thing.device.credential])
    return Target(subject, str(thing.device.address), access, thing.device.profile, period_s=period_s)


def _users(inventory: Inventory) -> list[Access]:
    """Return the SNMPv3 users of the inventory; one whose secret cannot be read is told of."""
    users = {}
    for name, credential in inventory.credentials.items():
        if credential.kind == "snmp-v3":
            try:
                access = Access.of(credential)
            except (SecretError, ValueError) as error:
                log.error("notifications of a user are not read", credential=name, error=str(error))  # noqa: TRY400 - the text says it all
            else:
                users[access.user] = access
    return list(users.values())


async def _ping(daemon: Daemon, watch: Watch, period_s: float) -> None:
    """Ping all devices in rounds, those that are asked otherwise as well: it tells a dead agent from a dead device."""
    with contextlib.ExitStack() as stack:
        sweeps: list[tuple[Sweeper, dict[str, str]]] = []
        for v6 in (False, True):
            at = {str(it.device.address): subject for subject, it in watch.things.items()
                  if (":" in str(it.device.address)) is v6}  # fmt: skip
            if at:
                try:
                    sweeps.append((stack.enter_context(Sweeper(v6=v6)), at))
                except PermissionError:
                    daemon.health.set(PINGS, HealthState.FAILED, "may not open a raw socket: wants CAP_NET_RAW")
                    return
                except OSError as error:
                    daemon.health.set(PINGS, HealthState.FAILED, f"IPv6: {error}")
                    return
        daemon.health.set(PINGS, HealthState.OK)
        while True:
            for sweeper, at in sweeps:
                found = await asyncio.to_thread(sweeper.sweep, list(at), 1.0)
                now_s = monotonic_s()
                for address, subject in at.items():
                    watch.pinged(subject, found.get(address), now_s)
            await asyncio.sleep(period_s)


async def _receive(daemon: Daemon, name: str, at: str, receiver: Receiver) -> None:
    """Receive datagrams, and lines over TCP for a log."""
    host, _colon, port = at.rpartition(":")
    try:
        sock = receiver.bind(host.strip("[]"), int(port))
        lines = await serve_lines(receiver, host.strip("[]"), int(port)) if name == SYSLOG else None
    except (OSError, ValueError) as error:
        daemon.health.set(name, HealthState.FAILED, f"cannot listen at {at}: {error}")
        return
    daemon.health.set(name, HealthState.OK, at)
    try:
        await receiver.run(sock)
    finally:
        if lines is not None:
            lines.close()


def _look(daemon: Daemon, watch: Watch) -> None:
    """Bring the health up to date."""
    down: Sequence[str] = sorted(name for name, it in watch.things.items() if it.watch.reach.down)
    if down:
        more = f" and {len(down) - 5} more" if len(down) > 5 else ""
        daemon.health.set(POLLER, HealthState.DEGRADED, f"no answer: {', '.join(down[:5])}{more}")
    else:
        daemon.health.set(POLLER, HealthState.OK)
