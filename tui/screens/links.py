"""Screen 2: protection groups with both their paths, then the links that nothing protects."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from lifeline.i18n import _

from ..cells import Line, Row
from ..columns import Column, title_width
from ..details import detail_of
from ..model import Change, NetworkModel
from ..orders import Order
from ..rows import group_row, link_row, was
from ..words import HEALTH, MEDIA, TRAFFIC
from .base import ListScreen
from .command import CommandMenu, ConfirmScreen


class LinksScreen(ListScreen):
    """Groups and unprotected links, worst first, switched ones before those on working."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("a", "command", _("Act"))]

    def columns(self) -> list[Column]:
        """Return the columns of `group_row`."""
        healths = [was(text) if self.model.stale else text for text in HEALTH.values()]
        return [
            Column(_("State"), title_width(_("State"), (*healths, _("unchecked")), symbol=True)),
            Column(_("Group"), 14, least=12, grow=1, most=30),
            Column(_("Traffic"), title_width(_("Traffic"), (*MEDIA.values(), *TRAFFIC.values()), symbol=True)),
            Column(_("Sel"), 5, drop=2),
            Column(_("Working"), 12),
            Column(_("Protection"), 12, drop=1),
            Column(_("Request"), title_width(_("Request"), ("WTR 99s",))),
            Column(_("Why"), 24, grow=6, drop=5),
            Column(_("Switches"), title_width(_("Switches")), drop=4, right=True),
            Column(_("Last"), title_width(_("Last"), ("99m",)), drop=3, right=True),
        ]

    def rows(self, change: Change) -> list[Row]:
        """Return the rows of the groups and links that a change touches."""
        groups, links = self.model.groups, self.model.links
        protected = {group[path] for group in groups.values() for path in ("working", "protection")}
        of_groups = groups if change.everything else change.groups
        of_links = links if change.everything else change.links
        return [
            *(group_row(self.model, groups[key]) for key in of_groups if key in groups),
            *(link_row(self.model, links[key]) for key in of_links if key in links and key not in protected),
        ]

    def detail(self, model: NetworkModel, key: str) -> list[Line]:
        """Return a group's or a link's detail."""
        return detail_of(model, key)

    # ---- what the user does ----

    def action_command(self) -> None:
        """Choose a command for the chosen group, when that is allowed."""
        kind, _colon, group = (self.table.chosen or "").partition(":")
        if not self.lifeline.armed_s():
            self.notify(_("Commands are not allowed yet: Ctrl+E arms for five minutes."), severity="warning")
        elif self.lifeline.frozen_at_ns is not None:
            self.notify(_("The view is frozen: `p` lets it go on."), severity="warning")
        elif kind != "group":
            self.notify(_("Choose a protection group: nothing else can be commanded."), severity="warning")
        else:
            self.app.push_screen(CommandMenu(group), lambda order: self._confirm(group, order))

    def _confirm(self, group: str, order: Order | None) -> None:
        """Show what the chosen command would do."""
        if order is not None:
            self.app.push_screen(ConfirmScreen(f"group:{group}", order))
