"""The help: the keys that exist, from the bindings themselves, and what the symbols mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen

from lifeline.i18n import _

from ..cells import Cell, Line
from ..detail_pane import DetailPane
from ..details import BLANK, fact, heading, text
from ..lines import KeyBar
from ..live_table import LiveTable
from ..look import Look


class HelpScreen(ModalScreen[None]):
    """Keys and symbols over the screen that asked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", _("Back")),
    ]
    DEFAULT_CSS = """
    HelpScreen { align-horizontal: center; }
    HelpScreen > DetailPane { width: 76; max-width: 100%; height: 1fr; margin: 2 0 0 0; padding: 1 2; }
    """

    def __init__(self, look: Look, asked_from: Screen[object]) -> None:
        super().__init__()
        self._look = look
        self._lines = [*key_lines(asked_from), BLANK, *symbol_lines()]

    def compose(self) -> ComposeResult:
        """Yield the text and its keys."""
        yield DetailPane(self._look, id="help")
        yield KeyBar(self._look)

    def on_mount(self) -> None:
        """Show the text."""
        self.query_one(DetailPane).show(self._lines, 0)


def key_lines(screen: Screen[object]) -> Iterable[Line]:
    """Return a line for each thing that our own bindings do on a screen; moving about comes last."""
    yield heading(_("Keys"))
    keys: dict[str, list[str]] = {}
    active = sorted(screen.active_bindings.values(), key=lambda found: isinstance(found.node, LiveTable | DetailPane))
    for node, binding, enabled, _tooltip in active:
        if enabled and binding.key in _own_keys(type(node)):
            names = keys.setdefault(binding.description, [])
            names.append(KeyBar.KEY_NAMES.get(binding.key, binding.key))
    for description, names in keys.items():
        yield fact(", ".join(names), Cell(description))


def _own_keys(node: type) -> set[str]:
    """Return the keys that classes of this program bind, and none that Textual's classes do."""
    ours = [base for base in node.__mro__ if base.__module__.startswith("tui.")]
    bindings = [binding for base in ours for binding in base.__dict__.get("BINDINGS", ())]
    return {key for binding in bindings for key in binding.key.split(",")}


def symbol_lines() -> Iterable[Line]:
    """Return what symbols and words mean."""
    yield heading(_("Symbols"))
    for symbol, role, meaning in (
        ("ok", "ok", _("ok: everything expected of it is there")),
        ("degraded", "degraded", _("degraded: it serves, but something that protects it is gone")),
        ("critical", "critical", _("critical: it does not serve")),
        ("unknown", "unknown", _("unknown: nobody can say; never taken for healthy")),
        ("switched", "switched", _("switched: traffic is on the protection path")),
        ("down", "critical", _("down: the path does not carry")),
        ("silent", "critical", _("silent: the site's agent is not heard")),
        ("stale", "stale", _("was ...: the hub is away; this is how it last was")),
    ):
        yield text(Cell(meaning, role, symbol))
    yield BLANK
    yield text(Cell(_("SF signal fail, WTR wait to restore, W working, P protection (ITU-T G.8031)."), "muted"))
    yield text(Cell(_("Text can be selected with the mouse while Shift is held."), "muted"))
