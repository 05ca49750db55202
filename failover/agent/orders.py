"""Operators' commands on their way from the hub to the fast path, and what becomes of them on the way back.

The intent is on record before the fast path hears of it, the outcome when the fast path has told it: as one of its
reports, which it repeats until it is kept. So an agent that dies in between leaves no command without an outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from lifeline.model.records import EventKind
from lifeline.runtime import wire

from ..io.fastpath_client import FastPathClient
from .intake import Intake, record_of

ANSWER_S = 5.0

Order = dict[str, Any]


class Orders:
    """The commands of one agent.

    Args:
        site: whose end acts.
        intake: keeps what happens.
    """

    def __init__(self, site: str, intake: Intake) -> None:
        self._site = site
        self._intake = intake
        self._awaited: dict[str, asyncio.Future[Mapping[str, Any]]] = {}

    async def carry_out(self, command: wire.Command, fast_path: FastPathClient | None) -> wire.CommandResult:
        """Have a command carried out, or predicted, and return what the fast path says.

        Raises:
            TimeoutError: it has not answered within `ANSWER_S`; nobody knows yet what became of the command.
        """
        order: Order = {
            "id": command.id, "group": command.target.removeprefix("group:"), "command": command.command,
            "to": command.to, "token": command.token, "by": command.by, "dry_run": command.dry_run,
        }  # fmt: skip
        if not command.dry_run:
            self._note(order, "received")
        if fast_path is None:
            return self._refuse(order, f"The fast path of {self._site} is not reached.")
        answer = self._awaited[command.id] = asyncio.get_running_loop().create_future()
        try:
            fast_path.order(order)
            async with asyncio.timeout(ANSWER_S):
                told = await answer
        except TimeoutError:
            raise TimeoutError(f"the fast path has not answered within {ANSWER_S:g} s") from None
        except OSError as error:
            return self._refuse(order, f"The fast path of {self._site} does not listen: {error.strerror}.")
        finally:
            del self._awaited[command.id]
        return wire.CommandResult(
            command.id, told["accepted"], told["reason"], predicted=told["predicted"], result=told["result"]
        )

    def answered(self, answer: Mapping[str, Any]) -> None:
        """Take the fast path's answer."""
        waiting = self._awaited.get(str(answer["id"]))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _refuse(self, order: Order, reason: str) -> wire.CommandResult:
        if not order["dry_run"]:
            self._note(order | {"reason": reason}, "refused")
        return wire.CommandResult(order["id"], accepted=False, reason=reason)

    def _note(self, order: Order, phase: str) -> None:
        body = record_of(order, self._site, phase)
        self._intake.put(EventKind.COMMAND, body["target"], body)
