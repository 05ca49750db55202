"""Screen 4: the time of every site, the one that is not served first."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from lifeline.i18n import _

from ..cells import Line, Row
from ..columns import Column, title_width
from ..model import Change, NetworkModel
from ..orders import Order, time_orders
from ..time_view import STATE, time_detail, time_row
from .base import ListScreen
from .command import CommandMenu, ConfirmScreen

SUBJECT = "time:"


class TimeScreen(ListScreen):
    """Sites whose time is arbitrated; sources are selected, excluded, locked and released where that is allowed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("a", "command", _("Act"))]

    def columns(self) -> list[Column]:
        """Return the columns of `time_row`."""
        return [
            Column(_("Clock"), title_width(_("Clock"), STATE.values(), symbol=True)),
            Column(_("Site"), 17, least=12, grow=2, most=30),
            Column(_("Selected"), 14, least=9, grow=1, most=24),
            Column(_("Sound to"), title_width(_("Sound to"), ("999 µs", _("unknown"))), right=True),
            Column(_("Limit"), title_width(_("Limit"), ("1.5 µs",)), drop=1, right=True),
            Column(_("Lasts alone"), title_width(_("Lasts alone"), ("100min",)), right=True),
            Column(_("Heard"), title_width(_("Heard"), ("99m",)), drop=2, right=True),
        ]

    def rows(self, change: Change) -> list[Row]:
        """Return the rows of the sites that a change touches."""
        live = self.model.live
        touched = live if change.everything else change.live
        return [time_row(self.model, live[key]) for key in touched if key.startswith(SUBJECT) and key in live]

    def detail(self, model: NetworkModel, key: str) -> list[Line]:
        """Return a site's time."""
        view = model.live.get(key)
        return time_detail(model, view) if view is not None else []

    def list_notes(self) -> list[str]:
        """Say so when no time daemon has been heard."""
        if any(key.startswith(SUBJECT) for key in self.model.live):
            return []
        return [_("No time daemon has been heard: start `lifeline time run` at the sites.")]

    # ---- what the user does ----

    def action_command(self) -> None:
        """Choose an order for the chosen site's time, when that is allowed."""
        subject = self.table.chosen or ""
        view = self.model.live.get(subject)
        if not self.lifeline.armed_s():
            self.notify(_("Commands are not allowed yet: Ctrl+E arms for five minutes."), severity="warning")
        elif self.lifeline.frozen_at_ns is not None:
            self.notify(_("The view is frozen: `p` lets it go on."), severity="warning")
        elif view is not None:
            orders = tuple(time_orders(subject, view["body"]))
            self.app.push_screen(CommandMenu(subject.partition(":")[2], orders), self._confirm)

    def _confirm(self, order: Order | None) -> None:
        """Show what the chosen order would do."""
        if order is not None:
            self.app.push_screen(ConfirmScreen(order.target, order))
