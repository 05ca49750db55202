"""Decides what is told to whom and when. Pure: takes alarms and the time, returns messages, tells its next deadline.

The stages, one after the other: *select* (roots that are neither shelved nor worked on, bad enough, on the route's
resources), *settle* (an alarm stands for `wait_s` first, in which its root may turn up), *deduplicate and repeat*
(each raising once, again when it worsens, and every `repeat_s` while nobody acknowledges; one that flaps is not news),
*escalate* (further receivers while nobody acknowledges), *group* (into one message).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from .config import Notifications, Route

FLAP_S: Final = 60.0
"""An alarm is told to be over when it has been for this long; one that comes back before is the same trouble."""
LIST_MAX: Final = 50
"""Alarms that one message lists; it counts the others."""
Why = Literal["raised", "worse", "again", "escalated", "resolved"]


@dataclass(frozen=True, slots=True)
class Standing:
    """An alarm as far as notification is concerned."""

    id: str
    resource: str
    alarm_type_id: str
    severity: str
    rank: int
    event_type: str
    probable_cause: str
    text: str
    raised_at_ns: int
    consequences: int
    is_root: bool
    quiet: bool
    """Shelved, or worked on."""
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class Message:
    """What one receiver is told at once."""

    receiver: str
    why: Why
    alarms: tuple[Standing, ...]
    """The worst first, at most `LIST_MAX`."""
    more: int = 0
    """How many others there are."""


@dataclass(slots=True)
class _Told:
    """What one route has told of one alarm."""

    alarm: dict[str, Any]
    at_s: float
    rank: int
    first_s: float
    steps: int = 0
    """Steps of escalation taken."""
    ended_s: float | None = None
    """When it was seen to be over."""


@dataclass(slots=True)
class _Memory:
    """One route's memory."""

    seen_s: dict[str, float] = field(default_factory=dict)
    """Since when an alarm is a candidate."""
    told: dict[str, _Told] = field(default_factory=dict)


class Pipeline:
    """The state of all routes. Times are wall seconds: the memory outlives the process."""

    def __init__(self, config: Notifications, memory: Mapping[str, Any] | None = None) -> None:
        """Begin, or go on with what `memory_json` gave."""
        self._routes = [(route, _Memory()) for route in config.routes]
        self._deadline_s: float | None = None
        kept = (memory or {}).get("routes", [])
        for (_route, mine), told in zip(self._routes, kept if isinstance(kept, list) else [], strict=False):
            mine.told = {name: _Told(**one) for name, one in told.items()}

    def next_deadline(self) -> float | None:
        """Return when `observe` may have something to say though no alarm has changed."""
        return self._deadline_s

    def memory_json(self) -> dict[str, Any]:
        """Return what must outlive a restart, or everybody would be told everything again."""
        return {"routes": [{name: asdict(told) for name, told in memory.told.items()} for _, memory in self._routes]}

    def observe(self, alarms: Iterable[Standing], now_s: float) -> list[Message]:
        """Return what is to be told now.

        Args:
            alarms: all that stand.
            now_s: wall time.
        """
        alarms = list(alarms)
        self._deadline_s = None
        return [message for route, memory in self._routes for message in self._run(route, memory, alarms, now_s)]

    def _run(self, route: Route, memory: _Memory, alarms: list[Standing], now_s: float) -> list[Message]:
        standing = {alarm.id: alarm for alarm in alarms}
        chosen = {alarm.id: alarm for alarm in alarms if _selects(route, alarm)}
        memory.seen_s = {name: memory.seen_s.get(name, now_s) for name in chosen}
        news: dict[tuple[str, Why], list[Standing]] = {}
        for alarm in chosen.values():
            for receiver, why in self._due(route, memory, alarm, now_s):
                news.setdefault((receiver, why), []).append(alarm)
        for over in self._ended(route, memory, standing, now_s):
            news.setdefault((route.receiver, "resolved"), []).append(over)
        return [message for (receiver, why), found in news.items() for message in _grouped(route, receiver, why, found)]

    def _due(self, route: Route, memory: _Memory, alarm: Standing, now_s: float) -> Iterable[tuple[str, Why]]:
        """Yield whom to tell of an alarm now, and note that they were."""
        told = memory.told.get(alarm.id)
        if told is not None:
            told.ended_s = None
        if told is None:
            if self._waits(memory.seen_s[alarm.id] + route.wait_s, now_s):
                return
            memory.told[alarm.id] = _Told(asdict(alarm), now_s, alarm.rank, now_s)
            yield route.receiver, "raised"
            told = memory.told[alarm.id]
        elif alarm.rank > told.rank:
            told.rank, told.at_s, told.alarm = alarm.rank, now_s, asdict(alarm)
            yield route.receiver, "worse"
        if alarm.acknowledged:
            return
        if told.steps < len(route.escalate):
            step = route.escalate[told.steps]
            if not self._waits(told.first_s + step.after_s, now_s):
                told.steps += 1
                yield step.receiver, "escalated"
        if route.repeat_s and not self._waits(told.at_s + route.repeat_s, now_s):
            told.at_s = now_s
            yield route.receiver, "again"

    def _ended(
        self, route: Route, memory: _Memory, standing: Mapping[str, Standing], now_s: float
    ) -> Iterable[Standing]:
        """Yield the alarms that were told of and have been over for a while, and forget them."""
        for name, told in list(memory.told.items()):
            if name in standing:
                continue
            told.ended_s = now_s if told.ended_s is None else told.ended_s
            if not self._waits(told.ended_s + FLAP_S, now_s):
                del memory.told[name]
                if route.resolved:
                    yield Standing(**told.alarm)

    def _waits(self, until_s: float, now_s: float) -> bool:
        """Tell whether a time is yet to come, and note it as a deadline."""
        if until_s <= now_s:
            return False
        self._deadline_s = until_s if self._deadline_s is None else min(self._deadline_s, until_s)
        return True


def _selects(route: Route, alarm: Standing) -> bool:
    fits = not route.resources or alarm.resource.startswith(tuple(route.resources))
    return alarm.is_root and not alarm.quiet and alarm.rank >= route.least_rank and fits


def _grouped(route: Route, receiver: str, why: Why, alarms: list[Standing]) -> Iterable[Message]:
    groups: dict[str, list[Standing]] = {}
    for alarm in sorted(alarms, key=lambda it: (-it.rank, it.raised_at_ns, it.id)):
        keys = {"alarm": alarm.id, "kind": alarm.resource.partition(":")[0], "all": ""}
        groups.setdefault(keys[route.group_by], []).append(alarm)
    for found in groups.values():
        yield Message(receiver, why, tuple(found[:LIST_MAX]), max(0, len(found) - LIST_MAX))
