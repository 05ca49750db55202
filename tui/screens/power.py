"""Screen 3: the power of every site, the one that misses its target first."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from lifeline.i18n import _

from ..cells import Line, Row
from ..columns import Column, title_width
from ..model import Change, NetworkModel
from ..power_view import RUNS_ON, VERDICT, power_detail, power_row
from .base import ListScreen

SUBJECT = "power:"


class PowerScreen(ListScreen):
    """Sites with a power plant that is watched."""

    BINDINGS: ClassVar[list[BindingType]] = []

    def columns(self) -> list[Column]:
        """Return the columns of `power_row`."""
        wide = ("100min", _("unknown"))
        return [
            Column(_("Target met"), title_width(_("Target met"), VERDICT.values(), symbol=True)),
            Column(_("Site"), 19, least=14, grow=2, most=30),
            Column(_("Runs on"), title_width(_("Runs on"), RUNS_ON.values())),
            Column(_("Lasts"), title_width(_("Lasts"), wide), right=True),
            Column(_("At least"), title_width(_("At least"), wide), drop=2, right=True),
            Column(_("Less one"), title_width(_("Less one"), wide), right=True),
            Column(_("Target"), title_width(_("Target"), ("100min",)), drop=1, right=True),
            Column(_("Heard"), title_width(_("Heard"), ("99m",)), drop=3, right=True),
        ]

    def rows(self, change: Change) -> list[Row]:
        """Return the rows of the sites that a change touches."""
        live = self.model.live
        touched = live if change.everything else change.live
        return [power_row(self.model, live[key]) for key in touched if key.startswith(SUBJECT) and key in live]

    def detail(self, model: NetworkModel, key: str) -> list[Line]:
        """Return a site's power."""
        view = model.live.get(key)
        return power_detail(model, view) if view is not None else []

    def list_notes(self) -> list[str]:
        """Say so when no power daemon has been heard."""
        if any(key.startswith(SUBJECT) for key in self.model.live):
            return []
        return [_("No power daemon has been heard: start `lifeline power run` at the sites.")]
