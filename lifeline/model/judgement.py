"""How judging cores and the shell around them speak of conditions: what holds, what does not, what is unknown. Sans-IO.

A judgement is a function of the present state alone, and what is said is the difference to what stands already. So a
restart at any moment raises nothing twice and leaves nothing raised for ever. An unknown state changes nothing:
unknown never clears.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from .records import Condition, EventType, PerceivedSeverity, ProbableCause

Key = tuple[str, str]
"""Subject and name of a condition."""
Judgement = dict[Key, Condition | None]
"""What is known to hold, and (None) what is known not to hold. An absent key is unknown."""


def changes(standing: Mapping[Key, Condition], judged: Mapping[Key, Condition | None]) -> list[Condition]:
    """Return the conditions to tell of: newly raised, of another severity or cause, or cleared."""
    told: list[Condition] = []
    for key, condition in judged.items():
        before = standing.get(key)
        if condition is not None:
            if before is None or _news(before) != _news(condition):
                told.append(condition)
        elif before is not None:
            told.append(cleared(before))
    return told


def doubtful(judged: Mapping[Key, Condition | None]) -> dict[Key, Condition]:
    """Return conditions that may stand for all we know, one for each that is now known not to hold."""
    return {
        key: Condition(
            *key, PerceivedSeverity.INDETERMINATE, EventType.COMMUNICATIONS, ProbableCause.INDETERMINATE, text=""
        )
        for key, condition in judged.items()
        if condition is None
    }


def orphans(standing: Mapping[Key, Condition], subjects: Iterable[str]) -> Judgement:
    """Return the judgement that conditions on subjects we no longer watch do not hold."""
    watched = set(subjects)
    return {key: None for key in standing if key[0] not in watched}


def cleared(condition: Condition) -> Condition:
    """Return the end of a condition."""
    return replace(condition, perceived_severity=PerceivedSeverity.CLEARED)


def _news(condition: Condition) -> tuple[PerceivedSeverity, ProbableCause]:
    return condition.perceived_severity, condition.probable_cause
