"""When a router that follows a selector is changed, tried again, and checked. Sans-IO: times are monotonic seconds.

The newest selection wins: what was begun for an older one ends first, for no router is left half changed, and then the
newest is carried out at once. A router that cannot be changed is tried again, ever more slowly and for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lifeline.model.judgement import Judgement, Key
from lifeline.model.records import Condition, EventType, PerceivedSeverity, ProbableCause

ACTUATION_FAILED: Final = "actuation-failed"
BACKOFF_FIRST_S: Final = 5.0
BACKOFF_MOST_S: Final = 300.0


class Why(StrEnum):
    """What a router is looked at for."""

    SWITCH = "switch"
    RETRY = "retry"
    CHECK = "check"
    ORDER = "order"


@dataclass(slots=True)
class Follower:
    """One router's duty."""

    check_s: float
    """How often one that stands as wanted is looked at again."""
    wanted: str = ""
    """The path that carries, empty while that is not known."""
    stands: str = ""
    """The path for which it was last seen to stand, empty when that is not known."""
    why: Why = Why.SWITCH
    """What comes next."""
    failures: int = 0
    """In a row."""
    due: float | None = None
    """When it is to be looked at next, None while it is being looked at and before anything is wanted."""
    _busy: bool = False
    _asked: Why | None = None
    """What was asked for while it was being looked at."""

    def select(self, selector: str, now: float) -> None:
        """Take note of the path that carries now."""
        if selector != self.wanted:
            self.wanted, self.failures = selector, 0
            self._want(Why.SWITCH, now)

    def order(self, now: float) -> bool:
        """Take note that somebody wants it done now; return False while nobody knows which path carries."""
        if self.wanted:
            self._want(Why.ORDER, now)
        return bool(self.wanted)

    def begin(self) -> str:
        """Say that it is being looked at, and return for which path."""
        self.due, self._busy = None, True
        return self.wanted

    def ended(self, selector: str, now: float, *, as_wanted: bool) -> None:
        """Take note of how a look ended.

        Args:
            selector: what `begin` returned.
            now: monotonic seconds.
            as_wanted: whether the router stands as it should for that path.
        """
        asked, self._busy, self._asked = self._asked, False, None
        self.stands = selector if as_wanted else ""
        self.failures = 0 if as_wanted or selector != self.wanted else self.failures + 1
        if asked is not None:
            self._want(asked, now)
        elif as_wanted:
            self.why, self.due = Why.CHECK, now + self.check_s
        else:
            self.why, self.due = Why.RETRY, now + self._pause_s()

    def _want(self, why: Why, now: float) -> None:
        if self._busy:
            self._asked = why
        else:
            self.why, self.due = why, now

    def _pause_s(self) -> float:
        return float(min(BACKOFF_FIRST_S * 2.0 ** min(self.failures - 1, 16), BACKOFF_MOST_S))


def judge_actuation(group: str, site: str, device: str, selector: str, *, trouble: str, helpless: bool) -> Judgement:
    """Judge whether a router follows its group.

    Args:
        group: the group.
        site: where the router stands.
        device: its name.
        selector: the path that carries.
        trouble: why it does not stand as it should, empty when it does.
        helpless: whether it can be brought neither forward nor back.
    """
    key: Key = (f"group:{group}", ACTUATION_FAILED)
    if not trouble:
        return {key: None}
    severity = PerceivedSeverity.CRITICAL if helpless else PerceivedSeverity.MAJOR
    text = f"{site} cannot bring {device} to {selector} of {group}: {trouble}"
    cause = ProbableCause.CONFIGURATION_OR_CUSTOMIZATION_ERROR
    detail = {"site": site, "device": device, "selector": selector}
    return {key: Condition(*key, severity, EventType.PROCESSING_ERROR, cause, text, detail)}
