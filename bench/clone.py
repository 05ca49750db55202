"""What a newcomer waits for: a fresh clone, its set-up, its demo, its tests."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lifeline.clock import monotonic_s

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Timed:
    """How a command went."""

    seconds: float
    exit_code: int | None
    """None when it was ended because its time was up."""
    tail: str
    """Its last lines."""


@contextmanager
def fresh_clone() -> Iterator[Path]:
    """Clone the committed state into a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="lifeline-clone-", ignore_cleanup_errors=True) as folder:
        path = Path(folder, "lifeline")
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(path)], check=True)
        yield path


def timed(
    argv: list[str],
    *,
    cwd: Path,
    within_s: float,
    environment: Mapping[str, str],
    clean_up: Callable[[], None] = lambda: None,
) -> Timed:
    """Run a command in a process group of its own and time it; end the whole group when the time is up."""
    started_s = monotonic_s()
    with tempfile.TemporaryFile("w+b") as output:
        process = subprocess.Popen(
            argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, **environment}, start_new_session=True,
        )  # fmt: skip
        exit_code: int | None = None
        try:
            exit_code = process.wait(max(within_s, 0.1))
        except subprocess.TimeoutExpired:
            pass
        finally:
            if exit_code is None:
                _end_group(process)
                clean_up()
        seconds = monotonic_s() - started_s
        output.seek(0)
        lines = output.read().decode(errors="replace").splitlines()
    return Timed(seconds, exit_code, "\n".join(lines[-15:]))


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):  # pytest and the lab clean up on the first
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
            return
