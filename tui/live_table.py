"""LiveTable: a list that changes all the time and costs almost nothing.

Textual's DataTable repaints all it shows at every change. This widget draws lines itself (the line API) and repaints
only rows whose text on screen is different now. Changes gather for half a second; what cannot wait (`at_once`) takes
the gathered ones with it.

The cursor belongs to a row, not to a place: rows may come, go and move, the chosen one stays chosen. While the cursor
rests at the list's anchor (the top, where the worst is, or the bottom, where the newest is) it stays there instead,
so that an unattended screen shows what matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer

from lifeline.clock import wall_ns
from lifeline.i18n import _

from .cells import Row
from .columns import GAP, Column, lay_out
from .look import CHOSEN_ROW, Look
from .text import fit, width

COALESCE_S = 0.5


class LiveTable(ScrollView, can_focus=True):
    """A table of `Row`s by key, with sorting, filtering and one chosen row.

    Args:
        columns: the columns; every row has a cell for each.
        look: symbols and colours.
        clock: the wall time that ages and countdowns refer to, nanoseconds.
        anchor: the end at which the cursor stays until it is moved away.
    """

    ALLOW_SELECT = False  # Shift with the mouse still selects in the terminal
    COMPONENT_CLASSES: ClassVar[set[str]] = {"live-table--header", "live-table--cursor"}
    DEFAULT_CSS = f"""
    LiveTable {{
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        overflow-x: hidden;
    }}
    LiveTable > .live-table--header {{ background: $panel; color: $foreground 80%; text-style: bold; }}
    LiveTable > .live-table--cursor {{ background: $panel; }}
    LiveTable:focus > .live-table--cursor {{ background: {CHOSEN_ROW}; color: #ffffff; }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", _("Detail")),
        Binding("up,k", "move(-1)", _("Row up"), show=False),
        Binding("down,j", "move(1)", _("Row down"), show=False),
        Binding("pageup", "page(-1)", _("Page up"), show=False),
        Binding("pagedown", "page(1)", _("Page down"), show=False),
        Binding("home,g", "move_to(0)", _("First row"), show=False),
        Binding("end,G", "move_to(-1)", _("Last row"), show=False),
    ]

    @dataclass
    class Chosen(Message):
        """The cursor is on another row now; None when the table is empty."""

        table: LiveTable
        key: str | None

        @property
        def control(self) -> LiveTable:
            """The table."""
            return self.table

    @dataclass
    class Opened(Message):
        """Enter, or a click on the chosen row."""

        table: LiveTable
        key: str

        @property
        def control(self) -> LiveTable:
            """The table."""
            return self.table

    @dataclass
    class ReachedTop(Message):
        """The user went up to the first row, or wants to go beyond it."""

        table: LiveTable

    def __init__(
        self,
        columns: Sequence[Column],
        look: Look,
        *,
        clock: Callable[[], int] = wall_ns,
        anchor: Literal["top", "bottom"] = "top",
        id: str | None = None,  # noqa: A002 - Textual's name
    ) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.look = look
        self._clock = clock
        self._anchor = anchor
        self.anchored = True
        self._rows: dict[str, Row] = {}
        self._pending: dict[str, Row | None] = {}
        self._order: list[str] = []
        self._index: dict[str, int] = {}
        self._cursor: str | None = None
        self._drawn: dict[str, tuple[str, ...]] = {}  # texts and roles as they stand on the screen, by row
        self._filter: Callable[[Row, str], bool] | None = None
        self.sort_column: int | None = None
        self.sort_descending = False
        self._stale = False
        self._flush_timer: Timer | None = None
        self._layout: tuple[tuple[int, int], ...] = ()  # (column, cells) of what is shown

    # ---- what the owner says ----

    def put(self, row: Row, *, at_once: bool = False) -> None:
        """Add a row or replace the one with its key; on screen within `COALESCE_S`, or at once."""
        if self._pending.get(row.key) == row or (row.key not in self._pending and self._rows.get(row.key) == row):
            return
        self._pending[row.key] = row
        self._schedule(at_once)

    def drop(self, key: str) -> None:
        """Take a row away, within `COALESCE_S`."""
        self._pending[key] = None
        self._schedule(at_once=False)

    def replace(self, rows: Iterable[Row]) -> None:
        """Make these the only rows, now."""
        fresh = {row.key: row for row in rows}
        self._pending = {**dict.fromkeys(self._rows.keys() - fresh.keys()), **fresh}
        self.flush()

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Lay the same columns out by other widths or titles."""
        if tuple(columns) != self.columns:
            self.columns, self._layout = tuple(columns), ()
            self.refresh()

    def show_only(self, wanted: Callable[[Row, str], bool] | None) -> None:
        """Show only rows that satisfy a predicate of the row and its text; None shows all."""
        self._filter = wanted
        self._arrange()

    def sort_by(self, column: int | None, *, descending: bool = False) -> None:
        """Order by a column, or by the rows' rank."""
        self.sort_column, self.sort_descending = column, descending
        self._arrange()

    def set_stale(self, stale: bool) -> None:
        """Draw everything dim and without colour: these are old data."""
        if stale != self._stale:
            self._stale = stale
            self.refresh()

    def tick(self) -> None:
        """Bring ages and countdowns on the screen up to date; call it each second."""
        first, last = self._visible()
        self._repaint(key for key in self._order[first:last] if self._is_clocked(key))

    def flush(self) -> None:
        """Bring gathered changes to the screen now."""
        if self._flush_timer is not None:
            self._flush_timer.stop()
            self._flush_timer = None
        if not self._pending:
            return
        pending, self._pending = self._pending, {}
        moved = False
        for key, row in pending.items():
            before = self._rows.get(key)
            if row is None:
                self._rows.pop(key, None)
                moved = True
            else:
                self._rows[key] = row
                moved = moved or before is None or self._place(before) != self._place(row) or self._filter is not None
        if moved:
            self._arrange()
        self._repaint(key for key in pending if key in self._index)

    # ---- what the owner may ask ----

    @property
    def chosen(self) -> str | None:
        """The key of the row under the cursor."""
        return self._cursor

    @property
    def shown(self) -> int:
        """How many rows pass the filter."""
        return len(self._order)

    @property
    def total(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all rows, in no order."""
        return tuple(self._rows)

    @property
    def keys_shown(self) -> tuple[str, ...]:
        """The keys of the rows that pass the filter, in the order on screen."""
        return tuple(self._order)

    def row_text(self, key: str) -> str:
        """Return a row as one line of uncut text, columns two spaces apart."""
        return "  ".join(text.strip() for text in self._texts(self._rows[key]) if text.strip())

    def choose(self, key: str) -> None:
        """Put the cursor on a row; nothing happens when it is not shown."""
        if key in self._index:
            self._set_cursor(self._index[key])

    # ---- order ----

    def _place(self, row: Row) -> tuple[object, ...]:
        """Return what a row is sorted by."""
        if self.sort_column is None:
            return row.rank
        cell = row.cells[self.sort_column]
        value = cell.at(0) if cell.sort is None else cell.sort
        return (0, value, "") if isinstance(value, int | float) else (1, 0, value.casefold())

    def _arrange(self) -> None:
        """Sort and filter all rows, keep the cursor on its row and its row in place on the screen."""
        wanted = self._filter
        rows = [r for r in self._rows.values() if wanted is None or wanted(r, self._haystack(r))]
        rows.sort(key=lambda r: r.key)
        rows.sort(key=self._place, reverse=self.sort_column is not None and self.sort_descending)
        order = [r.key for r in rows]
        if order == self._order:
            return
        was_at = self._index.get(self._cursor or "", 0)
        self._order = order
        self._index = {key: i for i, key in enumerate(order)}
        self._drawn = {key: texts for key, texts in self._drawn.items() if key in self._index}
        self.virtual_size = Size(self.size.width, len(order) + 1)
        self.refresh()
        if not order:
            self._announce(None)
            return
        if self.anchored:
            self._set_cursor(0 if self._anchor == "top" else len(order) - 1)
            return
        now_at = self._index.get(self._cursor or "", min(was_at, len(order) - 1))
        if self.scroll_offset.y and self._cursor in self._index:
            self.scroll_to(y=self.scroll_offset.y + now_at - was_at, animate=False, force=True)
        self._announce(order[now_at])

    def _haystack(self, row: Row) -> str:
        return " ".join((*self._texts(row), row.haystack)).casefold()

    # ---- cursor ----

    def _set_cursor(self, index: int) -> None:
        """Move the cursor to a place in the list, and the list so that it is seen."""
        if not self._order:
            return
        index = max(0, min(index, len(self._order) - 1))
        self.anchored = index == (0 if self._anchor == "top" else len(self._order) - 1)
        before = self._cursor
        page = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        # `force`: the scroll bar, without which Textual refuses to scroll, comes with the next layout only.
        if index < top:
            self.scroll_to(y=index, animate=False, force=True)
        elif index >= top + page:
            self.scroll_to(y=index - page + 1, animate=False, force=True)
        self._announce(self._order[index])
        for key in {before, self._cursor} - {None}:
            self._refresh_row(self._index.get(key or "", -1))

    def _announce(self, key: str | None) -> None:
        if key != self._cursor:
            self._cursor = key
            self.post_message(self.Chosen(self, key))

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        index = self._index.get(self._cursor or "", 0) + by
        if index <= 0 and by < 0:
            self.post_message(self.ReachedTop(self))
        self._set_cursor(index)

    def action_page(self, direction: int) -> None:
        """Move the cursor by a screenful."""
        self.action_move(direction * max(1, self.size.height - 2))

    def action_move_to(self, index: int) -> None:
        """Move the cursor to the first (0) or last (-1) row."""
        if index == 0:
            self.action_move(-len(self._order))
        else:
            self._set_cursor(len(self._order) - 1)

    def action_open(self) -> None:
        """Tell the owner that the chosen row shall be opened."""
        if self._cursor is not None:
            self.post_message(self.Opened(self, self._cursor))

    def on_click(self, event: events.Click) -> None:
        """Choose the row under the mouse; open it with the second click."""
        index = event.y - 1 + self.scroll_offset.y
        if event.y >= 1 and index < len(self._order):
            self._set_cursor(index)
            if event.chain == 2:
                self.action_open()

    # ---- painting ----

    def on_resize(self) -> None:
        """Lay the columns out anew; keep the anchor in sight."""
        self._layout = ()
        self.virtual_size = Size(self.size.width, len(self._order) + 1)
        self._drawn.clear()
        self.refresh()
        if self.anchored and self._order:
            self._set_cursor(0 if self._anchor == "top" else len(self._order) - 1)

    def render_line(self, y: int) -> Strip:
        """Draw one line of what is in view: the header, a row, or nothing."""
        size = self.size.width
        if y == 0:
            return self._header_strip(size)
        index = y - 1 + self.scroll_offset.y
        if index >= len(self._order):
            return Strip.blank(size, self.rich_style)
        return self._row_strip(self._rows[self._order[index]], size)

    def _header_strip(self, size: int) -> Strip:
        style = self.get_component_rich_style("live-table--header")
        texts = []
        for number, cells in self._columns(size):
            column = self.columns[number]
            title = column.title
            if number == self.sort_column:  # the mark must be seen, whatever of the title is cut
                mark = "v" if self.sort_descending else "^"
                title = fit(title, min(width(title), max(0, cells - 1)), self.look.ellipsis) + mark
            texts.append(fit(title, cells, self.look.ellipsis, right=column.right))
        margin = " " if self.look.ascii else ""
        return Strip([Segment(margin + (" " * GAP).join(texts), style)]).adjust_cell_length(size, style)

    def _row_strip(self, row: Row, size: int) -> Strip:
        chosen = row.key == self._cursor
        base = self.rich_style
        if chosen:
            base += self.get_component_rich_style("live-table--cursor")
        if self._stale:
            base += Style(dim=True)
        texts = self._texts(row)
        self._drawn[row.key] = _appearance(row, texts)
        segments = [Segment(self.look.symbols["cursor"] if chosen else " ", base)] if self.look.ascii else []
        gap = Segment(" " * GAP, base)
        for number, cells in self._columns(size):
            cell, column = row.cells[number], self.columns[number]
            text = fit(texts[number], cells, self.look.ellipsis, right=column.right)
            style = base if self._stale and cell.role != "stale" else base + self.look.style(cell.role)
            segments += (Segment(text, style), gap)
        return Strip(segments).adjust_cell_length(size, base)

    def _columns(self, size: int) -> tuple[tuple[int, int], ...]:
        if not self._layout:
            self._layout = lay_out(self.columns, size - (1 if self.look.ascii else 0))
        return self._layout

    def _texts(self, row: Row) -> tuple[str, ...]:
        """Return the uncut texts of a row's cells, symbols included, at the present time."""
        now = self._clock()
        return tuple(self.look.mark(cell.symbol, cell.at(now)) for cell in row.cells)

    def _is_clocked(self, key: str) -> bool:
        return any(not isinstance(cell.text, str) for cell in self._rows[key].cells)

    def _visible(self) -> tuple[int, int]:
        """Return the range of rows in view."""
        top = self.scroll_offset.y
        return top, top + max(0, self.size.height - 1)

    def _repaint(self, keys: Iterable[str]) -> None:
        """Repaint those rows in view whose texts or roles differ from what is on the screen."""
        first, last = self._visible()
        for key in keys:
            index = self._index[key]
            if first <= index < last:
                row = self._rows[key]
                if self._drawn.get(key) != _appearance(row, self._texts(row)):
                    self._refresh_row(index)

    def _refresh_row(self, index: int) -> None:
        first, last = self._visible()
        if first <= index < last:
            self.refresh(Region(0, index - first + 1, self.size.width, 1))

    def _schedule(self, at_once: bool) -> None:
        if not self.is_attached:
            return
        if at_once:
            self.flush()
        elif self._flush_timer is None:
            self._flush_timer = self.set_timer(COALESCE_S, self.flush)

    def on_mount(self) -> None:
        """Show what was put before the widget was there."""
        self.flush()


def _appearance(row: Row, texts: tuple[str, ...]) -> tuple[str, ...]:
    return (*texts, *(cell.role for cell in row.cells))
