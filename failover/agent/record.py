"""What an agent remembers from life to life: the conditions it has raised, and how far it has read the fast path.

The file is a snapshot; what the outbox took after it is folded on top. An event is put and the file is written in one
go, without letting the uplink run in between, so what the file may lack is still in the outbox.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from lifeline.model.records import Condition, Event, EventKind
from lifeline.runtime.outbox import Outbox

from ..core.conditions import Key
from ..plan import write_json

SCHEMA = "lifeline.agent-record/1"

log = structlog.get_logger(__name__)


class Record:
    """The memory of one agent.

    Attributes:
        raised: the conditions that stand, by subject and name.
        lost: the file was damaged: conditions may stand that we know nothing of.
        token: the highest fencing token of an order that was not the fast path's to fence.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.raised: dict[Key, Condition] = {}
        self.lost = False
        self.token = 0
        self._outbox_seq = 0
        self._instance = ""
        self._report_seq = 0
        self._kept: set[tuple[str, str, int]] = set()
        self._saved = True

    def load(self, outbox: Outbox) -> None:
        """Read the file and fold what the outbox took after it."""
        try:
            self._read(json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.lost = True
            log.warning("record is damaged, conditions are judged anew", path=str(self.path), error=str(error))
        if outbox.corrupt:  # a fresh file may count from 1
            self._outbox_seq = 0
        while events := outbox.pending(self._outbox_seq):
            for event in events:
                self.put(event)
                self._kept.add((event.kind, event.subject, event.observed_at_ns))

    def _read(self, data: dict[str, Any]) -> None:
        if data["schema"] != SCHEMA:
            raise ValueError(f"not a {SCHEMA}")
        raised = [Condition.from_body(body) for body in data["raised"]]
        self.raised = {(condition.subject, condition.name): condition for condition in raised}
        self._outbox_seq = int(data["outbox_seq"])
        self.token = int(data.get("token", 0))
        self._instance, self._report_seq = str(data["instance"]), int(data["report_seq"])

    def put(self, event: Event) -> None:
        """Remember an event that the outbox has taken."""
        self._outbox_seq = event.seq
        if event.kind is EventKind.CONDITION:
            condition = Condition.from_body(event.body)
            if condition.raised:
                self.raised[condition.subject, condition.name] = condition
            else:
                self.raised.pop((condition.subject, condition.name), None)

    def has(self, report: Mapping[str, Any]) -> bool:
        """Tell whether a report was kept: by its number, or, when our end came in between, by its event."""
        if report["instance"] == self._instance and report["seq"] <= self._report_seq:
            return True
        return (report["kind"], report["subject"], report["at_wall_ns"]) in self._kept

    def read_up_to(self, instance: str, seq: int) -> None:
        """Remember that the fast path's reports up to `seq` are kept."""
        self._instance, self._report_seq = instance, seq

    def save(self) -> None:
        """Write the file; on a full disk say so once and keep what is in memory."""
        data = {
            "schema": SCHEMA,
            "outbox_seq": self._outbox_seq,
            "token": self.token,
            "instance": self._instance,
            "report_seq": self._report_seq,
            "raised": [condition.to_body() for condition in self.raised.values()],
        }
        try:
            write_json(self.path, data)
        except OSError as error:
            if self._saved:
                log.warning("record cannot be written", path=str(self.path), error=str(error))
            self._saved = False
        else:
            self._saved = True
