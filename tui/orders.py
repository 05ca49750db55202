"""The commands that people may give here, and the words for them.

To a protection group those of ITU-T G.8031 9.1 and 9.2; to a site's time what its arbiter takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lifeline.i18n import _


@dataclass(frozen=True, slots=True)
class Order:
    """A command as the hub's API takes it, its name for people, and what it is good for."""

    command: str
    title: str
    purpose: str
    to: str | None = None
    domain: str = "protection"
    target: str = ""
    """What it acts on, where that is not what was chosen: `time:core/gps`."""

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


def time_orders(subject: str, body: Mapping[str, Any]) -> Iterator[Order]:
    """Yield what may be ordered of a site's time: of each of its sources, and of all together.

    Args:
        subject: `time:` and the site.
        body: its live state, `lifeline.time-state/1`.
    """
    for it in body["sources"]:
        source = str(it["source"])
        about = {"domain": "time", "target": f"{subject}/{source}"}
        if it["excluded_by"]:
            yield Order("release", _("Release {source}").format(source=source), _("it may be selected again"), **about)
        else:
            yield Order("exclude", _("Exclude {source}").format(source=source),
                        _("not selected until it is released"), **about)  # fmt: skip
            yield Order("select", _("Select {source}").format(source=source),
                        _("nothing else, while it is sound"), **about)  # fmt: skip
    about = {"domain": "time", "target": subject}
    yield Order("lock", _("Lock"), _("no other source than those that are selected now"), **about)
    yield Order("release", _("Release all"), _("every source may be selected again"), **about)
