"""The messages between a daemon and a hub: JSON objects, one per WebSocket text message (ADR 0006).

A connection goes like this.

1. The daemon says `hello` and streams `events` at once, in the order of its outbox, without waiting for anything.
2. The hub answers `welcome`, or `refused` and closes.
3. The hub commits events and says `ack` with the highest outbox number up to which *everything* is committed. Only
   then may the daemon forget them.
4. When the hub has no room it says `full`. The daemon waits, then sends again from its oldest unacknowledged event.
   What was already on its way behind the refused events must not be kept, or a later `ack` would cover the hole:
   `Intake` is that rule.
5. `state` is ephemeral, the latest per subject wins. `readings` are samples: they may be dropped under pressure, and
   they never hold up events. `heartbeat` fills silence.
6. The hub may send a `command`; the daemon answers with a `command-result` of the same id. Neither is repeated: a hub
   that has no answer does not know what became of it, and says so.

Both sides use this module; it is sans-IO and knows no clock.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

from ..model.records import Event, Json, Quality, Reading

PROTOCOL_VERSION = 1
INGEST_PATH = "/api/v1/ingest"
MAX_EVENTS_PER_MESSAGE = 256
MAX_EVENT_BYTES = 256 * 1024
"""The outbox takes no larger event, so that every event fits a message."""
MAX_READINGS_PER_MESSAGE = 1000
MAX_MESSAGE_BYTES = 1024 * 1024
HEARTBEAT_S = 1.0
"""A daemon with nothing else to say says `heartbeat` this often."""
SILENCE_S = 4.0
"""A daemon that has heard nothing for this long, not even a pong, gives the connection up."""
PROTECTION_COMMANDS = ("lockout", "force", "manual", "exercise", "freeze", "clear")
"""What may be ordered of a protection group (ITU-T G.8031 9.1 and 9.2)."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The daemon's first message."""

    node: str
    boot_id: str
    site: str
    version: int = PROTOCOL_VERSION


@dataclass(frozen=True, slots=True)
class Events:
    """Events in outbox order, at most `MAX_EVENTS_PER_MESSAGE`."""

    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class State:
    """A live object's present state; never journalled."""

    subject: str
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Readings:
    """Samples in the order of their observation, at most `MAX_READINGS_PER_MESSAGE`; never journalled.

    On the wire each is `[subject, metric, value, unit, observed_at_ns, quality]`.
    """

    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The daemon lives."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command, or would become of it."""

    id: str
    """The command's."""
    accepted: bool
    """Whether it was carried out; of a dry run, whether it would be."""
    reason: str
    """A sentence: why it was refused, or what holds now."""
    predicted: Mapping[str, Json] | None = None
    """What was to be expected before anything was done; None where that could not be worked out."""
    result: Mapping[str, Json] | None = None
    """The target's state afterwards; None for a dry run and for a refused command."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The hub's first message."""

    hub: str
    version: int = PROTOCOL_VERSION


@dataclass(frozen=True, slots=True)
class Ack:
    """All events of this node's outbox with a number up to and including `up_to` are committed."""

    up_to: int


@dataclass(frozen=True, slots=True)
class Full:
    """The hub has no room and kept nothing of what it refused; ask again after `retry_after_s`."""

    retry_after_s: float


@dataclass(frozen=True, slots=True)
class Command:
    """An order to act on a subject. A daemon persists the highest `token` it has obeyed and refuses lower ones."""

    id: str
    target: str
    """A subject, such as `group:pg-dongcheng`."""
    command: str
    """For a protection group one of `PROTECTION_COMMANDS`; else `domain.verb`, such as `power.self-test`."""
    token: int
    """Fencing token: it grows with every command put on record. A dry run has it too, and nobody looks at it."""
    by: str
    """Who asks, for the record."""
    to: str | None = None
    """Of `manual`: the path to carry on, `working` or `protection`."""
    dry_run: bool = True
    """Predict only; change nothing, not even the highest token seen."""
    arguments: Mapping[str, Json] = field(default_factory=dict)
    """What else the command needs; each domain documents its own."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The hub will not talk to this daemon; it closes after saying why."""

    reason: str


