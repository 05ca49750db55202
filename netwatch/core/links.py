"""Judges links by what the devices at their ends say of their interfaces (IF-MIB ifOperStatus). Sans-IO."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lifeline.devices.decode import State
from lifeline.i18n import _
from lifeline.model.inventory import Inventory
from lifeline.model.judgement import Judgement
from lifeline.model.records import Condition, EventType, PerceivedSeverity, ProbableCause

LINK_DOWN: Final = "link-down"
_DOWN: Final = frozenset({"down", "lower-layer-down", "not-present"})


class LinkWatch:
    """The links of an inventory that no fast path watches, as their ends' devices see them.

    A link is down when either end says so. It is up when one end says so and the other does not contradict: an end
    that is not heard says nothing.
    """

    def __init__(self, inventory: Inventory) -> None:
        """Know the links and nothing of them."""
        self._at: dict[tuple[str, str], str] = {}
        for name, link in inventory.links.items():
            if link.bfd is not None:
                continue  # the fast paths at its ends know sooner and better
            for end in (link.a, link.b):
                self._at[end.site, end.interface] = name
        self._seen: dict[str, dict[str, str]] = {}
        """By link: what each end's site says."""

    def heard(self, site: str, states: Iterable[State]) -> Judgement:
        """Take interfaces' states from a device at a site; return what that says of links.

        Args:
            site: where the device stands.
            states: of which those of `if.oper` count.
        """
        judged: Judgement = {}
        for state in states:
            if state.name == "if.oper" and (link := self._at.get((site, state.instance))) is not None:
                self._seen.setdefault(link, {})[site] = state.word
                self._judge(link, judged)
        return judged

    def silent(self, site: str) -> None:
        """Forget what a site's end said: its device is not heard any more."""
        for seen in self._seen.values():
            seen.pop(site, None)

    def _judge(self, link: str, judged: Judgement) -> None:
        subject = f"link:{link}"
        seen = self._seen[link]
        down = sorted(site for site, word in seen.items() if word in _DOWN)
        if down:
            text = _("Its interface at {sites} is down").format(sites=", ".join(down))
            judged[subject, LINK_DOWN] = Condition(
                subject, LINK_DOWN, PerceivedSeverity.CRITICAL, EventType.COMMUNICATIONS, ProbableCause.LOSS_OF_SIGNAL,
                text, {"ends": dict(sorted(seen.items()))},
            )  # fmt: skip
        elif "up" in seen.values():
            judged[subject, LINK_DOWN] = None
