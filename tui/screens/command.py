"""Giving a command: choose, see what the hub says it would do, type the name of what it acts on, then act."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from lifeline.i18n import _
from noc.client import HubAddressError, HubRefusedError, HubUnreachableError

from ..cells import Cell, Line
from ..detail_pane import DetailPane
from ..details import BLANK, fact, heading, text
from ..lines import KeyBar
from ..orders import ORDERS, Order
from ..sentences import site_name, told
from ..words import COMMAND_PHASE, word

if TYPE_CHECKING:
    from ..app import LifelineApp

_BOX = "width: 76; max-width: 100%; background: $surface; padding: 0 1;"


class CommandMenu(ModalScreen[Order | None]):
    """The commands for one group, or for one site's time; returns the chosen one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", _("Back")),
        Binding("enter", "choose", _("Choose"), show=True),
    ]
    DEFAULT_CSS = f"""
    CommandMenu {{ align: center middle; }}
    CommandMenu > DetailPane {{ {_BOX} height: 2; }}
    CommandMenu > OptionList {{ {_BOX} height: auto; max-height: 80%; border: none; }}
    """

    def __init__(self, name: str, orders: Sequence[Order] = ORDERS) -> None:
        super().__init__()
        self._object, self._orders = name, orders

    def compose(self) -> ComposeResult:
        """Yield the title, the commands and the keys."""
        look = cast("LifelineApp", self.app).look
        yield DetailPane(look, id="about")
        yield OptionList(
            *(Option(f"{order.title}: {order.purpose}") for order in self._orders), id="orders", compact=True
        )
        yield KeyBar(look)

    def on_mount(self) -> None:
        """Show the title and take the keys."""
        self.query_one(DetailPane).show([heading(_("Command {group}").format(group=self._object))], 0)
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Return the chosen command."""
        self.dismiss(self._orders[event.option_index])

    def action_choose(self) -> None:
        """Return the command under the cursor."""
        self.query_one(OptionList).action_select()


class Step(Enum):
    """How far one is."""

    ASKING = auto()  # the hub is asked what would happen
    PLANNED = auto()  # it said so, and the name may be typed
    ACTING = auto()
    OVER = auto()  # done, refused, unknown or failed: there is nothing more to type


class ConfirmScreen(ModalScreen[None]):
    """Shows what a command would do, and carries it out when the name of what it acts on has been typed out."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", _("Leave")),
        Binding("enter", "submit", _("Act"), show=True),
    ]
    DEFAULT_CSS = f"""
    ConfirmScreen {{ align: center middle; }}
    ConfirmScreen > DetailPane {{ {_BOX} height: 16; max-height: 100%; }}
    ConfirmScreen > #typed {{ {_BOX} height: 1; background: $boost; }}
    """

    def __init__(self, target: str, order: Order) -> None:
        super().__init__()
        self._target = order.target or target
        self._group = self._target.partition(":")[2]
        self._order = order
        self._key = secrets.token_hex(16)
        self._lines: list[Line] = []
        self.step = Step.ASKING

    @property
    def lifeline(self) -> LifelineApp:
        """The application."""
        return cast("LifelineApp", self.app)

    def compose(self) -> ComposeResult:
        """Yield the plan, the place for the name, and the keys."""
        yield DetailPane(self.lifeline.look, id="plan")
        yield Input(
            placeholder=_("type {group} to confirm").format(group=self._group), id="typed", disabled=True, compact=True
        )
        yield KeyBar(self.lifeline.look)

    def on_mount(self) -> None:
        """Ask the hub what would happen."""
        self._tell(text(Cell(_("Asking the hub what it would do ..."), "muted")))
        self.run_worker(self._plan(), name="plan")

    # ---- what the hub says ----

    async def _plan(self) -> None:
        command = await self._ask(dry_run=True)
        if command is None:
            return
        lines = [text(Cell(told(sentence, self.lifeline.model))) for sentence in command["plan"]]
        if command["phase"] != "planned":
            self._over(*lines, BLANK, text(Cell(_("It cannot be ordered now."), "critical")))
            return
        self.step = Step.PLANNED
        self._tell(*lines, BLANK, text(Cell(_("Type the name and press Enter to act; Esc leaves."), "strong")))
        box = self.query_one(Input)
        box.disabled = False
        box.focus()

    async def _act(self) -> None:
        command = await self._ask(dry_run=False)
        if command is None:
            return
        role = {"done": "ok", "refused": "critical"}.get(command["phase"], "unknown")
        self._over(
            fact(_("Outcome"), Cell(word(COMMAND_PHASE, command["phase"]), role)),
            fact(_("At"), Cell(site_name(command["at"], self.lifeline.model))),
            fact(_("Why"), Cell(told(command["detail"], self.lifeline.model))),
        )

    async def _ask(self, *, dry_run: bool) -> dict[str, Any] | None:
        """Send the command; None when the hub does not answer or says no, which is shown."""
        try:
            command: dict[str, Any] = await self.lifeline.client.command(
                f"{self._order.domain}.{self._order.command}",
                self._target,
                to=self._order.to,
                dry_run=dry_run,
                idempotency_key=None if dry_run else self._key,
            )
        except (HubUnreachableError, HubRefusedError, HubAddressError) as error:
            lines = [text(Cell(told(str(error), self.lifeline.model), "critical"))]
            if not dry_run and isinstance(error, HubUnreachableError):
                lines.append(text(Cell(_("Whether it was carried out is not known; what is shown of it will tell."))))
            self._over(*lines)
            return None
        return command

    def _over(self, *lines: Line) -> None:
        self.step = Step.OVER
        self.query_one(Input).disabled = True
        self._tell(*lines)

    def _tell(self, *lines: Line) -> None:
        title = _("{order}: {group}").format(order=self._order.title, group=self._group)
        self._lines = [heading(title), BLANK, *lines]
        self.query_one(DetailPane).show(self._lines, 0)

    def shown(self) -> Sequence[Line]:
        """Return what the dialog says."""
        return self._lines

    # ---- what the user does ----

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Act, when what was typed is the name and commands are still allowed."""
        event.stop()
        self.action_submit()

    def action_submit(self) -> None:
        """Act, when what was typed is the name and commands are still allowed."""
        if self.step is Step.OVER:
            self.dismiss()
        elif self.step is Step.PLANNED and self.query_one(Input).value.strip() != self._group:
            self.notify(_("That is not {group}.").format(group=self._group), severity="warning")
        elif self.step is Step.PLANNED and not self.lifeline.armed_s():
            self._over(text(Cell(_("No longer armed: nothing was done. Ctrl+E arms again."), "critical")))
        elif self.step is Step.PLANNED:
            self.step = Step.ACTING
            self.query_one(Input).disabled = True
            self._tell(text(Cell(_("Ordered; waiting for the answer ..."), "muted")))
            self.run_worker(self._act(), name="act")
