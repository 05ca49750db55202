"""The netwatch daemon: asks the devices of the sites it is told, hears what they send, judges, shows and tells."""

from __future__ import annotations

import asyncio
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

from .io.icmp import Sweeper
from .io.poll import Poller, Target
from .io.receive import Receiver, serve_lines
from .watch import Thing, Watch

log = structlog.get_logger(__name__)

POLLER, PINGS, TRAPS, SYSLOG = "poller", "pings", "traps", "syslog"
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
    components = [POLLER, PINGS, *([TRAPS] if choice.traps else []), *([SYSLOG] if choice.syslog else [])]
    return run("netwatch", settings, partial(work, inventory=inventory, choice=choice), components=components)


async def work(daemon: Daemon, inventory: Inventory, choice: Choice) -> None:
    """Watch until cancelled."""
    watch = Watch(inventory, choice.sites or tuple(inventory.sites), daemon, choice.period_s)
    daemon.watch(watch.subjects(inventory))
    poller = Poller(list(_targets(inventory, watch, choice)), shipped(), watch)
    for subject, device in poller.devices.items():
        watch.things[subject].polled = device

    def trap(datagram: bytes, source: str) -> None:
        if (subject := watch.trap(datagram, source)) is not None:
            poller.hurry(subject)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(poller.run())
        tasks.create_task(_ping(daemon, watch, choice.period_s))
        for name, at, handle in ((TRAPS, choice.traps, trap), (SYSLOG, choice.syslog, watch.line)):
            if at:
                tasks.create_task(_receive(daemon, name, at, handle))
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


async def _ping(daemon: Daemon, watch: Watch, period_s: float) -> None:
    """Ping in rounds what is not asked otherwise."""
    addresses = {str(it.device.address): subject for subject, it in watch.things.items() if not it.snmp}
    v4 = [address for address in addresses if ":" not in address]
    try:
        sweeper = Sweeper()
    except PermissionError:
        daemon.health.set(PINGS, HealthState.FAILED, "may not open a raw socket: wants CAP_NET_RAW")
        return
    with sweeper:
        daemon.health.set(PINGS, HealthState.OK)
        while v4:
            found = await asyncio.to_thread(sweeper.sweep, v4, 1.0)
            now_s = monotonic_s()
            for address in v4:
                watch.pinged(addresses[address], found.get(address), now_s)
            await asyncio.sleep(period_s)


async def _receive(daemon: Daemon, name: str, at: str, handle: object) -> None:
    """Receive datagrams, and lines over TCP for a log."""
    host, _colon, port = at.rpartition(":")
    assert callable(handle)
    receiver = Receiver(handle)
    try:
        sock = receiver.bind(host.strip("[]"), int(port))
        lines = await serve_lines(handle, host.strip("[]"), int(port)) if name == SYSLOG else None
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
