"""What became of commands whose outcome is missing. Pure: drafts of events out of the record and the ends' words.

A command is settled by the first of these.

1. The agent's result, which the hub puts on record, however late it comes.
2. A `command` event of the agent's own with the command's id, which its outbox delivers whatever happened in between.
3. The end's state: a command that stands there was carried out. One that does not stand, although the end has been
   heard for `DOUBT_S` since, is not in force, and the record says no more than that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from lifeline.model.records import EventKind, Json

from . import protection
from .views import CommandView

DOUBT_S: Final = 30.0
"""An agent that is slow may still carry the command out; after this long nobody waits for that."""
Draft = tuple[EventKind, str, Mapping[str, Json]]
"""Kind, subject and body of an event to be."""


def outcome(command: CommandView, phase: str, detail: str, after: Mapping[str, Json] | None = None) -> Draft:
    """Return the event of a command's outcome."""
    is_alarm = command.command.startswith("alarm.")
    is_window = command.command.startswith("maintenance.")
    body: dict[str, Json] = {
        "command_id": command.id, "command": command.command, "target": command.target, "phase": phase,
        "by": command.by, "detail": detail,
    }  # fmt: skip
    if not is_alarm and not is_window:
        body |= {
            "at": command.at, "node": command.node, "to": command.to, "token": command.token,
            "before": command.before, "after": after,
        }  # fmt: skip
    return EventKind.COMMAND, f"alarm:{command.target}" if is_alarm else command.target, body


def after_restart(commands: Iterable[CommandView]) -> list[Draft]:
    """Return what a hub says of commands that were under way when it stopped."""
    drafts = []
    for command in commands:
        if command.phase != "requested":
            continue
        if not command.command.startswith(("alarm.", "maintenance.")):
            drafts.append(outcome(command, "unknown", "the hub stopped before it heard what became of it"))
        else:  # effect and outcome are one transaction
            drafts.append(outcome(command, "refused", "the hub stopped before it acted; nothing was done"))
    return drafts


def by_evidence(
    commands: Iterable[CommandView], heard_end: Callable[[str, str], Mapping[str, Any] | None], now_ns: int
) -> Iterator[Draft]:
    """Yield what the ends' states show of commands whose outcome is not known.

    Args:
        commands: on record.
        heard_end: a group's end as it is heard now, with `heard_at_ns`; None when it is not heard.
        now_ns: wall time.
    """
    for command in commands:
        if command.phase not in ("requested", "unknown") or command.command not in protection.COMMANDS:
            continue
        assert command.at is not None
        open_since_ns = command.finished_at_ns or command.requested_at_ns + int(DOUBT_S * 1e9)
        end = heard_end(command.target.removeprefix("group:"), command.at)
        if end is None or end["heard_at_ns"] <= open_since_ns:
            continue
        if protection.stands(command.command.removeprefix(protection.PREFIX), command.to, end):
            yield outcome(command, "done", "no answer came; the end's state shows it", protection.brief(end))
        elif now_ns - open_since_ns >= DOUBT_S * 1e9:
            detail = "no answer came, and it is not in force: it was not carried out, or something overrode it"
            yield outcome(command, "refused", detail, protection.brief(end))
