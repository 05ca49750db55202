"""Carries transactions out: one session with a device at a time, sessions in threads, waiting in the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lifeline.clock import monotonic_s

from ...core.actuation import (
    Confirm,
    Done,
    Effect,
    Failed,
    Finish,
    Goal,
    GuardRefused,
    Lost,
    Outcome,
    Passed,
    Policy,
    Preview,
    Probe,
    Read,
    Record,
    Rejected,
    Revert,
    Shown,
    Transaction,
    Unreadable,
    Wait,
    Waited,
    Write,
    preview,
    reading,
)
from .device import Device, DeviceError, RefusedError, Session

ProbeCheck = Callable[[], Awaitable[str | None]]
"""Asks whether a change does what it is for; returns what is wrong, or None."""
_T = TypeVar("_T")


class Actuators:
    """All changes of one process go through here.

    Args:
        sessions: how many devices are talked to at once (asyncio's own pool has six threads on two cores).
        sleep: waits so many seconds; tests let their devices' timers run out instead.
    """

    def __init__(self, sessions: int = 32, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._threads = ThreadPoolExecutor(sessions, thread_name_prefix="actuator")
        self._locks: dict[str, asyncio.Lock] = {}
        self._sleep = sleep

    async def apply(
        self,
        device: Device,
        goals: Sequence[Goal],
        policy: Policy | None = None,
        probe: ProbeCheck | None = None,
    ) -> Record:
        """Bring a device to where it shall stand, or leave it as it was; return what was done.

        Whoever is cancelled while it runs waits until it is over: a device is never left half changed.

        Args:
            device: the router.
            goals: how it shall stand.
            policy: guard, attempts.
            probe: has the last word before the change counts.
        """
        running = asyncio.ensure_future(self._serialised(device, Transaction(device.dialect, goals, policy), probe))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    async def preview(self, device: Device, goals: Sequence[Goal]) -> Preview:
        """Return how a device stands and what `apply` would type; nothing is changed.

        Whoever is cancelled while it runs need not wait: the session ends by itself, and nobody else has one meanwhile.

        Raises:
            DeviceError: it cannot be reached, or does not answer.
            ConfigurationError: what it shows is not its configuration.
        """
        running = asyncio.ensure_future(self._look(device, goals))
        running.add_done_callback(lambda done: done.cancelled() or done.exception())  # told even if nobody listens
        return preview(device.dialect, goals, await asyncio.shield(running))

    async def _look(self, device: Device, goals: Sequence[Goal]) -> str:
        async with self._lock(device):
            return await self._in_thread(lambda: _look(device, reading(device.dialect, goals)))

    async def close(self) -> None:
        """Release the threads; what runs ends first."""
        await asyncio.to_thread(self._threads.shutdown)

    async def _serialised(self, device: Device, transaction: Transaction, probe: ProbeCheck | None) -> Record:
        async with self._lock(device):
            line = _Line(device)
            effect = transaction.start(monotonic_s())
            try:
                while not isinstance(effect, Finish):
                    outcome = await self._carry_out(line, effect, probe)
                    effect = transaction.handle(outcome, monotonic_s())
            finally:
                await self._in_thread(line.hang_up)
            return effect.record

    def _lock(self, device: Device) -> asyncio.Lock:
        return self._locks.setdefault(device.name, asyncio.Lock())

    async def _carry_out(self, line: _Line, effect: Effect, probe: ProbeCheck | None) -> Outcome:
        match effect:
            case Wait(seconds):
                await self._in_thread(line.hang_up)  # terminal lines are few, and others may need one now
                await self._sleep(seconds)
                return Waited()
            case Probe():
                return await _ask(probe)
            case _:
                return await self._in_thread(lambda: line.carry_out(effect))

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


class _Line:
    """The session with a device; opened when it is needed, dropped when it breaks. Blocking."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._session: Session | None = None

    def carry_out(self, effect: Effect) -> Outcome:
        match effect:
            case Read(commands):
                try:
                    return Shown(self._open().read(commands))
                except Exception as error:  # noqa: BLE001 - whatever broke, the transaction must go on to its end
                    self.hang_up()
                    return Unreadable(_told(error))
            case Write(script) | Confirm(script) | Revert(script):
                try:
                    self._open().run(script)
                except RefusedError as error:
                    return GuardRefused(str(error)) if error.step.arms else Rejected(str(error))
                except Exception as error:  # noqa: BLE001 - whatever broke, how the device stands must be found out
                    self.hang_up()
                    return Lost(_told(error))
                return Done()
            case _:
                raise AssertionError(effect)

    def hang_up(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _open(self) -> Session:
        if self._session is None:
            self._session = self._device.open()
        return self._session


def _look(device: Device, commands: Sequence[str]) -> str:
    session = device.open()
    try:
        return session.read(commands)
    finally:
        session.close()


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, DeviceError) else f"{type(error).__name__}: {error}"


async def _ask(probe: ProbeCheck | None) -> Outcome:
    if probe is None:
        return Passed()
    try:
        trouble = await probe()
    except Exception as error:  # noqa: BLE001 - a probe that breaks has not passed, and the change must not stay
        trouble = f"the probe broke: {type(error).__name__}: {error}"
    return Failed(trouble) if trouble else Passed()
