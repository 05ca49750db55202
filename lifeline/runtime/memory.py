"""What a daemon remembers from life to life: the conditions that it has raised, and the last command it has obeyed.

The file is a snapshot; what the outbox took after it is folded on top. An event is put and the file is written in one
go, without letting the uplink run in between, so what the file may lack is still in the outbox.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import structlog

from ..model.judgement import Key
from ..model.records import Condition, Event, EventKind
from .files import write_json
from .outbox import Outbox

log = structlog.get_logger(__name__)


class Memory:
    """The memory of one daemon. A daemon that remembers more extends `read`, `to_json` and `recall`.

    Attributes:
        raised: the conditions that stand, by subject and name.
        token: the highest fencing token that was obeyed.
        lost: the file was damaged: conditions may stand that we know nothing of.
    """

    SCHEMA: ClassVar[str] = "lifeline.daemon-memory/1"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.raised: dict[Key, Condition] = {}
        self.token = 0
        self.lost = False
        self._outbox_seq = 0
        self._saved = True

    def load(self, outbox: Outbox) -> None:
        """Read the file and fold what the outbox took after it."""
        try:
            self.read(json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.lost = True
            log.warning("memory is damaged, conditions are judged anew", path=str(self.path), error=str(error))
        if outbox.corrupt:  # a fresh file may count from 1
            self._outbox_seq = 0
        while events := outbox.pending(self._outbox_seq):
            for event in events:
                self.recall(event)

    def recall(self, event: Event) -> None:
        """Fold what the outbox took after the file was written."""
        self.put(event)

    def read(self, data: Mapping[str, Any]) -> None:
        """Take what the file says.

        Raises:
            ValueError, KeyError, TypeError: it is no such file.
        """
        if data["schema"] != self.SCHEMA:
            raise ValueError(f"not a {self.SCHEMA}")
        raised = [Condition.from_body(body) for body in data["raised"]]
        self.raised = {(condition.subject, condition.name): condition for condition in raised}
        self._outbox_seq, self.token = int(data["outbox_seq"]), int(data.get("token", 0))

    def put(self, event: Event) -> None:
        """Remember an event that the outbox has taken."""
        self._outbox_seq = event.seq
        if event.kind is EventKind.CONDITION:
            condition = Condition.from_body(event.body)
            if condition.raised:
                self.raised[condition.subject, condition.name] = condition
            else:
                self.raised.pop((condition.subject, condition.name), None)

    def to_json(self) -> dict[str, Any]:
        """Return what the file will say."""
        return {
            "schema": self.SCHEMA,
            "outbox_seq": self._outbox_seq,
            "token": self.token,
            "raised": [condition.to_body() for condition in self.raised.values()],
        }

    def save(self) -> None:
        """Write the file; on a full disk say so once and keep what is in memory."""
        try:
            write_json(self.path, self.to_json())
        except OSError as error:
            if self._saved:
                log.warning("memory cannot be written", path=str(self.path), error=str(error))
            self._saved = False
        else:
            self._saved = True
