"""A real upsd whose UPS is played by NUT's dummy driver from a file that is rewritten as the plant changes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

DUMMY = Path("/lib/nut/dummy-ups")
UPSD = Path("/lib/nut/upsd")
_SETPRIV = "/usr/bin/setpriv"


def installed() -> bool:
    """Tell whether NUT's server and dummy driver are here."""
    return DUMMY.exists() and UPSD.exists()


class NutServer:
    """An upsd on loopback with one dummy driver for each UPS.

    Args:
        directory: where its configuration, its states and the UPS's variables lie.
        upses: variables by UPS, such as {"ups": {"ups.status": "OL", "battery.charge": "100"}}.
        port: TCP port.
        hosts: addresses that it listens on.
    """

    def __init__(
        self, directory: Path, upses: Mapping[str, Mapping[str, str]], port: int, hosts: Sequence[str] = ("127.0.0.1",)
    ) -> None:
        self._directory, self._port, self._hosts = directory, port, hosts
        self._upses = {name: dict(variables) for name, variables in upses.items()}
        self._drivers: dict[str, subprocess.Popen[bytes]] = {}
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        state = self._directory / "state"
        state.mkdir(parents=True, exist_ok=True)
        sections = "".join(
            f"[{name}]\n  driver = dummy-ups\n  port = {name}.dev\n  mode = dummy-once\n" for name in self._upses
        )
        self._write("ups.conf", f"maxretry = 3\n{sections}")
        listen = "".join(f"LISTEN {host} {self._port}\n" for host in self._hosts)
        self._write("upsd.conf", f"{listen}MAXAGE 4\n")
        self._write("upsd.users", "")
        for name, variables in self._upses.items():
            self._write(f"{name}.dev", _lines(variables))
        for name in self._upses:
            self._drivers[name] = self._start(str(DUMMY), "-a", name, "-F", "-u", "root")
        self._until(lambda: all((state / f"dummy-ups-{name}").exists() for name in self._upses))
        self._start(str(UPSD), "-F", "-u", "root")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()

    def set(self, ups: str, **variables: str) -> None:
        """Change variables; `_` stands for the dots in their names."""
        self.tell(ups, {name.replace("_", "."): value for name, value in variables.items()})

    def tell(self, ups: str, variables: Mapping[str, str]) -> None:
        """Change variables; the driver reads them again only if there are any that differ."""
        told = {**self._upses[ups], **variables}
        if told != self._upses[ups]:
            self._upses[ups] = told
            self._write(f"{ups}.dev", _lines(told))

    def freeze(self, ups: str) -> None:
        """Stop a driver where it is: upsd soon calls its data stale."""
        self._drivers[ups].send_signal(signal.SIGSTOP)

    def thaw(self, ups: str) -> None:
        """Let a driver go on."""
        self._drivers[ups].send_signal(signal.SIGCONT)

    def _write(self, name: str, text: str) -> None:
        draft = self._directory / f".{name}"
        draft.write_text(text, encoding="ascii")
        draft.chmod(0o640)
        # The driver reads a file again when its time differs in whole seconds: two changes in one must not look alike.
        before = self._directory / name
        least_s = int(before.stat().st_mtime) + 1 if before.exists() else 0
        changed_s = max(int(draft.stat().st_mtime), least_s)
        os.utime(draft, (changed_s, changed_s))
        draft.replace(before)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        # Whoever runs it may be killed: nothing of it lives on.
        command = (_SETPRIV, "--pdeathsig", "KILL", "--", *command)
        env = {**os.environ, "NUT_CONFPATH": str(self._directory), "NUT_STATEPATH": str(self._directory / "state")}
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._processes.append(process)
        return process

    @staticmethod
    def _until(holds: object, within_s: float = 10.0) -> None:
        assert callable(holds)
        for _round in range(int(within_s / 0.05)):
            if holds():
                return
            time.sleep(0.05)
        raise TimeoutError("the dummy drivers did not start")


def _lines(variables: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in variables.items())
