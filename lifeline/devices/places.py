"""Which metrics and states an object has a part in: what must be decoded anew when it alone has changed."""

from __future__ import annotations

from .library import Family
from .model import Profile, Source


def users(family: Family) -> dict[str, frozenset[str]]:
    """Return, by scalar or column, the metrics and states that it has a part in."""
    used: dict[str, set[str]] = {}
    for table in (family.readings, family.states):
        for name, tiers in table.items():
            for source in (source for tier in tiers for source in tier.sources):
                conditions = [it.oid or it.column for it in source.where]
                for place in (source.oid, source.column, source.label, source.precision_column, source.scale_column,
                              *conditions):  # fmt: skip
                    if place is not None:
                        used.setdefault(place, set()).add(name)
    return {place: frozenset(names) for place, names in used.items()}


def plain(family: Family) -> dict[str, tuple[Profile, Source]]:
    """Return, by scalar or column, the sources of one metric whose values depend on nothing else."""
    found: dict[str, list[tuple[Profile, Source]]] = {}
    for tiers in family.readings.values():
        for tier in tiers:
            for source in tier.sources:
                found.setdefault(source.place, []).append((tier.profile, source))
    used = users(family)
    return {
        place: sources[0]
        for place, sources in found.items()
        if len(sources) == 1 == len(used.get(place, ()))
        and not (sources[0][1].where or sources[0][1].precision_column or sources[0][1].scale_column)
    }
