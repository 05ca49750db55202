"""The messages between a daemon and a hub: JSON objects, one per WebSocket text message (ADR 0006).

A connection goes like this.

1. The daemon says `hello` and streams `events` at once, in the order of its outbox, without waiting for anything.
2. The hub answers `welcome`, or `refused` and closes.
3. The hub commits events and says `ack` with the highest outbox number up to which *everything* is committed. Only
   then may the daemon forget them.
4. When the hub has no room it says `full`. The daemon waits, then sends again from its oldest unacknowledged event.
   What was already on its way behind the refused events must not be kept, or a later `ack` would cover the hole:
   `Intake` is that rule.
5. `state` is ephemeral, the latest per subject wins. `heartbeat` fills silence.

Both sides use this module; it is sans-IO and knows no clock.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..model.records import Event, Json

PROTOCOL_VERSION = 1
INGEST_PATH = "/api/v1/ingest"
MAX_EVENTS_PER_MESSAGE = 256
MAX_EVENT_BYTES = 256 * 1024
"""The outbox takes no larger event, so that every event fits a message."""
MAX_MESSAGE_BYTES = 1024 * 1024
HEARTBEAT_S = 1.0
"""A daemon with nothing else to say says `heartbeat` this often."""
SILENCE_S = 4.0
"""A daemon that has heard nothing for this long, not even a pong, gives the connection up."""


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
class Heartbeat:
    """The daemon lives."""


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
class Refused:
    """The hub will not talk to this daemon; it closes after saying why."""

    reason: str


ClientMessage = Hello | Events | State | Heartbeat
ServerMessage = Welcome | Ack | Full | Refused


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
    """Read a hub's message; None for a type that this version does not know (`command` is reserved).

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
    Heartbeat: lambda _: {"type": "heartbeat"},
    Welcome: lambda m: {"type": "welcome", "hub": m.hub, "version": m.version},
    Ack: lambda m: {"type": "ack", "up_to": m.up_to},
    Full: lambda m: {"type": "full", "retry_after_s": m.retry_after_s},
    Refused: lambda m: {"type": "refused", "reason": m.reason},
}


def _field(data: Mapping[str, Json], name: str, kind: type | tuple[type, ...]) -> Any:
    """Return a message's field; bool is no number."""
    if name not in data:
        raise ValueError(f"{data['type']} without {name!r}")
    value = data[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{data['type']}: {name!r} is {value!r}")
    return value


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
    "heartbeat": lambda _: Heartbeat(),
}
_SERVER_DECODERS: dict[str, Callable[[dict[str, Json]], ServerMessage]] = {
    "welcome": lambda d: Welcome(hub=_field(d, "hub", str), version=_field(d, "version", int)),
    "ack": lambda d: Ack(up_to=_field(d, "up_to", int)),
    "full": lambda d: Full(retry_after_s=float(_field(d, "retry_after_s", (int, float)))),
    "refused": lambda d: Refused(reason=_field(d, "reason", str)),
}
