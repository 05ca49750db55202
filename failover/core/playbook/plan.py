"""A plan: a playbook with everything worked out that can be, as plain JSON with a hash that approvals bind to."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lifeline.model.records import Json

from .expressions import ExpressionError, fill, holes, names_in
from .model import Playbook
from .tables import Recovery

LATE: Final = frozenset({"steps", "value", "age_s"})
"""Names that have values only while the run goes on."""
Plan = dict[str, Json]


class PlanError(ValueError):
    """No plan can be made of the playbook with these parameters; the text says why."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the executor must know of a kind of step."""

    recovery: Recovery
    changes: bool
    """Whether it changes anything outside."""


def resolve(
    playbook: Playbook, given: Mapping[str, Json], trigger: Mapping[str, Json], kinds: Mapping[str, Kind]
) -> Plan:
    """Return the plan.

    Args:
        playbook: the playbook.
        given: parameters as somebody gave them.
        trigger: what started it: `kind`, and of a condition `subject`, `name`, `site`, `text` and `detail`.
        kinds: the kinds of steps there are.

    Raises:
        PlanError: a kind of step is unknown, a parameter is missing, unknown or does not match, or an
            expression has no value.
    """
    names: dict[str, Json] = {"trigger": dict(trigger)}
    if unknown := sorted(set(given) - set(playbook.parameters)):
        raise PlanError(f"{playbook.playbook} has no parameter {unknown[0]!r}")
    for name, parameter in playbook.parameters.items():
        names[name] = _parameter(name, parameter.default, parameter.pattern, given, names)
    body = dataclasses.asdict(playbook)
    for left_out in ("triggers", "schedules", "parameters"):
        del body[left_out]
    plan: Plan = json.loads(json.dumps(_early(body, names, ())))
    for step in plan["steps"]:
        for leg in filter(None, (step, step["compensate"])):
            kind = kinds.get(leg["do"])
            if kind is None:
                raise PlanError(f"step {step['id']}: there is no kind of step {leg['do']!r}")
            never = leg.get("idempotency") == "never" and kind.changes
            leg["recovery"] = Recovery.HUMAN.value if never else kind.recovery.value
            leg["changes"] = kind.changes
    plan["locks"] = sorted(set(plan["locks"]))
    plan["parameters"] = {name: names[name] for name in playbook.parameters}
    plan["trigger"] = dict(trigger)
    return plan


def _parameter(name: str, default: Any, pattern: str | None, given: Mapping[str, Json], names: dict[str, Json]) -> Json:
    try:
        value = given[name] if name in given else fill(default, names)
    except ExpressionError as error:
        raise PlanError(f"parameter {name} must be given ({error})") from None
    if value is None:
        raise PlanError(f"parameter {name} must be given")
    if pattern is not None and not re.fullmatch(pattern, str(value)):
        raise PlanError(f"parameter {name} is {value!r}, must match {pattern}")
    return value


def _early(value: Any, names: Mapping[str, Json], path: tuple[str | int, ...]) -> Any:
    """Fill a value's holes, but those that need what only the run will know."""
    match value:
        case str():
            if any(names_in(hole) & LATE for hole in holes(value)):
                return value
            try:
                return fill(value, names)
            except ExpressionError as error:
                raise PlanError(f"{'.'.join(map(str, path))}: {error}") from None
        case Mapping():
            return {key: _early(one, names, (*path, key)) for key, one in value.items()}
        case list():
            return [_early(one, names, (*path, number)) for number, one in enumerate(value)]
        case _other:
            return value
