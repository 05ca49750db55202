"""What a benchmark reports: `lifeline.bench/1`."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lifeline.clock import wall_ns

SCHEMA = "lifeline.bench/1"
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value beside its target, and what the peer reached in the same run."""

    name: str
    value: float | None
    """None when it could not be measured; `note` says why."""
    unit: str
    target: float | None = None
    better: Literal["lower", "higher"] = "lower"
    peer: str | None = None
    peer_value: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; what was not measured is not met; None without a target."""
        if self.target is None:
            return None
        if self.value is None:
            return False
        return self.value <= self.target if self.better == "lower" else self.value >= self.target

    def to_json(self) -> dict[str, Any]:
        """Return the figure as the record's object."""
        return {
            "name": self.name,
            "value": _rounded(self.value),
            "unit": self.unit,
            "target": self.target,
            "better": self.better,
            "met": self.met,
            "peer": self.peer,
            "peer_value": _rounded(self.peer_value),
            **({"note": self.note} if self.note else {}),
        }


def record(name: str, figures: Sequence[Figure]) -> dict[str, Any]:
    """Return a benchmark's whole record."""
    return {
        "schema": SCHEMA,
        "name": name,
        "figures": [figure.to_json() for figure in figures],
        "measured_on": {
            "cpus": len(os.sched_getaffinity(0)),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "date": dt.datetime.fromtimestamp(wall_ns() / 1e9, dt.UTC).isoformat(timespec="seconds"),
        },
    }


def keep(result: dict[str, Any]) -> Path:
    """Write a record to `bench/results` and return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{result['name']}-{result['measured_on']['date'][:10]}.json"
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return path


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
