"""`python -m bench [NAME ...]`: run one benchmark, several, or all.

Narration goes to stderr; stdout carries one line of JSON for each benchmark, the last line being the last one's.
SOAK=1 keeps the records in bench/results.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from types import FrameType

from .figures import keep, record

NAMES = (
    "kernel",
    "power",
    "timesync",
    "playbooks",
    "drills",
    "playbook_drills",
    "failover",
    "tui_table",
    "alarms",
    "fuzz",
    "netwatch",
)


def main(names: list[str]) -> int:
    """Run the named benchmarks and return 0; a target that is missed is a figure, not an error."""
    if unknown := [name for name in names if name not in NAMES]:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _end)  # unwinds, so that every lab and process of ours ends with us
    for name in names or NAMES:
        result = record(name, importlib.import_module(f"bench.{name}").measure())
        if os.environ.get("SOAK"):
            print(f"kept in {keep(result)}", file=sys.stderr)
        print(json.dumps(result, ensure_ascii=False), flush=True)
    return 0


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
