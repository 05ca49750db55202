"""What an agent remembers beyond what every daemon does: how far it has read the fast path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from lifeline.model.records import Event
from lifeline.runtime.memory import Memory


class Record(Memory):
    """The memory of one agent."""

    SCHEMA: ClassVar[str] = "lifeline.agent-record/1"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._instance = ""
        self._report_seq = 0
        self._kept: set[tuple[str, str, int]] = set()

    def has(self, report: Mapping[str, Any]) -> bool:
        """Tell whether a report was kept: by its number, or, when our end came in between, by its event."""
        if report["instance"] == self._instance and report["seq"] <= self._report_seq:
            return True
        return (report["kind"], report["subject"], report["at_wall_ns"]) in self._kept

    def read_up_to(self, instance: str, seq: int) -> None:
        """Remember that the fast path's reports up to `seq` are kept."""
        self._instance, self._report_seq = instance, seq

    def recall(self, event: Event) -> None:
        """Fold what the outbox took after the file was written; its report may come again."""
        super().recall(event)
        self._kept.add((event.kind, event.subject, event.observed_at_ns))

    def read(self, data: Mapping[str, Any]) -> None:
        """Take what the file says."""
        super().read(data)
        self._instance, self._report_seq = str(data["instance"]), int(data["report_seq"])

    def to_json(self) -> dict[str, Any]:
        """Return what the file will say."""
        return {**super().to_json(), "instance": self._instance, "report_seq": self._report_seq}
