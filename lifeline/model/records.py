"""The vocabulary of the NOC loop: readings, conditions, events and how they are keyed.

Severities, probable causes and event types carry the names of ITU-T X.733 and RFC 8632. Subjects are
`kind:identifier` strings such as `site:sbs-dongcheng`, `link:fibre-dongcheng`, `group:pg-dongcheng`,
`daemon:sbs-dongcheng/agent`; the identifiers are the inventory's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict of these."""


class Quality(StrEnum):
    """How far a reading may be trusted. Only `good` satisfies a target, a guard or a check."""

    GOOD = "good"
    SUSPECT = "suspect"
    STALE = "stale"
    MISSING = "missing"


class PerceivedSeverity(StrEnum):
    """X.733 8.1.2.3 perceived severity, RFC 8632 `severity` plus `cleared`."""

    CLEARED = "cleared"
    INDETERMINATE = "indeterminate"
    WARNING = "warning"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Order for sorting, worst highest; `indeterminate` ranks above `warning`: unknown is never healthy."""
        return _SEVERITY_RANK[self]


_SEVERITY_RANK = {
    PerceivedSeverity.CLEARED: 0,
    PerceivedSeverity.WARNING: 1,
    PerceivedSeverity.INDETERMINATE: 2,
    PerceivedSeverity.MINOR: 3,
    PerceivedSeverity.MAJOR: 4,
    PerceivedSeverity.CRITICAL: 5,
}


class EventType(StrEnum):
    """X.733 8.1.1 event types."""

    COMMUNICATIONS = "communicationsAlarm"
    QUALITY_OF_SERVICE = "qualityOfServiceAlarm"
    PROCESSING_ERROR = "processingErrorAlarm"
    EQUIPMENT = "equipmentAlarm"
    ENVIRONMENTAL = "environmentalAlarm"


class ProbableCause(StrEnum):
    """X.733 / M.3100 probable causes in use so far; the list grows with the conditions that need them."""

    LOSS_OF_SIGNAL = "lossOfSignal"
    TRANSMISSION_ERROR = "transmissionError"
    DEGRADED_SIGNAL = "degradedSignal"
    COMMUNICATIONS_SUBSYSTEM_FAILURE = "communicationsSubsystemFailure"
    COMMUNICATIONS_PROTOCOL_ERROR = "communicationsProtocolError"
    SOFTWARE_PROGRAM_ABNORMALLY_TERMINATED = "softwareProgramAbnormallyTerminated"
    STORAGE_CAPACITY_PROBLEM = "storageCapacityProblem"
    CORRUPT_DATA = "corruptData"
    CONFIGURATION_OR_CUSTOMIZATION_ERROR = "configurationOrCustomizationError"
    INDETERMINATE = "indeterminate"
    POWER_PROBLEM = "powerProblem"
    COMMERCIAL_POWER_FAILURE = "commercialPowerFailure"
    RECTIFIER_FAILURE = "rectifierFailure"
    BATTERY_FAILURE = "batteryFailure"
    BATTERY_DISCHARGING = "batteryDischarging"
    BATTERY_CHARGING_FAILURE = "batteryChargingFailure"
    LOW_BATTERY = "lowBattery"
    ENGINE_FAILURE = "engineFailure"
    STANDBY_POWER_GENERATOR_FAILURE = "standbyPowerGeneratorFailure"
    LOW_FUEL = "lowFuel"
    FUSE_FAILURE = "fuseFailure"
    HIGH_TEMPERATURE = "highTemperature"
    LOW_TEMPERATURE = "lowTemperature"
    HIGH_HUMIDITY = "highHumidity"
    LOW_HUMIDITY = "lowHumidity"
    COOLING_FAN_FAILURE = "coolingFanFailure"
    FLOOD_DETECTED = "floodDetected"
    SMOKE_DETECTED = "smokeDetected"
    ENCLOSURE_DOOR_OPEN = "enclosureDoorOpen"
    EXCESSIVE_VIBRATION = "excessiveVibration"
    EQUIPMENT_MALFUNCTION = "equipmentMalfunction"
    TIMING_PROBLEM = "timingProblem"
    LOSS_OF_SYNCHRONISATION = "lossOfSynchronisation"
    REDUNDANCY_LOST = "protectingResourceFailure"
    RECEIVER_FAILURE = "receiverFailure"
    TRANSMITTER_FAILURE = "transmitterFailure"
    ANTENNA_FAILURE = "antennaFailure"
    SYNTHESIZER_FAILURE = "localOscillatorFailure"
    LINK_FAILURE = "linkFailure"
    RESOURCE_AT_OR_NEARING_CAPACITY = "resourceAtOrNearingCapacity"
    THRESHOLD_CROSSED = "thresholdCrossed"
    BANDWIDTH_REDUCED = "bandwidthReduced"


class EventKind(StrEnum):
    """What an event of the journal records; the shape of its body follows from it."""

    CONDITION = "condition"  # body: Condition
    PROTECTION = "protection"  # body: a protection group's end changed state or selector
    BFD = "bfd"  # body: a BFD session changed state
    DAEMON = "daemon"  # body: {"state": started | exited | crash-loop | adopted ..., ...}
    COMMAND = "command"  # body: {"command_id", "command", "phase": requested | received | done | refused, ...}
    ALARM = "alarm"  # body: an operator's act: {"act": acknowledge | unacknowledge | shelve | unshelve | note, ...}
    TRAFFIC = "traffic"  # body: flows that a switch stranded were reset: {"site", "group", "link", "flows", ...}
    ACTUATION = "actuation"  # body: a router follows a switch: {"phase": requested | done | failed, "device", ...}
    TIMING = "timing"  # body: the arbiter of a site's time decided: {"source", "before", "after", "evidence", ...}
    PLAYBOOK = "playbook"  # body: an entry of a run, with its place in the audit's chain: {"type", ..., "audit"}
    MAINTENANCE = "maintenance"  # body: a window on the subject: {"act": begin | end, "id", "from_ns", "until_ns", ...}


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value. `value` is None exactly when `quality` is `missing`."""

    subject: str
    metric: str
    value: float | None
    unit: str
    observed_at_ns: int
    quality: Quality


