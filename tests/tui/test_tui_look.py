"""Colours can be read, and symbols fit their cell."""

from __future__ import annotations

import unicodedata

import pytest
from rich.color import Color

from tui.look import ASCII, CHOSEN_ROW, GROUND, PANEL, ROLES, SURFACE, UNICODE

LEAST_CONTRAST = 3.0
"""WCAG 2.2 1.4.11 for what is not running text; most roles reach 4.5."""


def luminance(colour: Color) -> float:
    parts = [part / 255 for part in colour.get_truecolor()]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("ground", [GROUND, SURFACE, PANEL, CHOSEN_ROW])
@pytest.mark.parametrize("role", [role for role, style in ROLES.items() if style.color])
def test_every_role_can_be_read_on_every_ground(role: str, ground: str) -> None:
    style = ROLES[role]
    assert style.color is not None
    darker, lighter = sorted([luminance(style.color), luminance(style.bgcolor or Color.parse(ground))])
    assert (lighter + 0.05) / (darker + 0.05) >= LEAST_CONTRAST


def test_both_sets_have_the_same_symbols_of_one_cell() -> None:
    assert UNICODE.keys() == ASCII.keys()
    assert all(len(symbol) == 1 for symbol in (*UNICODE.values(), *ASCII.values()))
    assert all(unicodedata.east_asian_width(symbol) in ("N", "Na") for symbol in UNICODE.values())
    assert all(symbol.isascii() for symbol in ASCII.values())
