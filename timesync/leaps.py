"""Keeps the arbiter, the gate and the origin of all phases in step with the table of leap seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from .core.arbiter import Arbiter
from .core.leap import LeapTable
from .io.listen import Origin

_AGAIN_S: Final = 600.0
_NEAR_S: Final = 60.0
_DAY_S: Final = 86_400.0
INSERT, DELETE = 1, 2
"""chrony's ntp.h: LEAP_InsertSecond, LEAP_DeleteSecond."""


class Leaps:
    """The table of one machine.

    Attributes:
        table: as last read; None where there is none.
        trouble: why it is not to be relied on, with the next step.
        pending: what chronyd is told of the next leap second, on the last day before it.
    """

    def __init__(self, path: str, origin: Origin) -> None:
        self._path, self._origin = Path(path), origin
        self._read_s: float | None = None
        self._counted: int | None = None
        self.table: LeapTable | None = None
        self.trouble = ""
        self.pending = 0

    def look(self, arbiter: Arbiter, now_s: float, unix_s: float) -> None:
        """Bring the arbiter up to date.

        Args:
            arbiter: the site's.
            now_s: oscillator's time.
            unix_s: this machine's UTC.
        """
        if self._read_s is None or now_s - self._read_s >= _AGAIN_S:
            self._read_s = now_s
            self._read()
        if self.table is None:
            arbiter.leap_s = None
            return
        # Whole seconds went out of, or into, UTC: phases go on as if they had not.
        counted = self.table.last_gps_utc_s(unix_s)
        if counted is not None:
            if self._counted is not None and counted != self._counted:
                self._origin.ns -= (counted - self._counted) * 1_000_000_000
            self._counted = counted
        arbiter.leap_s = self.table.gps_utc_s(unix_s)
        at = self.table.near(unix_s, _NEAR_S)
        arbiter.leap_at_s = None if at is None else now_s + at - unix_s
        coming = self.table.next(unix_s)
        self.pending = 0 if coming is None or coming[0] - unix_s > _DAY_S else INSERT if coming[1] > 0 else DELETE
        expired = f"{self._path} expired on {self.table.expiry()}: update the package tzdata"
        self.trouble = expired if arbiter.leap_s is None else ""

    def _read(self) -> None:
        try:
            self.table = LeapTable.parse(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            self.trouble = f"{self._path}: {why}; install the package tzdata, or name another 'leap_table'"

    def to_json(self) -> dict[str, Any]:
        """Return what is known of leap seconds."""
        return {
            "gps_utc_s": self._counted,
            "expires": None if self.table is None else self.table.expiry(),
            "pending": {0: None, INSERT: "insert", DELETE: "delete"}[self.pending],
            "trouble": self.trouble or None,
        }
