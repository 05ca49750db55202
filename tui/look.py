"""How meanings appear: symbols, and colours of the Okabe-Ito palette, which colour-blind eyes tell apart.

Every status is symbol, text and colour, so that each alone may fail. The symbols are of neutral width (UAX #11): in
Chinese terminals an ambiguous one (`●`, `▲`, `→`, `…`, `─`) takes two cells and breaks the columns. The second set is
ASCII, for serial consoles and the kernel's own console.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rich.style import Style

from .sparks import IN_ASCII

ORANGE: Final = "#e69f00"
SKY_BLUE: Final = "#56b4e9"
BLUISH_GREEN: Final = "#00b386"  # Okabe-Ito's #009e73, lighter: it must be read on a dark ground
YELLOW: Final = "#f0e442"
BLUE: Final = "#0072b2"
VERMILION: Final = "#ff7733"  # Okabe-Ito's #d55e00, lighter
REDDISH_PURPLE: Final = "#dd8fb8"  # Okabe-Ito's #cc79a7, lighter
GREY: Final = "#8a939b"
GROUND: Final = "#0f1418"
SURFACE: Final = "#12181d"
PANEL: Final = "#1d262d"
CHOSEN_ROW: Final = "#163a52"
"""Dark enough that every role is still read on it."""

UNICODE: Final[Mapping[str, str]] = MappingProxyType({
    "ok": "✔", "degraded": "⚠", "critical": "✖", "unknown": "?", "stale": "?",
    "switched": "⇄", "down": "↯", "silent": "⏻", "ellipsis": "⋯", "cursor": " ",
})  # fmt: skip
ASCII: Final[Mapping[str, str]] = MappingProxyType({
    "ok": "+", "degraded": "!", "critical": "X", "unknown": "?", "stale": "?",
    "switched": "%", "down": "/", "silent": "-", "ellipsis": "~", "cursor": ">",
})  # fmt: skip

ROLES: Final[Mapping[str, Style]] = MappingProxyType({
    "": Style(),
    "ok": Style(color=BLUISH_GREEN),
    "degraded": Style(color=ORANGE),
    "critical": Style(color=VERMILION, bold=True),
    "unknown": Style(color=REDDISH_PURPLE),
    "stale": Style(color=REDDISH_PURPLE),
    "switched": Style(color=SKY_BLUE, bold=True),
    "major": Style(color=ORANGE),
    "minor": Style(color=YELLOW),
    "warning": Style(color=SKY_BLUE),
    "indeterminate": Style(color=REDDISH_PURPLE),
    "cleared": Style(color=BLUISH_GREEN),
    "muted": Style(color=GREY),
    "strong": Style(bold=True),
    "current": Style(color="#ffffff", bgcolor=BLUE, bold=True),
    "heading": Style(color=SKY_BLUE, bold=True),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """A set of symbols, and whether colour may be relied on."""

    symbols: Mapping[str, str]

    @property
    def ascii(self) -> bool:
        """Whether only ASCII is drawn by the program itself."""
        return self.symbols is ASCII

    @property
    def ellipsis(self) -> str:
        """What stands for text that was cut off."""
        return self.symbols["ellipsis"]

    def mark(self, symbol: str, text: str) -> str:
        """Return a text behind its symbol."""
        if self.ascii:
            text = text.translate(IN_ASCII)
        return f"{self.symbols[symbol]} {text}".rstrip() if symbol else text

    def style(self, role: str) -> Style:
        """Return the style of a role.

        Raises:
            KeyError: there is no such role.
        """
        return ROLES[role]
