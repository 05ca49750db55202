"""kill -9 of daemon and hub at random moments: what is lost, what is doubled. The test's own procedure, its figures."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .clone import ROOT
from .figures import Figure

KILLS = 100


def measure(say: Callable[[str], None]) -> Iterator[Figure]:
    """Run the kill loop of `tests/unit/kill` and report its counts."""
    say("kill -9 of daemon and hub in turn")
    with TemporaryDirectory(prefix="lifeline-kill-") as folder:
        run = _procedure()(Path(folder))
        kept = set(run.keys)
        say(f"  {run}")
        yield Figure("kills of daemon and hub", sum(run.killed.values()), "", KILLS, "higher")
        yield Figure("acknowledged events lost", len(run.promised.keys() - kept), "", 0)
        yield Figure("events doubled", len(run.keys) - len(kept), "", 0)


def _procedure() -> Callable[[Path], Any]:
    sys.path.insert(0, str(ROOT / "tests/unit/kill"))
    procedure: Callable[[Path], Any] = importlib.import_module("test_kill").run
    return procedure
