"""The table of leap seconds as the IERS gives it out and tzdata carries it: `leap-seconds.list`.

Receivers tell leap seconds too, and one that is spoofed tells them falsely: the table is what they are compared with.
Past its expiry it knows nothing, for a leap second may have been announced since.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

_NTP_S: Final = 2_208_988_800
"""NTP counts from 1900, Unix time from 1970."""
_TAI_LESS_GPS_S: Final = 19
"""IS-GPS-200: for ever."""


@dataclass(frozen=True, slots=True)
class LeapTable:
    """When UTC's difference from TAI changed, or will.

    Attributes:
        steps: (Unix time, TAI less UTC from then on, s), the oldest first.
        expires_s: Unix time up to which the table is complete.
    """

    steps: tuple[tuple[int, int], ...]
    expires_s: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a `leap-seconds.list`.

        Raises:
            ValueError: it is none, or its own SHA-1 sum (`#h`) contradicts it.
        """
        steps: list[tuple[int, int]] = []
        expires: int | None = None
        told: list[int] = []
        digits = ""
        for line in text.splitlines():
            mark, words = line[:2], line[2:].split()
            if mark == "#h":
                told = [int(it, 16) for it in words]
            elif mark in {"#$", "#@"} and words:
                digits += words[0]
                expires = int(words[0]) - _NTP_S if mark == "#@" else expires
            elif (words := line.partition("#")[0].split()) and len(words) >= 2:
                digits += words[0] + words[1]
                steps.append((int(words[0]) - _NTP_S, int(words[1])))
        if expires is None or not steps or steps != sorted(steps):
            raise ValueError("no table of leap seconds with a date of expiry")
        sum_ = hashlib.sha1(digits.encode(), usedforsecurity=False).hexdigest()
        if told and told != [int(sum_[at : at + 8], 16) for at in range(0, 40, 8)]:
            raise ValueError("its checksum contradicts it")
        return cls(tuple(steps), expires)

    def gps_utc_s(self, unix_s: float) -> int | None:
        """Return GPS time less UTC, s; None past the table's expiry, and before its beginning."""
        return None if unix_s >= self.expires_s else self.last_gps_utc_s(unix_s)

    def last_gps_utc_s(self, unix_s: float) -> int | None:
        """Return the same as far as the table knows, expired or not."""
        at = bisect_right(self.steps, unix_s, key=lambda step: step[0])
        return self.steps[at - 1][1] - _TAI_LESS_GPS_S if at else None

    def next(self, unix_s: float) -> tuple[int, int] | None:
        """Return the next leap second: when UTC's new difference begins (Unix time), and its sign."""
        at = bisect_right(self.steps, unix_s, key=lambda step: step[0])
        if not 0 < at < len(self.steps):
            return None
        return self.steps[at][0], self.steps[at][1] - self.steps[at - 1][1]

    def near(self, unix_s: float, within_s: float) -> int | None:
        """Return when the leap second is, or was, that lies within so many seconds; Unix time."""
        return next((at for at, _difference in self.steps if abs(at - unix_s) <= within_s), None)

    def expiry(self) -> str:
        """Return the day on which it expires."""
        return datetime.fromtimestamp(self.expires_s, UTC).date().isoformat()
