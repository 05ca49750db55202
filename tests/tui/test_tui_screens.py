"""The screens as people see them, in both languages and at three sizes."""

from __future__ import annotations

import unicodedata
from types import SimpleNamespace
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from tui_govnet import FakeHub, cut, healthy, started_events
from tui_pilot import loaded, text_of, until

SIZES = {"80x24": (80, 24), "120x34": (120, 34), "160x45": (160, 45)}
both_languages = pytest.mark.parametrize("interface", ["en", "zh_CN"], indirect=True)


def hub_with_cut_fibre() -> FakeHub:
    state, events = cut(healthy())
    return FakeHub(now=state, journal=[*started_events(), *events])


@both_languages
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", ["1", "2", "5", "8"])
async def test_a_screen_looks_as_committed(
    interface: SimpleNamespace, open_app: Any, key: str, size: str, screen_snapshot: SnapshotAssertion
) -> None:
    app = open_app(hub_with_cut_fibre())
    async with app.run_test(size=SIZES[size]) as pilot:
        await loaded(pilot)
        await pilot.press(key)
        await loaded(pilot)
        text = text_of(app)
    assert text == screen_snapshot
    assert_no_ambiguous_width(text)


async def settled(app: Any, pilot: Any) -> str:
    """Return the screen once it stays as it is: a scroll bar that appears lays the text out anew."""
    seen = [""] * 3
    while len(set(seen)) > 1 or not seen[0]:
        await pilot.pause(0.1)
        seen = [*seen[1:], text_of(app)]
    return seen[-1]


@both_languages
@pytest.mark.parametrize("keys", [("2", "enter"), ("question_mark",), ("1", "enter")], ids=["group", "help", "site"])
async def test_a_detail_fits_a_small_terminal(
    interface: SimpleNamespace, open_app: Any, keys: tuple[str, ...], screen_snapshot: SnapshotAssertion
) -> None:
    app = open_app(hub_with_cut_fibre())
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        await loaded(pilot)
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        text = await settled(app, pilot)
    assert text == screen_snapshot
    assert_no_ambiguous_width(text)


@pytest.mark.parametrize("keys", [("ctrl+p",), ("y",), ("slash", "a")], ids=["palette", "toast", "filter"])
async def test_what_lies_over_the_screen_keeps_the_columns(
    interface: SimpleNamespace, open_app: Any, keys: Any
) -> None:
    app = open_app(hub_with_cut_fibre())
    async with app.run_test(size=SIZES["80x24"], notifications=True) as pilot:
        await loaded(pilot)
        before = text_of(app)
        await pilot.press(*keys)
        await until(lambda: text_of(app) != before, pilot)
        await pilot.pause(0.2)
        assert_no_ambiguous_width(text_of(app))


async def test_the_ascii_set_draws_nothing_else(interface: SimpleNamespace, open_app: Any) -> None:
    app = open_app(hub_with_cut_fibre(), look=interface.look.Look(interface.look.ASCII))
    async with app.run_test(size=SIZES["160x45"]) as pilot:
        for key in ("1", "2", "8"):
            await pilot.press(key)
            await loaded(pilot)
            text = text_of(app).replace("中文", "")  # the other language is named in itself
            assert text.isascii(), {c for c in text if not c.isascii()}
            assert "\n>" in text, "the chosen row is marked without colour"


def test_colours_tell_the_same_as_symbols(interface: SimpleNamespace, open_app: Any, snap_compare: Any) -> None:
    """A picture, because text has no colour."""
    assert snap_compare(open_app(hub_with_cut_fibre()), terminal_size=(80, 24), run_before=loaded)


def assert_no_ambiguous_width(text: str) -> None:
    """What a terminal may draw one or two cells wide breaks the columns; Chinese punctuation in texts is two always."""
    ambiguous = {c for c in text if unicodedata.east_asian_width(c) == "A"}
    assert not ambiguous, ambiguous
