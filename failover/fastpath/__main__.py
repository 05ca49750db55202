"""`python -m failover.fastpath PLAN DATA`: the lean process that `lifeline fastpath run` turns into."""

from __future__ import annotations

import sys
from pathlib import Path

from ..io.fastpath_ipc import AlreadyRunningError
from ..io.realtime import become_realtime
from ..keys import KeysError
from ..plan import FastPathPlan, PlanError
from .loop import FastPath
from .narration import say

EXIT_FAILED, EXIT_USAGE = 1, 2


def main(arguments: list[str]) -> int:
    """Run the fast path of a plan; its socket and keys lie beside the plan. Returns the exit code."""
    if len(arguments) != 2:
        say("error", "usage: python -m failover.fastpath PLAN DATA")
        return EXIT_USAGE
    path, data = map(Path, arguments)
    refused = become_realtime()
    try:
        plan = FastPathPlan.load(path)
        fast_path = FastPath(plan, path.parent, data)
    except (PlanError, KeysError, AlreadyRunningError) as error:
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
