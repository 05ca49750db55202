"""Screen 8: what happened, newest at the bottom, live until one scrolls up or freezes; older pages come unasked."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from lifeline.i18n import _

from ..cells import Line, Row
from ..columns import Column
from ..details import event_detail
from ..live_table import LiveTable
from ..model import Change, NetworkModel, severity_rank
from ..rows import event_row
from ..words import SEVERITY, word
from .base import THREE_PANES, ListScreen
from .overview import event_columns, forget_before

LEVELS = ("", "warning", "minor", "major", "critical")
"""The least severities to choose from; the first shows everything."""


class LogScreen(ListScreen):
    """The journal's events."""

    DETAIL_BESIDE: ClassVar[int] = THREE_PANES  # sentences need the room more than their JSON
    BINDINGS: ClassVar[list[BindingType]] = [Binding("v", "severity", _("Severity"))]

    def __init__(self) -> None:
        super().__init__()
        self._level = ""
        self._words: list[str] = []

    def columns(self) -> list[Column]:
        """Return the columns of a list of events."""
        return event_columns()

    def new_table(self) -> LiveTable:
        """Return a list that follows its end."""
        look, clock = self.lifeline.look, self.lifeline.now_ns
        return LiveTable(self.columns(), look, clock=clock, anchor="bottom", id="list")

    def rows(self, change: Change) -> list[Row]:
        """Return the rows of new events."""
        return [event_row(self.model, e) for e in (self.model.events if change.everything else change.events)]

    def detail(self, model: NetworkModel, key: str) -> list[Line]:
        """Return an event with its whole body."""
        event = next((e for e in model.events if str(e["cursor"]) == key), None)
        return event_detail(model, event) if event else []

    def list_notes(self) -> list[str]:
        """Say which severities are shown, and that the list no longer follows."""
        notes = []
        if self._level:
            notes.append(_("{severity} and worse").format(severity=word(SEVERITY, self._level)))
        if not self.table.anchored:
            notes.append(_("not following; End follows again"))
        return notes

    def tick(self) -> None:
        """Let go of what the model has let go of."""
        super().tick()
        if self.model.events:
            forget_before(self.table, self.model.events[0]["cursor"])

    def on_live_table_chosen(self) -> None:
        """Show the detail, and whether the list still follows."""
        super().on_live_table_chosen()
        self.renew_list_state()

    def on_live_table_reached_top(self) -> None:
        """Fetch older events."""
        self.lifeline.load_history()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while one types."""
        event.stop()
        self._words = event.value.casefold().split()
        self._apply_filter()

    def action_severity(self) -> None:
        """Show only events of the next severity and worse."""
        self._level = LEVELS[(LEVELS.index(self._level) + 1) % len(LEVELS)]
        self._apply_filter()

    def _apply_filter(self) -> None:
        least = severity_rank(self._level) if self._level else 0

        def wanted(row: Row, text: str) -> bool:
            return all(word in text for word in self._words) and (not least or self._rank(row) >= least)

        self.table.show_only(wanted if self._words or least else None)
        self.renew_list_state()

    @staticmethod
    def _rank(row: Row) -> float:
        """Return a row's severity rank, which its severity cell is sorted by."""
        sort = row.cells[3].sort
        return -sort if isinstance(sort, int | float) else 0
