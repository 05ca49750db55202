"""Network namespaces that outlive every process: each is bound to a file where `ip netns` looks for it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from lifeline.i18n import _

from ..driver import LabError
from ..place import PINS, Place
from . import linux, processes

_STOP_WITHIN_S = 1.5
_FOLDER_MADE = "pins-folder-is-ours"


def refuse_foreign(place: Place, names: Iterable[str]) -> None:
    """Raise a LabError when a namespace of this lab's names stands already: it is somebody else's."""
    for name in names:
        if place.pin(name).exists():
            raise LabError(
                _("network namespace {name} exists already and is not this lab's").format(name=place.pin(name).name)
            )


def make(place: Place, names: Iterable[str]) -> None:
    """Make and pin the namespaces of a lab, without IPv6."""
    _make_folder(place)
    for name in names:
        pin = place.pin(name)
        pin.touch()
        subprocess.run(["unshare", f"--net={pin}", "true"], check=True)
        with linux.network_namespace(pin):
            for scope in ("all", "default"):
                with suppress(FileNotFoundError):  # a kernel without IPv6
                    Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1")


def remove(place: Place, names: Iterable[str]) -> None:
    """End every process in a lab's namespaces, services that want it told first, and unpin them.

    Raises:
        LabError: something in them could not be killed.
    """
    pins = {name: place.pin(name) for name in names}
    inits = [p.pid for each in processes.processes_in(pins).values() for p in each if p.is_init]
    processes.kill(inits, signal.SIGTERM)
    for pid in inits:
        processes.await_end(pid, _STOP_WITHIN_S)
    if not processes.end(pins):
        raise LabError(_("processes in the lab's namespaces do not die; see `ps` for those in state D"))
    for pin in pins.values():
        with suppress(OSError):  # made, but not bound yet
            linux.umount(str(pin))
        pin.unlink(missing_ok=True)
    if (place.root / _FOLDER_MADE).exists() and not any(PINS.iterdir()):
        with suppress(OSError):
            linux.umount(str(PINS), flags=0)


def _make_folder(place: Place) -> None:
    """Make the folder a mount of its own, as `ip netns add` would at its first use.

    Were it to do so later, it would bind a copy of every pin over the folder, and removing a pin would remove the copy:
    the namespace would live on, out of sight.
    """
    PINS.mkdir(parents=True, exist_ok=True)
    folder = os.open(PINS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # as `ip netns add` does
        if not linux.is_mount(PINS):
            (place.root / _FOLDER_MADE).touch()
            linux.mount(str(PINS), str(PINS), flags=linux.MS_BIND | linux.MS_REC)
            linux.mount("", str(PINS), flags=linux.MS_SHARED | linux.MS_REC)
    finally:
        os.close(folder)