@dataclass(frozen=True, slots=True)
class Condition:
    """A daemon's named judgement of a subject, raised (any severity but `cleared`) or cleared.

    `name` with `subject` is the key: RFC 8632's resource and alarm-type-id, e.g. `link:fibre-dongcheng` and
    `path-down`. Two daemons may raise the same key; it stands until both have cleared it.
    """

    subject: str
    name: str
    perceived_severity: PerceivedSeverity
    event_type: EventType
    probable_cause: ProbableCause
    text: str
    detail: Mapping[str, Json] = field(default_factory=dict)

    @property
    def raised(self) -> bool:
        """Whether the condition holds."""
        return self.perceived_severity is not PerceivedSeverity.CLEARED

    def to_body(self) -> dict[str, Json]:
        """Return the condition as an event's body."""
        return dataclasses.asdict(self)

    @classmethod
    def from_body(cls, body: Mapping[str, Json]) -> Condition:
        """Build a condition from an event's body.

        Raises:
            ValueError: a key is missing or a value is outside its enumeration; the text names it.
        """
        detail = body.get("detail", {})
        if not isinstance(detail, Mapping):
            raise ValueError(f"condition's detail is {detail!r}, must be an object")
        try:
            return cls(
                subject=str(body["subject"]),
                name=str(body["name"]),
                perceived_severity=PerceivedSeverity(body["perceived_severity"]),
                event_type=EventType(body["event_type"]),
                probable_cause=ProbableCause(body["probable_cause"]),
                text=str(body["text"]),
                detail=dict(detail),
            )
        except KeyError as missing:
            raise ValueError(f"condition without {missing}") from None


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of the journal: append-only, keyed (node, boot_id, seq).

    `node` is the writer (`sbs-dongcheng/agent`), `boot_id` one of its lives, `seq` its outbox's ever-growing number.
    `observed_at_ns` is wall time at the writer, nanoseconds since the epoch, UTC.
    """

    node: str
    boot_id: str
    seq: int
    observed_at_ns: int
    kind: EventKind
    subject: str
    body: Mapping[str, Json]

    @property
    def key(self) -> tuple[str, str, int]:
        """The identity by which a journal deduplicates."""
        return (self.node, self.boot_id, self.seq)

    def to_json(self) -> dict[str, Json]:
        """Return the event as JSON for the wire."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Event:
        """Build an event from the wire's JSON.

        Raises:
            ValueError: a key is missing, of a wrong type, or the kind is unknown; the text names it.
        """
        try:
            event = cls(
                node=data["node"],
                boot_id=data["boot_id"],
                seq=data["seq"],
                observed_at_ns=data["observed_at_ns"],
                kind=EventKind(data["kind"]),
                subject=data["subject"],
                body=data["body"],
            )
        except KeyError as missing:
            raise ValueError(f"event without {missing}") from None
        for name, kind in _EVENT_TYPES.items():
            value = getattr(event, name)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ValueError(f"event's {name} is {value!r}, must be {kind.__name__}")
        return event


_EVENT_TYPES: dict[str, type] = {
    "node": str, "boot_id": str, "seq": int, "observed_at_ns": int, "subject": str, "body": Mapping,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as the journal keeps it. `cursor` grows by commit order; readers page and resume by it."""

    cursor: int
    recorded_at_ns: int
    event: Event
