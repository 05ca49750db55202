"""LiveTable by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from textual.app import App, ComposeResult
from tui_pilot import text_of, until

from tui.cells import Age, Cell, Countdown, Row
from tui.columns import Column, lay_out
from tui.live_table import COALESCE_S, LiveTable
from tui.look import ASCII, UNICODE, Look

SECOND = 1_000_000_000


def row(key: str, value: object = "", *, rank: float = 0) -> Row:
    return Row(key, (Cell(key), Cell(str(value), "ok", "ok", sort=value if isinstance(value, int) else None)), (rank,))


class Stage(App[None]):
    """One table."""

    def __init__(self, look: Look, **options: Any) -> None:
        super().__init__()
        self.now_ns = 100 * SECOND
        columns = [Column("Name", 8, grow=1, most=20), Column("Value", 8), Column("Note", 6, drop=1)][:2]
        self.table = LiveTable(columns, look, clock=lambda: self.now_ns, **options)
        self.chosen: list[str | None] = []
        self.opened: list[str] = []

    def compose(self) -> ComposeResult:
        yield self.table

    def on_live_table_chosen(self, message: LiveTable.Chosen) -> None:
        self.chosen.append(message.key)

    def on_live_table_opened(self, message: LiveTable.Opened) -> None:
        self.opened.append(message.key)


@pytest.fixture
async def stage() -> AsyncIterator[tuple[Stage, Any]]:
    app = Stage(Look(UNICODE))
    async with app.run_test(size=(30, 8)) as pilot:
        yield app, pilot


async def test_a_change_waits_for_others_and_news_does_not(stage: tuple[Stage, Any]) -> None:
    app, pilot = stage
    app.table.replace([row("a", 1), row("b", 2)])
    await pilot.pause()
    app.table.put(row("a", 11))
    await pilot.pause()
    assert "✔ 11" not in text_of(app)
    app.table.put(row("b", 22), at_once=True)
    await pilot.pause()
    assert "✔ 11" in text_of(app), "what waits goes with it"
    assert "✔ 22" in text_of(app)
    app.table.put(row("a", 111))
    await until(lambda: "✔ 111" in text_of(app), pilot, within_s=COALESCE_S * 4)


async def test_only_rows_that_look_different_are_painted(stage: tuple[Stage, Any]) -> None:
    app, pilot = stage
    app.table.replace([row(name, 1) for name in "abcd"])
    await pilot.pause()
    painted: list[str] = []
    paint = app.table._row_strip
    app.table._row_strip = lambda r, size: painted.append(r.key) or paint(r, size)  # type: ignore[method-assign] # a spy
    app.table.put(row("b", 2), at_once=True)
    app.table.put(row("c", 1, rank=0), at_once=True)
    await pilot.pause()
    assert painted == ["b"]


async def test_the_chosen_row_stays_chosen_wherever_it_goes(stage: tuple[Stage, Any]) -> None:
    app, pilot = stage
    app.table.replace([row(name, rank=n) for n, name in enumerate("abcdef")])
    await pilot.press("down", "down")
    assert app.table.chosen == "c"
    app.table.put(row("c", rank=99), at_once=True)
    app.table.put(row("0", rank=-1), at_once=True)
    await pilot.pause()
    assert (app.table.chosen, app.table.keys_shown[-1]) == ("c", "c")
    app.table.drop("c")
    app.table.flush()
    assert app.table.chosen == "f", "its neighbour takes over"


async def test_at_rest_the_cursor_stays_on_the_worst(stage: tuple[Stage, Any]) -> None:
    app, pilot = stage
    app.table.replace([row(name, rank=n) for n, name in enumerate("abc", 1)])
    app.table.put(row("z", rank=0), at_once=True)
    await pilot.pause()
    assert app.table.chosen == "z"
    assert app.chosen[-1] == "z"


async def test_a_row_in_view_stays_in_view_when_others_come_above(stage: tuple[Stage, Any]) -> None:
    app, pilot = stage
    app.table.replace([row(f"r{n:02}", rank=n) for n in range(40)])
    await pilot.press(*["pagedown"] * 3)
    before = [line[:28].rstrip() for line in text_of(app).splitlines()]  # without the scroll bar
    app.table.replace([row(f"a{n:02}", rank=-1) for n in range(5)] + [row(f"r{n:02}", rank=n) for n in range(40)])
    await pilot.pause()
    assert [line[:28].rstrip() for line in text_of(app).splitlines()] == before


async def test_enter_and_a_double_click_open(stage: tuple[Stage, Any]) -> None:
    app, pilot = stage
    app.table.replace([row("a"), row("b")])
    await pilot.press("enter")
    await pilot.click(LiveTable, offset=(2, 2), times=2)
    await pilot.pause()
    assert app.opened == ["a", "b"]


async def test_ages_and_countdowns_tick_only_when_their_text_changes(stage: tuple[Stage, Any]) -> None:
    app, pilot = stage
    app.table.replace([
        Row("age", (Cell("age"), Cell(Age(40 * SECOND)))), Row("due", (Cell("due"), Cell(Countdown(103 * SECOND)))),
        Row("old", (Cell("old"), Cell(Age(1)))),
    ])  # fmt: skip
    await pilot.pause()
    assert "3s" in text_of(app)
    painted: list[str] = []
    paint = app.table._row_strip
    app.table._row_strip = lambda r, size: painted.append(r.key) or paint(r, size)  # type: ignore[method-assign] # a spy
    app.now_ns += SECOND
    app.table.tick()
    await pilot.pause()
    assert painted == ["due"], "1m stays 1m"
    assert "2s" in text_of(app)


async def test_numbers_sort_as_numbers_and_texts_without_case(stage: tuple[Stage, Any]) -> None:
    app, _pilot = stage
    app.table.replace([row("B", 9), row("a", 10), row("c", 1)])
    app.table.sort_by(1)
    assert app.table.keys_shown == ("c", "B", "a")
    app.table.sort_by(0, descending=True)
    assert app.table.keys_shown == ("c", "B", "a")
    app.table.sort_by(0)
    assert app.table.keys_shown == ("a", "B", "c")


async def test_a_filter_holds_for_rows_that_come_later(stage: tuple[Stage, Any]) -> None:
    app, _pilot = stage
    app.table.show_only(lambda _row, text: "x" in text)
    app.table.replace([row("xa"), row("b")])
    app.table.put(row("bx"), at_once=True)
    app.table.put(row("xa", "gone"), at_once=True)
    assert app.table.keys_shown == ("bx", "xa")
    assert (app.table.shown, app.table.total) == (2, 3)


async def test_chinese_columns_align_and_what_is_cut_says_so(stage: tuple[Stage, Any]) -> None:
    app, pilot = stage
    app.table.replace([row("有线政务专网核心层主机房", 1), row("东城", 2)])
    await pilot.pause()
    lines = text_of(app).splitlines()
    assert lines[1:3] == ["东城                 ✔ 2", "有线政务专网核心层 ⋯ ✔ 1"]


async def test_in_ascii_the_chosen_row_has_a_mark() -> None:
    app = Stage(Look(ASCII))
    async with app.run_test(size=(30, 8)) as pilot:
        app.table.replace([row("alpha", 1), row("beta", 2)])
        await pilot.pause()
        assert text_of(app).splitlines()[1].startswith(">alpha")
        assert "+ 1" in text_of(app)


async def test_thousands_of_rows_draw_what_is_in_view(stage: tuple[Stage, Any]) -> None:
    app, pilot = stage
    app.table.replace([row(f"r{n:04}", n, rank=n) for n in range(5000)])
    await pilot.press("end")
    await pilot.pause()
    assert "r4999" in text_of(app)
    assert len(app.table._drawn) < 40


def test_columns_go_by_rank_then_shrink_then_share_what_is_left() -> None:
    columns = [
        Column("a", 10),
        Column("b", 20, least=8, grow=1, most=30),
        Column("c", 5, drop=1),
        Column("d", 5, drop=2),
    ]
    assert lay_out(columns, 60) == ((0, 10), (1, 30), (2, 5), (3, 5))
    assert lay_out(columns, 43) == ((0, 10), (1, 20), (2, 5), (3, 5))
    assert lay_out(columns, 40) == ((0, 10), (1, 23), (2, 5))
    assert lay_out(columns, 25) == ((0, 10), (1, 14))
    assert lay_out(columns, 10) == ((0, 10), (1, 8)), "cropped at the edge"
