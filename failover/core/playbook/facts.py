"""Facts: what is known, how old it is, and whether that is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from lifeline.model.records import Json

from .expressions import ExpressionError, fill, holds


@dataclass(frozen=True, slots=True)
class Fact:
    """A value and its age. Not known: `age_s` is None."""

    value: Json = None
    age_s: float | None = None


UNKNOWN: Final = Fact()


class Facts(Protocol):
    """Where facts come from: the hub, or a recording."""

    def get(self, name: str) -> Fact:
        """Return a fact by its name; `UNKNOWN` when nobody knows."""
        ...

    def in_maintenance(self, subject: str) -> bool:
        """Tell whether a subject is under maintenance."""
        ...

    def failing_share(self) -> float:
        """Return the share of sites with an unsuppressed critical alarm, 0 to 1."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a check holds, and why, as a sentence."""

    holds: bool
    why: str


def judge(check: Mapping[str, Any], facts: Facts, names: Mapping[str, Json]) -> Verdict:
    """Return whether a check holds. What is unknown, stale or has no value holds never."""
    try:
        name = fill(check["fact"], names)
        fact = facts.get(name)
        meaning = f" ({check['text']})" if check.get("text") else ""
        if fact.age_s is None:
            return Verdict(False, f"{name} is not known{meaning}")
        if fact.age_s > check["max_age_s"]:
            return Verdict(False, f"{name} is {fact.age_s:.1f} s old, at most {check['max_age_s']:g} s{meaning}")
        that = check["that"]
        if holds(that, {**names, "value": fact.value, "age_s": fact.age_s}):
            return Verdict(True, f"{name}: {that}{meaning}")
        return Verdict(False, f"{name}: not {that}{meaning}")
    except ExpressionError as error:
        return Verdict(False, str(error))
