"""Commands: what people ask the hub to do. Intent on record first, then the effect, then the outcome."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from lifeline.alarms import IllegalActError
from lifeline.clock import wall_ns
from lifeline.model.records import EventKind, Json
from lifeline.runtime import wire

from . import protection, settling
from .agents import NoAnswerError, NotConnectedError
from .hub import Hub
from .projection import agent_of
from .views import CommandView

ACTS: Final[Mapping[str, str]] = {"alarm.acknowledge": "acknowledge", "alarm.unacknowledge": "unacknowledge"}
"""Commands that concern alarms, and the operator's act that each is."""
ANSWER_S: Final = 6.0
"""How long an agent's answer is waited for: eleven round trips by satellite, and less than a client waits for us."""

log = structlog.get_logger(__name__)


class NoSuchTargetError(LookupError):
    """There is nothing of that name to act on."""


class KeyReusedError(ValueError):
    """The idempotency key was used for another command."""


class NoRoomError(Exception):
    """The journal takes no events, so nothing was done: nothing acts without a record."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A command as it was asked for.

    Attributes:
        command: one of `ACTS` or of `protection.COMMANDS`.
        target: an alarm's id, or `group:` and a group's id.
        by: who asks.
        text: why, for the record.
        key: idempotency key.
        at: of a protection command: the site at whose end it shall act; None: the hub chooses.
        to: of `protection.manual`: `working` or `protection`.
        dry_run: of a protection command: predict, and do nothing.
    """

    command: str
    target: str
    by: str
    text: str = ""
    key: str | None = None
    at: str | None = None
    to: str | None = None
    dry_run: bool = False


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
            NoSuchTargetError: there is no such alarm or group.
            NoSuchEndError: the group does not end where it was asked to act.
            UnreachableError: no agent that could act is connected; nothing was done, and nothing is on record.
            NoAnswerError: an agent did not answer to a dry run.
            KeyReusedError: the key was used for something else.
            NoRoomError: the journal is full.
        """
        if asked.command in protection.COMMANDS and asked.dry_run:
            return await self._predict(asked, self._place(asked))
        async with self._turn:
            known = self._hub.projection.record.command_under(asked.key) if asked.key is not None else None
            if known is not None:
                if (known.command, known.target, known.to) != (asked.command, asked.target, asked.to):
                    raise KeyReusedError(f"the key was used for {known.command} of {known.target}")
            elif asked.command in ACTS:
                return await self._act_on_alarm(asked)
            else:
                known = await self._send_out(asked, self._place(asked))
        if known.id in self._under_way:
            return await asyncio.shield(self._under_way[known.id])
        return known

    # ---------------------------------------------------------------- alarms

    async def _act_on_alarm(self, asked: Asked) -> CommandView:
        if self._hub.projection.alarm(asked.target) is None:
            raise NoSuchTargetError(asked.target)
        identifier = await self._request(asked, f"alarm:{asked.target}", {})
        command = self._hub.projection.record.commands[identifier]
        act = ACTS[asked.command]
        try:
            self._hub.projection.record.alarms.check_act(asked.target, act)
        except IllegalActError as error:
            await self._write(settling.outcome(command, "refused", str(error)))
        else:
            await self._write(
                (EventKind.ALARM, f"alarm:{asked.target}", {"act": act, "by": asked.by, "text": asked.text}),
                settling.outcome(command, "done", ""),
            )
        return self._hub.projection.record.commands[identifier]

    # ---------------------------------------------------------------- protection groups

    def _place(self, asked: Asked) -> protection.Place:
        """Return the end at which a command acts."""
        hub, group = self._hub, asked.target.removeprefix("group:")
        if group not in hub.inventory.protection_groups:
            raise NoSuchTargetError(group)
        return protection.choose_end(
            hub.inventory,
            group,
            asked.command.removeprefix(protection.PREFIX),
            asked.at,
            hub.projection.told_ends(group),
            lambda site: agent_of(site) in hub.agents and hub.projection.hears(site),
        )

    async def _predict(self, asked: Asked, place: protection.Place) -> CommandView:
        """Return what the agent says that a command would do; nothing is done, and nothing is put on record."""
        identifier = uuid.uuid4().hex
        group, command = asked.target.removeprefix("group:"), asked.command.removeprefix(protection.PREFIX)
        end = self._hub.projection.told_ends(group).get(place.site, {})
        asked_at_ns = wall_ns()
        result = await self._order(asked, identifier, place, self._hub.projection.record.token)
        links = self._hub.inventory.protection_groups[group]
        found = protection.effect({"working": links.working, "protection": links.protection}, result, end)
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
            at=place.site,
            to=asked.to,
            plan=[protection.plan(group, command, asked.to, place), *found],
            before=protection.brief(end),
            after=result.predicted,
        )

    async def _send_out(self, asked: Asked, place: protection.Place) -> CommandView:
        """Put the intent on record and then the command on its way; its outcome is a task of its own."""
        token = self._next_token()
        end = self._hub.projection.told_ends(asked.target.removeprefix("group:")).get(place.site)
        identifier = await self._request(asked, asked.target, {
            "at": place.site, "to": asked.to, "token": token, "before": protection.brief(end),
        })  # fmt: skip
        task = asyncio.create_task(self._outcome(asked, identifier, place, token))
        self._under_way[identifier] = task
        task.add_done_callback(lambda _task: self._under_way.pop(identifier))
        return self._hub.projection.record.commands[identifier]

    async def _outcome(self, asked: Asked, identifier: str, place: protection.Place, token: int) -> CommandView:
        command = self._hub.projection.record.commands[identifier]
        try:
            result = await self._order(asked, identifier, place, token)
        except protection.UnreachableError as error:
            draft = settling.outcome(command, "refused", f"{error}; nothing was sent")
        except NoAnswerError as error:
            draft = settling.outcome(command, "unknown", str(error))
        else:
            draft = _of_result(command, result)
        settled = self._hub.projection.record.commands[identifier].phase != "requested"  # the agent's event was faster
        if not settled and not await self._hub.write_all([draft]):
            raise NoRoomError(f"It was sent, and what became of it cannot be kept. {self._hub.trouble}")
        return self._hub.projection.record.commands[identifier]

    async def _order(self, asked: Asked, identifier: str, place: protection.Place, token: int) -> wire.CommandResult:
        command = asked.command.removeprefix(protection.PREFIX)
        order = wire.Command(identifier, asked.target, command, token, asked.by, asked.to, asked.dry_run)
        try:
            return await self._hub.agents.order(agent_of(place.site), order, ANSWER_S)
        except NotConnectedError:
            raise protection.UnreachableError(f"the agent of {place.site} is not connected") from None

    def _next_token(self) -> int:
        """Return a fencing token above all on record.

        It is the wall time in milliseconds, or one more than the last where that is more. So it grows with every
        command through any restart, and beyond the loss of the journal as well, unless the clock was set back then.
        """
        return max(self._hub.projection.record.token + 1, wall_ns() // 1_000_000)

    def _answered_late(self, node: str, result: wire.CommandResult) -> None:
        """Settle a command whose answer comes when nobody waits for it any more."""
        command = self._hub.projection.record.commands.get(result.id)
        if command is None or command.at is None or agent_of(command.at) != node or command.phase == "done":
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
    return settling.outcome(command, phase, result.reason, protection.brief(result.result))
