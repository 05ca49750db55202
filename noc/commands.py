"""Commands: what people ask the hub to do. Intent on record first, then the effect, then the outcome."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from lifeline.alarms import IllegalActError
from lifeline.clock import wall_ns
from lifeline.model.records import EventKind, Json
from lifeline.runtime import wire

from . import domains, protection, settling
from .agents import NoAnswerError, NotConnectedError
from .hub import Hub
from .projection import agent_of
from .views import CommandView

ACTS: Final[Mapping[str, str]] = {
    f"alarm.{act}": act for act in ("acknowledge", "unacknowledge", "shelve", "unshelve", "note")
}
"""Commands that concern alarms, and the operator's act that each is."""
WINDOWS: Final = ("maintenance.begin", "maintenance.end")
SHELF_MAX_S: Final = 30 * 86_400
ANSWER_S: Final = 6.0
"""How long an agent's answer is waited for: eleven round trips by satellite, and less than a client waits for us."""

log = structlog.get_logger(__name__)


class NoSuchTargetError(LookupError):
    """There is nothing of that name to act on."""


class ArgumentError(ValueError):
    """Something that the command needs is missing, or makes no sense."""


class KeyReusedError(ValueError):
    """The idempotency key was used for another command."""


class NoRoomError(Exception):
    """The journal takes no events, so nothing was done: nothing acts without a record."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A command as it was asked for.

    Attributes:
        command: one of `ACTS`, of `protection.COMMANDS`, or a domain's, such as `power.self-test`.
        target: an alarm's id, or a subject, such as `group:` and a group's id.
        by: who asks.
        text: why, for the record.
        key: idempotency key.
        at: of a protection command: the site at whose end it shall act; None: the hub chooses.
        to: of `protection.manual`: `working` or `protection`.
        dry_run: of a command to a daemon: predict, and do nothing.
        arguments: what else the command needs.
    """

    command: str
    target: str
    by: str
    text: str = ""
    key: str | None = None
    at: str | None = None
    to: str | None = None
    dry_run: bool = False
    arguments: Mapping[str, Json] = field(default_factory=dict)

    @property
    def to_daemon(self) -> bool:
        """Whether a daemon carries it out, and not the hub."""
        return self.command not in ACTS and self.command not in WINDOWS

    def until_ns(self, now_ns: int) -> int:
        """Return until when it shall hold: `until_ns`, or `for_s` from now on; wall time.

        Raises:
            ArgumentError: neither is given, or it is not a time to come of at most `SHELF_MAX_S` ahead.
        """
        for_s, until_ns = self.arguments.get("for_s"), self.arguments.get("until_ns")
        until = until_ns
        if isinstance(for_s, int | float) and 0 < for_s <= SHELF_MAX_S:
            until = now_ns + int(for_s * 1e9)
        if type(until) is not int or not now_ns < until <= now_ns + SHELF_MAX_S * 1_000_000_000:
            raise ArgumentError(f"{self.command} needs `for_s` or `until_ns`, a time at most 30 days ahead")
        return until


@dataclass(frozen=True, slots=True)
class Route:
    """Which daemon carries a command out, at which site, and why that one, as a clause for people."""

    node: str
    why: str

    @property
    def site(self) -> str:
        """The daemon's site."""
        return self.node.partition("/")[0]


