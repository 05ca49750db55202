"""Screen 5: what is wrong, root causes first, with what follows from each folded below it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from lifeline.i18n import _
from noc.client import HubAddressError, HubRefusedError, HubUnreachableError

from ..alarm_view import KIND, alarm_detail, alarm_row, is_folded
from ..cells import Line, Row
from ..columns import Column, title_width
from ..model import SEVERITIES, Change, NetworkModel
from ..words import SEVERITY, age
from .base import ListScreen

SHELF_S = 3600


class AlarmsScreen(ListScreen):
    """Active alarms."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "fold", _("Unfold")),
        Binding("a", "acknowledge", _("Acknowledge")),
        Binding("h", "shelve", _("Shelve")),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._unfolded = False

    def columns(self) -> list[Column]:
        """Return the columns of `alarm_row`."""
        severities = [SEVERITY[severity] for severity in map(str, SEVERITIES)]
        return [
            Column(_("Severity"), title_width(_("Severity"), severities, symbol=True)),
            Column(_("Kind"), title_width(_("Kind"), KIND.values()), drop=3),
            Column(_("On"), 20, least=12, grow=1, most=36),
            Column(_("What is wrong"), 24, least=16, grow=4, most=400),
            Column(_("Follow"), title_width(_("Follow"), ("+9999",)), right=True),
            Column(_("Seen by"), 12, least=8, drop=1, grow=1, most=24),
            Column(_("For"), title_width(_("For"), (age(59),)), right=True),
        ]

    def rows(self, change: Change) -> list[Row]:
        """Return the rows of the alarms that a change touches, as far as they are shown."""
        alarms = self.model.alarms
        touched = alarms if change.everything else change.alarms
        return [alarm_row(self.model, alarms[key]) for key in touched if key in alarms and self._shows(key)]

    def detail(self, model: NetworkModel, key: str) -> list[Line]:
        """Return an alarm's detail."""
        alarm = model.alarms.get(key)
        return alarm_detail(model, alarm) if alarm is not None else []

    def model_changed(self, change: Change) -> None:
        """Put the alarms that changed into the list; take away what has cleared, or follows from another now."""
        super().model_changed(change)
        for key in change.alarms:
            if key not in self.model.alarms or not self._shows(key):
                self.table.drop(key)

    def list_notes(self) -> list[str]:
        """Say what is folded away, or that nothing is wrong."""
        alarms = self.model.alarms
        if not alarms:
            return [_("No alarm stands.")] if self.model.loaded and not self.model.stale else []
        folded = sum(is_folded(self.model, alarm) for alarm in alarms.values())
        if self._unfolded or not folded:
            return []
        return [_("{n} alarms follow from others: `x` lists them").format(n=folded)]

    def _shows(self, key: str) -> bool:
        return self._unfolded or not is_folded(self.model, self.model.alarms[key])

    # ---- what the user does ----

    def action_fold(self) -> None:
        """List what follows from others below its root, or no more."""
        self._unfolded = not self._unfolded
        self.rebuild()

    def action_acknowledge(self) -> None:
        """Say that somebody has seen the chosen alarm, or take that back."""
        alarm = self._actionable()
        if alarm is not None:
            self._send("alarm.unacknowledge" if alarm.get("acknowledged_by") else "alarm.acknowledge", alarm["id"])

    def action_shelve(self) -> None:
        """Put the chosen alarm aside for an hour, or take it back."""
        alarm = self._actionable()
        if alarm is not None and alarm.get("shelved_until_ns"):
            self._send("alarm.unshelve", alarm["id"])
        elif alarm is not None:
            self._send("alarm.shelve", alarm["id"], {"for_s": SHELF_S})

    def _actionable(self) -> Mapping[str, Any] | None:
        """Return the chosen alarm when something may be done about it now; otherwise say why not."""
        if not self.lifeline.armed_s():
            self.notify(_("Commands are not allowed yet: Ctrl+E arms for five minutes."), severity="warning")
        elif self.lifeline.frozen_at_ns is not None:
            self.notify(_("The view is frozen: `p` lets it go on."), severity="warning")
        else:
            return self.model.alarms.get(self.table.chosen or "")
        return None

    def _send(self, command: str, alarm: str, arguments: Mapping[str, Any] | None = None) -> None:
        self.run_worker(self._ask(command, alarm, arguments), name=f"{command} {alarm}")

    async def _ask(self, command: str, alarm: str, arguments: Mapping[str, Any] | None) -> None:
        """Have the hub do it. What changes comes by the stream; only a refusal is told here."""
        try:
            done = await self.lifeline.client.command(
                command, alarm, idempotency_key=secrets.token_hex(16), arguments=arguments
            )
        except (HubUnreachableError, HubRefusedError, HubAddressError) as error:
            self.notify(str(error), title=_("Not done"), severity="error")
            return
        if done["phase"] != "done":
            self.notify(str(done["detail"]), title=_("Not done"), severity="error")
