"""The record: the fold of the journal that the hub keeps in memory. Pure, and deterministic.

It takes every event, whatever today's inventory says of it, so that the same events always give the same record. An
event that makes no sense is counted and passed over: it stays in the journal, and it must not keep the hub from
starting for ever after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from lifeline.alarms import AlarmChange, AlarmList, Windows
from lifeline.audit import Head, head_of
from lifeline.model.records import Event, EventKind, Json, StoredEvent

from .views import CommandView

FORMAT: Final = 2
"""Snapshots of another format are not used; the journal has everything."""
COMMANDS_KEPT: Final = 500


@dataclass(frozen=True, slots=True)
class Told:
    """What one end said, and the wall time at which it was recorded."""

    body: Mapping[str, Any]
    at_ns: int


class Record:
    """The fold of the journal up to `cursor`.

    Attributes:
        cursor: of the last event folded in.
        alarms: all alarms there have been.
        windows: maintenance windows, planned or open.
        ends: by group and site: the end's last word.
        paths: by link and site: the end's last word.
        last_heard_ns: by writer: when its last event was recorded, wall nanoseconds.
        commands: the latest commands by id, oldest first.
        token: the highest fencing token that a command on record has.
        audit: the end of the audit's chain.
        malformed: events passed over because they make no sense.
    """

    def __init__(self) -> None:
        self.cursor = 0
        self.alarms = AlarmList()
        self.windows = Windows()
        self.ends: dict[tuple[str, str], Told] = {}
        self.paths: dict[tuple[str, str], Told] = {}
        self.last_heard_ns: dict[str, int] = {}
        self.commands: dict[str, CommandView] = {}
        self.token = 0
        self.audit = Head()
        self.malformed = 0
        self._keys: dict[str, str] = {}

    def apply(self, stored: StoredEvent) -> tuple[AlarmChange, ...]:
        """Fold in one event and return what it did to the alarms; one that is folded in already changes nothing."""
        if stored.cursor <= self.cursor:
            return ()
        self.cursor = stored.cursor
        event = stored.event
        self.last_heard_ns[event.node] = stored.recorded_at_ns
        try:
            self.audit = head_of(event.node, event.kind, event.body) or self.audit
            match event.kind:
                case EventKind.CONDITION | EventKind.ALARM:
                    return self.alarms.apply(stored)
                case EventKind.PROTECTION:
                    self._protection(event, stored.recorded_at_ns)
                case EventKind.BFD:
                    self._bfd(event, stored.recorded_at_ns)
                case EventKind.MAINTENANCE:
                    self.windows.apply(event)
                case EventKind.COMMAND:
                    self._command(event)
        except (ValueError, TypeError, LookupError, AttributeError):  # whatever shape an outside body may have
            self.malformed += 1
        return ()

    def command_under(self, idempotency_key: str) -> CommandView | None:
        """Return the command that was asked for under a key."""
        return self.commands.get(self._keys.get(idempotency_key, ""))

    def rewind(self) -> None:
        """Go on with a fresh journal: what is known stays known, the journal's cursors begin anew."""
        self.cursor = self.alarms.cursor = 0

    # ---------------------------------------------------------------- snapshots

    def to_json(self) -> dict[str, Json]:
        """Return the record as JSON, for a snapshot."""
        return {
            "format": FORMAT,
            "cursor": self.cursor,
            "alarms": self.alarms.to_json(),
            "windows": self.windows.to_json(),
            "ends": [[*key, told.body, told.at_ns] for key, told in self.ends.items()],
            "paths": [[*key, told.body, told.at_ns] for key, told in self.paths.items()],
            "last_heard_ns": self.last_heard_ns,
            "commands": [_command_json(command) for command in self.commands.values()],
            "keys": self._keys,
            "token": self.token,
            "audit": [self.audit.number, self.audit.hash],
            "malformed": self.malformed,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build a record from a snapshot.

        Raises:
            ValueError: it is of another format, or not what `to_json` gave.
        """
        try:
            if data["format"] != FORMAT:
                raise ValueError(f"snapshot of format {data['format']!r}, this version reads {FORMAT}")
            record = cls()
            record.cursor = data["cursor"]
            record.alarms = AlarmList.from_json(data["alarms"])
            record.windows = Windows.from_json(data.get("windows", []))  # snapshots before there were windows
            record.ends = {(group, site): Told(body, at_ns) for group, site, body, at_ns in data["ends"]}
            record.paths = {(link, site): Told(body, at_ns) for link, site, body, at_ns in data["paths"]}
            record.last_heard_ns = dict(data["last_heard_ns"])
            record.commands = {one["id"]: CommandView(**one) for one in data["commands"]}
            record._keys = dict(data["keys"])
            record.token = data.get("token", 0)  # snapshots before there were tokens have none
            record.audit = Head(*data["audit"])
            record.malformed = data["malformed"]
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a snapshot of the record: {error!r}") from error
        return record

    # ---------------------------------------------------------------- by kind

    def _protection(self, event: Event, at_ns: int) -> None:
        end = group_end(event.body)
        if end is None:
            raise ValueError("not the state of a group's end")
        site = str(end["site"])
        self.ends[event.subject.removeprefix("group:"), site] = Told(end, at_ns)
        for path in (end["working"], end["protection"]):
            self.paths[str(path["link"]), site] = Told(path, at_ns)

    def _bfd(self, event: Event, at_ns: int) -> None:
        body = event.body
        key = (event.subject.removeprefix("link:"), str(body["site"]))
        before = self.paths[key].body if key in self.paths else {"link": key[0]}
        path = {**before, "bfd": body["state"], "diag": body["diag"], "remote_bfd": body.get("remote_state")}
        self.paths[key] = Told(
            {**path, "remote_diag": body.get("remote_diag"), "since_ns": event.observed_at_ns}, at_ns
        )

    def _command(self, event: Event) -> None:
        body = event.body
        identifier, phase = str(body["command_id"]), str(body["phase"])
        known = self.commands.get(identifier)
        if phase in ("requested", "received"):
            if known is not None:  # an end has received what is on record as requested
                return
            self.commands[identifier] = CommandView(
                id=identifier,
                command=str(body["command"]),
                target=str(body["target"]),
                text=str(body["text"]),
                by=str(body["by"]),
                phase="requested",
                requested_at_ns=event.observed_at_ns,
                finished_at_ns=None,
                detail="",
                at=body.get("at"),
                node=body.get("node"),
                arguments=body.get("arguments") or {},
                to=body.get("to"),
                token=body.get("token"),
                before=body.get("before"),
            )
            self.token = max(self.token, int(body.get("token") or 0))
            if body.get("idempotency_key"):
                self._keys[str(body["idempotency_key"])] = identifier
            self._forget_commands()
        elif known is not None and (phase != "unknown" or known.phase == "requested"):
            self.commands[identifier] = replace(
                known,
                phase=phase,
                finished_at_ns=event.observed_at_ns,
                detail=str(body.get("detail", "")),
                after=body.get("after"),
            )

    def _forget_commands(self) -> None:
        while len(self.commands) > COMMANDS_KEPT:
            del self.commands[next(iter(self.commands))]
        if len(self._keys) > COMMANDS_KEPT:
            self._keys = {key: command for key, command in self._keys.items() if command in self.commands}


def group_end(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the body if it is the state of a protection group's end as far as we rely on it, else None."""
    paths = [body.get("working"), body.get("protection")]
    texts = [body.get("site"), body.get("state")]
    sound = (
        all(isinstance(path, Mapping) and isinstance(path.get("link"), str) for path in paths)
        and all(isinstance(path.get("signal_fail"), bool | None) for path in paths if path is not None)
        and all(isinstance(text, str) for text in texts)
        and body.get("selector") in ("working", "protection")
    )
    return body if sound else None


def _command_json(command: CommandView) -> dict[str, Json]:
    return {name: getattr(command, name) for name in CommandView.__dataclass_fields__}
