"""Text in cells: a Chinese character takes two, and what does not fit says so."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size


def width(text: str) -> int:
    """Return how many terminal cells a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def fit(text: str, cells: int, ellipsis: str, *, right: bool = False) -> str:
    """Return a text of exactly so many cells: padded, or cut with an ellipsis at its end.

    Args:
        text: one line; control characters are shown as spaces, so that data from outside cannot move the cursor.
        cells: how many cells to fill.
        ellipsis: what stands for the cut part.
        right: pad on the left, for numbers.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    space = cells - width(text)
    if space < 0:
        mark = width(ellipsis)
        return set_cell_size(text, cells - mark) + ellipsis if cells > mark else set_cell_size(text, cells)
    return " " * space + text if right else text + " " * space


def wrap(text: str, cells: int) -> list[str]:
    """Break a text into lines of at most so many cells, at spaces where there are any, between characters otherwise."""
    lines: list[str] = []
    line, used = "", 0
    for word in _pieces(text):
        size = width(word)
        if used and used + size > cells:
            lines.append(line.rstrip())
            line, used = "", 0
            word = word.lstrip()  # noqa: PLW2901 - a line does not begin with the space that broke it
            size = width(word)
        while size > cells:
            head = set_cell_size(word, cells).rstrip() if cells > 1 else word[:1]
            lines.append(head)
            word = word[len(head) :]  # noqa: PLW2901 - the rest of a word longer than a line
            size = width(word)
        line, used = line + word, used + size
    lines.append(line.rstrip())
    return lines


def _pieces(text: str) -> list[str]:
    """Split where a line may break: before spaces, and around every wide character."""
    pieces: list[str] = []
    for character in text:
        wide = not character.isascii() and cell_len(character) == 2
        if not pieces or character == " " or wide or (pieces[-1] and cell_len(pieces[-1][-1]) == 2):
            pieces.append(character)
        else:
            pieces[-1] += character
    return pieces
