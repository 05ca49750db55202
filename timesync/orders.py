"""What people decide about sources: through the hub, or at the site itself when the hub is dead.

An order at the site is a file in `<run>/time-orders/`, which only whoever may write there can leave.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from lifeline.i18n import _
from lifeline.runtime.files import write_json

from .core.arbiter import Arbiter

log = structlog.get_logger(__name__)

VERBS: Final = ("select", "exclude", "lock", "release")
_FOLDER: Final = "time-orders"


class OrderError(Exception):
    """An order cannot be carried out; the text says why."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order: a verb, the source it is about (empty for the whole site), and whose it is."""

    verb: str
    source: str
    by: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    def check(self, arbiter: Arbiter) -> None:
        """Look whether it can be carried out.

        Raises:
            OrderError: it cannot.
        """
        if self.verb not in VERBS:
            raise OrderError(_("there is no order {verb!r}; there are {verbs}").format(
                verb=self.verb, verbs=", ".join(VERBS)))  # fmt: skip
        if self.verb in {"select", "exclude"} and not self.source:
            raise OrderError(_("{verb} needs a source").format(verb=self.verb))
        if self.source and self.source not in arbiter.sources:
            raise OrderError(_("there is no source {source!r}; there are {sources}").format(
                source=self.source, sources=", ".join(sorted(arbiter.sources))))  # fmt: skip

    def sentence(self) -> str:
        """Return what holds once it is carried out."""
        return {
            "select": _("only {source} is selected, while it is sound"),
            "exclude": _("{source} is not selected until it is released"),
            "lock": _("no other source is selected than those that are now"),
            "release": _("{source} may be selected again") if self.source else _("every source may be selected again"),
        }[self.verb].format(source=self.source)


def carry_out(arbiter: Arbiter, order: Order) -> None:
    """Carry out an order that has been checked."""
    match order.verb:
        case "select":
            arbiter.select([order.source], order.by)
        case "exclude":
            arbiter.exclude(order.source, order.by)
        case "lock":
            arbiter.lock(order.by)
        case "release":
            arbiter.release(order.source or None)


def leave_order(run: Path, site: str, order: Order) -> None:
    """Leave an order for the daemon of this machine.

    Raises:
        OSError: it cannot be written.
    """
    folder = run / _FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(folder / f"{order.id}.json", {"site": site, "verb": order.verb, "source": order.source, "by": order.by})


def take_orders(run: Path, site: str) -> Iterator[Order]:
    """Yield the orders that have been left, and remove each."""
    for path in sorted((run / _FOLDER).glob("[!.]*.json")):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            order = Order(str(told["verb"]), str(told["source"]), str(told["by"]), path.stem)
            ours = told["site"] == site
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("an order cannot be read", file=str(path), error=str(error))
            ours, order = True, None
        if ours:
            path.unlink(missing_ok=True)
            if order is not None:
                yield order


def state_file(run: Path, site: str) -> Path:
    """Return where the daemon writes its live state for this machine."""
    return run / f"time-{site}.json"
