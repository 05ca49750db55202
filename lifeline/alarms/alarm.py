"""One alarm: an entry of RFC 8632's alarm list, frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..model.records import EventType, Json, PerceivedSeverity, ProbableCause
from .lifecycle import INITIAL, Act, State

NOTES_LIMIT = 32
HISTORY_LIMIT = 32
"""Status changes that an alarm remembers, newest last; the journal has them all."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one reporter holds: its latest raised condition."""

    perceived_severity: PerceivedSeverity
    event_type: EventType
    probable_cause: ProbableCause
    text: str
    observed_at_ns: int
    """Wall time at the reporter when it raised, or last changed, the condition."""
    because: tuple[str, ...] = ()
    """Alarms that the reporter knows to be its cause: the ids of what the condition's `detail.because` lists."""


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote on an alarm."""

    by: str
    at_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """An alarm put aside (RFC 8632 4.5): it stands, and nobody is told of it until the shelf's time is over."""

    by: str
    at_ns: int
    until_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class StatusChange:
    """An entry of the history (RFC 8632 `status-change` and `operator-state-change` in one list)."""

    act: Act
    at_ns: int
    perceived_severity: PerceivedSeverity
    text: str
    by: str
    """The reporter, or the operator."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """What the operator sees of a condition on a resource, whoever reports it.

    Times are wall nanoseconds. While raised, severity, type, cause and text are those of the leading report: the
    worst, of equals the earliest. Once cleared, `perceived_severity` keeps the last severity (RFC 8632 4.3:
    `perceived-severity` is not `cleared`, `is-cleared` is a flag of its own) and `text` says how it cleared.
    """

    id: str
    resource: str
    alarm_type_id: str
    perceived_severity: PerceivedSeverity
    event_type: EventType
    probable_cause: ProbableCause
    text: str
    raised_at_ns: int
    """When it began, by the earliest of those who reported it since it was last clear."""
    changed_at_ns: int
    cleared_at_ns: int | None = None
    state: State = INITIAL
    reports: Mapping[str, Report] = field(default_factory=dict)
    """By reporter (an event's `node`): those who hold it now."""
    acknowledged_by: str | None = None
    acknowledged_at_ns: int | None = None
    acknowledged_text: str = ""
    raise_count: int = 1
    """How often it has gone from clear to raised."""
    history: tuple[StatusChange, ...] = ()
    shelf: Shelf | None = None
    notes: tuple[Note, ...] = ()
    """The latest, oldest first."""

    @property
    def reporters(self) -> frozenset[str]:
        """Return who holds the condition now."""
        return frozenset(self.reports)

    @property
    def is_cleared(self) -> bool:
        """Tell whether nobody holds the condition any more."""
        return self.cleared_at_ns is not None

    @property
    def is_acknowledged(self) -> bool:
        """Tell whether an operator has seen it as it stands."""
        return self.acknowledged_by is not None

    def is_shelved(self, now_ns: int) -> bool:
        """Tell whether it lies on a shelf at a wall time."""
        return self.shelf is not None and now_ns < self.shelf.until_ns

    def to_json(self) -> dict[str, Json]:
        """Return the alarm as JSON, for snapshots and for the API."""
        return {
            "id": self.id,
            "resource": self.resource,
            "alarm_type_id": self.alarm_type_id,
            "perceived_severity": self.perceived_severity.value,
            "event_type": self.event_type.value,
            "probable_cause": self.probable_cause.value,
            "text": self.text,
            "raised_at_ns": self.raised_at_ns,
            "changed_at_ns": self.changed_at_ns,
            "cleared_at_ns": self.cleared_at_ns,
            "is_cleared": self.is_cleared,
            "state": self.state.value,
            "reporters": sorted(self.reports),
            "reports": {reporter: _report_json(report) for reporter, report in sorted(self.reports.items())},
            "acknowledged_by": self.acknowledged_by,
            "acknowledged_at_ns": self.acknowledged_at_ns,
            "acknowledged_text": self.acknowledged_text,
            "raise_count": self.raise_count,
            "history": [_change_json(change) for change in self.history],
            "shelf": asdict(self.shelf) if self.shelf else None,
            "notes": [asdict(note) for note in self.notes],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Alarm:
        """Build an alarm from what `to_json` gave.

        Raises:
            ValueError: a key is missing or a value is outside its enumeration.
        """
        try:
            return cls(
                id=data["id"],
                resource=data["resource"],
                alarm_type_id=data["alarm_type_id"],
                perceived_severity=PerceivedSeverity(data["perceived_severity"]),
                event_type=EventType(data["event_type"]),
                probable_cause=ProbableCause(data["probable_cause"]),
                text=data["text"],
                raised_at_ns=data["raised_at_ns"],
                changed_at_ns=data["changed_at_ns"],
                cleared_at_ns=data["cleared_at_ns"],
                state=State(data["state"]),
                reports={reporter: _report(report) for reporter, report in data["reports"].items()},
                acknowledged_by=data["acknowledged_by"],
                acknowledged_at_ns=data["acknowledged_at_ns"],
                acknowledged_text=data["acknowledged_text"],
                raise_count=data["raise_count"],
                history=tuple(_change(change) for change in data["history"]),
                shelf=Shelf(**data["shelf"]) if data.get("shelf") else None,  # older snapshots have none
                notes=tuple(Note(**note) for note in data.get("notes", ())),
            )
        except KeyError as missing:
            raise ValueError(f"alarm without {missing}") from None


def alarm_id(resource: str, alarm_type_id: str) -> str:
    """Return the identifier of an alarm, the same for ever: `path-down.link.fibre-dongcheng`.

    It is one word for a shell and one segment of a URL's path: `:` is written `.`, `/` is written `~`, any other
    character but letters, digits, `-` and `_` as `=` and two hexadecimal digits per UTF-8 byte, so that two
    resources never share one.
    """
    return f"{_word(alarm_type_id)}.{_word(resource)}"


def causes_named(because: object) -> tuple[str, ...]:
    """Return the ids of the alarms that a condition's `detail.because` names: a list of `[subject, name]`."""
    if not isinstance(because, list):
        return ()
    pairs = (it for it in because if isinstance(it, list) and len(it) == 2 and all(isinstance(s, str) for s in it))
    return tuple(sorted({alarm_id(subject, name) for subject, name in pairs}))


_ODD = re.compile(r"[^A-Za-z0-9_-]")
_SHORT = {":": ".", "/": "~"}


def _word(text: str) -> str:
    return _ODD.sub(lambda m: _SHORT.get(m[0]) or "".join(f"={byte:02x}" for byte in m[0].encode()), text)


def _report_json(report: Report) -> dict[str, Json]:
    return {
        "perceived_severity": report.perceived_severity.value,
        "event_type": report.event_type.value,
        "probable_cause": report.probable_cause.value,
        "text": report.text,
        "observed_at_ns": report.observed_at_ns,
        "because": list(report.because),
    }


def _report(data: Mapping[str, Any]) -> Report:
    return Report(
        PerceivedSeverity(data["perceived_severity"]),
        EventType(data["event_type"]),
        ProbableCause(data["probable_cause"]),
        data["text"],
        data["observed_at_ns"],
        tuple(data.get("because", ())),  # older snapshots have none
    )


def _change_json(change: StatusChange) -> dict[str, Json]:
    return {
        "act": change.act.value,
        "at_ns": change.at_ns,
        "perceived_severity": change.perceived_severity.value,
        "text": change.text,
        "by": change.by,
    }


def _change(data: Mapping[str, Any]) -> StatusChange:
    return StatusChange(
        Act(data["act"]), data["at_ns"], PerceivedSeverity(data["perceived_severity"]), data["text"], data["by"]
    )
