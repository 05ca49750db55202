"""What a list that changes all the time costs: LiveTable beside Textual's DataTable, in the same run.

1,000 rows of 10 columns, 200 cells changing each second anywhere in the list, in a pseudo-terminal of 120x34.
`python -m bench.tui_table live|data` is the program that is measured.
"""

from __future__ import annotations

import random
import sys

from textual.app import App, ComposeResult
from textual.widgets import DataTable

from lifeline.clock import monotonic_s
from tui.cells import Cell, Row
from tui.columns import Column
from tui.live_table import LiveTable
from tui.look import UNICODE, Look

from .figures import Figure
from .terminal import measure as measure_terminal

ROWS, COLUMNS, CHANGES_PER_S = 1000, 10, 200
BURST_S = 0.05
MEASURED_S = 15.0


def measure() -> list[Figure]:
    """Return the processor time that each table takes."""
    live, data = (
        measure_terminal(
            [sys.executable, "-m", "bench.tui_table", kind], [b"row 0001"], environment={}, idle_s=MEASURED_S
        )
        for kind in ("live", "data")
    )
    assert live.first_paint_s is not None, "LiveTable drew nothing"
    assert data.first_paint_s is not None, "DataTable drew nothing"
    return [
        Figure("tui.table_cpu", live.idle_cpu_pct, "% of a core", 5.0, "lower", "Textual DataTable", data.idle_cpu_pct,
               f"{ROWS} rows x {COLUMNS} columns, {CHANGES_PER_S} changes/s"),
        Figure("tui.table_rss", live.rss_mb, "MB", None, "lower", "Textual DataTable", data.rss_mb),
    ]  # fmt: skip


class _Changing(App[None]):
    """One table whose cells change."""

    def on_mount(self) -> None:
        self.dice = random.Random(1)
        self.values = [[0] * COLUMNS for _row in range(ROWS)]
        self.owed, self.last_s = 0.0, monotonic_s()
        self.fill()
        self.set_interval(BURST_S, self.change)

    def change(self) -> None:
        """Change as many cells as are due by now."""
        now_s = monotonic_s()
        self.owed += (now_s - self.last_s) * CHANGES_PER_S
        self.last_s = now_s
        while self.owed >= 1:
            self.owed -= 1
            row, column = self.dice.randrange(ROWS), self.dice.randrange(1, COLUMNS)
            self.values[row][column] = self.dice.randrange(10_000)
            self.show(row, column)

    def fill(self) -> None:
        raise NotImplementedError

    def show(self, row: int, column: int) -> None:
        raise NotImplementedError


class LiveApp(_Changing):
    """LiveTable."""

    def compose(self) -> ComposeResult:
        titles = ["Name", *(f"C{n}" for n in range(1, COLUMNS))]
        yield LiveTable([Column(title, 9) for title in titles], Look(UNICODE))

    def fill(self) -> None:
        self.query_one(LiveTable).replace(self.row(number) for number in range(ROWS))

    def show(self, row: int, column: int) -> None:  # noqa: ARG002 - a row is put whole
        self.query_one(LiveTable).put(self.row(row))

    def row(self, number: int) -> Row:
        """Return a row as a screen would build it: whole, whatever of it changed."""
        cells = (Cell(f"row {number:04}"), *(Cell(str(value), "ok", "ok") for value in self.values[number][1:]))
        return Row(str(number), cells, (number,))


class DataApp(_Changing):
    """DataTable."""

    def compose(self) -> ComposeResult:
        yield DataTable(cursor_type="row")

    def fill(self) -> None:
        table = self.query_one(DataTable)
        for column in range(COLUMNS):
            table.add_column(f"C{column}", width=8, key=str(column))
        for number in range(ROWS):
            table.add_row(f"row {number:04}", *self.values[number][1:], key=str(number))

    def show(self, row: int, column: int) -> None:
        self.query_one(DataTable).update_cell(str(row), str(column), f"✔ {self.values[row][column]}")


if __name__ == "__main__":
    {"live": LiveApp, "data": DataApp}[sys.argv[1]]().run()
