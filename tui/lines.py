"""Widgets of one or a few fixed lines: they draw pieces of text and repaint only when these change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.segment import Segment
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from .look import Look
from .text import fit, width

Piece = tuple[str, str]
"""A text and its role."""


class Lines(Widget):
    """Some lines of pieces. What does not fit is cut with an ellipsis."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "Lines { height: 1; }"

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.look = look
        self._lines: Sequence[Sequence[Piece]] = ()
        self.hot: list[tuple[int, range, str]] = []
        """Places that press a key when clicked: line, columns, key."""

    def show(self, lines: Sequence[Sequence[Piece]]) -> None:
        """Show these lines."""
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Press the key whose place was clicked."""
        for line, columns, key in self.hot:
            if event.y == line and event.x in columns:
                self.app.simulate_key(key)

    def as_text(self) -> str:
        """Return what is shown as plain text."""
        return "\n".join("".join(text for text, _role in line) for line in self._lines)

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        size, base = self.size.width, self.rich_style
        if y >= len(self._lines):
            return Strip.blank(size, base)
        segments, left = [], size
        for text, role in self._lines[y]:
            cells = min(width(text), left)
            segments.append(Segment(fit(text, cells, self.look.ellipsis), base + self.look.style(role)))
            left -= cells
            if left <= 0:
                break
        return Strip(segments).adjust_cell_length(size, base)


def spread(left: Sequence[Piece], right: Sequence[Piece], size: int, ellipsis: str) -> list[Piece]:
    """Return a line with one part at each end; when they do not both fit, the left part is cut."""
    wanted = sum(width(text) for text, _role in right)
    room = size - wanted - 1
    used: list[Piece] = []
    for text, role in left:
        cells = min(width(text), room)
        if cells <= 0:
            break
        used.append((fit(text, cells, ellipsis), role))
        room -= cells
    return [*used, (" " * max(1, room + 1), ""), *right]


class KeyBar(Lines):
    """The keys that work here and now, from the active bindings; a click presses the key."""

    DEFAULT_CSS = "KeyBar { dock: bottom; height: 1; background: $panel; }"
    KEY_NAMES: ClassVar[dict[str, str]] = {
        "slash": "/", "question_mark": "?", "enter": "Enter", "escape": "Esc", "pageup": "PgUp", "pagedown": "PgDn",
        "up": "Up", "down": "Down", "home": "Home", "end": "End", "backspace": "Backspace", "ctrl+p": "Ctrl+P",
        "ctrl+e": "Ctrl+E",
    }  # fmt: skip
    GAP: Final = "  "

    def on_mount(self) -> None:
        """Follow the screen's bindings."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _screen: self.renew())
        self.renew()

    def renew(self) -> None:
        """Show the bindings that are active now, as many as fit whole."""
        pieces: list[Piece] = []
        self.hot = []
        at = 0
        told: set[str] = set()
        for _node, binding, enabled, _tooltip in self.screen.active_bindings.values():
            if not binding.show or not enabled or binding.description in told:
                continue
            told.add(binding.description)
            name = self.KEY_NAMES.get(binding.key, binding.key)
            end = at + width(name) + 1 + width(binding.description)
            if end > self.size.width:
                break
            pieces += ((name, "heading"), (f" {binding.description}{self.GAP}", ""))
            self.hot.append((0, range(at, end), binding.key))
            at = end + len(self.GAP)
        self.show([pieces])

    def on_resize(self) -> None:
        """Show as many keys as fit now."""
        self.renew()
