"""When playbooks start by the calendar. APScheduler knows calendars; what was started is on record."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger

from .core.playbook.model import Playbook, Schedule
from .core.playbook.triggers import Firing

_NS: Final = 1_000_000_000


class ScheduleError(ValueError):
    """A schedule's calendar makes no sense; the text says why."""


class Schedules:
    """The calendars of some playbooks."""

    def __init__(self, playbooks: Iterable[Playbook], from_ns: int) -> None:
        """Prepare.

        Args:
            playbooks: whose.
            from_ns: wall time up to which nothing is to be made up for.

        Raises:
            ScheduleError: a calendar makes no sense.
        """
        self._calendars = [
            (book.playbook, number, schedule, trigger_of(schedule))
            for book in playbooks
            for number, schedule in enumerate(book.schedules)
        ]
        self._from_ns = from_ns

    def due(self, now_ns: int) -> list[Firing]:
        """Return the starts since the last call, those missed by more than they may be left out."""
        found = []
        for name, number, schedule, calendar in self._calendars:
            at_ns = self._from_ns
            while (at_ns := _next_ns(calendar, at_ns)) <= now_ns:
                if now_ns - at_ns <= schedule.late_s * _NS:
                    found.append(Firing(
                        playbook=name, key=f"schedule {name}/{number} {at_ns}", correlation=f"{name} schedule",
                        debounce_s=0.0, due_ns=at_ns,
                        trigger={"kind": "schedule", "cron": schedule.cron, "at_ns": at_ns,
                                 "parameters": dict(schedule.parameters)},
                    ))  # fmt: skip
        self._from_ns = max(now_ns, self._from_ns)
        return found

    def next_ns(self) -> int | None:
        """Return when the next start is due."""
        return min((_next_ns(calendar, self._from_ns) for *_who, calendar in self._calendars), default=None)


def trigger_of(schedule: Schedule) -> CronTrigger:
    """Return a schedule's calendar.

    Raises:
        ScheduleError: it makes no sense.
    """
    try:
        return CronTrigger.from_crontab(schedule.cron, ZoneInfo(schedule.timezone))
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise ScheduleError(str(error)) from None


def _next_ns(calendar: CronTrigger, after_ns: int) -> int:
    """Return the calendar's next time strictly after a time; far in the future where there is none."""
    after = datetime.fromtimestamp(after_ns // _NS + 1, UTC)
    found = calendar.get_next_fire_time(None, after)
    return int(found.timestamp()) * _NS if found is not None else 2**63
