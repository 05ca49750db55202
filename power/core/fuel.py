"""What a generator burns: the data sheet's table with its intercept, or the typical shape where there is none."""

from __future__ import annotations

from collections.abc import Sequence

from lifeline.model.power import Generator

from .battery import Band

TABLE_ERROR = 0.03
"""Data sheets are held within 3 to 5 % (ISO 3046-1 allows 5 % at full load)."""
_IDLE = Band(0.17, 0.12, 0.07)
"""Share of full-load burn that an unloaded engine burns where only full load is known: a burn taken as proportional
falls short by 18 to 34 % at a quarter of the load."""
_FULL_ERROR = 0.05


class Burn:
    """Fuel by load, litres per hour by kW: straight between the points, and straight on beyond them."""

    def __init__(self, rated_kw: float, l_per_h: Sequence[float]) -> None:
        """Keep the burn at equal steps of the load, the first without load."""
        self.rated_kw = rated_kw
        self._step_kw = rated_kw / (len(l_per_h) - 1)
        self._l_per_h = tuple(l_per_h)

    def l_per_h(self, kw: float) -> float:
        """Return what is burnt at a load."""
        i = min(max(0, int(kw / self._step_kw)), len(self._l_per_h) - 2)
        low = self._l_per_h[i]
        return low + (self._l_per_h[i + 1] - low) * (kw / self._step_kw - i)


def burns_of(generator: Generator) -> tuple[tuple[Burn, Burn, Burn] | None, str]:
    """Return a generator's burn for the low, middle and high figure of what lasts, and where it comes from.

    Nothing known gives None: a rate is never invented.
    """
    rated_kw = generator.rated_kw
    if (table := generator.burn_l_per_h) is not None:
        points = table if len(table) == 5 else [2 * table[0] - table[1], *table]
        most, mid, least = ([it * factor for it in points] for factor in (1 + TABLE_ERROR, 1.0, 1 - TABLE_ERROR))
        return (Burn(rated_kw, most), Burn(rated_kw, mid), Burn(rated_kw, least)), "table"
    if (full := generator.burn_l_per_h_full_load) is not None:
        errors = (1 + _FULL_ERROR, 1.0, 1 - _FULL_ERROR)
        most, mid, least = ([full * share * error, full * error] for share, error in zip(_IDLE, errors, strict=True))
        return (Burn(rated_kw, most), Burn(rated_kw, mid), Burn(rated_kw, least)), "full-load"
    return None, "unknown"
