"""What starts a playbook: conditions that stand long enough, each once. Sans-IO; times are wall nanoseconds.

A firing has a key that says what it was for. Whoever starts runs keeps the keys on record, so that a condition that is
seen again after a restart starts nothing twice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from lifeline.model.records import Condition, Json

from .model import Playbook, Trigger

S_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Firing:
    """A playbook is to be started."""

    playbook: str
    key: str
    """What it is started for; no run is started twice for the same."""
    correlation: str
    """Runs of one correlation share a run and a pause."""
    debounce_s: float
    trigger: Mapping[str, Json]
    due_ns: int


@dataclass(slots=True)
class _Standing:
    condition: Condition
    since_ns: int
    site: str


class Triggers:
    """Watches conditions for the playbooks that wait for them."""

    def __init__(self, playbooks: Iterable[Playbook]) -> None:
        self._triggers = [(book.playbook, number, it) for book in playbooks for number, it in enumerate(book.triggers)]
        self._standing: dict[tuple[str, str], dict[str, _Standing]] = {}
        """By subject and name of the condition, then by who says so."""
        self._waiting: dict[str, Firing] = {}

    def observe(self, node: str, condition: Condition, site: str, at_ns: int) -> None:
        """Take note of a condition's change.

        Args:
            node: who says so; a condition stands until all who raised it have cleared it.
            condition: the condition.
            site: that its subject belongs to, empty where there is none.
            at_ns: when it was observed.
        """
        place = (condition.subject, condition.name)
        said_by = self._standing.setdefault(place, {})
        if not condition.raised:
            said_by.pop(node, None)
            if not said_by:
                del self._standing[place]
                self._forget(*place, at_ns)
            return
        before = said_by.get(node)
        said_by[node] = _Standing(condition, before.since_ns if before is not None else at_ns, site)
        first_ns = min(it.since_ns for it in said_by.values())
        for name, number, trigger in self._triggers:
            if _matches(trigger, condition):
                firing = self._firing(name, number, trigger, condition, site, first_ns)
                self._waiting.setdefault(firing.key, firing)

    def _forget(self, subject: str, name: str, at_ns: int) -> None:
        """Give up what waits for a condition that went before its time; what was due already stays."""
        for key, firing in list(self._waiting.items()):
            it = firing.trigger
            if (it["subject"], it["name"]) == (subject, name) and firing.due_ns > at_ns:
                del self._waiting[key]

    @staticmethod
    def _firing(name: str, number: int, trigger: Trigger, condition: Condition, site: str, since_ns: int) -> Firing:
        group = {"subject": condition.subject, "site": site or condition.subject, "playbook": ""}[trigger.correlate]
        return Firing(
            playbook=name,
            key=f"condition {name}/{number} {condition.subject} {condition.name} {since_ns}",
            correlation=f"{name} {group}",
            debounce_s=trigger.debounce_s,
            trigger={"kind": "condition", "subject": condition.subject, "name": condition.name, "site": site,
                     "text": condition.text, "detail": dict(condition.detail), "since_ns": since_ns},
            due_ns=since_ns + int(trigger.for_s * S_NS),
        )  # fmt: skip

    def due(self, now_ns: int) -> list[Firing]:
        """Return the firings whose time has come, in order, each until it is settled."""
        return sorted((it for it in self._waiting.values() if it.due_ns <= now_ns), key=lambda it: it.due_ns)

    def settle(self, key: str) -> None:
        """Forget a firing: what became of it is on record."""
        self._waiting.pop(key, None)

    def to_json(self) -> Json:
        """Return what is remembered, for a snapshot."""
        standing = [
            [*place, node, it.condition.to_body(), it.since_ns, it.site]
            for place, said_by in self._standing.items()
            for node, it in said_by.items()
        ]
        return {"standing": standing, "waiting": [dataclasses.asdict(it) for it in self._waiting.values()]}

    def restore(self, data: Json) -> None:
        """Take up what `to_json` gave; firings of playbooks that are gone are dropped."""
        names = {name for name, _number, _trigger in self._triggers}
        for subject, name, node, body, since_ns, site in data["standing"]:
            said_by = self._standing.setdefault((subject, name), {})
            said_by[node] = _Standing(Condition.from_body(body), since_ns, site)
        firings = [Firing(**it) for it in data["waiting"]]
        self._waiting |= {it.key: it for it in firings if it.playbook in names}

    def next_deadline_ns(self) -> int | None:
        """Return when the next firing is due."""
        return min((firing.due_ns for firing in self._waiting.values()), default=None)


def _matches(trigger: Trigger, condition: Condition) -> bool:
    return (
        fnmatchcase(condition.name, trigger.condition)
        and fnmatchcase(condition.subject, trigger.subject)
        and condition.perceived_severity.rank >= trigger.severity.rank
    )
