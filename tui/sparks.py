"""Small plots in a line of text: two values a cell, four heights, in Braille dots.

Braille is of neutral width (UAX #11); the block elements that others draw such plots with take two cells in some
Chinese terminals. For a terminal without Braille `IN_ASCII` says the same more coarsely.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

_BLANK: Final = 0x2800
_LEFT: Final = (0x00, 0x40, 0x44, 0x46, 0x47)
"""Dots of the left column, by height from the bottom."""
_RIGHT: Final = (0x00, 0x80, 0xA0, 0xB0, 0xB8)
HEIGHTS: Final = len(_LEFT) - 1
_STEPS: Final = " .:=#"


def spark(values: Sequence[float | None], cells: int) -> str:
    """Return a plot of the latest values, between their least and greatest; a gap where one is missing.

    Args:
        values: the oldest first.
        cells: how wide it is at most.
    """
    shown = list(values[-2 * cells :])
    known = [value for value in shown if value is not None]
    if not known:
        return ""
    least, most = min(known), max(known)
    heights = [_height(value, least, most) for value in shown]
    if len(heights) % 2:
        heights.insert(0, 0)
    pairs = zip(heights[::2], heights[1::2], strict=True)
    return "".join(chr(_BLANK + _LEFT[left] + _RIGHT[right]) for left, right in pairs)


def _height(value: float | None, least: float, most: float) -> int:
    if value is None:
        return 0
    return 1 if most == least else 1 + round((value - least) / (most - least) * (HEIGHTS - 1))


IN_ASCII: Final[Mapping[int, str]] = {
    _BLANK + left + right: _STEPS[max(n, m)] for n, left in enumerate(_LEFT) for m, right in enumerate(_RIGHT)
}
"""For `str.translate`."""