class Commands:
    """Carries commands out. Intents are put on record one at a time; agents are waited for side by side."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._turn = asyncio.Lock()
        self._under_way: dict[str, asyncio.Task[CommandView]] = {}
        self._settling: set[asyncio.Task[bool]] = set()
        hub.agents.on_late_answer = self._answered_late

    async def run(self, asked: Asked) -> CommandView:
        """Carry out a command and return it with its outcome; one sent again under its key is only returned.

        Raises:
            NoSuchTargetError: there is no such alarm, group or other subject.
            ArgumentError: something that it needs is missing.
            NoSuchCommandError: no domain has the command for such a target.
            NoSuchEndError: the group does not end where it was asked to act.
            UnreachableError: no agent that could act is connected; nothing was done, and nothing is on record.
            NoAnswerError: an agent did not answer to a dry run.
            KeyReusedError: the key was used for something else.
            NoRoomError: the journal is full.
        """
        if asked.to_daemon and asked.dry_run:
            return await self._predict(asked, self._route(asked))
        async with self._turn:
            known = self._hub.projection.record.command_under(asked.key) if asked.key is not None else None
            if known is not None:
                if _essence(known) != _essence(asked):
                    raise KeyReusedError(f"the key was used for {known.command} of {known.target}")
            elif asked.command in WINDOWS:
                return await self._window(asked)
            elif not asked.to_daemon:
                return await self._act_on_alarm(asked)
            else:
                known = await self._send_out(asked, self._route(asked))
        if known.id in self._under_way:
            return await asyncio.shield(self._under_way[known.id])
        return known

    # ---------------------------------------------------------------- alarms

    async def _act_on_alarm(self, asked: Asked) -> CommandView:
        if self._hub.projection.alarm(asked.target) is None:
            raise NoSuchTargetError(asked.target)
        act = ACTS[asked.command]
        more: dict[str, Json] = {"until_ns": asked.until_ns(wall_ns())} if act == "shelve" else {}
        if act == "note" and not asked.text.strip():
            raise ArgumentError("a note needs a text")
        identifier = await self._request(asked, f"alarm:{asked.target}", {"arguments": dict(asked.arguments)})
        command = self._hub.projection.record.commands[identifier]
        try:
            self._hub.projection.record.alarms.check_act(asked.target, act)
        except IllegalActError as error:
            await self._write(settling.outcome(command, "refused", str(error)))
        else:
            await self._write(
                (EventKind.ALARM, f"alarm:{asked.target}", {"act": act, "by": asked.by, "text": asked.text, **more}),
                settling.outcome(command, "done", ""),
            )
        return self._hub.projection.record.commands[identifier]

    async def _window(self, asked: Asked) -> CommandView:
        """Open or plan a maintenance window on a subject, or end the one of an id."""
        windows = self._hub.projection.record.windows
        now_ns = wall_ns()
        if asked.command == "maintenance.end":
            window = windows.get(asked.target)
            if window is None:
                raise NoSuchTargetError(asked.target)
            body: dict[str, Json]
            subject, body = window.subject, {"act": "end", "id": window.id, "by": asked.by}
        else:
            subject, begin = asked.target, asked.arguments.get("from_ns", now_ns)
            if ":" not in subject or type(begin) is not int:
                raise ArgumentError("a window is on a subject, such as site:sbs-a, and `from_ns` a time")
            body = {"act": "begin", "id": uuid.uuid4().hex[:12], "from_ns": begin, "until_ns": asked.until_ns(now_ns),
                    "by": asked.by, "text": asked.text}  # fmt: skip
        identifier = await self._request(asked, subject, {"arguments": dict(asked.arguments)})
        command = self._hub.projection.record.commands[identifier]
        await self._write((EventKind.MAINTENANCE, subject, body), settling.outcome(command, "done", str(body["id"])))
        return self._hub.projection.record.commands[identifier]

    # ---------------------------------------------------------------- daemons

    def _route(self, asked: Asked) -> Route:
        """Return the daemon that carries a command out."""
        hub = self._hub
        if asked.command not in protection.COMMANDS:
            try:
                return Route(*domains.route(asked.command, asked.target, hub.projection.live, hub.projection.subjects))
            except LookupError as error:
                raise NoSuchTargetError(str(error)) from None
        group = asked.target.removeprefix("group:")
        if group not in hub.inventory.protection_groups:
            raise NoSuchTargetError(group)
        place = protection.choose_end(
            hub.inventory,
            group,
            asked.command.removeprefix(protection.PREFIX),
            asked.at,
            hub.projection.told_ends(group),
            lambda site: agent_of(site) in hub.agents and hub.projection.hears(site),
        )
        return Route(agent_of(place.site), place.why)

    async def _predict(self, asked: Asked, route: Route) -> CommandView:
        """Return what the daemon says that a command would do; nothing is done, and nothing is put on record."""
        identifier = uuid.uuid4().hex
        before = self._present(asked, route)
        asked_at_ns = wall_ns()
        result = await self._order(asked, identifier, route, self._hub.projection.record.token)
        return CommandView(
            id=identifier,
            command=asked.command,
            target=asked.target,
            text=asked.text,
            by=asked.by,
            phase="planned" if result.accepted else "refused",
            requested_at_ns=asked_at_ns,
            finished_at_ns=wall_ns(),
            detail=result.reason,
            dry_run=True,
            at=route.site,
            node=route.node,
            to=asked.to,
            arguments=asked.arguments,
            plan=self._plan(asked, route, result),
            before=before,
            after=result.predicted,
        )

    def _plan(self, asked: Asked, route: Route, result: wire.CommandResult) -> list[str]:
        """Return what would be ordered, and what is to be expected of it, as sentences."""
        if asked.command not in protection.COMMANDS:
            what = f"Order: {asked.command} of {asked.target}, by {route.node} ({route.why})."
            return [what, result.reason if result.accepted else f"It would be refused: {result.reason}"]
        group, command = asked.target.removeprefix("group:"), asked.command.removeprefix(protection.PREFIX)
        links = self._hub.inventory.protection_groups[group]
        end = self._hub.projection.told_ends(group).get(route.site, {})
        found = protection.effect({"working": links.working, "protection": links.protection}, result, end)
        return [protection.plan(group, command, asked.to, protection.Place(route.site, route.why)), *found]

    def _present(self, asked: Asked, route: Route) -> Mapping[str, Json] | None:
        """Return how the target stands now, as far as it belongs into the record."""
        if asked.command not in protection.COMMANDS:
            return None
        return protection.brief(self._hub.projection.told_ends(asked.target.removeprefix("group:")).get(route.site))

    async def _send_out(self, asked: Asked, route: Route) -> CommandView:
        """Put the intent on record and then the command on its way; its outcome is a task of its own."""
        token = self._next_token()
        if asked.command not in protection.COMMANDS and route.node not in self._hub.agents:
            raise protection.UnreachableError(f"the daemon {route.node} is not connected")
        identifier = await self._request(asked, asked.target, {
            "at": route.site, "node": route.node, "to": asked.to, "arguments": dict(asked.arguments), "token": token,
            "before": self._present(asked, route),
        })  # fmt: skip
        task = asyncio.create_task(self._outcome(asked, identifier, route, token))
        self._under_way[identifier] = task
        task.add_done_callback(lambda _task: self._under_way.pop(identifier))
        return self._hub.projection.record.commands[identifier]

    async def _outcome(self, asked: Asked, identifier: str, route: Route, token: int) -> CommandView:
        command = self._hub.projection.record.commands[identifier]
        try:
            result = await self._order(asked, identifier, route, token)
        except protection.UnreachableError as error:
            draft = settling.outcome(command, "refused", f"{error}; nothing was sent")
        except NoAnswerError as error:
            draft = settling.outcome(command, "unknown", str(error))
        else:
            draft = _of_result(command, result)
        settled = self._hub.projection.record.commands[identifier].phase != "requested"  # its own event was faster
        if not settled and not await self._hub.write_all([draft]):
            raise NoRoomError(f"It was sent, and what became of it cannot be kept. {self._hub.trouble}")
        return self._hub.projection.record.commands[identifier]

    async def _order(self, asked: Asked, identifier: str, route: Route, token: int) -> wire.CommandResult:
        command = asked.command.removeprefix(protection.PREFIX)
        order = wire.Command(
            identifier, asked.target, command, token, asked.by, asked.to, asked.dry_run, asked.arguments
        )
        try:
            return await self._hub.agents.order(route.node, order, ANSWER_S)
        except NotConnectedError:
            whom = f"agent of {route.site}" if route.node == agent_of(route.site) else f"daemon {route.node}"
            raise protection.UnreachableError(f"the {whom} is not connected") from None

    def _next_token(self) -> int:
        """Return a fencing token above all on record.

        It is the wall time in milliseconds, or one more than the last where that is more. So it grows with every
        command through any restart, and beyond the loss of the journal as well, unless the clock was set back then.
        """
        return max(self._hub.projection.record.token + 1, wall_ns() // 1_000_000)

    def _answered_late(self, node: str, result: wire.CommandResult) -> None:
        """Settle a command whose answer comes when nobody waits for it any more."""
        command = self._hub.projection.record.commands.get(result.id)
        if command is None or _node_of(command) != node or command.phase == "done":
            log.info("late answer is of no use", node=node, id=result.id)
            return
        task = asyncio.create_task(self._hub.write_all([_of_result(command, result)]))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    # ---------------------------------------------------------------- the record

    async def _request(self, asked: Asked, subject: str, more: Mapping[str, Json]) -> str:
        """Put an intent on record and return its id."""
        identifier = uuid.uuid4().hex
        await self._write((EventKind.COMMAND, subject, {
            "command_id": identifier, "command": asked.command, "target": asked.target, "by": asked.by,
            "phase": "requested", "text": asked.text, "idempotency_key": asked.key, **more,
        }))  # fmt: skip
        return identifier

    async def _write(self, *drafts: settling.Draft) -> None:
        if not await self._hub.write_all(drafts):
            raise NoRoomError(f"Nothing was done. {self._hub.trouble}")


def _of_result(command: CommandView, result: wire.CommandResult) -> settling.Draft:
    phase = "done" if result.accepted else "refused"
    after = protection.brief(result.result) if command.command in protection.COMMANDS else result.result
    return settling.outcome(command, phase, result.reason, after)


def _node_of(command: CommandView) -> str | None:
    return command.node or (agent_of(command.at) if command.at else None)


def _essence(it: Asked | CommandView) -> tuple[Any, ...]:
    """Return what makes two commands the same one."""
    return it.command, it.target, it.to, it.arguments
