"""Which metrics and states an object has a part in: what must be decoded anew when it alone has changed."""

from __future__ import annotations

from .library import Family


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
