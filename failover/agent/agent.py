"""The agent's tasks: hear the fast path, keep what it says, show the live state, hold the uplink."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from lifeline import clock
from lifeline.runtime import wire
from lifeline.runtime.conditions import database_corrupt
from lifeline.runtime.logging import EdgeLog
from lifeline.runtime.outbox import Outbox
from lifeline.runtime.uplink import Uplink

from ..actuator_plan import ActuatorPlan
from ..core import conditions
from ..io.actuators import Device, planned_device
from ..io.fastpath_client import FastPathClient, Report
from . import followers
from .followers import Followers
from .intake import Intake
from .orders import Orders
from .plan import AgentPlan
from .record import Record
from .travel import Travel

RECONNECT_S = 0.25
TICK_S = 1.0
SILENT_S = 3.0
"""The fast path sends a snapshot each second; this long without one, and nobody guards the paths."""
FRESHEN_S = 2.0
"""How often an unchanged live state is told again; a change is told at once."""

log = structlog.get_logger(__name__)


class Agent:
    """One site's agent.

    Attributes:
        snapshot: the fast path's last snapshot body, None before the first.
    """

    def __init__(self, plan: AgentPlan, outbox: Outbox, uplink: Uplink) -> None:
        """Remember the last life.

        Args:
            plan: whom to serve.
            outbox: an open outbox.
            uplink: over that outbox.
        """
        self.plan = plan
        self.snapshot: Mapping[str, Any] | None = None
        self._outbox = outbox
        self._uplink = uplink
        self._record = Record(Path(plan.data) / "agent-record.json")
        self._record.load(outbox)
        self.intake = Intake(plan.site, outbox, self._record)
        self.intake.clear_orphans(plan.subjects)
        self._orders = Orders(plan.site, self.intake)
        self._client: FastPathClient | None = None
        self._heard_s = clock.monotonic_s()
        self._shown: dict[str, tuple[Mapping[str, Any], float]] = {}
        self._edges = EdgeLog(log)
        self._travel = Travel(plan.traffic, Path(plan.run), self.intake, self._show)
        self._followers = Followers(plan.site, plan.actuators, plan.groups, self._device, self.intake, self._show)

    @property
    def fast_path_silent(self) -> bool:
        """Whether a fast path is expected here and has not spoken for `SILENT_S`."""
        return self.plan.expects_fast_path and clock.monotonic_s() - self._heard_s >= SILENT_S

    async def run(self, observe: Callable[[], None]) -> None:
        """Work until cancelled; `observe` is called each second."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._uplink.run())
            tasks.create_task(self._tick(observe))
            tasks.create_task(self._travel.run())
            tasks.create_task(self._followers.run())
            if self.plan.expects_fast_path:
                tasks.create_task(self._listen())

    async def _listen(self) -> None:
        path = Path(self.plan.run) / "fastpath.sock"
        while True:
            try:
                self._client = await FastPathClient.connect(path)
                self._edges.succeeded("fast path", "fast path reached again")
                while True:
                    self.take(await self._client.receive())
            except (OSError, ValueError) as error:
                self._edges.failed("fast path", "fast path not reached", error, socket=str(path))
            finally:
                if self._client is not None:
                    self._client.close()
                    self._client = None
            await asyncio.sleep(RECONNECT_S)

    def take(self, reports: list[Report]) -> None:
        """Take what the fast path said: durable first, then shown, then acknowledged."""
        self._heard_s = clock.monotonic_s()
        for report in reports:
            if report["kind"] == "snapshot":
                self.snapshot = report["body"]
                self.intake.snapshot(report["body"], report["at_wall_ns"])
                self.intake.judge(conditions.judge_fast_path(self.plan.site, silent=False))
            else:
                self.intake.report(report)
        self._store()
        for report in reports:
            if report["kind"] == "protection":
                self._group(report["body"])
            elif report["kind"] == "command":
                self._orders.answered(report["body"])
            elif report["kind"] == "snapshot":
                for group in report["body"]["groups"]:
                    self._group(group)

    def _group(self, body: Mapping[str, Any]) -> None:
        """Take a group's present state: show it, and let what must follow the selector follow."""
        self._show(f"group:{body['group']}", body)
        self._travel.selected(body["group"], body[body["selector"]]["link"])
        self._followers.selected(body["group"], body["selector"])

    async def command(self, command: wire.Command) -> wire.CommandResult:
        """Carry out a hub's command.

        Raises:
            TimeoutError: the fast path does not answer.
        """
        if command.command == followers.ORDER:
            return await self._carry_out_on_router(command)
        return await self._orders.carry_out(command, self._client)

    async def _carry_out_on_router(self, command: wire.Command) -> wire.CommandResult:
        """Carry out an order that does not go to the fast path, which would have fenced it."""
        if not command.dry_run and not self.intake.admits(command.token):
            reason = f"A newer order than {command.token} has been obeyed: another hub commands."
            return wire.CommandResult(command.id, accepted=False, reason=reason)
        return await self._followers.carry_out(command)

    def _device(self, plan: ActuatorPlan) -> Device:
        transcripts = Path(self.plan.data) / "transcripts"
        transcripts.mkdir(mode=0o700, exist_ok=True)
        return planned_device(plan, Path(self.plan.known_hosts), transcripts)

    def _store(self) -> None:
        new = self.intake.unstored
        if not self.intake.store():
            return
        instance, seq = self.intake.taken
        if seq and self._client is not None:
            self._client.acknowledge(instance, seq)
        if new:
            self._uplink.notify()

    def _judge_outbox(self) -> None:
        condition = database_corrupt(self.plan.node, self._outbox.corrupt)
        key = (condition.subject, condition.name)
        self.intake.judge({key: condition if condition.raised else None})

    def _show(self, subject: str, body: Mapping[str, Any]) -> None:
        before, at_s = self._shown.get(subject, ({}, 0.0))
        now = clock.monotonic_s()
        if body != before or now - at_s >= FRESHEN_S:
            self._shown[subject] = (body, now)
            self._uplink.set_state(subject, body)

    async def _tick(self, observe: Callable[[], None]) -> None:
        while True:
            if self.fast_path_silent:
                self.intake.judge(conditions.judge_fast_path(self.plan.site, silent=True))
            self._judge_outbox()
            if self.intake.unstored:
                self._store()
            observe()
            await asyncio.sleep(TICK_S)
