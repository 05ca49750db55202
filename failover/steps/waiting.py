"""Steps that only look: wait for a fact, probe a path, ask whether time may be relied on."""

from __future__ import annotations

import asyncio
from typing import Final

from pydantic import Field
from pydantic.dataclasses import dataclass

from lifeline.model.fields import STRICT

from ..core.playbook import Outcome, Recovery, judge
from .kind import Context, StepError, StepKind

POLL_S: Final = 0.1


@dataclass(frozen=True, config=STRICT)
class FactArgs:
    """What must become so."""

    fact: str
    that: str
    max_age_s: float = Field(default=30.0, gt=0)


class WaitFor(StepKind):
    """Waits for a fact; the step's own time-out bounds it."""

    name, text, Args = "wait_for", "Wait until a fact is as it should be.", FactArgs
    recovery, changes, of_facts = Recovery.REPEAT, False, True

    async def do(self, args: FactArgs, context: Context) -> Outcome:
        """Wait."""
        check = {"fact": args.fact, "that": args.that, "max_age_s": args.max_age_s}
        while True:
            verdict = judge(check, context.facts, {})
            if verdict.holds:
                return Outcome("did", verdict.why, after=context.facts.get(args.fact).value)
            await asyncio.sleep(POLL_S)


@dataclass(frozen=True, config=STRICT)
class ProbeArgs:
    """What must answer."""

    host: str
    count: int = Field(default=3, ge=1, le=100)
    loss_max: int = Field(default=0, ge=0, le=100)
    port: int | None = Field(default=None, ge=1, le=65_535)


class ProbePath(StepKind):
    """Asks whether something answers: by TCP connect when a port is given, else by ICMP echo."""

    name, text, Args = "probe", "Ask whether a host answers, by ping or by TCP connect.", ProbeArgs
    recovery, changes = Recovery.REPEAT, False

    async def do(self, args: ProbeArgs, _context: Context) -> Outcome:
        """Probe."""
        if args.host.startswith("-"):
            raise StepError(f"{args.host!r} is no host")
        lost = 0
        for _number in range(args.count):
            lost += not await (self._connects(args.host, args.port) if args.port else self._pings(args.host))
        told = f"{lost} of {args.count} lost"
        return Outcome("did" if lost <= args.loss_max else "failed", told, after={"lost": lost, "sent": args.count})

    @staticmethod
    async def _connects(host: str, port: int) -> bool:
        try:
            async with asyncio.timeout(2):
                _reader, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    @staticmethod
    async def _pings(host: str) -> bool:
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec("ping", "-n", "-c", "1", "-W", "2", host,
                                                       stdout=quiet, stderr=quiet)  # fmt: skip
        return await process.wait() == 0


@dataclass(frozen=True, config=STRICT)
class GateArgs:
    """Whose time must be good."""

    site: str
    max_age_s: float = Field(default=30.0, gt=0)


class TimeGate(StepKind):
    """Refuses to go on where a site's time cannot be relied on: unknown and stale count as that."""

    name, text, Args = "time.gate", "Go on only where a site's time can be relied on.", GateArgs
    recovery, changes, of_facts = Recovery.REPEAT, False, True

    async def do(self, args: GateArgs, context: Context) -> Outcome:
        """Ask."""
        check = {"fact": f"live:time:{args.site}", "that": "value.serve", "max_age_s": args.max_age_s}
        verdict = judge(check, context.facts, {})
        return Outcome("did" if verdict.holds else "refused", verdict.why)
