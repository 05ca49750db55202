"""What discharges have taught, kept in a file from one life to the next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from lifeline.runtime.files import write_json

from ..core.learn import Lesson
from ..core.situation import Known, Origin

log = structlog.get_logger(__name__)


@dataclass
class Learned:
    """What is known of a site's batteries by experience."""

    file: Path
    shares: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    """Per battery part the share of its new capacity, what that may be off by, and when it was learnt, wall ns."""
    curves: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Per unit its last discharge that taught something: as told and as the model had it."""

    def health(self, now_ns: int) -> dict[str, Known]:
        """Return what is known, with its age."""
        return {part: Known(share, max(0.0, (now_ns - at_ns) / 1e9), Origin.LEARNED, error)
                for part, (share, error, at_ns) in self.shares.items()}  # fmt: skip

    def note(self, unit: str, lesson: Lesson, now_ns: int, *, test: bool) -> None:
        """Keep a lesson."""
        self.shares |= {part: (it.value, it.error or 0.0, now_ns)
                        for part, it in lesson.shares.items() if it.value is not None}  # fmt: skip
        points: Sequence[Sequence[float]] = [[round(it, 4) for it in point] for point in lesson.curve]
        self.curves[unit] = {"ended_ns": now_ns, "test": test, "points": points}
        write_json(self.file, {"shares": self.shares, "curves": self.curves})


def read_learned(file: Path) -> Learned:
    """Return what earlier lives have learnt; what cannot be read is learnt anew."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        shares = {str(part): (float(it[0]), float(it[1]), int(it[2])) for part, it in told["shares"].items()}
        return Learned(file, shares, dict(told["curves"]))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        log.warning("what discharges have taught cannot be read", file=str(file), error=str(error))
    return Learned(file)
