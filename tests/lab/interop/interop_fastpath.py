"""`python interop_fastpath.py PLAN RUN`: the real fast path, with a door for what no operator asks of a running one.

The process, its loop and its sockets are the product's. The door beside them (`RUN/door.sock`, JSON datagrams) calls
the session's own methods: hold a session down by order, let it go, change its timers.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

from failover.fastpath.loop import FastPath
from failover.io.realtime import become_realtime
from failover.plan import FastPathPlan
from lifeline import clock


class Door:
    """Takes one request a datagram: `{"link", "do": "admin_down" | "admin_up" | "reconfigure", ...timers}`."""

    def __init__(self, fast_path: FastPath, path: Path) -> None:
        self._fast_path = fast_path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(path))
        fast_path._poller.watch(self._socket.fileno(), self._read)

    def _read(self) -> None:
        try:
            while request := json.loads(self._socket.recv(4096)):
                self._obey(request)
        except BlockingIOError:
            return

    def _obey(self, request: dict[str, Any]) -> None:
        path = self._fast_path.paths[request.pop("link")]
        act = getattr(path.session, request.pop("do"))
        self._fast_path._apply(path, act(clock.monotonic_s(), **request))


def main(plan: Path, run: Path) -> None:
    become_realtime()
    fast_path = FastPath(FastPathPlan.load(plan), plan.parent, run)
    door = Door(fast_path, run / "door.sock")
    fast_path.run()
    del door


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
