"""What the hub shows: the views of sites, links, groups and commands, as the API sends them.

Standard-library dataclasses: one definition serves the projection that builds them and the published OpenAPI schema.
Times are wall nanoseconds, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from lifeline.alarms import Alarm, StatusChange, Verdict
from lifeline.alarms.alarm import Note, Report, Shelf
from lifeline.alarms.lifecycle import State
from lifeline.model.records import EventKind, EventType, Json, PerceivedSeverity, ProbableCause, Quality, StoredEvent


class Health(StrEnum):
    """How a thing is. `unknown` is never healthy."""

    OK = "ok"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Order for sorting, worst highest. What is unknown ranks above what is degraded: it may be worse."""
        return _HEALTH_RANK[self]


_HEALTH_RANK = {health: rank for rank, health in enumerate(Health)}


class AgentState(StrEnum):
    """Whether a site's agent is heard."""

    UP = "up"
    SILENT = "silent"  # it was heard once
    NEVER = "never"  # it is expected, and has not been heard yet
    NONE = "none"  # none is expected


class LinkState(StrEnum):
    """Whether a link carries packets, as far as its ends know."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"
    ADMIN_DOWN = "admin-down"


class Selection(StrEnum):
    """By which path a protection group carries its traffic, both ends taken together."""

    WORKING = "working"
    PROTECTION = "protection"
    MIXED = "mixed"  # the ends differ
    UNKNOWN = "unknown"  # an end is not heard


@dataclass(frozen=True, slots=True)
class AlarmCounts:
    """Active alarms by severity; indeterminate ones count with the minor."""

    critical: int = 0
    major: int = 0
    minor: int = 0
    warning: int = 0


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site: how it is, and why."""

    id: str
    kind: str
    name: str
    name_zh: str
    district: str | None
    district_name: str
    district_name_zh: str
    health: Health
    agent: AgentState
    last_heard_at_ns: int | None
    alarms: AlarmCounts
    text: str
    """The one thing to know about it, in English; empty when all is well."""


@dataclass(frozen=True, slots=True)
class LinkEndView:
    """Where a link ends."""

    site: str
    interface: str
    address: str


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link: whether it carries, and what each end says of it."""

    id: str
    media: str
    srgs: list[str]
    a: LinkEndView
    b: LinkEndView
    state: LinkState
    ends: Mapping[str, Mapping[str, Any]]
    """Per site that has told: its path (`bfd`, `diag`, `signal_fail`, `since_ns`, ...) and whether that is `fresh`."""
    groups: list[str]


@dataclass(frozen=True, slots=True)
class GroupView:
    """A protection group: which path carries, and what each end says and why."""

    id: str
    working: str
    protection: str
    revertive: bool
    wtr_ms: int
    hold_off_ms: int
    selector: Selection
    state: str
    """The state machine's state; `mixed` where the ends differ, `unknown` where one is not heard."""
    ends: Mapping[str, Mapping[str, Any]]
    """Per site that has told: its end (`state`, `selector`, `why`, `working`, ...), and whether that is `fresh`."""
    health: Health


@dataclass(frozen=True, slots=True)
class LiveView:
    """What a daemon shows of an object, such as `power:sbs-dongcheng`: its latest word."""

    subject: str
    node: str
    """The daemon that says so, such as `sbs-dongcheng/power`."""
    site: str
    """The site of the object; of an object between sites the daemon's."""
    heard_at_ns: int
    fresh: bool
    """Whether it may still be relied on."""
    body: Mapping[str, Any]
    """Its `schema` says what it is; the domain's guide documents it."""


