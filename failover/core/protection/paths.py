"""What is known of one path."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Protocol


class PathView(Protocol):
    """What the request logic looks at."""

    @property
    def failed(self) -> bool | None:
        """Whether the path is known to have failed; None while nothing is known."""

    @property
    def declared(self) -> bool:
        """Whether the failure counts: hold-off is over."""

    @property
    def degraded(self) -> bool:
        """Whether the path is up but lossy."""


@dataclass(slots=True)
class Path:
    """What is known of a path. `declared` is the failure that the request logic sees: after hold-off."""

    failed: bool | None = None
    reason: str = ""
    failed_at: float = inf
    declared: bool = False
    degraded: bool = False
    degrade_reason: str = ""

    def signal_fail(self, failed: bool, now: float, reason: str) -> None:
        """Take it that the path failed, or works."""
        self.failed = failed
        self.reason = reason or ("signal fail" if failed else "")
        self.failed_at = now if failed else inf
        self.declared = False

    def signal_degrade(self, degraded: bool, reason: str) -> None:
        """Take it that the path is lossy, or good."""
        self.degraded = degraded
        self.degrade_reason = reason or ("signal degrade" if degraded else "")
