"""Screen 1: how the network stands. Sites worst first, districts above, the latest events below where there is room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from lifeline.i18n import _

from ..cells import Line, Row
from ..columns import Column, title_width
from ..details import detail_of
from ..device_view import device_lines
from ..lines import Lines, Piece
from ..live_table import LiveTable
from ..model import Change, NetworkModel, health_rank
from ..rows import district_of, event_row, site_row, was
from ..words import EVENT_KIND, HEALTH, MEDIA, SEVERITY, SITE_KIND, TRAFFIC, age
from .base import THREE_PANES, ListScreen
from .devices import DevicesScreen

RECENT = 60
"""Events in the third pane."""


def event_columns() -> list[Column]:
    """Return the columns of a list of events."""
    return [
        Column(_("Date"), 5, drop=3),
        Column(_("Time"), 8),
        Column(_("Kind"), title_width(_("Kind"), EVENT_KIND.values()), drop=4),
        Column(_("Severity"), title_width(_("Severity"), (SEVERITY["critical"], SEVERITY["cleared"])), drop=1),
        Column(_("What happened"), 50, least=20, grow=1, most=400),
    ]


def forget_before(table: LiveTable, cursor: int) -> None:
    """Drop events before a cursor: a list that only grows would fill the memory in days."""
    for key in table.keys:
        if int(key) < cursor:
            table.drop(key)


class OverviewScreen(ListScreen):
    """Sites, worst first."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("d", "devices", _("Devices"))]

    def compose_body(self) -> ComposeResult:
        """Yield the districts, the list with its detail, and the latest events."""
        yield Lines(self.lifeline.look, id="districts")
        yield from super().compose_body()
        yield LiveTable(event_columns(), self.lifeline.look, clock=self.lifeline.now_ns, anchor="bottom", id="recent")

    def columns(self) -> list[Column]:
        """Return state, site, district, kind, agent, path, alarm, age."""
        healths = [was(text) if self.model.stale else text for text in HEALTH.values()]
        return [
            Column(_("State"), title_width(_("State"), healths, symbol=True)),
            Column(_("Site"), 19, least=14, grow=1, most=30),
            Column(_("District"), 11, drop=3),
            Column(_("Kind"), title_width(_("Kind"), SITE_KIND.values()), drop=4),
            Column(_("Agent"), title_width(_("Agent"), (_("heard"), _("never"), age(99))), drop=1),
            Column(_("Traffic"), title_width(_("Traffic"), (*MEDIA.values(), *TRAFFIC.values()), symbol=True)),
            Column(_("What is wrong"), 24, least=13, grow=6),
            Column(_("For"), title_width(_("For"), (age(59),)), right=True),
        ]

    def rows(self, change: Change) -> list[Row]:
        """Return the rows of the sites that a change touches."""
        sites = self.model.sites
        touched = sites if change.everything else change.sites
        return [site_row(self.model, sites[key]) for key in touched if key in sites]

    def detail(self, model: NetworkModel, key: str) -> list[Line]:
        """Return a site's detail."""
        return [*detail_of(model, f"site:{key}"), *device_lines(model, key)]

    def model_changed(self, change: Change) -> None:
        """Show what changed in the list, in the districts and among the latest events."""
        super().model_changed(change)
        if change.events and self.size.width >= THREE_PANES:
            recent = self.query_one("#recent", LiveTable)
            for event in change.events:
                recent.put(event_row(self.model, event), at_once=change.at_once)
        if change.sites and change.at_once:
            self.renew_districts()

    def rebuild(self) -> None:
        """Show the whole model anew."""
        super().rebuild()
        self.renew_districts()
        recent = self.query_one("#recent", LiveTable)
        recent.set_stale(self.model.stale and self.model.loaded)
        if self.size.width >= THREE_PANES:
            recent.replace(event_row(self.model, e) for e in list(self.model.events)[-RECENT:])

    def tick(self) -> None:
        """Bring ages up to date, and the districts."""
        super().tick()
        if len(self.model.events) > RECENT:
            forget_before(self.query_one("#recent", LiveTable), self.model.events[-RECENT]["cursor"])
        self.renew_districts()

    def action_devices(self) -> None:
        """Show the devices of the chosen site."""
        if self.table.chosen is not None:
            self.app.push_screen(DevicesScreen(self.table.chosen))

    def renew_districts(self) -> None:
        """Show each district as its worst site stands, worst first, and how many sites are not well."""
        line = self.query_one("#districts", Lines)
        pieces = district_pieces(self.model, line.look.symbols)
        line.display = bool(pieces)
        line.show([pieces])


def district_pieces(model: NetworkModel, symbols: Mapping[str, str]) -> list[Piece]:
    """Return the districts, worst first: symbol, name, and how many sites of how many are not well."""
    healths: dict[str, list[str]] = {}
    for site in model.sites.values():
        if name := district_of(site):
            healths.setdefault(name, []).append("unknown" if model.stale else site["health"])
    worst_first = sorted(healths.items(), key=lambda item: (min(map(health_rank, item[1])), item[0]))
    pieces: list[Piece] = []
    for name, of_sites in worst_first:
        worst = min(of_sites, key=health_rank)
        role = worst if worst in symbols else "unknown"
        bad = sum(health != "ok" for health in of_sites)
        counts = f" {bad}/{len(of_sites)}" if len(of_sites) > 1 else ""
        pieces += ((f"{symbols[role]} ", role), (f"{name}{counts}  ", role if role != "ok" else ""))
    return pieces
