"""Measures a terminal program from outside: in a pseudo-terminal, as its user's terminal would see it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from lifeline.clock import monotonic_s

_ROWS, _COLUMNS = 34, 120
_CONTROL = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")


@dataclass(frozen=True, slots=True)
class TerminalRun:
    """What a program cost."""

    first_paint_s: float | None
    """From its start until its screen carried the awaited texts; None when it never did."""
    rss_mb: float
    idle_cpu_pct: float
    """Of one core, while nobody touched it."""


def measure(
    argv: Sequence[str],
    awaited: Sequence[bytes],
    *,
    environment: Mapping[str, str],
    paint_within_s: float = 10.0,
    settle_s: float = 2.0,
    idle_s: float = 10.0,
) -> TerminalRun:
    """Run a program in a terminal of 120x34 and measure it; it is ended in any case.

    Args:
        argv: the program.
        awaited: texts that together make its first full frame.
        environment: variables beside this process's own.
        paint_within_s: how long the frame is awaited.
        settle_s: between the frame and the measurement of idle cost.
        idle_s: how long idle cost is measured.
    """
    started_s = monotonic_s()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], list(argv), {**os.environ, "TERM": "xterm-256color", **environment})
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        screen = b""
        painted_s = None
        while monotonic_s() - started_s < paint_within_s:
            screen += _read_for(terminal, 0.01)
            plain = _CONTROL.sub(b"", screen)
            if all(text in plain for text in awaited):
                painted_s = monotonic_s() - started_s
                break
        _read_for(terminal, settle_s)
        process = psutil.Process(pid)
        before, since_s = process.cpu_times(), monotonic_s()
        _read_for(terminal, idle_s)
        after, until_s = process.cpu_times(), monotonic_s()
        spent_s = after.user + after.system - before.user - before.system
        return TerminalRun(painted_s, process.memory_info().rss / 1e6, 100 * spent_s / (until_s - since_s))
    finally:
        _end(pid)
        os.close(terminal)


def _read_for(terminal: int, seconds: float) -> bytes:
    """Return what comes within a time."""
    deadline_s = monotonic_s() + seconds
    data = b""
    while (left_s := deadline_s - monotonic_s()) > 0 and select.select([terminal], [], [], left_s)[0]:
        try:
            data += os.read(terminal, 65536)
        except OSError:  # EIO: the program has ended
            time.sleep(max(0.0, deadline_s - monotonic_s()))
            break
    return data


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
