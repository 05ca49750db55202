"""Operators' commands: fenced, carried out once, and put back by the next life of this process.

The rules:

1. A command with a token lower than the highest one obeyed comes late and is refused. A dry run is never fenced.
2. A command that has been carried out is not carried out again: whoever asks again gets the answer of the first time.
3. What stands is in a file before the answer leaves. The file outlives the process and the machine.
4. A process that was killed takes its BFD sessions with it: the far end sees protection failed, and that overrides what
   the next life has put back. A failure of our own making does not count: for `SETTLE_S` it is put back again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lifeline.runtime.files import write_json

from ..core.protection import Command, Selector
from .group import GroupEnd
from .groups import Effects, Groups
from .narration import say
from .worker import Worker

SCHEMA = "lifeline.fastpath-commands/1"

SETTLE_S = 10.0
"""BFD and APS over a satellite need two or three seconds to be what they were."""

_COMMANDS: dict[tuple[str, str | None], Command] = {
    ("lockout", None): Command.LOCKOUT,
    ("force", None): Command.FORCE,
    ("force", "protection"): Command.FORCE,
    ("manual", "protection"): Command.MANUAL_PROTECTION,
    ("manual", "working"): Command.MANUAL_WORKING,
    ("exercise", None): Command.EXERCISE,
    ("freeze", None): Command.FREEZE,
    ("clear", None): Command.CLEAR,
}

Answer = dict[str, Any]


class Commands:
    """What operators ordered the groups of this site.

    Args:
        path: the file that remembers.
        groups: the ends of groups here.
        disk: writes the file, so that the loop does not wait for it.
    """

    def __init__(self, path: Path, groups: Groups, disk: Worker) -> None:
        self._path = path
        self._disk = disk
        self._groups = groups
        self._tokens: dict[str, int] = {}
        self._answers: dict[str, Answer] = {}
        """The last command carried out, by group."""
        self._settling: dict[str, tuple[Command, float]] = {}
        """What was put back and may have to be put back again, and until when."""
        self._written: dict[str, Any] = {}
        """What the file holds, or soon will."""
        self._trouble = ""
        self._under_way = 0

    def restore(self, now: float) -> Effects:
        """Put back what stood in the last life, before anything is known of the paths."""
        effects: Effects = ()
        for name, kept in self._read().items():
            if (group := self._groups.get(name)) is None:
                continue
            self._tokens[name], self._answers[name] = kept["token"], kept["answer"]
            for command in map(Command, kept["standing"]):
                if command is not Command.FREEZE:
                    self._settling[name] = command, now + SETTLE_S
                outcome, told = self._groups.restore(group, command, now)
                effects += told
                what = "restored" if outcome.accepted else "not restored"
                say("info", f"command {what}", group=name, command=command.value, reason=outcome.reason)
        self.remember()
        return effects

    def settle(self, now: float) -> Effects:
        """Put back again what our own absence has overridden."""
        effects: Effects = ()
        for name, (command, until) in list(self._settling.items()):
            group = self._groups[name]
            if now >= until:
                del self._settling[name]
            elif group.core.standing_command is None and group.core.plan(command, now).accepted:
                effects += self._groups.command(group, command, now)[1]
                say("info", "command restored again", group=name, command=command.value)
        self.remember()
        return effects

    def carry_out(self, order: Mapping[str, Any], now: float) -> tuple[GroupEnd | None, Answer, Effects]:
        """Carry out an order, or say what it would do; return its group, the answer and what is to be done at once."""
        group = self._groups.get(str(order.get("group")))
        answer: Answer = {key: order.get(key) for key in ("id", "group", "command", "to", "token", "by")}
        answer |= {"dry_run": order.get("dry_run") is not False, "accepted": False, "predicted": None, "result": None}
        if group is None:
            return None, answer | {"reason": f"No group {order.get('group')} here."}, ()
        answer["before"] = group.standing()
        if reason := self._objection(answer):
            return group, answer | {"reason": reason}, ()
        last = self._answers.get(group.plan.id)
        if not answer["dry_run"] and last is not None and last["id"] == answer["id"]:
            return group, last, ()
        command = _COMMANDS[answer["command"], answer["to"]]
        prediction = group.core.plan(command, now)
        answer |= {"accepted": prediction.accepted, "reason": prediction.reason}
        if prediction.accepted:
            answer["predicted"] = {
                "state": prediction.state.value,
                "selector": prediction.selector.value,
                "request": prediction.request.value,
                "why": prediction.reason,
            }
        if answer["dry_run"] or not prediction.accepted:
            return group, answer, ()
        outcome, effects = self._groups.command(group, command, now)
        answer |= {"accepted": outcome.accepted, "reason": outcome.reason, "result": group.standing()}
        self._tokens[group.plan.id], self._answers[group.plan.id] = answer["token"], answer
        self._settling.pop(group.plan.id, None)
        return group, answer, effects

    def remember(self, then: Callable[[], None] = lambda: None) -> None:
        """Write down what stands, where that has changed; `then` is called when it is on the disk, or cannot be."""
        groups = {
            name: {
                "token": token,
                "standing": [command.value for command in self._standing(name, self._groups[name])],
                "answer": self._answers[name],
            }
            for name, token in self._tokens.items()
        }
        if groups == self._written:
            if self._under_way:  # what is being written is what `then` waits for
                self._disk.do(lambda: None, lambda _: then())
            else:
                then()
            return

        def write() -> str:
            try:
                write_json(self._path, {SCHEMA: groups})
            except OSError as error:
                return str(error)
            return ""

        def written(error: str) -> None:
            self._under_way -= 1
            if error and error != self._trouble:
                say("error", "commands would not outlive this process", path=str(self._path), error=error)
            if error and self._written is groups:
                self._written = {}  # tried again with the next second
            self._trouble = error
            then()

        self._written = groups
        self._under_way += 1
        self._disk.do(write, written)

    def _standing(self, name: str, group: GroupEnd) -> list[Command]:
        standing = group.commands()
        if group.core.standing_command is None and name in self._settling:
            standing.append(self._settling[name][0])
        return standing

    def _objection(self, answer: Answer) -> str:
        command, to, token = answer["command"], answer["to"], answer["token"]
        if command == "force" and to == Selector.WORKING.value:
            return "A forced switch goes to protection; a lockout holds traffic on working."
        if command == "manual" and to is None:
            return "A manual switch must say where to: working or protection."
        if not isinstance(command, str) or not isinstance(to, str | None) or (command, to) not in _COMMANDS:
            return f"There is no command {command}{f' to {to}' if to else ''}."
        if answer["dry_run"]:
            return ""
        if not isinstance(token, int):
            return "A command needs a token."
        highest = self._tokens.get(answer["group"], token)
        return f"Command {token} comes late: {highest} has been obeyed." if token < highest else ""

    def _read(self) -> dict[str, Any]:
        try:
            groups: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))[SCHEMA]
            for kept in groups.values():
                int(kept["token"]), kept["answer"]["id"], [Command(value) for value in kept["standing"]]
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            say("error", "commands of the last life are lost", path=str(self._path), error=str(error))
            return {}
        return groups
