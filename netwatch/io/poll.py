"""Asks thousands of devices over SNMP, each in its own rhythm: one that is dead or slow delays no other."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import ceil, inf
from typing import Protocol

import structlog

from lifeline.clock import monotonic_s
from lifeline.devices import Family, Library, Value
from lifeline.devices.follow import Follower, News
from lifeline.devices.snmp import Access, DeviceError, RefusedError, Session

from ..core.pace import Pace

log = structlog.get_logger(__name__)

FIRST_ROUNDS = 32
"""Devices that are walked at the same time: a first round asks for much, and a core that restarts for all of it."""
MOST_S = 10.0
SLOT_S = 0.1
"""Turns fall on a grid, so that the devices of a slot share the wake-ups of process and kernel."""
_SYS_UP_TIME = "1.3.6.1.2.1.1.3.0"
_SPARE_FILES = 256
_MOST_SLEEP_S = 1.0


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
        self.pace = Pace(target.subject, target.period_s)
        self.turn = 0
        """Counts what is awaited of it: an entry of the calendar with another number is no longer meant."""
        self.tries_left: int | None = None
        """Of a plain question that waits for its answer; None while none does."""
        self.busy = False
        """Whether a task asks it the long way."""
        self._library, self._walks = library, walks
        self._session = Session(
            target.address, target.access, port=target.port, timeout_s=target.timeout_s, retries=target.retries
        )
        self.follower: Follower | None = None
        self._walked = False

    def begin(self, take: Callable[[dict[str, Value] | Exception], None]) -> bool:
        """Put the plain question of most rounds; return False where it takes more than that."""
        return self._walked and self.family is not None and self._session.begin(self.family, take)

    def follow(self, answers: dict[str, Value]) -> News:
        """Return what answers to the plain question tell that was not told before."""
        assert self.follower is not None
        return self.follower.take(answers)

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

    @property
    def cut_off(self) -> set[str]:
        """Columns that were not taken whole: too many rows, or an agent that goes round in circles."""
        return self._session.cut_off

    def close(self) -> None:
        """Forget the socket."""
        self._session.close()


class Poller:
    """All devices of one process.

    Nearly every round is one question and one answer, for which no task is made: a calendar of what is due, and
    answers that are taken as they come. Whatever is more, a first round, a retry after an odd answer, an agent's
    clock to be read again, is a task of its own.

    Attributes:
        asked: questions put.
        answered: questions answered.
        failed: those that were not, by reason.
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
        self.failed: Counter[str] = Counter()
        self.devices = {target.subject: Device(target, library, walks) for target in targets}
        self._listener = listener
        self._calendar: list[tuple[float, str, int]] = []
        """When which device's turn is, and what number it has."""
        self._came: deque[tuple[Device, int, dict[str, Value] | Exception]] = deque()
        self._wake = asyncio.Event()
        self._sleeps_until_s = inf
        allow_files(len(targets) + _SPARE_FILES)

    async def run(self) -> None:
        """Ask until cancelled."""
        now_s = monotonic_s()
        try:
            async with asyncio.TaskGroup() as tasks:
                for device in self.devices.values():
                    self._due(device, _slot(now_s + device.pace.first()))
                while True:
                    self._wake.clear()
                    self._sleeps_until_s = -inf
                    self._take_answers(tasks)
                    self._take_turns(tasks)
                    self._sleeps_until_s = self._calendar[0][0] if self._calendar else inf
                    await _until(self._wake, min(_MOST_SLEEP_S, self._sleeps_until_s - monotonic_s()))
        finally:
            for device in self.devices.values():
                device.close()

    async def sweep(self) -> None:
        """Ask every device once, all at the same time."""
        async with asyncio.TaskGroup() as tasks:
            for device in self.devices.values():
                tasks.create_task(self.ask(device))

    def hurry(self, subject: str) -> None:
        """Ask a device now: something was heard of it."""
        device = self.devices.get(subject)
        if device is not None and device.tries_left is None and not device.busy:
            self._due(device, monotonic_s())

    async def ask(self, device: Device) -> tuple[bool, bool]:
        """Ask one device the long way; return whether its state is soft, and whether it counts as down."""
        self.asked += 1
        known = device.family
        try:
            news = await device.ask()
        except (DeviceError, OSError, TimeoutError, ValueError) as error:
            why = str(error) or f"{device.target.address} does not answer in time"
            self.failed[_reason(error)] += 1
            return self._listener.silent(device.target.subject, why, monotonic_s())
        return self._heard(device, news, known)

    # ---------------------------------------------------------------- one turn

    def _due(self, device: Device, at_s: float) -> None:
        """Have a device's turn come, instead of what was meant before."""
        device.turn += 1
        heappush(self._calendar, (at_s, device.target.subject, device.turn))
        if at_s < self._sleeps_until_s:
            self._wake.set()

    def _take_turns(self, tasks: asyncio.TaskGroup) -> None:
        now_s = monotonic_s()
        while self._calendar and self._calendar[0][0] <= now_s:
            _at_s, subject, turn = heappop(self._calendar)
            device = self.devices[subject]
            if device.turn != turn:
                continue
            if device.tries_left == 0:
                device.close()  # a late answer must not be taken for the next question's
                why = f"{device.target.address} does not answer"
                self.failed["silent"] += 1
                self._next(device, *self._listener.silent(subject, why, now_s))
            elif device.tries_left is not None:
                self._put(device, device.tries_left - 1, tasks)
            else:
                self.asked += 1
                self._put(device, device.target.retries, tasks)

    def _put(self, device: Device, tries_left: int, tasks: asyncio.TaskGroup) -> None:
        """Put the plain question, or begin to ask the long way."""
        device.tries_left = tries_left
        turn = device.turn + 1

        def take(told: dict[str, Value] | Exception) -> None:
            self._came.append((device, turn, told))
            self._wake.set()

        if device.begin(take):
            self._due(device, monotonic_s() + device.target.timeout_s)
        else:
            self.asked -= 1
            self._long(device, tasks)

    def _take_answers(self, tasks: asyncio.TaskGroup) -> None:
        while self._came:
            device, turn, told = self._came.popleft()
            if device.turn != turn:
                continue
            if isinstance(told, Exception):
                self.asked -= 1
                self._long(device, tasks)
            else:
                self._next(device, *self._heard(device, device.follow(told), device.family))

    def _long(self, device: Device, tasks: asyncio.TaskGroup) -> None:
        device.tries_left = None
        device.turn += 1
        device.busy = True
        tasks.create_task(self._ask_long(device))

    async def _ask_long(self, device: Device) -> None:
        soft, down = await self.ask(device)
        device.busy = False
        self._next(device, soft, down)

    def _heard(self, device: Device, news: News, known: Family | None) -> tuple[bool, bool]:
        self.answered += 1
        subject = device.target.subject
        if device.family is not None and (known is None or news.whole is not None):
            self._listener.recognised(subject, device.family)
        return self._listener.heard(subject, news, monotonic_s())

    def _next(self, device: Device, soft: bool, down: bool) -> None:
        device.tries_left = None
        self._due(device, _slot(monotonic_s() + device.pace.after(soft=soft, down=down) - SLOT_S))


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "silent"
    if isinstance(error, RefusedError):
        return "refused"
    return "unreachable" if isinstance(error, OSError) else "senseless"


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
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    timer = asyncio.get_running_loop().call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
