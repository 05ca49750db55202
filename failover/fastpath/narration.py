"""What the fast path tells people, as JSON lines on stderr: rarely, and never waited for."""

from __future__ import annotations

import json
import os
import select
from datetime import UTC, datetime
from typing import Any

from lifeline import clock

_STDERR = 2
_LINE_MAX = 4096  # PIPE_BUF: a pipe that is writable takes this much without blocking


def say(level: str, event: str, **fields: Any) -> None:
    """Write one line, in the form of the other daemons' logs; drop it if stderr would block."""
    at = datetime.fromtimestamp(clock.wall_ns() / 1e9, UTC).isoformat().replace("+00:00", "Z")
    line = json.dumps({"timestamp": at, "level": level, "daemon": "fastpath", "event": event, **fields})
    try:
        _, writable, _ = select.select([], [_STDERR], [], 0)
        if writable:
            os.write(_STDERR, line.encode()[: _LINE_MAX - 1] + b"\n")
    except OSError:
        pass  # nobody listens; the traffic matters more
