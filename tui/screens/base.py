"""What every screen shares: the status bar, the keys, and being told of change."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from lifeline.i18n import _

from ..cells import Line, Row
from ..columns import Column
from ..detail_pane import DetailPane
from ..lines import KeyBar, Lines
from ..live_table import LiveTable
from ..model import Change, NetworkModel
from ..status_bar import StatusBar
from ..text import wrap

if TYPE_CHECKING:
    from ..app import LifelineApp

TWO_PANES = 100
"""Columns from which a list has its detail beside it."""
THREE_PANES = 140
NOTE_LINES = 3
"""Most lines below a list that say what is filtered, how it is sorted, or why the hub is away."""


class LiveScreen(Screen[None]):
    """A screen that shows the model and is told what changed in it."""

    HORIZONTAL_BREAKPOINTS = [(0, "-one-pane"), (TWO_PANES, "-two-panes"), (THREE_PANES, "-three-panes")]  # noqa: RUF012 - Textual's own form

    _parts: tuple[Widget, ...] = ()
    """The detail and the bar of keys, once they are there."""

    @property
    def lifeline(self) -> LifelineApp:
        """The application."""
        return cast("LifelineApp", self.app)

    @property
    def model(self) -> NetworkModel:
        """What to show: the live model, or the one that was frozen."""
        return self.lifeline.shown

    def compose(self) -> ComposeResult:
        """Put the status bar above and the keys below."""
        yield StatusBar(self.lifeline.look, self.lifeline.tabs(), self.lifeline.hub)
        yield from self.compose_body()
        yield KeyBar(self.lifeline.look)

    def compose_body(self) -> ComposeResult:
        """Yield what is between status bar and keys."""
        raise NotImplementedError

    def model_changed(self, change: Change) -> None:
        """Show a change."""
        raise NotImplementedError

    def rebuild(self) -> None:
        """Show the whole model anew."""
        raise NotImplementedError

    def tick(self) -> None:
        """Bring ages and countdowns up to date, each second."""
        raise NotImplementedError

    def histories_changed(self) -> None:
        """Show series that have come; most screens plot none."""

    def renew_status(self) -> None:
        """Bring the status bar up to date."""
        self.query_one(StatusBar).renew(self.lifeline.model, self.lifeline.frozen_at_ns, self.lifeline.armed_s())

    def on_resize(self) -> None:
        """Fit everything to the new size: a pane may have come or gone."""
        self.call_after_refresh(self.catch_up)

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another screen was shown."""
        self.call_after_refresh(self.catch_up)

    def catch_up(self) -> None:
        """Show everything as it is now."""
        if self.ready:
            self.rebuild()
            self.renew_status()

    @property
    def ready(self) -> bool:
        """Whether the widgets are there: not before the first layout, no more while the program ends.

        Asked at each word of the hub, so they are looked for only until they are found.
        """
        if not self._parts and all(found := (self.query("#detail"), self.query(KeyBar))):
            self._parts = tuple(it.first() for it in found)
        return bool(self._parts) and all(it.is_attached for it in self._parts)


