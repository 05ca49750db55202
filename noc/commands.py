"""Commands: what people ask the hub to do. Intent on record first, then the effect and the outcome in one piece."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Final

from lifeline.alarms import IllegalActError
from lifeline.model.records import EventKind, Json

from .hub import Hub
from .views import CommandView

ACTS: Final[Mapping[str, str]] = {"alarm.acknowledge": "acknowledge", "alarm.unacknowledge": "unacknowledge"}
"""Commands so far, and the operator's act that each is."""


class NoSuchTargetError(LookupError):
    """There is nothing of that name to act on."""


class KeyReusedError(ValueError):
    """The idempotency key was used for another command."""


class NoRoomError(Exception):
    """The journal takes no events, so nothing was done: nothing acts without a record."""


class Commands:
    """Carries commands out, one at a time."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._turn = asyncio.Lock()

    async def run(self, command: str, target: str, text: str, by: str, key: str | None = None) -> CommandView:
        """Carry out a command and return it with its outcome; one sent again under its key is only returned.

        Args:
            command: one of `ACTS`.
            target: an alarm's id.
            text: why, for the record.
            by: who asks.
            key: idempotency key.

        Raises:
            NoSuchTargetError: there is no such alarm.
            KeyReusedError: the key was used for something else.
            NoRoomError: the journal is full.
        """
        async with self._turn:
            if key is not None and (known := self._hub.projection.record.command_under(key)) is not None:
                if (known.command, known.target) != (command, target):
                    raise KeyReusedError(f"the key was used for {known.command} of {known.target}")
                return known
            if self._hub.projection.alarm(target) is None:
                raise NoSuchTargetError(f"there is no alarm {target!r}")
            return await self._carry_out(command, target, text, by, key)

    async def _carry_out(self, command: str, target: str, text: str, by: str, key: str | None) -> CommandView:
        identifier = uuid.uuid4().hex
        subject = f"alarm:{target}"
        named = {"command_id": identifier, "command": command, "target": target, "by": by}
        await self._write((EventKind.COMMAND, subject, {
            **named, "phase": "requested", "text": text, "idempotency_key": key,
        }))  # fmt: skip
        act = ACTS[command]
        try:
            self._hub.projection.record.alarms.check_act(target, act)
        except IllegalActError as error:
            await self._write((EventKind.COMMAND, subject, {**named, "phase": "refused", "detail": str(error)}))
        else:
            await self._write(
                (EventKind.ALARM, subject, {"act": act, "by": by, "text": text}),
                (EventKind.COMMAND, subject, {**named, "phase": "done", "detail": ""}),
            )
        return self._hub.projection.record.commands[identifier]

    async def _write(self, *drafts: tuple[EventKind, str, Mapping[str, Json]]) -> None:
        if not await self._hub.write_all(drafts):
            raise NoRoomError(f"Nothing was done. {self._hub.trouble}")