ClientMessage = Hello | Events | State | Readings | Heartbeat | CommandResult
ServerMessage = Welcome | Ack | Full | Command | Refused


def encode(message: ClientMessage | ServerMessage) -> str:
    """Return the message as JSON text."""
    return json.dumps(_ENCODERS[type(message)](message), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def decode_client(text: str | bytes) -> ClientMessage:
    """Read a daemon's message.

    Raises:
        ValueError: not JSON, an unknown type, a missing key or a value of a wrong type; the text names it.
    """
    data = _parse(text)
    decoder = _CLIENT_DECODERS.get(data["type"])
    if decoder is None:
        raise ValueError(f"unknown message type {data['type']!r}")
    return decoder(data)


def decode_server(text: str | bytes) -> ServerMessage | None:
    """Read a hub's message; None for a type that this version does not know.

    Raises:
        ValueError: not JSON, a missing key or a value of a wrong type; the text names it.
    """
    data = _parse(text)
    decoder = _SERVER_DECODERS.get(data["type"])
    return decoder(data) if decoder else None


class Intake:
    """The hub's rule for one connection: after a refused batch, nothing later is kept until the batch comes again.

    The daemon streams; behind a batch that found the disk full others may already be on their way. Were one of them
    committed and acknowledged, the cumulative `ack` would tell the daemon to forget the refused ones too.
    """

    def __init__(self) -> None:
        self._refused_from: int | None = None

    def admits(self, first_seq: int) -> bool:
        """Tell whether a batch that begins with this outbox number may be kept; drop it silently otherwise."""
        if self._refused_from is not None and first_seq > self._refused_from:
            return False
        self._refused_from = None
        return True

    def refused(self, first_seq: int) -> None:
        """Note that a batch that begins with this number was answered with `full`."""
        self._refused_from = first_seq if self._refused_from is None else min(first_seq, self._refused_from)


_ENCODERS: dict[type, Callable[[Any], dict[str, Json]]] = {
    Hello: lambda m: {"type": "hello", "version": m.version, "node": m.node, "boot_id": m.boot_id, "site": m.site},
    Events: lambda m: {"type": "events", "events": [event.to_json() for event in m.events]},
    State: lambda m: {"type": "state", "subject": m.subject, "body": m.body},
    Readings: lambda m: {"type": "readings", "readings": [_reading_row(it) for it in m.readings]},
    Heartbeat: lambda _: {"type": "heartbeat"},
    CommandResult: lambda m: {
        "type": "command-result",
        "id": m.id,
        "body": {"accepted": m.accepted, "reason": m.reason, "predicted": m.predicted, "result": m.result},
    },
    Welcome: lambda m: {"type": "welcome", "hub": m.hub, "version": m.version},
    Ack: lambda m: {"type": "ack", "up_to": m.up_to},
    Full: lambda m: {"type": "full", "retry_after_s": m.retry_after_s},
    Command: lambda m: {
        "type": "command",
        "id": m.id,
        "target": m.target,
        "body": {
            "command": m.command,
            "to": m.to,
            "token": m.token,
            "by": m.by,
            "dry_run": m.dry_run,
            **({"arguments": m.arguments} if m.arguments else {}),
        },
    },
    Refused: lambda m: {"type": "refused", "reason": m.reason},
}


def _field(data: Mapping[str, Json], name: str, kind: type | tuple[type, ...]) -> Any:
    """Return a message's field; bool is no number."""
    if name not in data:
        raise ValueError(f"{data['type']} without {name!r}")
    value = data[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{data['type']}: {name!r} is {value!r}")
    return value


def _body(data: Mapping[str, Json]) -> dict[str, Json]:
    """Return a message's body with its type, so that errors name the message."""
    return {**_field(data, "body", dict), "type": data["type"]}


def _command(data: Mapping[str, Json]) -> Command:
    body = _body(data)
    return Command(
        id=_field(data, "id", str),
        target=_field(data, "target", str),
        command=_field(body, "command", str),
        token=_field(body, "token", int),
        by=_field(body, "by", str),
        to=_field(body, "to", (str, NoneType)),
        dry_run=_field(body, "dry_run", bool),
        arguments=_field(body, "arguments", dict) if "arguments" in body else {},
    )


def _command_result(data: Mapping[str, Json]) -> CommandResult:
    body = _body(data)
    return CommandResult(
        id=_field(data, "id", str),
        accepted=_field(body, "accepted", bool),
        reason=_field(body, "reason", str),
        predicted=_field(body, "predicted", (dict, NoneType)),
        result=_field(body, "result", (dict, NoneType)),
    )


def _events(data: Mapping[str, Json]) -> Events:
    rows: Sequence[Json] = _field(data, "events", list)
    if not 0 < len(rows) <= MAX_EVENTS_PER_MESSAGE:
        raise ValueError(f"events: {len(rows)} in one message, must be 1 to {MAX_EVENTS_PER_MESSAGE}")
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("events: every event must be an object")
    events = tuple(Event.from_json(row) for row in rows)
    if any(a.seq >= b.seq for a, b in itertools.pairwise(events)):
        raise ValueError("events: not in the order of their seq")
    return Events(events)


def _reading_row(it: Reading) -> tuple[str, str, float | None, str, int, str]:
    return it.subject, it.metric, it.value, it.unit, it.observed_at_ns, it.quality


def _readings(data: Mapping[str, Json]) -> Readings:
    rows: Sequence[Json] = _field(data, "readings", list)
    if not 0 < len(rows) <= MAX_READINGS_PER_MESSAGE:
        raise ValueError(f"readings: {len(rows)} in one message, must be 1 to {MAX_READINGS_PER_MESSAGE}")
    return Readings(tuple(map(_reading, rows)))


def _reading(row: Json) -> Reading:
    try:
        subject, metric, value, unit, at_ns, quality = row
        texts = isinstance(subject, str) and isinstance(metric, str) and isinstance(unit, str)
        sound = value is None or (type(value) in _NUMBERS and math.isfinite(value))
        if texts and sound and type(at_ns) is int and (value is None) is (quality == Quality.MISSING):
            return Reading(subject, metric, value, unit, at_ns, Quality(quality))
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"readings: {str(row)[:200]} is no reading")


_NUMBERS = (int, float)  # and not bool


def _parse(text: str | bytes) -> dict[str, Json]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        raise ValueError("a message is an object with a 'type'")
    return data


_CLIENT_DECODERS: dict[str, Callable[[dict[str, Json]], ClientMessage]] = {
    "hello": lambda d: Hello(
        node=_field(d, "node", str),
        boot_id=_field(d, "boot_id", str),
        site=_field(d, "site", str),
        version=_field(d, "version", int),
    ),
    "events": _events,
    "state": lambda d: State(subject=_field(d, "subject", str), body=_field(d, "body", dict)),
    "readings": _readings,
    "heartbeat": lambda _: Heartbeat(),
    "command-result": _command_result,
}
_SERVER_DECODERS: dict[str, Callable[[dict[str, Json]], ServerMessage]] = {
    "welcome": lambda d: Welcome(hub=_field(d, "hub", str), version=_field(d, "version", int)),
    "ack": lambda d: Ack(up_to=_field(d, "up_to", int)),
    "full": lambda d: Full(retry_after_s=float(_field(d, "retry_after_s", (int, float)))),
    "command": _command,
    "refused": lambda d: Refused(reason=_field(d, "reason", str)),
}
