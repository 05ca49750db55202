"""What a notification means: a condition of the device raised or cleared. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..model.records import EventType, PerceivedSeverity, ProbableCause
from .identify import is_below
from .library import Family
from .model import Trap
from .recording import Value, text_of


@dataclass(frozen=True, slots=True)
class Meaning:
    """A condition that a notification raises or, with severity `cleared`, ends."""

    condition: str
    instance: str
    severity: PerceivedSeverity
    cause: ProbableCause
    event_type: EventType
    object: str


def meanings(family: Family, trap: str, bindings: Mapping[str, Value]) -> list[Meaning]:
    """Return what a notification of a family's device means; nothing for one that no profile knows.

    Args:
        family: from `Library.family`.
        trap: snmpTrapOID.0, or for SNMPv1 enterprise + .0. + specific (RFC 3584 3.1).
        bindings: the variable bindings by OID without a leading dot.
    """
    wanted = _plain(trap)
    return [
        Meaning(it.condition, _instance(it, bindings), it.severity, it.cause, it.event_type, it.object)
        for it in family.traps
        if _plain(it.oid) == wanted and all(_bound(bindings, c.oid or "", c.keeps) for c in it.when)
    ]


def _plain(oid: str) -> str:
    """Return a trap's OID without the zero that SNMPv1's and SNMPv2's ways of naming it differ by."""
    head, _dot, last = oid.lstrip(".").rpartition(".")
    return f"{head.removesuffix('.0')}.{last}"


def _bound(bindings: Mapping[str, Value], prefix: str, keeps: Callable[[str], bool]) -> bool:
    return any(is_below(oid, (prefix,)) and keeps(text_of(value, 80).lstrip(".")) for oid, value in bindings.items())


def _instance(trap: Trap, bindings: Mapping[str, Value]) -> str:
    if trap.instance is None:
        return ""
    found = (text_of(value, 64) for oid, value in bindings.items() if is_below(oid, (trap.instance,)))
    return next(found, "")
