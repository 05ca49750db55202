"""Screen 6: runs of playbooks, those that wait for a person first."""

from __future__ import annotations

import getpass
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from lifeline.i18n import _
from noc.client import HubAddressError, HubRefusedError, HubUnreachableError

from ..cells import Line, Row
from ..columns import Column, title_width
from ..model import Change, NetworkModel
from ..playbook_view import STATES, playbook_detail, playbook_row
from ..words import age
from .base import ListScreen

SUBJECT = "playbook:"


class PlaybooksScreen(ListScreen):
    """Runs with their steps live; approve, reject and abort where commands are allowed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "say('approve')", _("Approve")),
        Binding("x", "say('reject')", _("Reject")),
        Binding("b", "say('abort')", _("Abort")),
        Binding("d", "preview", _("Difference")),
    ]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._previews: dict[str, dict[str, Any]] = {}

    def columns(self) -> list[Column]:
        """Return the columns of `playbook_row`."""
        return [
            Column(_("State"), title_width(_("State"), STATES.values(), symbol=True)),
            Column(_("Playbook"), 16, least=12, grow=1, most=30),
            Column(_("With"), 12, least=8, drop=2, grow=1, most=30),
            Column(_("Steps"), title_width(_("Steps"), ("99/99",)), right=True),
            Column(_("Why"), 16, least=10, drop=1, grow=3, most=200),
            Column(_("For"), title_width(_("For"), (age(59),)), right=True),
        ]

    def rows(self, change: Change) -> list[Row]:
        """Return the rows of the runs that a change touches."""
        live = self.model.live
        touched = live if change.everything else change.live
        return [playbook_row(self.model, live[key]) for key in touched if key.startswith(SUBJECT) and key in live]

    def detail(self, model: NetworkModel, key: str) -> list[Line]:
        """Return a run's detail."""
        view = model.live.get(key)
        return playbook_detail(view, self._previews.get(key)) if view is not None else []

    def list_notes(self) -> list[str]:
        """Say so when nothing has run."""
        if any(key.startswith(SUBJECT) for key in self.model.live):
            return []
        return [_("No playbook has run since the hub began: `lifeline playbook list` shows what there is.")]

    def action_preview(self) -> None:
        """Ask what the chosen run would change, as things are now. It only reads, so it needs no arming."""
        view = self.model.live.get(self.table.chosen or "")
        if view is not None:
            self.run_worker(self._preview(str(self.table.chosen), str(view["body"]["run"])), name="preview")

    async def _preview(self, key: str, run: str) -> None:
        try:
            self._previews[key] = await self.lifeline.client.playbook_preview(run)
        except (HubUnreachableError, HubRefusedError, HubAddressError) as error:
            self.notify(str(error), title=_("Not read"), severity="error")
        else:
            self.renew_detail()

    def action_say(self, word: str) -> None:
        """Say a word about the chosen run."""
        view = self.model.live.get(self.table.chosen or "")
        if view is None:
            return
        if not self.lifeline.armed_s():
            self.notify(_("Commands are not allowed yet: Ctrl+E arms for five minutes."), severity="warning")
        elif self.lifeline.frozen_at_ns is not None:
            self.notify(_("The view is frozen: `p` lets it go on."), severity="warning")
        else:
            more = {"hash": view["body"]["hash"]} if word == "approve" else {}
            self.run_worker(self._say(str(view["body"]["run"]), word, more), name=f"{word} {view['subject']}")

    async def _say(self, run: str, word: str, more: dict[str, Any]) -> None:
        """Tell the hub. What changes comes by the stream; only a refusal is told here."""
        try:
            await self.lifeline.client.say_of_run(run, word, by=getpass.getuser(), **more)
        except (HubUnreachableError, HubRefusedError, HubAddressError) as error:
            self.notify(str(error), title=_("Not done"), severity="error")
