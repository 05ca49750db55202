"""How a table's columns share its width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .text import width

GAP = 1
"""Cells between columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `width` cells, more by its share `grow` of what is left, at most `most`.

    When the table is too narrow, columns with the highest `drop` go first; 0 never goes. When none is left to go,
    columns shrink to `least`, those on the right first.
    """

    title: str
    width: int
    least: int = 0
    """0 stands for `width`: it does not shrink."""
    grow: int = 0
    most: int = 200
    drop: int = 0
    right: bool = False


def lay_out(columns: Sequence[Column], size: int) -> tuple[tuple[int, int], ...]:
    """Return (column's number, cells) of the columns that fit, left to right, filling the size where they may grow."""
    kept = list(range(len(columns)))
    while (spare := size - sum(columns[i].width + GAP for i in kept) + GAP) < 0:
        droppable = max((i for i in kept if columns[i].drop), key=lambda i: columns[i].drop, default=None)
        if droppable is None:
            break
        kept.remove(droppable)
    cells = {i: columns[i].width for i in kept}
    for i in reversed(kept):
        if spare < 0 and columns[i].least:
            shrunk = max(columns[i].least, cells[i] + spare)
            spare += cells[i] - shrunk
            cells[i] = shrunk
    growing = [i for i in kept if columns[i].grow]
    while spare > 0 and growing:
        shares = sum(columns[i].grow for i in growing)
        share, rest = divmod(spare, shares)
        for i in list(growing):
            extra = min(share * columns[i].grow + min(rest, columns[i].grow), columns[i].most - cells[i])
            rest -= min(rest, columns[i].grow)
            cells[i] += extra
            spare -= extra
            if cells[i] >= columns[i].most:
                growing.remove(i)
    return tuple((i, cells[i]) for i in kept)


def title_width(title: str, values: Iterable[str] = (), symbol: bool = False) -> int:
    """Return the width of a column whose cells hold one of these values, behind a symbol or not."""
    return max(width(title), *(width(value) + (2 if symbol else 0) for value in values), 1)