@dataclass(frozen=True, slots=True)
class AlarmView:
    """An alarm: an entry of RFC 8632's alarm list, as `lifeline.alarms.Alarm.to_json` gives it."""

    id: str
    resource: str
    alarm_type_id: str
    perceived_severity: PerceivedSeverity
    event_type: EventType
    probable_cause: ProbableCause
    text: str
    raised_at_ns: int
    changed_at_ns: int
    cleared_at_ns: int | None
    is_cleared: bool
    state: State
    reporters: list[str]
    reports: Mapping[str, Report]
    acknowledged_by: str | None
    acknowledged_at_ns: int | None
    acknowledged_text: str
    raise_count: int
    history: list[StatusChange]
    root: str | None = None
    """The alarm that it follows from in the end; its own id when it is a root; None once it has cleared."""
    parents: list[str] = field(default_factory=list)
    """The alarms that it follows from directly."""
    consequences: list[str] = field(default_factory=list)
    """Of a root: the alarms that follow from it, near and far."""
    why: str = ""
    """Why it is a root, or follows from others, in one English sentence."""
    shelved_until_ns: int | None = None
    """While it is shelved: until when."""
    shelf: Shelf | None = None
    """How it was last shelved."""
    notes: list[Note] = field(default_factory=list)
    """What operators wrote, oldest first."""
    maintenance: str | None = None
    """The maintenance window that covers it."""

    @classmethod
    def of(
        cls, alarm: Alarm, verdict: Verdict | None = None, why: str = "", *, shelved: bool = False,
        window: str | None = None,
    ) -> Self:  # fmt: skip
        """Return the view of an alarm, with what is made of it."""
        return cls(
            id=alarm.id,
            resource=alarm.resource,
            alarm_type_id=alarm.alarm_type_id,
            perceived_severity=alarm.perceived_severity,
            event_type=alarm.event_type,
            probable_cause=alarm.probable_cause,
            text=alarm.text,
            raised_at_ns=alarm.raised_at_ns,
            changed_at_ns=alarm.changed_at_ns,
            cleared_at_ns=alarm.cleared_at_ns,
            is_cleared=alarm.is_cleared,
            state=alarm.state,
            reporters=sorted(alarm.reporters),
            reports=alarm.reports,
            acknowledged_by=alarm.acknowledged_by,
            acknowledged_at_ns=alarm.acknowledged_at_ns,
            acknowledged_text=alarm.acknowledged_text,
            raise_count=alarm.raise_count,
            history=list(alarm.history),
            root=verdict.root if verdict else None,
            parents=list(verdict.parents) if verdict else [],
            consequences=list(verdict.consequences) if verdict else [],
            why=why,
            shelved_until_ns=alarm.shelf.until_ns if alarm.shelf and shelved else None,
            shelf=alarm.shelf,
            notes=list(alarm.notes),
            maintenance=window,
        )


@dataclass(frozen=True, slots=True)
class ReadingView:
    """The latest value of a metric of a subject."""

    subject: str
    metric: str
    value: float | None
    unit: str
    observed_at_ns: int
    quality: Quality


@dataclass(frozen=True, slots=True)
class HistoryView:
    """A metric's history."""

    schema: str
    subject: str
    metric: str
    unit: str
    step_s: int
    """Width of a point, seconds; 0 where points are single samples."""
    points: list[list[float | int | None]]
    """Oldest first: beginning (wall nanoseconds), mean, least, greatest, and how many good values there were."""


@dataclass(frozen=True, slots=True)
class EventView:
    """An event of the journal with its place in it."""

    cursor: int
    recorded_at_ns: int
    node: str
    boot_id: str
    seq: int
    observed_at_ns: int
    kind: EventKind
    subject: str
    body: Mapping[str, Json]

    @classmethod
    def of(cls, stored: StoredEvent) -> Self:
        """Return the view of a stored event."""
        it = stored.event
        return cls(
            stored.cursor, stored.recorded_at_ns, it.node, it.boot_id, it.seq, it.observed_at_ns, it.kind,
            it.subject, it.body,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CommandView:
    """A command and what became of it."""

    id: str
    command: str
    target: str
    text: str
    by: str
    phase: str
    """`requested` while under way, then `done`, `refused`, or `unknown` as no answer came; a dry run is `planned`."""
    requested_at_ns: int
    finished_at_ns: int | None
    detail: str
    """Why it was refused, or what holds now; in English."""
    dry_run: bool = False
    """Nothing was done, and nothing is on record."""
    at: str | None = None
    """Of a command to a daemon: the site at which it acts."""
    node: str | None = None
    """Of a command to a daemon other than a site's agent: that daemon."""
    to: str | None = None
    """Of `protection.manual`: `working` or `protection`."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What else was asked for."""
    token: int | None = None
    """Of a command to a daemon: its fencing token."""
    plan: list[str] = field(default_factory=list)
    """Of a dry run: what would be ordered and what is to be expected of it, one sentence each; in English."""
    before: Mapping[str, Any] | None = None
    """Of a command to a daemon: how its target stood before."""
    after: Mapping[str, Any] | None = None
    """Of a command to a daemon: how its target stood afterwards, or would."""


@dataclass(frozen=True, slots=True)
class StateView:
    """Everything at once: what a screen needs for its first paint."""

    schema: str
    journal: str
    """Identity of the journal that the cursor belongs to."""
    cursor: int
    generated_at_ns: int
    overall: Health
    sites: list[SiteView]
    links: list[LinkView]
    groups: list[GroupView]
    alarms: list[AlarmView]
    """The active ones, worst first."""