class DetailScreen(LiveScreen):
    """One object's detail on a screen of its own, where there is no room for a pane. It stays live."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", _("Back")),
        Binding("y", "copy", _("Copy")),
    ]

    def __init__(self, tell: Callable[[NetworkModel], list[Line]]) -> None:
        super().__init__()
        self._tell = tell

    def compose_body(self) -> ComposeResult:
        """Yield the detail."""
        yield DetailPane(self.lifeline.look, id="detail")

    def model_changed(self, change: Change) -> None:
        """Show the detail anew."""
        del change
        self.rebuild()

    def histories_changed(self) -> None:
        """Show the detail anew."""
        self.rebuild()

    def rebuild(self) -> None:
        """Show the detail anew."""
        self.query_one(DetailPane).show(self._tell(self.model), self.lifeline.now_ns(), stale=self.model.stale)

    def tick(self) -> None:
        """Bring ages and countdowns up to date."""
        self.query_one(DetailPane).tick(self.lifeline.now_ns())

    def action_copy(self) -> None:
        """Copy the detail."""
        self.lifeline.copy_text(self.query_one(DetailPane).as_text())


class ListScreen(LiveScreen):
    """A list with a filter, a sort order, and the chosen row's detail beside it where there is room."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", _("Filter"), key_display="/"),
        Binding("s", "sort", _("Sort")),
        Binding("S", "reverse", _("Reverse the sorting"), show=False),
        Binding("y", "copy", _("Copy")),
        Binding("escape", "back", _("Clear the filter, leave the detail"), show=False),
    ]

    DETAIL_BESIDE: ClassVar[int] = TWO_PANES
    """Columns from which the detail is beside the list; the style sheet says the same."""

    def compose_body(self) -> ComposeResult:
        """Yield the list and its detail, and the filter, hidden until asked for."""
        with Horizontal(id="panes"):
            yield self.new_table()
            yield DetailPane(self.lifeline.look, id="detail")
        yield Input(placeholder=_("Words that a row must contain; Enter keeps, Esc clears"), id="filter")
        yield Lines(self.lifeline.look, id="list-state")

    def columns(self) -> list[Column]:
        """Return the list's columns."""
        raise NotImplementedError

    def rows(self, change: Change) -> list[Row]:
        """Return the rows that a change touches, built anew; all of them when it touches everything."""
        raise NotImplementedError

    def detail(self, model: NetworkModel, key: str) -> list[Line]:
        """Return the detail of a row."""
        raise NotImplementedError

    def new_table(self) -> LiveTable:
        """Return the list."""
        return LiveTable(self.columns(), self.lifeline.look, clock=self.lifeline.now_ns, id="list")

    @property
    def table(self) -> LiveTable:
        """The list."""
        return self.query_one("#list", LiveTable)

    # ---- news ----

    def model_changed(self, change: Change) -> None:
        """Put the rows that changed into the list, and the chosen one's detail beside it."""
        if change.everything:
            self.rebuild()
            return
        for row in self.rows(change):
            self.table.put(row, at_once=change.at_once)
        if change.at_once:
            self.renew_detail()

    def rebuild(self) -> None:
        """Show the whole model anew."""
        self.table.set_stale(self.model.stale and self.model.loaded)
        self.table.set_columns(self.columns())
        self.table.replace(self.rows(Change(everything=True)))
        self.renew_detail()
        self.renew_list_state()

    def tick(self) -> None:
        """Bring ages, countdowns and the detail up to date."""
        self.table.tick()
        self.renew_detail()
        self.renew_list_state()

    def renew_detail(self) -> None:
        """Show the chosen row's detail, when there is room for it."""
        pane = self.query_one("#detail", DetailPane)
        if self.size.width < self.DETAIL_BESIDE:
            return
        chosen = self.table.chosen
        lines = [] if chosen is None else self.detail(self.model, chosen)
        pane.show(lines, self.lifeline.now_ns(), stale=self.model.stale)

    def renew_list_state(self) -> None:
        """Say what is filtered away and what the order is, when it is not the usual one."""
        told = []
        words = self.query_one("#filter", Input).value
        if words:
            told.append(_("filter: {words}  ({n} of {all})").format(
                words=words, n=self.table.shown, all=self.table.total))  # fmt: skip
        if self.table.sort_column is not None:
            told.append(_("sorted by {column}").format(column=self.table.columns[self.table.sort_column].title))
        told += self.list_notes()
        if connection_lost := self.model.connection.reason:
            told.append(connection_lost)
        line = self.query_one("#list-state", Lines)
        line.display = bool(told)
        texts = wrap("  ".join(told), max(20, self.size.width))[:NOTE_LINES]
        line.styles.height = len(texts)
        line.show([[(text, "warning")] for text in texts])

    def list_notes(self) -> list[str]:
        """Return what else there is to say about the list."""
        return []

    # ---- what the user does ----

    def on_live_table_chosen(self) -> None:
        """Show the detail of the row that is chosen now."""
        self.renew_detail()

    def on_live_table_opened(self, message: LiveTable.Opened) -> None:
        """Open a row: go into its pane, or onto a screen of its own where there is no room."""
        if self.size.width >= self.DETAIL_BESIDE:
            self.query_one("#detail", DetailPane).focus()
            return
        key = message.key
        self.app.push_screen(DetailScreen(lambda model: self.detail(model, key)))

    def action_filter(self) -> None:
        """Ask for words."""
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while one types."""
        event.stop()
        words = event.value.casefold().split()
        self.table.show_only((lambda _row, text: all(word in text for word in words)) if words else None)
        self.renew_list_state()

    def on_input_submitted(self) -> None:
        """Keep the filter and go back to the list."""
        self.query_one("#filter", Input).display = False
        self.table.focus()

    def action_back(self) -> None:
        """Leave the detail for the list, or clear the filter."""
        if isinstance(self.focused, DetailPane):
            self.table.focus()
            return
        box = self.query_one("#filter", Input)
        box.value = ""
        box.display = False
        self.table.focus()

    def action_sort(self) -> None:
        """Sort by the next column; after the last one, as usual: worst first."""
        table = self.table
        after = -1 if table.sort_column is None else table.sort_column
        table.sort_by(after + 1 if after + 1 < len(table.columns) else None)
        self.renew_list_state()

    def action_reverse(self) -> None:
        """Turn the order of the sorted column around."""
        table = self.table
        if table.sort_column is not None:
            table.sort_by(table.sort_column, descending=not table.sort_descending)

    def action_copy(self) -> None:
        """Copy the chosen row, or the detail when one is in it."""
        if isinstance(self.focused, DetailPane):
            self.lifeline.copy_text(self.focused.as_text())
        elif self.table.chosen is not None:
            self.lifeline.copy_text(self.table.row_text(self.table.chosen))
