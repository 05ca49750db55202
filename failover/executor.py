"""Drives a run: puts its entries on record, carries its effects out, reads with its probes, waits.

The run itself (`failover.core.playbook`) decides everything. A real run, a dry one and a simulated one differ only in
the ports that they are given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import structlog

from lifeline.clock import monotonic_s

from .core.playbook import Do, Enter, Entry, Facts, Outcome, Probe, Run, Sight, Wait
from .steps.kind import Context, StepError
from .steps.registry import Registry

NEWS_S: Final = 0.2
"""A run that waits for a fact looks at least this often."""

log = structlog.get_logger(__name__)


class FencedError(Exception):
    """Somebody else drives the runs now; nothing was done."""


class Effects(Protocol):
    """How effects are carried out and read."""

    async def do(self, run: Run, action: Do) -> Outcome:
        """Carry an effect out."""
        ...

    async def look(self, run: Run, action: Probe) -> Sight:
        """Read whether it was done."""
        ...


class RealEffects:
    """Effects by the kinds of steps."""

    def __init__(self, registry: Registry, context: Callable[[Run, str], Context], fence: Callable[[], None]) -> None:
        """Prepare.

        Args:
            registry: the kinds.
            context: returns what a step may use, for a run and a key.
            fence: raises FencedError unless this process still has the right to act.
        """
        self._registry = registry
        self._context = context
        self._fence = fence

    async def do(self, run: Run, action: Do) -> Outcome:
        """Carry an effect out, within its time."""
        kind = self._registry[action.kind]
        try:
            args = kind.args(action.args)
            self._fence()
            async with asyncio.timeout(action.timeout_s):
                return await kind.do(args, self._context(run, action.key))
        except (StepError, FencedError) as error:
            return Outcome("refused", str(error))
        except TimeoutError:
            return Outcome("lost", f"no outcome within {action.timeout_s:g} s")
        except Exception as error:  # a kind that fails in its own way must not leave a run without an outcome
            log.exception("step failed", run=run.id, step=action.step)
            return Outcome("lost", f"{type(error).__name__}: {error}")

    async def look(self, run: Run, action: Probe) -> Sight:
        """Read whether it was done, within its time."""
        kind = self._registry[action.kind]
        try:
            async with asyncio.timeout(action.timeout_s):
                return await kind.look(kind.args(action.args), self._context(run, action.key))
        except StepError as error:
            return Sight("unreadable", str(error))
        except TimeoutError:
            return Sight("unreadable", f"nothing read within {action.timeout_s:g} s")
        except Exception as error:
            log.exception("probe failed", run=run.id, step=action.step)
            return Sight("unreadable", f"{type(error).__name__}: {error}")


Record = Callable[[Run, Sequence[Entry]], Awaitable[None]]
"""Puts entries on record, durably, and then applies them to the run; raises when there is no room."""


async def drive(
    run: Run,
    facts: Facts,
    effects: Effects,
    record: Record,
    *,
    halted: asyncio.Event | None = None,
    now: Callable[[], float] = monotonic_s,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Drive a run until it is over, needs a human, or waits for somebody's word.

    Args:
        run: the run.
        facts: what is known.
        effects: how effects are carried out.
        record: puts entries on record.
        halted: set while nothing new may be begun.
        now: monotonic seconds.
        pause: lets so many of them pass.
    """
    while True:
        action = run.next(now(), facts)
        match action:
            case Enter(entries):
                if halted is not None and halted.is_set() and _begins(entries):
                    return
                await record(run, entries)
            case Do():
                run.asked(action)
                await record(run, [run.outcome(action, await effects.do(run, action))])
            case Probe():
                entry = run.probed(action, await effects.look(run, action), now())
                if entry is not None:
                    await record(run, [entry])
            case Wait(None):
                return
            case Wait(until):
                assert until is not None
                await pause(min(NEWS_S, max(0.0, until - now())))


def _begins(entries: Sequence[Entry]) -> bool:
    return any(entry["type"] == "step" and entry["input"] == "intend" for entry in entries)
