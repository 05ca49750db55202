"""Has routers follow the selectors: changes each after a switch, tries again, checks, records, and tells how it stands.

One task per router; what is typed and read goes through `Actuators`, in threads, one session per device. Nothing of the
agent waits for a router.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from lifeline.clock import monotonic_s, wall_ns
from lifeline.model.records import EventKind
from lifeline.runtime import wire

from ..actuator_plan import ActuatorPlan
from ..core.actuation import ConfigurationError, GuardPolicy, Policy, Preview, Record, Result
from ..core.follow import ACTUATION_FAILED, Follower, Why, judge_actuation
from ..io.actuators import Actuators, Device, DeviceError
from .intake import Intake

ORDER: Final = "actuator.apply"
"""The command by which somebody at the hub has a router brought to where it should stand."""
SUBJECT: Final = "actuation"
SCHEMA: Final = "lifeline.actuation-state/1"
FRESHEN_S: Final = 2.0
LOOK_S: Final = 5.0
"""How long a dry run waits for a router: somebody at the hub waits for the answer."""

Show = Callable[[str, Mapping[str, Any]], None]

_TROUBLE: Final = (DeviceError, ConfigurationError, ValueError, OSError)
"""What can be wrong with a router, or with what is planned for it."""

log = structlog.get_logger(__name__)


class Followers:
    """The routers of one site that follow its groups.

    Args:
        site: whose end it is.
        plans: the routers.
        groups: all groups that end here.
        device_of: makes of a plan a device.
        intake: takes conditions and events.
        show: shows a live state.
    """

    def __init__(
        self,
        site: str,
        plans: Sequence[ActuatorPlan],
        groups: Sequence[str],
        device_of: Callable[[ActuatorPlan], Device],
        intake: Intake,
        show: Show,
    ) -> None:
        self._site = site
        self._actuators = Actuators(sessions=max(1, min(len(plans), 32)))
        self._routers = {plan.group: _Router(site, plan, device_of, self._actuators, intake, show) for plan in plans}
        for group in groups:
            if group not in self._routers:  # of an inventory of before
                intake.judge({(f"group:{group}", ACTUATION_FAILED): None})

    def selected(self, group: str, selector: str) -> None:
        """Take note of where a group's traffic goes now."""
        if (router := self._routers.get(group)) is not None:
            router.selected(selector)

    async def carry_out(self, command: wire.Command) -> wire.CommandResult:
        """Have a router brought to where it should stand, or say what would be typed."""
        group = command.target.removeprefix(f"{SUBJECT}:").removeprefix(f"{self._site}/")
        router = self._routers.get(group)
        if router is None:
            return wire.CommandResult(command.id, accepted=False, reason=f"No router at {self._site} follows {group}.")
        if not router.wanted:
            reason = f"It is not known which path of {group} carries: the fast path has not said."
            return wire.CommandResult(command.id, accepted=False, reason=reason)
        return await (router.predict(command) if command.dry_run else router.obey(command))

    async def run(self) -> None:
        """Work until cancelled; what was begun on a router is ended first."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for router in self._routers.values():
                    tasks.create_task(router.run())
        finally:
            await self._actuators.close()


class _Router:
    """One router."""

    def __init__(
        self,
        site: str,
        plan: ActuatorPlan,
        device_of: Callable[[ActuatorPlan], Device],
        actuators: Actuators,
        intake: Intake,
        show: Show,
    ) -> None:
        self._site = site
        self._plan = plan
        self._device_of = device_of
        self._actuators = actuators
        self._intake = intake
        self._show = show
        self._follower = Follower(plan.check_s)
        self._wake = asyncio.Event()
        self._last: dict[str, Any] = {"result": None, "reason": "", "at_ns": None}
        self._awaited: list[tuple[str, asyncio.Future[tuple[bool, str]]]] = []

    def selected(self, selector: str) -> None:
        self._follower.select(selector, monotonic_s())
        self._wake.set()

    @property
    def wanted(self) -> str:
        """The path that carries, empty while that is not known."""
        return self._follower.wanted

    async def predict(self, command: wire.Command) -> wire.CommandResult:
        """Say what would be typed."""
        try:
            async with asyncio.timeout(LOOK_S):
                found = await self._preview(self.wanted)
        except TimeoutError:
            reason = f"{self._plan.name} has not shown its configuration within {LOOK_S:g} s."
            return wire.CommandResult(command.id, accepted=False, reason=reason)
        except _TROUBLE as error:
            return wire.CommandResult(command.id, accepted=False, reason=f"{error}.")
        would = f"type: {'; '.join(found.commands)}" if found.commands else "find it as wanted, and type nothing"
        predicted = {"selector": self.wanted, "before": list(found.before), "commands": list(found.commands)}
        reason = f"For {self.wanted} of {self._plan.group} it would, on {self._plan.name}, {would}."
        return wire.CommandResult(command.id, accepted=True, reason=reason, predicted=predicted)

    async def obey(self, command: wire.Command) -> wire.CommandResult:
        """Have it done now, and say what became of it, however long that takes."""
        ended: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()
        self._awaited.append((command.by, ended))
        self._follower.order(monotonic_s())
        self._wake.set()
        accepted, reason = await ended
        return wire.CommandResult(command.id, accepted=accepted, reason=reason, result=dict(self._last))

    async def _preview(self, selector: str) -> Preview:
        return await self._actuators.preview(self._device(), self._plan.goals(selector))

    async def run(self) -> None:
        while True:
            self._tell()
            due, now = self._follower.due, monotonic_s()
            if due is not None and due <= now:
                await self._look()
                continue
            self._wake.clear()
            try:
                async with asyncio.timeout(min(FRESHEN_S, due - now if due is not None else FRESHEN_S)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        """Do what is due. What was not asked for by a switch or an order is read first, so that it leaves no trace."""
        follower, why = self._follower, self._follower.why
        awaited, self._awaited = self._awaited, []
        selector = follower.begin()
        self._tell()
        goes_well, trouble, result = False, "", Result.UNTOUCHED
        try:
            if why in (Why.SWITCH, Why.ORDER) or not (await self._preview(selector)).as_wanted:
                record = await self._change(selector, why, ", ".join(by for by, _ended in awaited))
                trouble, result = record.reason, record.result
            else:
                result = Result.UNCHANGED
            goes_well = result in (Result.CHANGED, Result.UNCHANGED)
        except _TROUBLE as error:
            trouble = str(error) or type(error).__name__
        self._last = {"result": result.value, "reason": trouble, "at_ns": wall_ns()}
        self._intake.judge(judge_actuation(
            self._plan.group, self._site, self._plan.name, selector,
            trouble="" if goes_well else trouble or result.value, helpless=result is Result.NEEDS_HUMAN,
        ))  # fmt: skip
        self._intake.store()
        follower.ended(selector, monotonic_s(), as_wanted=goes_well)
        for _by, ended in awaited:
            if not ended.done():
                ended.set_result((goes_well, f"{self._plan.name} for {selector}: {trouble or result.value}."))

    async def _change(self, selector: str, why: Why, by: str) -> Record:
        """Change the router: intent on record first, then the change, then what became of it."""
        self._note(selector, "requested", {"why": why.value, "by": by})
        policy = Policy(guard=GuardPolicy(self._plan.guard))
        record = await self._actuators.apply(self._device(), self._plan.goals(selector), policy)
        done = record.result in (Result.CHANGED, Result.UNCHANGED)
        self._note(selector, "done" if done else "failed", {"why": why.value, "by": by, **record.to_json()})
        log.info("router follows" if done else "router does not follow", device=self._plan.name,
                 selector=selector, result=record.result.value, reason=record.reason)  # fmt: skip
        return record

    def _note(self, selector: str, phase: str, more: Mapping[str, Any]) -> None:
        body = {"phase": phase, "site": self._site, "group": self._plan.group, "device": self._plan.name,
                "driver": self._plan.driver, "selector": selector, **more}  # fmt: skip
        self._intake.put(EventKind.ACTUATION, f"group:{self._plan.group}", body)

    def _device(self) -> Device:
        return self._device_of(self._plan)

    def _tell(self) -> None:
        follower, now = self._follower, monotonic_s()
        wait_s = None if follower.due is None or not follower.wanted else max(0.0, follower.due - now)
        self._show(f"{SUBJECT}:{self._site}/{self._plan.group}", {
            "schema": SCHEMA,
            "group": self._plan.group,
            "site": self._site,
            "device": self._plan.name,
            "driver": self._plan.driver,
            "wanted": follower.wanted or None,
            "stands": follower.stands or None,
            "failures": follower.failures,
            "next_look_in_s": None if wait_s is None else round(wait_s),
            **self._last,
        })  # fmt: skip
