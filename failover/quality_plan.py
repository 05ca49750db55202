"""What one end of a link measures, compiled from the inventory: plain data, part of the fast path's plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .core.quality_types import QualityConfig, Threshold

if TYPE_CHECKING:  # pydantic must stay out of the fast path's memory
    from lifeline.model.inventory import Limits, LinkQuality

Pair = tuple[float, float]
"""`raise_at` and `clear_at`."""


@dataclass(frozen=True, slots=True)
class QualityPlan:
    """The measurement of one link from one end."""

    interval_ms: int
    window_ms: int
    timeout_ms: int
    stateful: bool
    loss_pct: Pair | None = None
    delay_ms: Pair | None = None
    jitter_ms: Pair | None = None

    @classmethod
    def compile(cls, quality: LinkQuality) -> QualityPlan:
        """Compile a link's `quality` section."""
        return cls(
            interval_ms=quality.interval_ms,
            window_ms=quality.window_ms,
            timeout_ms=quality.timeout_ms,
            stateful=quality.reflector == "stateful",
            loss_pct=_pair(quality.loss_pct),
            delay_ms=_pair(quality.delay_ms),
            jitter_ms=_pair(quality.jitter_ms),
        )

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> QualityPlan:
        """Build a plan from what `dataclasses.asdict` and JSON have made of it.

        Raises:
            KeyError | TypeError: a key is missing or unknown.
        """
        limits = {key: tuple(data[key]) if data[key] else None for key in ("loss_pct", "delay_ms", "jitter_ms")}
        return cls(**{**data, **limits})

    def config(self, ssid: int) -> QualityConfig:
        """Return the core's configuration.

        Args:
            ssid: STAMP Session Identifier, the same in every life of the fast path; the session's discriminator serves.
        """
        return QualityConfig(
            interval_s=self.interval_ms / 1000,
            window_s=self.window_ms / 1000,
            timeout_s=self.timeout_ms / 1000,
            loss_pct=_threshold(self.loss_pct),
            delay_ms=_threshold(self.delay_ms),
            jitter_ms=_threshold(self.jitter_ms),
            stateful=self.stateful,
            ssid=ssid & 0xFFFF,
        )


def _pair(limits: Limits | None) -> Pair | None:
    return (limits.raise_at, limits.clear_at) if limits else None


def _threshold(pair: Pair | None) -> Threshold | None:
    return Threshold(*pair) if pair else None
