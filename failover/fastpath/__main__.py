"""`python -m failover.fastpath PLAN`: the lean process that `lifeline fastpath run` turns into."""

from __future__ import annotations

import sys
from pathlib import Path

from ..io.fastpath_ipc import AlreadyRunningError
from ..io.realtime import become_realtime
from ..plan import FastPathPlan, PlanError
from .loop import FastPath
from .narration import say

EXIT_FAILED, EXIT_USAGE = 1, 2


def main(arguments: list[str]) -> int:
    """Run the fast path of a plan; its socket lies beside the plan. Returns the exit code."""
    if len(arguments) != 1:
        say("error", "usage: python -m failover.fastpath PLAN")
        return EXIT_USAGE
    path = Path(arguments[0])
    refused = become_realtime()
    try:
        plan = FastPathPlan.load(path)
        fast_path = FastPath(plan, path.parent)
    except (PlanError, AlreadyRunningError) as error:
        say("error", str(error), plan=str(path))
        return EXIT_USAGE
    except OSError as error:
        say("error", f"cannot start: {error}", plan=str(path))
        return EXIT_FAILED
    if refused:
        say("warning", "not granted", **refused)
    fast_path.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
