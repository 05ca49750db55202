"""Units as MIBs state them, turned into the vocabulary's: `0.1 V`, `min`, `10 mA` and `°F` are all units.

A profile says in which unit a raw number counts; the vocabulary says in which unit the value is told. Nobody writes
factors by hand, so minutes cannot be read as seconds unnoticed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..i18n import _


class Unit(NamedTuple):
    """A unit as a line: value in the base unit = raw * factor + offset."""

    base: str
    factor: float
    offset: float = 0.0


_UNITS = {
    **{name: Unit(name, 1.0) for name in (
        "1", "V", "A", "W", "VA", "var", "Wh", "Ah", "Hz", "%", "s", "K", "l", "m", "Pa", "dB", "dBm", "bit/s",
        "B", "rpm", "m/s2", "ppb", "deg", "ohm")},
    "min": Unit("s", 60.0),
    "h": Unit("s", 3600.0),
    "d": Unit("s", 86400.0),
    "week": Unit("s", 604800.0),
    "°C": Unit("°C", 1.0),
    "°F": Unit("°C", 5 / 9, -160 / 9),
    "bar": Unit("Pa", 1e5),
    "psi": Unit("Pa", 6894.757293168),
    "gal": Unit("l", 3.785411784),
    "ppm": Unit("ppb", 1000.0),
    "gal/s2": Unit("m/s2", 0.01),  # the seismologists' gal, 1 cm/s2
    "g": Unit("m/s2", 9.80665),
    "B/s": Unit("bit/s", 8.0),
}  # fmt: skip
_PREFIXES = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}
_SCALED = re.compile(r"(?:(-?[0-9]*\.?[0-9]+)\s+)?(\S+)\Z")


def parse_unit(text: str) -> Unit:
    """Return the unit that a text such as `0.1 V`, `kW` or `°F` names.

    Raises:
        ValueError: there is no such unit; the text names it.
    """
    found = _SCALED.match(text)
    name = found.group(2) if found else text
    unit = _UNITS.get(name)
    if unit is None and name[:1] in _PREFIXES and name[1:] in _UNITS:
        base = _UNITS[name[1:]]
        unit = Unit(base.base, base.factor * _PREFIXES[name[0]], base.offset)
    if found is None or unit is None:
        raise ValueError(_("must be one of the units {known}, with a prefix n u m k M G or none").format(
            known=" ".join(_UNITS)))  # fmt: skip
    return Unit(unit.base, unit.factor * float(found.group(1) or 1), unit.offset)


def converter(source: str, target: str) -> Unit:
    """Return the line that turns a raw number in `source` into a value in `target`.

    Raises:
        ValueError: one of them is unknown, or they measure different things.
    """
    raw, told = parse_unit(source), parse_unit(target)
    if raw.base != told.base:
        raise ValueError(_("{source} does not convert to {target}").format(source=source, target=target))
    return Unit(target, raw.factor / told.factor, (raw.offset - told.offset) / told.factor)
