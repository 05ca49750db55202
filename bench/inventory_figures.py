"""How long a 1,000-site inventory takes to load and check, beside the bare YAML parser on the same text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from lifeline.clock import monotonic_s
from lifeline.config import load_inventory

from .figures import Figure
from .inventory_gen import inventory_text

SITES = 1000
_RUNS = 3


def measure() -> Iterator[Figure]:
    """Load it three times and report the best, as the parser's."""
    text = inventory_text(SITES)
    with TemporaryDirectory(prefix="lifeline-inventory-") as folder:
        path = Path(folder, "big.inventory.yml")
        path.write_text(text)
        ours_s = min(_timed(lambda: load_inventory(path)) for _ in range(_RUNS))
    parser_s = min(_timed(lambda: yaml.load(text, yaml.CSafeLoader)) for _ in range(_RUNS))
    yield Figure(
        f"inventory of {SITES} sites loaded and checked",
        ours_s,
        "s",
        1.0,
        peer="yaml.CSafeLoader alone",
        peer_value=parser_s,
    )


def _timed(work: object) -> float:
    assert callable(work)
    started_s = monotonic_s()
    work()
    return monotonic_s() - started_s
