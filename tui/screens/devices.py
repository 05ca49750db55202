"""A site's devices: whether they answer, what is wrong, and how what they measure went of late. Opened from a site."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.widgets import Input

from lifeline.i18n import _

from ..cells import Line, Row
from ..columns import Column, title_width
from ..detail_pane import DetailPane
from ..device_view import (
    KIND,
    PREFIX,
    REACH,
    ROW_SPARK,
    charted,
    device_detail,
    device_row,
    devices_at,
)
from ..model import Change, NetworkModel
from ..sentences import site_name
from ..words import age
from .base import ListScreen


class DevicesScreen(ListScreen):
    """The devices of one site, the worst first."""

    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, site: str) -> None:
        super().__init__()
        self._site = site

    def columns(self) -> list[Column]:
        """Return the columns of `device_row`."""
        return [
            Column(_("Answers"), title_width(_("Answers"), REACH.values(), symbol=True)),
            Column(_("Device"), 12, least=8, grow=1, most=24),
            Column(_("Kind"), title_width(_("Kind"), KIND.values()), drop=2),
            Column(_("What is wrong"), 20, least=12, grow=4),
            Column(_("Reading"), 11, drop=1, right=True),
            Column(_("Two hours"), max(ROW_SPARK, title_width(_("Two hours"))), drop=3),
            Column(_("Heard"), title_width(_("Heard"), (age(99),)), drop=4, right=True),
        ]

    def rows(self, change: Change) -> list[Row]:
        """Return the rows of the devices that a change touches."""
        here = f"{PREFIX}{self._site}/"
        touched = self.model.live if change.everything else change.live | self._alarmed(change)
        views = [self.model.live[key] for key in touched if key.startswith(here) and key in self.model.live]
        return [device_row(self.model, view, self.lifeline.histories.of) for view in views]

    def _alarmed(self, change: Change) -> frozenset[str]:
        return frozenset(str(self.model.alarms[key]["resource"]) for key in change.alarms if key in self.model.alarms)

    def detail(self, model: NetworkModel, key: str) -> list[Line]:
        """Return a device's detail."""
        view = model.live.get(key)
        if view is None:
            return []
        self.lifeline.want_histories(charted(view))
        return device_detail(model, view, self.lifeline.histories.of)

    def rebuild(self) -> None:
        """Show the whole model anew, and ask for what the rows plot."""
        super().rebuild()
        self.lifeline.want_histories(key for it in devices_at(self.model, self._site) for key in charted(it)[:1])

    def histories_changed(self) -> None:
        """Plot what has come."""
        for row in self.rows(Change(everything=True)):
            self.table.put(row)
        self.renew_detail()

    def list_notes(self) -> list[str]:
        """Say whose devices these are, or that nothing is known of any."""
        if devices_at(self.model, self._site):
            return [_("devices of {site}; Esc leaves").format(site=site_name(self._site, self.model))]
        return [_("No device of {site} is watched: does `lifeline netwatch run` run?").format(
            site=site_name(self._site, self.model))]  # fmt: skip

    def action_back(self) -> None:
        """Leave the detail or the filter; leave the screen when one is in neither."""
        if isinstance(self.focused, DetailPane) or self.query_one("#filter", Input).value:
            super().action_back()
        else:
            self.app.pop_screen()
