"""Asks thousands of devices over SNMP, each in its own rhythm: one that is dead or slow delays no other."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import structlog

from lifeline.clock import monotonic_s
from lifeline.devices import Family, Library
from lifeline.devices.follow import Follower, News
from lifeline.devices.snmp import Access, DeviceError, Session

from ..core.pace import Pace

log = structlog.get_logger(__name__)

FIRST_ROUNDS = 32
"""Devices that are walked at the same time: a first round asks for much, and a core that restarts for all of it."""
MOST_S = 10.0
SLOT_S = 0.1
"""Turns fall on a grid, so that the devices of a slot share the wake-ups of process and kernel."""
_SYS_UP_TIME = "1.3.6.1.2.1.1.3.0"
_SPARE_FILES = 256


@dataclass(frozen=True, slots=True)
class Target:
    """A device to be asked."""

    subject: str
    address: str
    access: Access
    profile: str | None = None
    """Its profile; the one that recognises it where None."""
    port: int = 161
    period_s: float = 5.0
    timeout_s: float = 1.0
    retries: int = 1


class Listener(Protocol):
    """What becomes of answers and silences; called in the poller's loop."""

    def recognised(self, subject: str, family: Family) -> None:
        """A device's family is known."""

    def heard(self, subject: str, news: News, now_s: float) -> tuple[bool, bool]:
        """A device answered; return whether its state is soft, and whether it counts as down."""

    def silent(self, subject: str, why: str, now_s: float) -> tuple[bool, bool]:
        """A device did not answer; return as `heard`."""


class Device:
    """One device and the conversation with it."""

    def __init__(self, target: Target, library: Library, walks: asyncio.Semaphore) -> None:
        self.target = target
        self.family: Family | None = library.family(target.profile) if target.profile else None
        self._library, self._walks = library, walks
        self._session = Session(
            target.address, target.access, port=target.port, timeout_s=target.timeout_s, retries=target.retries
        )
        self.follower: Follower | None = None
        self._walked = False

    async def ask(self) -> News:
        """Return what the device tells that it did not tell before.

        Raises:
            TimeoutError: no answer, or none in time.
            OSError: it cannot be reached.
            DeviceError: what it answers makes no sense.
        """
        if self._walked and self.follower is not None and self.family is not None:
            return self.follower.take(await self._session.ask(self.family, self._deadline_s()))
        await self._session.get([_SYS_UP_TIME])  # who is dead holds no place among those that are walked
        async with self._walks:
            if self.family is None:
                names, _answers = await self._session.recognise(self._library)
                if not names:
                    raise DeviceError(f"{self.target.address}: no profile recognises it")
                self.family = self._library.family(names[0])
            if self.follower is None:
                self.follower = Follower(self.family)
            news = self.follower.take(await self._session.ask(self.family, MOST_S))
            self._walked = True
            return news

    def _deadline_s(self) -> float:
        return min(MOST_S, max(self.target.period_s * 0.9, self.target.timeout_s * (self.target.retries + 1)))

    def close(self) -> None:
        """Forget the socket."""
        self._session.close()


class Poller:
    """All devices of one process.

    Attributes:
        asked: questions put.
        answered: questions answered.
        devices: by subject.
    """

    def __init__(self, targets: Sequence[Target], library: Library, listener: Listener) -> None:
        """Ask nothing yet.

        Args:
            targets: the devices.
            library: of profiles.
            listener: told of each answer and each silence.
        """
        walks = asyncio.Semaphore(FIRST_ROUNDS)
        self.asked = self.answered = 0
        self.devices = {target.subject: Device(target, library, walks) for target in targets}
        self._listener = listener
        self._wake = {subject: asyncio.Event() for subject in self.devices}
        allow_files(len(targets) + _SPARE_FILES)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for device in self.devices.values():
                tasks.create_task(self._follow(device))

    async def sweep(self) -> None:
        """Ask every device once, all at the same time."""
        async with asyncio.TaskGroup() as tasks:
            for device in self.devices.values():
                tasks.create_task(self.ask(device))

    def hurry(self, subject: str) -> None:
        """Ask a device now: something was heard of it."""
        if (event := self._wake.get(subject)) is not None:
            event.set()

    async def ask(self, device: Device) -> tuple[bool, bool]:
        """Ask one device; return whether its state is soft, and whether it counts as down."""
        self.asked += 1
        subject, known = device.target.subject, device.family
        try:
            news = await device.ask()
        except (DeviceError, OSError, TimeoutError, ValueError) as error:
            why = str(error) or f"{device.target.address} does not answer in time"
            return self._listener.silent(subject, why, monotonic_s())
        self.answered += 1
        if device.family is not None and (known is None or news.whole is not None):
            self._listener.recognised(subject, device.family)
        return self._listener.heard(subject, news, monotonic_s())

    async def _follow(self, device: Device) -> None:
        pace = Pace(device.target.subject, device.target.period_s)
        wake = self._wake[device.target.subject]
        due_s = _slot(monotonic_s() + pace.first())
        try:
            while True:
                if (wait_s := due_s - monotonic_s()) > 0:
                    await _until(wake, wait_s)
                wake.clear()
                due_s = min(due_s, monotonic_s())
                soft, down = await self.ask(device)
                # No answer is caught up on: after a long silence of the machine each device is asked once.
                due_s = _slot(max(due_s + pace.after(soft=soft, down=down), monotonic_s()))
        finally:
            device.close()


def _slot(at_s: float) -> float:
    return ceil(at_s / SLOT_S) * SLOT_S


def allow_files(wanted: int) -> None:
    """Raise the limit of open files so far as allowed: a session has a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted, hard)
        )


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, but not longer; costs one timer, and no task."""
    loop = asyncio.get_running_loop()
    timer = loop.call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
