"""Takes the fast path's reports in: durable events and conditions first, then the acknowledgement.

On a full disk what came waits in memory, in order and bounded, and is tried again; the fast path keeps its own copies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from lifeline.model.records import Condition, EventKind
from lifeline.runtime.outbox import Draft, Outbox, OutboxFullError

from ..core import conditions
from ..core.conditions import Judgement, Key
from .record import Record

UNSTORED_MAX = 4096
_EVENTS = {"bfd": EventKind.BFD, "protection": EventKind.PROTECTION, "command": EventKind.COMMAND}

log = structlog.get_logger(__name__)


class Intake:
    """Turns reports, snapshots and silence into what the outbox keeps.

    Attributes:
        lost: events that a full disk made us drop, oldest first.
        taken: the fast path's life and its last report that was taken, durable or not.
    """

    def __init__(self, site: str, outbox: Outbox, record: Record) -> None:
        self.lost = 0
        self._site = site
        self._outbox = outbox
        self._record = record
        self._unstored: deque[Draft] = deque(maxlen=UNSTORED_MAX)
        self._standing: dict[Key, Condition] = dict(record.raised)
        self.taken = ("", 0)

    @property
    def unstored(self) -> int:
        """How many events wait for room on the disk."""
        return len(self._unstored)

    @property
    def standing(self) -> int:
        """How many conditions of this agent stand."""
        return len(self._standing)

    def report(self, report: Mapping[str, Any]) -> None:
        """Take a report: its event, and the conditions that begin or end with it."""
        instance, seq, body = str(report["instance"]), int(report["seq"]), report["body"]
        last_instance, last_seq = self.taken
        if instance != last_instance:
            last_seq = 0
        if seq <= last_seq:
            return
        self.taken = (instance, seq)
        if self._record.has(report):
            return
        if last_seq and seq > last_seq + 1:
            log.warning("reports of the fast path were lost", count=seq - last_seq - 1)
        kind, at_ns = _EVENTS[report["kind"]], int(report["at_wall_ns"])
        judged: Judgement = {}
        if kind is EventKind.COMMAND:
            if body["dry_run"]:
                return
            body = record_of(body, self._site, "done" if body["accepted"] else "refused")
        elif kind is EventKind.BFD:
            judged = conditions.judge_path(body["path"], self._site)
            body = {name: value for name, value in body.items() if name != "path"}
        else:
            judged = conditions.judge_group(body)
        self._push(Draft(kind, str(report["subject"]), body, at_ns))
        self.judge(judged, at_ns)

    def admits(self, token: int) -> bool:
        """Tell whether an order with a fencing token may be obeyed, and remember it if so."""
        if token < self._record.token:
            return False
        self._record.token = token
        self._record.save()
        return True

    def put(self, kind: EventKind, subject: str, body: Mapping[str, Any]) -> bool:
        """Put an event of the agent's own; return False when the disk is full."""
        self._push(Draft(kind, subject, body))
        return self.store()

    def snapshot(self, body: Mapping[str, Any], at_ns: int) -> None:
        """Judge everything anew: what a lost report would have told is found here."""
        judged: Judgement = {}
        for path in body["paths"]:
            judged |= conditions.judge_path(path, self._site)
        for group in body["groups"]:
            judged |= conditions.judge_group(group)
        if self._record.lost:  # what stood before is unknown, so what does not hold is cleared for certain
            self._standing = conditions.doubtful(judged) | self._standing
            self._record.lost = False
        self.judge(judged, at_ns)

    def judge(self, judged: Judgement, at_ns: int | None = None) -> None:
        """Put what a judgement changes."""
        for condition in conditions.changes(self._standing, judged):
            key = (condition.subject, condition.name)
            if condition.raised:
                self._standing[key] = condition
            else:
                del self._standing[key]
            self._push(Draft(EventKind.CONDITION, condition.subject, condition.to_body(), at_ns))

    def clear_orphans(self, subjects: Iterable[str]) -> None:
        """End the conditions on what is no longer in the inventory."""
        self.judge(conditions.orphans(self._standing, subjects))

    def store(self) -> bool:
        """Make all that was taken durable; return False when the disk is full."""
        if self._unstored:
            try:
                events = self._outbox.put_many(list(self._unstored))
            except OutboxFullError:  # the outbox has said so
                return False
            self._unstored.clear()
            for event in events:
                self._record.put(event)
            self._record.read_up_to(*self.taken)
            self._record.save()
        return True

    def _push(self, draft: Draft) -> None:
        if len(self._unstored) == UNSTORED_MAX:
            self.lost += 1
        self._unstored.append(draft)


def record_of(order: Mapping[str, Any], site: str, phase: str) -> dict[str, Any]:
    """Return the event body of an order, or of the fast path's answer to it.

    Args:
        order: what was asked for, and what became of it as far as that is known.
        site: at whose end it acts.
        phase: `received`, `done` or `refused`.
    """
    return {
        "command_id": order["id"],
        "command": f"protection.{order['command']}",
        "target": f"group:{order['group']}",
        "to": order["to"],
        "at": site,
        "phase": phase,
        "by": order["by"],
        "text": "",
        "token": order["token"],
        "detail": order.get("reason", ""),
        "before": order.get("before"),
        "after": order.get("result"),
    }
