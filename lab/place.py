"""Where a lab keeps what it must not forget: its folders, its state on disk, its lock."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from lifeline.i18n import _

from .driver import LabError

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
RUN = Path("/run/lifeline/lab")
DATA = Path("/var/lib/lifeline/lab")
PINS = Path("/run/netns")
"""Where `ip netns` looks: a lab's namespaces can be entered with it."""


class Place:
    """The folders of the lab of a name; none is made before something is written.

    Raises:
        LabError: the name is none.
    """

    def __init__(self, name: str) -> None:
        if not NAME.fullmatch(name):
            text = _("{name!r} cannot name a lab: lower-case letters, digits and hyphens, at most 32")
            raise LabError(text.format(name=name), exit_code=2)
        self.name = name
        self.root = RUN / name
        self.data = DATA / name
        self.faults = self.root / "faults"
        self.secrets = self.root / "secrets"
        self.topology = self.root / "topology.clab.yml"
        self.inventory = self.root / "inventory.yml"
        self.relay_socket = self.root / "relay.sock"

    def node(self, node: str) -> Path:
        """Return a node's folder; its `run` is the node's /run/lifeline, its `log` holds what its services say."""
        return self.root / "nodes" / node

    def pin(self, node: str) -> Path:
        """Return the file that holds a node's network namespace."""
        return PINS / f"{self.name}-{node}"

    def read_state(self) -> dict[str, Any] | None:
        """Return what the lab knew last, or None when there is no such lab."""
        try:
            state: dict[str, Any] = json.loads((self.root / "state.json").read_text())
        except FileNotFoundError:
            return None
        except PermissionError:
            raise LabError(needs_root(), exit_code=2) from None
        return state

    def write_state(self, state: dict[str, Any]) -> None:
        """Keep the state durably."""
        write_durably(self.root / "state.json", state)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lab's lock: one command changes it at a time. The kernel frees it when its holder dies."""
        path = RUN / f"{self.name}.lock"
        while True:
            with _opened(path) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                # Whoever takes a lab down removes the lock's file too: what we waited for may no longer stand there.
                if not _is_same(path, lock.fileno()):
                    continue
                try:
                    yield
                finally:
                    if not self.root.exists():
                        path.unlink()
                return


def needs_root() -> str:
    """Return what somebody is told who is not root."""
    return _("the lab makes network namespaces, which takes root: run it with sudo")


def _opened(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w")
    except PermissionError:
        raise LabError(needs_root(), exit_code=2) from None


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def write_durably(path: Path, body: dict[str, Any]) -> None:
    """Replace a JSON file in one step that survives a crash at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with new.open("w") as stream:
        json.dump(body, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    new.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner reads, from its first byte on."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)
