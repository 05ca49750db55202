"""Forks lives of a program from a process that has imported it already: a hundred starts in seconds, each a process.

Protocol, one JSON array of arguments per line on stdin; the child's pid comes back on stdout. A child runs
`entry(arguments)` as a fresh process would, with its own files and sockets, and is killed by whoever knows its pid.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


class Nursery:
    """The test's side: starts lives of `entry` (`module:function`)."""

    def __init__(self, entry: str, log: Path, *preload: str) -> None:
        self._log = log.open("ab")
        self._mother = subprocess.Popen(
            [sys.executable, __file__, entry, *preload],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        assert self._line() == "ready"

    def start(self, *arguments: str) -> Life:
        """Start one life and return at once."""
        assert self._mother.stdin is not None
        print(json.dumps(arguments), file=self._mother.stdin, flush=True)
        return Life(int(self._line()))

    def close(self) -> None:
        """End the mother; her children must have ended before."""
        self._mother.communicate(timeout=10)
        self._log.close()

    def _line(self) -> str:
        assert self._mother.stdout is not None
        line = self._mother.stdout.readline().strip()
        assert line, f"nursery died, see {self._log.name}"
        return line


class Life:
    """A running process that is no child of ours."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._pidfd = os.pidfd_open(pid)

    def kill(self) -> bool:
        """Send SIGKILL, wait until it is gone, and tell whether it had still been alive."""
        try:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            alive = True
        except ProcessLookupError:
            alive = False
        self.wait()
        return alive

    def stop(self) -> None:
        """Send SIGTERM and wait until it is gone."""
        signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)
        self.wait()

    def wait(self) -> None:
        import select

        poller = select.poll()
        poller.register(self._pidfd, select.POLLIN)
        assert poller.poll(30_000), f"process {self.pid} does not end"
        os.close(self._pidfd)


def main(entry: str, preload: Sequence[str]) -> None:
    """Be the mother: fork for every line, collect the dead, end with stdin."""
    for module in preload:
        importlib.import_module(module)
    module, _, function = entry.partition(":")
    run = getattr(importlib.import_module(module), function)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel collects the dead
    os.write(1, b"ready\n")
    while line := _read_line():
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(2, 1)
            os._exit(int(run(json.loads(line)) or 0))
        os.write(1, f"{pid}\n".encode())


def _read_line() -> bytes:
    """Read without a buffer, of which a child would inherit a part."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return b""
        line += byte
    return line


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(sys.argv[1], sys.argv[2:])
