"""A newcomer's two commands, from a fresh clone of what is committed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

from .clone import Timed, fresh_clone, timed
from .figures import Figure

DEMO_TARGET_S, TEST_TARGET_S = 300.0, 600.0
_WORTH_S = 20.0


def measure(left_s: Callable[[], float], say: Callable[[str], None]) -> Iterator[Figure]:
    """Time `make demo HEADLESS=1`, set-up included, then `make test`, within what is left of the benchmark's time."""
    say("a fresh clone: make demo HEADLESS=1, then make test")
    lab = f"clone{os.getpid()}"
    environment = {"LIFELINE_LAB": lab, "VIRTUAL_ENV": ""}
    with fresh_clone() as clone:

        def clean_up() -> None:
            lifeline = clone / ".venv/bin/lifeline"
            if lifeline.exists():
                timed([str(lifeline), "lab", "down", "--name", lab], cwd=clone, within_s=20, environment=environment)

        def make(*words: str, within_s: float) -> Timed:
            return timed(["make", *words], cwd=clone, within_s=within_s, environment=environment, clean_up=clean_up)

        demo = make("demo", "HEADLESS=1", within_s=min(left_s(), DEMO_TARGET_S))
        yield _figure("make demo HEADLESS=1 from a fresh clone", demo, DEMO_TARGET_S)
        test = (
            make("test", within_s=min(left_s(), 2 * TEST_TARGET_S))
            if left_s() > _WORTH_S
            else Timed(0.0, None, "not begun")
        )
        yield _figure("make test in the clone, after set-up", test, TEST_TARGET_S)


def _figure(name: str, run: Timed, target_s: float) -> Figure:
    if run.exit_code == 0:
        return Figure(name, run.seconds, "s", target_s)
    print(run.tail, file=sys.stderr)
    last = run.tail.rpartition("\n")[2]
    if run.exit_code is None and run.seconds < target_s:
        # Neither met nor missed: the benchmark's time ended it, not its own.
        return Figure(
            name, None, "s", note=f"the benchmark's time was up after {run.seconds:.0f} s; SOAK=1 has no limit"
        )
    return Figure(name, None, "s", target_s, note=f"exit code {run.exit_code} after {run.seconds:.0f} s: {last}")
