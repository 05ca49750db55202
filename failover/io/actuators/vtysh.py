"""FRR through vtysh: on this node as a program, on another as the same program behind ssh."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from ...core.actuation import DIALECTS, Dialect, Step
from .device import LostError, RefusedError, Session, UnreachableError


def arguments(lines: Sequence[str]) -> list[str]:
    """Return vtysh's arguments that carry lines out in order."""
    return [word for line in lines for word in ("-c", line)]


def check(dialect: Dialect, script: Sequence[Step], said: str, status: int) -> None:
    """Raise RefusedError if vtysh complained; its exit status alone is 0 after most complaints."""
    refusal = dialect.refusal(said)
    if refusal is None and status == 0:
        return
    # vtysh does not say which line it complains about, unless it quotes it.
    step = next((step for step in script if refusal and refusal.endswith(f": {step.line}")), None)
    raise RefusedError(step or Step("vtysh"), refusal or f"exit status {status}")


@dataclass(frozen=True, slots=True)
class LocalFrr:
    """FRR on this node. Its user must be in the group frrvty."""

    name: str
    command: tuple[str, ...] = ("vtysh",)
    timeout_s: float = 15.0

    @property
    def dialect(self) -> Dialect:
        """FRR's."""
        return DIALECTS["linux"]

    def open(self) -> Session:
        """Make sure that vtysh reaches FRR.

        Raises:
            UnreachableError: it does not.
        """
        try:
            done = self.call(["show version"])
        except LostError as error:
            raise UnreachableError(str(error)) from None
        if done.returncode:
            said = " ".join(done.stdout.split()) or f"exit status {done.returncode}"
            raise UnreachableError(f"{self.name}: vtysh does not reach FRR: {said}")
        return _LocalSession(self)

    def call(self, lines: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run vtysh, its complaints among its answers.

        Raises:
            LostError: it did not end in time, or could not be started.
        """
        try:
            return subprocess.run(
                [*self.command, *arguments(lines)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=self.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LostError(f"{self.name}: vtysh did not end within {self.timeout_s:g} s") from None
        except OSError as error:
            raise LostError(f"{self.name}: {self.command[0]} cannot be run: {error.strerror}") from None


class _LocalSession:
    def __init__(self, device: LocalFrr) -> None:
        self._device = device

    def read(self, commands: Sequence[str]) -> str:
        return self._device.call(commands).stdout

    def run(self, script: Sequence[Step]) -> None:
        done = self._device.call([step.line for step in script])
        check(self._device.dialect, script, done.stdout, done.returncode)

    def close(self) -> None:
        pass
