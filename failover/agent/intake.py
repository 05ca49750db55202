"""Takes the fast path's reports in: durable events and conditions first, then the acknowledgement.

On a full disk what came waits in memory, in order and bounded, and is tried again; the fast path keeps its own copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from lifeline.model.judgement import Judgement
from lifeline.model.records import EventKind
from lifeline.runtime.keeper import Keeper
from lifeline.runtime.outbox import Draft, Outbox

from ..core import conditions
from .record import Record

_EVENTS = {"bfd": EventKind.BFD, "protection": EventKind.PROTECTION, "command": EventKind.COMMAND}

log = structlog.get_logger(__name__)


class Intake(Keeper):
    """Turns reports, snapshots and silence into what the outbox keeps.

    Attributes:
        taken: the fast path's life and its last report that was taken, durable or not.
    """

    def __init__(self, site: str, outbox: Outbox, record: Record) -> None:
        super().__init__(outbox, record)
        self._site = site
        self._record = record
        self.taken = ("", 0)

    def stored(self) -> None:
        """Remember how far the fast path was read."""
        self._record.read_up_to(*self.taken)

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
        self.push(Draft(kind, str(report["subject"]), body, at_ns))
        self.judge(judged, at_ns)

    def snapshot(self, body: Mapping[str, Any], at_ns: int) -> None:
        """Judge everything anew: what a lost report would have told is found here."""
        judged: Judgement = {}
        for path in body["paths"]:
            judged |= conditions.judge_path(path, self._site)
        for group in body["groups"]:
            judged |= conditions.judge_group(group)
        self.judge(judged, at_ns)


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
