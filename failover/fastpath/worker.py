"""A thread for requests to the kernel that may have to wait.

Whoever changes routes or interfaces holds the kernel's one RTNL lock, and some hold it long: a driver that reads an
optical module, a container engine that takes a namespace down. A loop that waited with them would send no BFD packet,
and the far ends would take all paths down for nothing. So the loop hands its requests over and goes on; the interpreter
lock is free while the thread waits in the kernel.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
Completion = Callable[[], None]

PATIENCE_S = 0.001
_HAND_OVER_S = 0.0001
"""How long one thread may keep the interpreter from the other; Python's own 5 ms are half a BFD interval."""
_STACK_BYTES = 1 << 18  # locked in memory as all else is; the default of 8 MB is more than the whole program


class Worker:
    """Does jobs one after another, and hands their results back to the loop."""

    def __init__(self) -> None:
        sys.setswitchinterval(_HAND_OVER_S)
        self._jobs: SimpleQueue[Callable[[], Completion] | None] = SimpleQueue()
        self._slow = False
        self._done: deque[Completion] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        threading.stack_size(_STACK_BYTES)
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Return a number to poll: readable when results wait."""
        return self._wake

    def do(self, job: Callable[[], T], then: Callable[[T], None]) -> None:
        """Run `job` in the thread, and later `then` with its result in the loop, from `collect`."""

        def run() -> Completion:
            result = job()
            return lambda: then(result)

        self._jobs.put(run)

    def wait_briefly(self) -> None:
        """Give the thread the interpreter and a moment: most requests take 30 us. A longer one is left alone."""
        if not self._slow:
            ready, _, _ = select.select([self._wake], [], [], PATIENCE_S)
            self._slow = not ready
        if not self._slow:
            self.collect()

    def collect(self) -> None:
        """Run what follows on the jobs that are done."""
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            return
        self._slow = False
        while self._done:
            self._done.popleft()()

    def stop(self, timeout_s: float) -> None:
        """Let the jobs that wait be done, for a while."""
        self._jobs.put(None)
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._done.append(job())
            except Exception as error:  # noqa: BLE001 - the loop raises it: a bug ends the process, never the thread alone
                self._done.append(partial(_raise, error))
            os.eventfd_write(self._wake, 1)


def _raise(error: Exception) -> None:
    raise error
