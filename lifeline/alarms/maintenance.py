"""Maintenance windows: what is worked on raises alarms that nobody need be told of. Pure fold of `maintenance` events.

A window covers its subject and what is part of it: a site its devices, power, time and daemons, and the links and
groups that end there (not those of a centre, on which the others hang); a shared-risk group its links. A fault
elsewhere is never covered: neither the power of the other end, nor the duct that takes more than the link.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from ..model.records import Event, Json
from .topology import Topology

WINDOWS_MAX: Final = 1000
_AT_SITE: Final = frozenset({"site", "device", "power", "time", "daemon"})


@dataclass(frozen=True, slots=True)
class Window:
    """A time during which a subject is worked on; wall nanoseconds."""

    id: str
    subject: str
    from_ns: int
    until_ns: int
    by: str
    text: str


class Windows:
    """The windows that are planned or open."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}

    def __iter__(self) -> Iterator[Window]:
        """Iterate over them in the order of their making."""
        return iter(self._windows.values())

    def get(self, identifier: str) -> Window | None:
        """Return a window by its id."""
        return self._windows.get(identifier)

    def apply(self, event: Event) -> None:
        """Fold in an event, body `{"act": begin | end, "id", "from_ns", "until_ns", "by", "text"}`.

        Raises:
            ValueError: a body of the wrong shape.
            KeyError: something is missing.
        """
        body = event.body
        identifier = str(body["id"])
        if body["act"] == "end":
            self._windows.pop(identifier, None)
            return
        times = body["from_ns"], body["until_ns"]
        if body["act"] != "begin" or not all(type(it) is int for it in times) or times[0] >= times[1]:
            raise ValueError("not a window")
        self._forget(event.observed_at_ns)
        if len(self._windows) < WINDOWS_MAX:
            who, text = str(body.get("by", "")), str(body.get("text", ""))
            self._windows[identifier] = Window(identifier, event.subject, *times, who, text)

    def covers(self, resource: str, topology: Topology, now_ns: int) -> Window | None:
        """Return an open window that covers a resource."""
        for window in self._windows.values():
            if window.from_ns <= now_ns < window.until_ns and _within(resource, window.subject, topology):
                return window
        return None

    def to_json(self) -> list[Json]:
        """Return the windows as JSON, for a snapshot."""
        return [asdict(window) for window in self]

    @classmethod
    def from_json(cls, data: list[Mapping[str, Any]]) -> Windows:
        """Build them from what `to_json` gave."""
        windows = cls()
        windows._windows = {one["id"]: Window(**one) for one in data}
        return windows

    def _forget(self, now_ns: int) -> None:
        self._windows = {name: window for name, window in self._windows.items() if window.until_ns > now_ns}


def _within(resource: str, subject: str, topology: Topology) -> bool:
    """Tell whether a resource is the subject, or part of it."""
    if resource == subject or resource.startswith(f"{subject}/"):
        return True
    (of, name), (kind, what) = _split(subject), _split(resource)
    match of:
        case "site" if kind in _AT_SITE:
            return what.partition("/")[0] == name
        case "site" if name not in topology.centres:
            return any(name in topology.cables[link].ends for link in _links(kind, what, topology))
        case "srg":
            return kind in ("link", "traffic") and what in topology.links_of_srg.get(name, ())
        case "link":
            return kind == "traffic" and what == name
        case _:
            return False


def _links(kind: str, name: str, topology: Topology) -> tuple[str, ...]:
    if kind in ("link", "traffic"):
        return (name,) if name in topology.cables else ()
    return topology.links_of_group.get(name, ()) if kind == "group" else ()


def _split(subject: str) -> tuple[str, str]:
    kind, _, name = subject.partition(":")
    return kind, name
