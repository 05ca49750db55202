"""The commands that may be given to a protection group (ITU-T G.8031 9.1 and 9.2), and the words for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lifeline.i18n import _


@dataclass(frozen=True, slots=True)
class Order:
    """A command as the hub's API takes it, its name for people, and what it is good for."""

    command: str
    title: str
    purpose: str
    to: str | None = None

    @property
    def name(self) -> str:
        """The command with its path, as an end's state names it: `manual working`."""
        return f"{self.command} {self.to}" if self.to else self.command


ORDERS: Final = (
    Order("manual", _("Manual switch to protection"), _("as long as both paths are sound"),
          "protection"),
    Order("manual", _("Manual switch to working"), _("as long as both paths are sound"),
          "working"),
    Order("force", _("Forced switch"), _("to protection, even when that is degraded")),
    Order("lockout", _("Lockout"), _("stay on working, whatever happens to it")),
    Order("exercise", _("Exercise"), _("test the protocol with the far end; traffic stays where it is")),
    Order("freeze", _("Freeze the end"), _("this end stays as it is; it protects from nothing")),
    Order("clear", _("Clear"), _("end the command, the freeze or the wait that stands")),
)  # fmt: skip
TITLES: Final = {order.name: order.title for order in ORDERS}
