"""Steps that the hub carries out: commands to protection groups and daemons, notes, a person's word."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from lifeline.model.fields import STRICT
from lifeline.model.records import Json

from ..core.playbook import Outcome, Recovery, Sight
from .kind import Command, Context, StepKind

_RESULTS: Final[dict[str, Literal["did", "refused", "lost"]]] = {"done": "did", "refused": "refused"}
POLL_S: Final = 0.2


@dataclass(frozen=True, config=STRICT)
class GroupArgs:
    """On which group, at which end."""

    group: str
    to: Literal["working", "protection"] | None = None
    at: str | None = None


@dataclass(frozen=True, config=STRICT)
class CommandArgs:
    """Any command that the hub knows."""

    command: str
    target: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class _ByHub(StepKind):
    """A command of the hub. It is on record under its key, so the hub itself knows whether it was carried out."""

    recovery = Recovery.PROBE

    def order(self, args: Any) -> tuple[str, str, dict[str, Json]]:
        """Return command, target and arguments."""
        raise NotImplementedError

    async def do(self, args: Any, context: Context) -> Outcome:
        """Send it and wait for what becomes of it."""
        return _outcome(await context.command(*self.order(args), context.key, context.by))

    async def look(self, _args: Any, context: Context) -> Sight:
        """Return what the hub knows of it."""
        found = context.known_command(context.key)
        if found is None:
            return Sight("untouched", "the hub was never asked")
        if found.phase == "done":
            return Sight("achieved", found.detail, found.after)
        if found.phase == "refused":
            return Sight("untouched", found.detail)
        return Sight("unreadable", f"the command is {found.phase}: {found.detail}")


def _outcome(command: Command) -> Outcome:
    return Outcome(_RESULTS.get(command.phase, "lost"), command.detail, command.before, command.after)


class _Protection(_ByHub):
    Args = GroupArgs
    verb: ClassVar[str]

    def order(self, args: GroupArgs) -> tuple[str, str, dict[str, Json]]:
        """Return command, target and arguments."""
        more = {key: value for key, value in (("to", args.to), ("at", args.at)) if value is not None}
        return f"protection.{self.verb}", f"group:{args.group}", more


class Force(_Protection):
    """Forced switch to protection (G.8031 FS)."""

    name, verb, text = "protection.force", "force", "Force a group to its protection path."


class Manual(_Protection):
    """Manual switch (G.8031 MS)."""

    name, verb, text = "protection.manual", "manual", "Switch a group to a path while both paths are sound."


class Lockout(_Protection):
    """Lockout of protection (G.8031 LO)."""

    name, verb, text = "protection.lockout", "lockout", "Keep a group on its working path, whatever happens."


class Clear(_Protection):
    """Clear (G.8031)."""

    name, verb, text = "protection.clear", "clear", "Clear the command that stands in a group."


class HubCommand(_ByHub):
    """Any command of a domain, such as `power.start`."""

    name, text, Args = "command", "Have a daemon carry out a command of its domain.", CommandArgs

    def order(self, args: CommandArgs) -> tuple[str, str, dict[str, Json]]:
        """Return command, target and arguments."""
        return args.command, args.target, args.arguments


@dataclass(frozen=True, config=STRICT)
class NoteArgs:
    """What to write down."""

    text: str
    data: Any = None


class Note(StepKind):
    """A note in the run's own record."""

    name, text, Args = "note", "Write something into the record of the run, for people.", NoteArgs
    recovery, changes, of_facts = Recovery.REPEAT, False, True

    async def do(self, args: NoteArgs, _context: Context) -> Outcome:
        """The entry of its outcome is the note."""
        return Outcome("did", args.text, after=args.data)


@dataclass(frozen=True, config=STRICT)
class ApproveArgs:
    """Whose word is waited for."""

    people: int = Field(default=1, ge=1, le=5)
    text: str = ""


class Approve(StepKind):
    """Waits until people have agreed to the run's going on."""

    name, text, Args = "approve", "Wait until people agree that the run goes on.", ApproveArgs
    recovery, changes = Recovery.REPEAT, False

    async def do(self, args: ApproveArgs, context: Context) -> Outcome:
        """Wait; the step's own time-out bounds it."""
        while True:
            fact = context.facts.get(f"run:{context.run}")
            if fact.age_s is not None and len(consents := set(fact.value["consents"])) >= args.people:
                return Outcome("did", f"agreed by {', '.join(sorted(consents))}")
            await asyncio.sleep(POLL_S)
