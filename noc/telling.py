"""Messages of the stream: Server-Sent Events, encoded once for all followers."""

from __future__ import annotations

from typing import Any, Final

from pydantic import TypeAdapter

from .views import AlarmView, EventView, GroupView, LinkView, LiveView, SiteView

PING: Final = b"event: ping\ndata: {}\n\n"

_ADAPTERS: Final[dict[type, TypeAdapter[Any]]] = {
    view: TypeAdapter(view) for view in (SiteView, LinkView, GroupView, AlarmView, LiveView, EventView)
}


def event(view: EventView) -> bytes:
    """Return the message of an event; its id is the cursor to go on from."""
    return b"event: event\nid: %d\ndata: %s\n\n" % (view.cursor, encoded(view))


def state(subject: str, view: SiteView | LinkView | GroupView | AlarmView | LiveView) -> bytes:
    """Return the message of a view that has changed."""
    return b'event: state\ndata: {"subject":%s,"body":%s}\n\n' % (_text(subject), encoded(view))


def message(kind: str, body: dict[str, Any]) -> bytes:
    """Return a message of any other kind."""
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), _ANY.dump_json(body))


def encoded(view: object) -> bytes:
    """Return a view as JSON."""
    return _ADAPTERS[type(view)].dump_json(view)


_ANY: Final[TypeAdapter[Any]] = TypeAdapter(dict[str, Any])


def _text(value: str) -> bytes:
    return _TEXT.dump_json(value)


_TEXT: Final[TypeAdapter[str]] = TypeAdapter(str)
