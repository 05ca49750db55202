"""A child process that cannot outlive its parent, watched without threads."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)  # loaded before any fork: the child may only call it


class Process:
    """A started program in a session of its own. `exited` becomes its exit code, negative for a signal.

    It dies with its parent (PR_SET_PDEATHSIG), and what it leaves behind in its process group dies with it.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Start the program; call within a running event loop.

        Raises:
            OSError: it cannot be started.
        """
        parent = os.getpid()
        self._child = subprocess.Popen(
            argv,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509 - one C call; the supervisor runs no threads
        )
        self.pid = self._child.pid
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._pidfd = os.pidfd_open(self.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        if not self.exited.done():
            signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)

    def kill(self) -> None:
        """End it (SIGKILL)."""
        if not self.exited.done():
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def stop(self, grace_s: float) -> int:
        """Ask it to end, wait, end it if it does not, and return its exit code."""
        self.terminate()
        try:
            return await asyncio.wait_for(asyncio.shield(self.exited), grace_s)
        except TimeoutError:
            self.kill()
            return await self.exited

    def _reap(self) -> None:
        """Collect the exit code; first end its process group, whose number is ours until the child is collected."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._child.wait()
        os.close(self._pidfd)
        if not self.exited.done():
            self.exited.set_result(code)


def _die_with(parent: int) -> None:
    """Run in the child: ask for SIGKILL at the parent's death, and see that it has not died before."""
    if _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(1)
