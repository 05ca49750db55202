"""The plain sources of a family: a number, its unit and its range. Nearly all that changes from round to round."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .library import Family
from .model import Profile, Source
from .places import users
from .recording import Value
from .units import converter

ALL_ONES = {
    0x7FFF, 0xFFFF, -0x8000, 0x7FFFFFFF, 0xFFFFFFFF, -0x80000000, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF,
    655350, 42949672950,
}  # fmt: skip
"""All bits set, signed and not, and ten times that: what firmware writes where it has no figure."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A source whose raw number takes only its unit and its range: nearly all that changes from round to round.

    What is not plainly good is left to the long way, so that this one needs no words for what is wrong.
    """

    factor: float
    offset: float
    low: float
    high: float
    not_these: frozenset[float]

    @classmethod
    def of(cls, family: Family, profile: Profile, source: Source, metric: str) -> Plain:
        """Make a source of a metric ready."""
        entry = family.vocabulary.metrics[metric]
        unit = converter(source.unit, entry.unit)
        low, high = source.range or entry.range or (-math.inf, math.inf)
        no_figures = {*source.missing, *profile.missing, *(ALL_ONES if entry.range is not None else ())}
        return cls(unit.factor, unit.offset, low, high, frozenset(no_figures))

    def value(self, raw: Value) -> float | None:
        """Return a raw number's value; None where it is none, or not plainly good."""
        if type(raw) is not int or raw in self.not_these or not -(2**64) <= raw <= 2**64:
            return None
        plain = self.factor == 1 and not self.offset
        value = float(raw) if plain else float(f"{raw * self.factor + self.offset:.12g}")
        return value if self.low <= value <= self.high else None


def plain(family: Family) -> dict[str, Plain]:
    """Return, by scalar or column, the sources of one metric whose values depend on nothing else."""
    found: dict[str, list[tuple[Profile, Source, str]]] = {}
    for metric, tiers in family.readings.items():
        for tier in tiers:
            for source in tier.sources:
                found.setdefault(source.place, []).append((tier.profile, source, metric))
    used = users(family)
    return {
        place: Plain.of(family, *sources[0])
        for place, sources in found.items()
        if len(sources) == 1 == len(used.get(place, ())) and _fits(sources[0][1])
    }


def _fits(source: Source) -> bool:
    return source.register is None and not (
        source.pattern or source.doubt or source.mask or source.signed
        or source.where or source.precision_column or source.scale_column
    )  # fmt: skip
