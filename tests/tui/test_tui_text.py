"""Texts in cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.text import fit, width, wrap
from tui.words import age, countdown

TEXTS = st.text(alphabet="ab 东城\uff08⇄é\n", max_size=40)


@given(TEXTS, st.integers(0, 30), st.booleans())
def test_a_fitted_text_fills_its_cells_exactly(text: str, cells: int, right: bool) -> None:
    assert width(fit(text, cells, "⋯", right=right)) == cells


@given(TEXTS.map(lambda text: text.replace("\n", "")), st.integers(2, 30))
def test_wrapping_loses_nothing_but_spaces_and_keeps_to_the_width(text: str, cells: int) -> None:
    lines = wrap(text, cells)
    assert all(width(line) <= cells for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_what_was_cut_says_so() -> None:
    assert fit("有线政务专网核心层主机房", 10, "⋯") == "有线政务 ⋯"
    assert fit("12", 4, "⋯", right=True) == "  12"


def test_control_characters_cannot_move_the_cursor() -> None:
    assert fit("a\x1b[2Jb\r\n", 10, "⋯") == "a [2Jb    "


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0s"), (0, "0s"), (59.9, "59s"), (61, "1m"), (7200, "2h"), (200_000, "2d")]
)
def test_an_age_has_one_unit(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0s"), (0.1, "1s"), (59.5, "1m"), (61, "1m 1s"), (300, "5m")])
def test_a_countdown_reaches_zero_only_when_due(seconds: float, text: str) -> None:
    assert countdown(seconds) == text
