"""A table of leap seconds for rooms whose machine has none that is fresh."""

from __future__ import annotations

import hashlib
from typing import Final

_NTP_S: Final = 2_208_988_800
_HALF_A_YEAR_S: Final = 180 * 86_400
_LAST: Final = ((3_644_697_600, 36), (3_692_217_600, 37))
"""July 2015 and January 2017, NTP time: TAI less UTC from then on."""


def leap_file(now_s: float) -> str:
    """Return a `leap-seconds.list` that is good for half a year; now_s is Unix time."""
    updated = int(now_s) + _NTP_S
    expires = updated + _HALF_A_YEAR_S
    digits = f"{updated}{expires}" + "".join(f"{at}{tai}" for at, tai in _LAST)
    digest = hashlib.sha1(digits.encode(), usedforsecurity=False).hexdigest()
    words = " ".join(digest[at : at + 8] for at in range(0, 40, 8))
    steps = [f"{at}\t{tai}" for at, tai in _LAST]
    return "\n".join([f"#$\t{updated}", f"#@\t{expires}", *steps, f"#h\t{words}", ""])
