"""The fold: journal in, alarms out. The same journal gives the same alarms, from the start or from a snapshot.

Two kinds of events count, all others pass by:

- `condition`: a reporter raises or clears `name` on `subject`. The alarm stands until every reporter has cleared it.
- `alarm`: an operator's act on `alarm:<id>`, body `{"act", "by", "text"}`; `shelve` has `until_ns` as well.

An event that cannot be applied raises and changes nothing but the cursor: it stays in the journal, and a replay
raises again at the same place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..model.records import Condition, Event, EventKind, Json, PerceivedSeverity, StoredEvent
from .alarm import HISTORY_LIMIT, NOTES_LIMIT, Alarm, Note, Report, Shelf, StatusChange, alarm_id, causes_named
from .lifecycle import INITIAL, MARKS, Act, IllegalActError, State, step

SUBJECT_PREFIX = "alarm:"
_OPERATOR_ACTS = frozenset({Act.ACKNOWLEDGE, Act.UNACKNOWLEDGE}) | MARKS
_ACKNOWLEDGED_STATES = frozenset({State.RAISED_ACKNOWLEDGED, State.CLEARED_ACKNOWLEDGED})


@dataclass(frozen=True, slots=True)
class AlarmChange:
    """What an event did to an alarm; `before` is None for a new one."""

    act: Act
    alarm: Alarm
    before: Alarm | None


class AlarmList:
    """All alarms there have been, by identifier, raised or cleared.

    Attributes:
        cursor: the journal's cursor up to which events are folded in; what is not beyond it is ignored.
    """

    def __init__(self) -> None:
        self.cursor = 0
        self._alarms: dict[str, Alarm] = {}

    def __iter__(self) -> Iterator[Alarm]:
        """Iterate over all alarms, in the order of their first raising."""
        return iter(self._alarms.values())

    def __len__(self) -> int:
        """Return how many alarms there are, cleared ones included."""
        return len(self._alarms)

    def get(self, identifier: str) -> Alarm | None:
        """Return an alarm by its identifier."""
        return self._alarms.get(identifier)

    def active(self) -> list[Alarm]:
        """Return the alarms that are not cleared, worst first, of equals the latest first."""
        raised = (alarm for alarm in self if not alarm.is_cleared)
        return sorted(raised, key=lambda alarm: (-alarm.perceived_severity.rank, -alarm.raised_at_ns, alarm.id))

    def apply(self, stored: StoredEvent) -> tuple[AlarmChange, ...]:
        """Fold in one event and return what it changed.

        Raises:
            IllegalActError: an operator's act that the alarm's state does not allow, or on no alarm at all.
            ValueError: a body of the wrong shape.
        """
        if stored.cursor <= self.cursor:
            return ()
        self.cursor = stored.cursor
        match stored.event.kind:
            case EventKind.CONDITION:
                change = self._condition(stored.event)
            case EventKind.ALARM:
                change = self._operator_act(stored.event)
            case _:
                return ()
        if change is None:
            return ()
        self._alarms[change.alarm.id] = change.alarm
        return (change,)

    def check_act(self, identifier: str, act: str) -> Alarm:
        """Return the alarm if an operator's act on it would be legal now; used before the act is journalled.

        Raises:
            IllegalActError: it would not.
        """
        if act not in _OPERATOR_ACTS:
            raise IllegalActError(f"no such act: {act!r}")
        alarm = self._alarms.get(identifier)
        if alarm is None:
            raise IllegalActError(f"no such alarm: {identifier!r}")
        if act == Act.UNSHELVE and alarm.shelf is None:
            raise IllegalActError(f"cannot {act} an alarm that is not shelved")
        step(alarm.state, Act(act))
        return alarm

    def to_json(self) -> dict[str, Json]:
        """Return the fold as JSON, for a snapshot."""
        return {"cursor": self.cursor, "alarms": [alarm.to_json() for alarm in self]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AlarmList:
        """Build the fold from a snapshot; applying the rest of the journal gives what folding all of it gives.

        Raises:
            ValueError: it is not what `to_json` gave.
        """
        try:
            folded = cls()
            folded.cursor = data["cursor"]
            folded._alarms = {alarm.id: alarm for alarm in map(Alarm.from_json, data["alarms"])}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a snapshot of alarms: {error!r}") from error
        return folded

    # ---------------------------------------------------------------- conditions

    def _condition(self, event: Event) -> AlarmChange | None:
        condition = Condition.from_body(event.body)
        before = self._alarms.get(alarm_id(condition.subject, condition.name))
        if before is None:
            return AlarmChange(Act.RAISE, _new(condition, event), None) if condition.raised else None
        reports = dict(before.reports)
        held = reports.pop(event.node, None)
        if condition.raised:
            report = _report(condition, event)
            if held is not None and held == dataclasses.replace(report, observed_at_ns=held.observed_at_ns):
                return None  # said again, nothing new
            reports[event.node] = report
        elif held is None:
            return None  # a daemon that starts clears what it does not see, whether it had raised it or not
        if not reports:
            return _cleared(before, condition, event)
        act, after = _led(before, reports)
        return AlarmChange(act, _recorded(after, act, event.observed_at_ns, event.node, condition.text), before)

    # ---------------------------------------------------------------- operators

    def _operator_act(self, event: Event) -> AlarmChange:
        if not event.subject.startswith(SUBJECT_PREFIX):
            raise IllegalActError(f"an operator's act has the subject alarm:<id>, not {event.subject!r}")
        before = self.check_act(event.subject.removeprefix(SUBJECT_PREFIX), str(event.body.get("act")))
        act = Act(event.body["act"])
        operator, text = str(event.body.get("by", "")), str(event.body.get("text", ""))
        if act in MARKS:
            after = _marked(before, act, event, operator, text)
            return AlarmChange(act, _recorded(after, act, event.observed_at_ns, operator, text), before)
        after = dataclasses.replace(
            before,
            state=step(before.state, act),
            changed_at_ns=event.observed_at_ns,
            acknowledged_by=operator if act is Act.ACKNOWLEDGE else None,
            acknowledged_at_ns=event.observed_at_ns if act is Act.ACKNOWLEDGE else None,
            acknowledged_text=text if act is Act.ACKNOWLEDGE else "",
        )
        return AlarmChange(act, _recorded(after, act, event.observed_at_ns, operator, text), before)


def _marked(before: Alarm, act: Act, event: Event, by: str, text: str) -> Alarm:
    """Return the alarm with what an operator has put on it, or taken off."""
    at_ns = event.observed_at_ns
    match act:
        case Act.NOTE:
            return dataclasses.replace(before, notes=(*before.notes, Note(by, at_ns, text))[-NOTES_LIMIT:])
        case Act.SHELVE:
            until_ns = event.body.get("until_ns")
            if not isinstance(until_ns, int) or isinstance(until_ns, bool) or until_ns <= at_ns:
                raise ValueError(f"an alarm is shelved until a time to come, not {until_ns!r}")
            return dataclasses.replace(before, shelf=Shelf(by, at_ns, until_ns, text))
        case _:
            return dataclasses.replace(before, shelf=None)


def _new(condition: Condition, event: Event) -> Alarm:
    alarm = Alarm(
        id=alarm_id(condition.subject, condition.name),
        resource=condition.subject,
        alarm_type_id=condition.name,
        perceived_severity=condition.perceived_severity,
        event_type=condition.event_type,
        probable_cause=condition.probable_cause,
        text=condition.text,
        raised_at_ns=event.observed_at_ns,
        changed_at_ns=event.observed_at_ns,
        state=step(INITIAL, Act.RAISE),
        reports={event.node: _report(condition, event)},
    )
    return _recorded(alarm, Act.RAISE, event.observed_at_ns, event.node, condition.text)


def _led(before: Alarm, reports: Mapping[str, Report]) -> tuple[Act, Alarm]:
    """Return the alarm as its leading report has it, and what that amounts to."""
    _, lead = min(reports.items(), key=_leading)
    earliest_ns = min(report.observed_at_ns for report in reports.values())
    act = _act(before, lead.perceived_severity)
    after = dataclasses.replace(
        before,
        perceived_severity=lead.perceived_severity,
        event_type=lead.event_type,
        probable_cause=lead.probable_cause,
        text=lead.text,
        reports=reports,
        state=step(before.state, act),
        raised_at_ns=earliest_ns if act is Act.RAISE else min(earliest_ns, before.raised_at_ns),
        cleared_at_ns=None,
        raise_count=before.raise_count + (act is Act.RAISE),
    )
    return act, after if after.state in _ACKNOWLEDGED_STATES else _unseen(after)


def _act(before: Alarm, severity: PerceivedSeverity) -> Act:
    if before.is_cleared:
        return Act.RAISE
    if severity.rank == before.perceived_severity.rank:
        return Act.UPDATE
    return Act.WORSEN if severity.rank > before.perceived_severity.rank else Act.EASE


def _leading(item: tuple[str, Report]) -> tuple[int, int, str]:
    """Sort key: the worst report first, of equals the earliest, then by name, so that arrival does not matter."""
    reporter, report = item
    return (-report.perceived_severity.rank, report.observed_at_ns, reporter)


def _cleared(before: Alarm, condition: Condition, event: Event) -> AlarmChange:
    after = dataclasses.replace(
        before,
        state=step(before.state, Act.CLEAR),
        reports={},
        text=condition.text,
        cleared_at_ns=event.observed_at_ns,
    )
    return AlarmChange(Act.CLEAR, _recorded(after, Act.CLEAR, event.observed_at_ns, event.node, condition.text), before)


def _unseen(alarm: Alarm) -> Alarm:
    return dataclasses.replace(alarm, acknowledged_by=None, acknowledged_at_ns=None, acknowledged_text="")


def _report(condition: Condition, event: Event) -> Report:
    return Report(
        condition.perceived_severity, condition.event_type, condition.probable_cause, condition.text,
        event.observed_at_ns, causes_named(condition.detail.get("because")),
    )  # fmt: skip


def _recorded(alarm: Alarm, act: Act, at_ns: int, by: str, text: str) -> Alarm:
    change = StatusChange(act, at_ns, alarm.perceived_severity, text, by)
    return dataclasses.replace(alarm, changed_at_ns=at_ns, history=(*alarm.history, change)[-HISTORY_LIMIT:])
