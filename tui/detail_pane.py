"""The pane that shows one object's detail, wrapped to its width, repainted only when its text changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from lifeline.i18n import _

from .cells import Cell, Line
from .lines import Piece
from .look import Look
from .text import fit, width, wrap

GAP = 2
"""Cells between a label or a column and what follows it."""


class DetailPane(ScrollView, can_focus=True):
    """Shows `Line`s. The owner calls `show` with new lines and `tick` each second."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    DetailPane { background: $surface; padding: 0 1; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", _("Row up"), show=False),
        Binding("down,j", "scroll_down", _("Row down"), show=False),
        Binding("pageup", "page_up", _("Page up"), show=False),
        Binding("pagedown", "page_down", _("Page down"), show=False),
    ]

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._look = look
        self._lines: tuple[Line, ...] = ()
        self._now_ns = 0
        self._drawn: list[list[Piece]] = []
        self._stale = False
        self._wrapped_at = 0

    def show(self, lines: Sequence[Line], now_ns: int, *, stale: bool = False) -> None:
        """Show these lines at the hub's wall time; dim when they are old."""
        self._lines, self._stale = tuple(lines), stale
        self.tick(now_ns)

    def tick(self, now_ns: int) -> None:
        """Bring ages and countdowns up to date."""
        self._now_ns = now_ns
        self._wrapped_at = self.scrollable_content_region.width or self.size.width
        drawn = lay_out(self._lines, self._wrapped_at, self._look, now_ns)
        if drawn != self._drawn:
            self._drawn = drawn
            self.virtual_size = Size(self.scrollable_content_region.width, len(drawn))
            self.refresh()
            self.call_after_refresh(self._make_room)

    def _make_room(self) -> None:
        """Wrap anew where the text has grown or shrunk so that a scroll bar came or went."""
        if self.scrollable_content_region.width not in (0, self._wrapped_at):
            self.tick(self._now_ns)

    def as_text(self) -> str:
        """Return what is shown as plain text."""
        return "\n".join("".join(text for text, _role in line).rstrip() for line in self._drawn)

    def on_resize(self) -> None:
        """Wrap anew."""
        self._drawn = []
        self.tick(self._now_ns)

    def render_line(self, y: int) -> Strip:
        """Draw one line of what is in view."""
        size, base = self.size.width, self.rich_style
        if self._stale:
            base += Style(dim=True)
        index = y + self.scroll_offset.y
        if index >= len(self._drawn):
            return Strip.blank(size, base)
        plain = self._stale
        segments = [
            Segment(text, base if plain and role != "stale" else base + self._look.style(role))
            for text, role in self._drawn[index]
        ]
        return Strip(segments).adjust_cell_length(size, base)


def lay_out(lines: Sequence[Line], size: int, look: Look, now_ns: int) -> list[list[Piece]]:
    """Return screen lines of at most `size` cells, each a list of texts with their roles."""
    labels = max((width(line.label) for line in lines if line.label), default=0) + GAP
    laid_out: list[list[Piece]] = []
    for line in lines:
        indent = labels if line.label else 0
        front: list[Piece] = [(fit(line.label, indent, look.ellipsis), "muted")] if indent else []
        if line.columns and line.cells:
            laid_out.append(front + _columns(line.cells, max(1, size - indent), look, now_ns))
            continue
        for number, pieces in enumerate(_wrapped(line.cells, max(1, size - indent), look, now_ns)):
            laid_out.append((front if number == 0 else [(" " * indent, "")] if indent else []) + pieces)
    return laid_out


def _columns(cells: Sequence[Cell], size: int, look: Look, now_ns: int) -> list[Piece]:
    each = max(1, (size - GAP * (len(cells) - 1)) // len(cells))
    pieces: list[Piece] = []
    for cell in cells:
        pieces += ((fit(look.mark(cell.symbol, cell.at(now_ns)), each, look.ellipsis), cell.role), (" " * GAP, ""))
    return pieces[:-1]


def _wrapped(cells: Sequence[Cell], size: int, look: Look, now_ns: int) -> list[list[Piece]]:
    """Break running cells into lines, each character keeping its role."""
    texts = [(look.mark(cell.symbol, cell.at(now_ns)), cell.role) for cell in cells]
    roles = [role for text, role in texts for _character in text]
    whole = "".join(text for text, _role in texts)
    lines: list[list[Piece]] = []
    at = 0
    for line in wrap(whole, size):
        at = whole.index(line, at)  # the space that broke the line is in neither
        pieces: list[Piece] = []
        for offset, character in enumerate(line):
            role = roles[at + offset]
            if pieces and pieces[-1][1] == role:
                pieces[-1] = (pieces[-1][0] + character, role)
            else:
                pieces.append((character, role))
        lines.append(pieces)
        at += len(line)
    return lines
