"""A million random steps of both ends of a protection group, watched by invariants (`failover.walk`), by seed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

from .figures import Figure

STEPS = 1_000_000


def measure(say: Callable[[str], None]) -> Iterator[Figure]:
    """Walk, in as many processes as there are processors, each with a seed of its own."""
    walkers = max(1, len(os.sched_getaffinity(0)))
    argv = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "failover.walk", "--steps", str(STEPS // walkers)]
    programs = [
        subprocess.Popen([*argv, "--seed", str(seed)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for seed in range(1, walkers + 1)
    ]
    steps, violations = 0, []
    for seed, program in enumerate(programs, start=1):
        out, err = program.communicate()
        say(f"  seed {seed}: {(out or err).strip().splitlines()[-1]}")
        if program.returncode:
            violations.append(f"seed {seed}: {err.strip().splitlines()[-1]}")
        else:
            steps += int(out.split()[0])
    note = " | ".join(violations) or f"seeds 1 to {walkers}, {STEPS // walkers} steps each; same seed, same walk"
    yield Figure(
        "random steps of the state machine without a violated invariant", steps, "", STEPS, "higher", note=note
    )
