"""In which order to repair what is broken: who is dark first, then who lasts the shortest. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lifeline.model.records import Json

Ends = Mapping[str, Mapping[str, Any]]
"""A protection group's ends as `noc.views.GroupView` has them."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A link that is down.

    Attributes:
        link: its id.
        site: what is at stake: the station that hangs on it.
        groups: the ends of each protection group that it belongs to.
        lasts_h: how long the site lasts on its own power; None where nobody says.
    """

    link: str
    site: str
    groups: Sequence[Ends]
    lasts_h: float | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """A link's turn in the order of repair, and why it is there."""

    link: str
    site: str
    why: str
    rank: int

    def to_json(self) -> Json:
        """Return it as JSON."""
        return {"link": self.link, "site": self.site, "why": self.why, "rank": self.rank}


_WHY = {
    0: "{site} has no path left",
    1: "how {site} is reached is not known",
    2: "{site} is carried by its other path",
    3: "routing goes around it",
}


def repair_order(broken: Iterable[Broken]) -> list[Turn]:
    """Return the order of repair.

    First stations without any path, then those of which nobody knows, then those that their other path carries, last
    what routing goes around. Among equals, whose own power ends first.
    """
    ranked = sorted(broken, key=lambda it: (_rank(it), math.inf if it.lasts_h is None else it.lasts_h, it.link))
    return [Turn(it.link, it.site, _why(it), number) for number, it in enumerate(ranked, 1)]


def _rank(it: Broken) -> int:
    if not it.groups:
        return 3
    fresh = [end for ends in it.groups for end in ends.values() if end["fresh"]]
    if any(end["working"]["signal_fail"] and end["protection"]["signal_fail"] for end in fresh):
        return 0
    heard = fresh and all(end["fresh"] for ends in it.groups for end in ends.values())
    return 2 if heard else 1


def _why(it: Broken) -> str:
    why = _WHY[_rank(it)].format(site=it.site)
    return why if it.lasts_h is None else f"{why}; its own power lasts {it.lasts_h:.1f} h at least"
