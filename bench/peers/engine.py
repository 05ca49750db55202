"""What switches the traffic of a span, whoever it is: started at both ends, asked whether it is at rest, counted."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

from lifeline.clock import monotonic_s

from .span import CORE, SITE, Span

_SETTLE_S = 30.0


class Engine(ABC):
    """A routing or failover program at both ends of a span; use as a context manager.

    Its programs end with this process, whatever ends it, and so do their children: each end is a process namespace
    whose first process dies with us.

    Attributes:
        folder: its configuration, sockets and logs, while it runs.
    """

    title: ClassVar[str]
    """Name and settings, as figures show them."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self._programs: list[subprocess.Popen[bytes]] = []
        self._logs: list[IO[bytes]] = []

    @classmethod
    @abstractmethod
    def version(cls) -> str | None:
        """Return the program's name and version, None when it is not installed."""

    @abstractmethod
    def _start(self) -> None:
        """Write the configuration into `folder` and start both ends."""

    @abstractmethod
    def flaps(self) -> int:
        """Return how often a session over the fibre went down so far, at both ends together."""

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix=f"lifeline-bench-{type(self).__name__.lower()}-")
        self.folder = Path(self._temporary.name)
        self.folder.chmod(0o755)  # FRR and others drop their privileges before they read
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hang_up()
        for program in self._programs:
            program.kill()
            program.wait()
        for log in self._logs:
            log.close()
        self._temporary.cleanup()

    def _hang_up(self) -> None:  # noqa: B027 - most hold nothing
        """Close what the engine's subclass holds open towards its programs."""

    def spawn(self, node: str, argv: Sequence[str], log: str) -> subprocess.Popen[bytes]:
        """Start a program at a node; what it says goes to a file in `folder`. It ends with this process."""
        written = (self.folder / log).open("ab")
        self._logs.append(written)
        lease = ["ip", "netns", "exec", self.span.netns[node], "setpriv", "--pdeathsig", "KILL"]
        program = subprocess.Popen([*lease, *argv], stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT)
        self._programs.append(program)
        return program

    def spawn_all(self, node: str, script: str, log: str) -> None:
        """Start a shell script at a node as the first process of a namespace: with it ends all that it started."""
        self.spawn(node, ["unshare", "--pid", "--fork", "--kill-child", "--", "sh", "-c", script], log)

    def at_rest(self) -> bool:
        """Tell whether both ends send by the fibre."""
        return all(_on_fibre(self.span.netns[node], to) for node, to in (("site", CORE), ("core", SITE)))

    def settle(self) -> None:
        """Wait until both ends send by the fibre.

        Raises:
            TimeoutError: they do not, with the programs' last words.
        """
        deadline = monotonic_s() + _SETTLE_S
        while not self.at_rest():
            if monotonic_s() > deadline:
                raise TimeoutError(f"{self.title} is not on the fibre within {_SETTLE_S:.0f} s: {self.last_words()}")
            time.sleep(0.05)

    def last_words(self) -> str:
        """Return the end of what the programs said."""
        texts = [Path(log.name).read_text(errors="replace")[-400:].strip() for log in self._logs]
        return " | ".join(text for text in texts if text)


def said(argv: Sequence[str]) -> str | None:
    """Return the first line that a program says, None when it is not installed or fails."""
    try:
        run = subprocess.run(argv, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return (run.stdout + run.stderr).strip().splitlines()[0]


def _on_fibre(netns: str, to: str) -> bool:
    run = subprocess.run(["ip", "-j", "-n", netns, "route", "get", to], capture_output=True, text=True, check=False)
    return run.returncode == 0 and any(route.get("dev") == "fibre" for route in json.loads(run.stdout or "[]"))
