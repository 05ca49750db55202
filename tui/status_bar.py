"""The two lines at the top of every screen: how the network stands, and whether what one sees is true now."""

from __future__ import annotations

from collections.abc import Sequence

from lifeline.clock import monotonic_ns
from lifeline.i18n import _

from .lines import Lines, Piece, spread
from .look import Look
from .model import HubLink, NetworkModel
from .rows import clock_text
from .text import width
from .words import HEALTH, SEVERITY, age, countdown, word

Tab = tuple[str, str, bool]
"""A screen's key, its title, and whether it is the one in view."""


class StatusBar(Lines):
    """Product, screen, hub and clock; overall state, alarms by severity and the connection."""

    DEFAULT_CSS = "StatusBar { dock: top; height: 2; background: $panel; }"

    def __init__(self, look: Look, tabs: Sequence[Tab], hub: str) -> None:
        super().__init__(look, id="status")
        self._tabs = tabs
        self._hub = hub

    def renew(self, model: NetworkModel, frozen_at_ns: int | None, armed_s: float = 0) -> None:
        """Show how the model stands now.

        Args:
            model: the live model, also while the view is frozen.
            frozen_at_ns: the hub's wall time at which the view was frozen, None when it is not.
            armed_s: for how many seconds commands are still allowed.
        """
        size, now = self.size.width, monotonic_ns()
        wall = model.now_ns(now)
        first, clocks = self._first_line(wall, size)
        second = [*overall_pieces(self.look, model), *count_pieces(model)]
        right = connection_pieces(self.look, model, now)
        if frozen_at_ns is not None:
            right = [(_("FROZEN at {time}").format(time=clock_text(frozen_at_ns)), "critical"), ("  ", ""), *right]
        if armed_s:
            right = [(_("ARMED {left}").format(left=countdown(armed_s)), "critical"), ("  ", ""), *right]
        ellipsis = self.look.ellipsis
        self.show([spread(first, clocks, size, ellipsis), spread(second, right, size, ellipsis)])

    def _first_line(self, wall: int, size: int) -> tuple[list[Piece], list[Piece]]:
        """Return screens and clocks: what the place has no room for goes, the screens' names last."""
        here, utc = clock_text(wall, "%H:%M:%S UTC%z"), utc_text(wall, "  %Y-%m-%d %H:%M:%SZ")
        forms = (("lifeline ", here, utc), ("lifeline ", here, ""), ("", here, ""), ("", here.partition(" ")[0], ""))
        for product, clock, other in forms:
            tabs = self._tab_pieces(product, named=True)
            if sum(width(text) for text, _role in tabs) + 1 + width(clock + other) <= size:
                break
        else:
            product, tabs = "", self._tab_pieces("", named=False)
        hub = [(f" {self._hub}", "muted")] if product else []
        return [*tabs, *hub], [(clock, "strong"), *([(other, "muted")] if other else [])]

    def _tab_pieces(self, product: str, *, named: bool) -> list[Piece]:
        """Return the screens with their keys, the present one marked; a click goes there.

        Args:
            product: stands before them.
            named: by their titles, or but for the present one by their keys alone.
        """
        at = width(product)
        self.hot = []
        pieces: list[Piece] = [(product, "heading")] if product else []
        for key, title, current in self._tabs:
            name = f"{key} {title}" if named or current else key
            text = f"[{name}]" if current and self.look.ascii else f" {name} "
            pieces.append((text, "current" if current else ""))
            self.hot.append((0, range(at, at + width(text)), key))
            at += width(text)
        return pieces


def utc_text(ns: int, template: str) -> str:
    """Return a wall time in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ns / 1e9, UTC).strftime(template)


def overall_pieces(look: Look, model: NetworkModel) -> list[Piece]:
    """Return how the network stands as a whole."""
    overall = model.overall
    return [(look.mark(overall, word(HEALTH, overall)), overall), ("   ", "")]


def count_pieces(model: NetworkModel) -> list[Piece]:
    """Return the active alarms by severity, grey where there are none; old counts when stale are grey as well."""
    pieces: list[Piece] = []
    for severity, n in model.counts().items():
        if n or severity != "indeterminate":
            role = severity if n and not model.stale else "muted"
            pieces += ((f"{word(SEVERITY, severity)} {n}", role), ("  ", ""))
    return pieces


def connection_pieces(look: Look, model: NetworkModel, monotonic: int) -> list[Piece]:
    """Return whether what is shown is true now, and if not since when and what is being done."""
    connection = model.connection
    if connection.link is HubLink.LIVE:
        return [(look.mark("ok", _("live")), "ok")]
    if connection.link is HubLink.CONNECTING:
        return [(look.mark("unknown", _("connecting")), "unknown")]
    told = []
    if model.stale_since_ns is not None:
        passed = (model.now_ns(monotonic) - model.stale_since_ns) / 1e9
        told.append(_("STALE since {time}, {age}").format(time=clock_text(model.stale_since_ns), age=age(passed)))
    else:
        told.append(_("no word from the hub yet"))
    if connection.retry_at_ns is not None:
        left_s = (connection.retry_at_ns - monotonic) / 1e9
        told.append(_("retry in {left}").format(left=countdown(left_s)) if left_s > 0 else _("trying"))
    return [(look.mark("stale", ", ".join(told)), "critical")]
