"""Recognises a device by what its agent says of itself and by the objects it has. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .library import Library
from .model import Identify
from .recording import Value, text_of

SYS_DESCR = "1.3.6.1.2.1.1.1.0"
SYS_OBJECT_ID = "1.3.6.1.2.1.1.2.0"
SYSTEM = tuple(f"1.3.6.1.2.1.1.{n}.0" for n in range(1, 7))
"""SNMPv2-MIB system group: descr, objectID, upTime, contact, name, location."""
GENERIC = "generic-snmp"
"""What is known of a device that no profile recognises."""


@dataclass(frozen=True, slots=True)
class Match:
    """A profile that recognises a device, and by what."""

    profile: str
    priority: int
    specificity: int
    because: str

    @property
    def rank(self) -> tuple[int, int, str]:
        """Order, best first."""
        return (-self.priority, -self.specificity, self.profile)


def identify(values: Mapping[str, Value], library: Library) -> list[Match]:
    """Return the profiles that recognise a device, best first; none, at best `generic-snmp`, is an answer too.

    Args:
        values: the system group and whatever else is known of the device, by OID without a leading dot.
        library: the profiles.
    """
    object_id = text_of(values.get(SYS_OBJECT_ID, "")).lstrip(".")
    descr = text_of(values.get(SYS_DESCR, ""))
    present = sorted(map(_padded, values))
    matches = []
    for name, profile in library.profiles.items():
        found = [m for signs in profile.identify if (m := _match(name, signs, object_id, descr, present))]
        if found:
            matches.append(min(found, key=lambda match: match.rank))
    return sorted(matches, key=lambda match: match.rank)


def probes(library: Library) -> list[str]:
    """Return the subtrees whose presence tells profiles apart; a transport asks GETNEXT for each."""
    return sorted({oid for profile in library.profiles.values() for signs in profile.identify for oid in signs.has})


def _match(name: str, signs: Identify, object_id: str, descr: str, present: list[str]) -> Match | None:
    reasons = []
    specificity = 0
    if signs.sys_object_id:
        prefix = max((p for p in signs.sys_object_id if _below(object_id, p)), key=len, default=None)
        if prefix is None:
            return None
        specificity += 10 * prefix.count(".")
        reasons.append(f"sysObjectID {object_id}")
    if signs.sys_descr is not None:
        found = re.search(signs.sys_descr, descr, re.IGNORECASE)
        if found is None:
            return None
        specificity += 50
        reasons.append(f"sysDescr {found.group(0)[:40]!r}")
    if signs.has:
        if not all(_has(present, oid) for oid in signs.has):
            return None
        specificity += max(oid.count(".") for oid in signs.has)
        reasons.append(f"has {', '.join(signs.has)}")
    return Match(name, signs.priority, specificity, "; ".join(reasons))


def _below(oid: str, prefix: str) -> bool:
    return oid == prefix or oid.startswith(prefix + ".")


def _padded(oid: str) -> str:
    """Return an OID so that text order finds whatever lies below a prefix."""
    return oid + "."


def _has(present: list[str], prefix: str) -> bool:
    start = prefix + "."
    index = bisect_left(present, start)
    return index < len(present) and present[index].startswith(start)


def is_below(oid: str, prefixes: Iterable[str]) -> bool:
    """Tell whether an OID is one of the prefixes or lies below one."""
    return any(_below(oid, prefix) for prefix in prefixes)
