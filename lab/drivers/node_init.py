"""A node's first process: boots the node, starts its services, reaps, restarts. `LAUNCH` starts it.

The program enters the node's network namespace, which outlives it, makes new process, mount, UTS and IPC namespaces,
and prints `ready` once the node is up, or one line with what failed. Killing process 1 is pulling the plug: the kernel
kills everything in the node with it. Standard library only.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lifeline.clock import monotonic_s

from . import linux

_ROOT = str(Path(__file__).resolve().parents[2])
_CODE = f"import sys; sys.path.insert(0, {_ROOT!r}); from {__name__} import main; main(sys.argv[1])"
LAUNCH = (sys.executable, "-I", "-S", "-c", _CODE)
"""The program and its first arguments; the specification's path follows. Without site-packages it is up in 20 ms."""
RESTART_AFTER_S = 1.0
STOP_WITHIN_S = 1.0
READY_WITHIN_S = 60.0
"""A machine may have more to do than this node; what ends is noticed at once."""


def main(spec_path: str) -> None:
    """Boot the node that a specification describes; return in the launcher, never in the node."""
    spec = json.loads(Path(spec_path).read_text())
    linux.setns(spec["netns"], linux.CLONE_NEWNET)
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC | linux.CLONE_NEWPID)
    child = os.fork()
    if child:
        return
    os.setsid()
    signals = {signal.SIGCHLD, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        node = _Node(spec)
        node.boot()
    except (OSError, BootError) as error:
        print(f"failed: {error}", flush=True)
        os._exit(1)
    print("ready", flush=True)
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(quiet, descriptor)
    node.serve(signals)


class BootError(Exception):
    """The node cannot come up; the text says at what it failed."""


class _Node:
    """The running node."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self._services: dict[int, dict[str, Any]] = {}
        self._due: list[tuple[float, dict[str, Any]]] = []
        self._environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", **spec["env"]}

    def boot(self) -> None:
        socket.sethostname(self._spec["hostname"])
        self._file_systems()
        for key, value in self._spec["sysctls"].items():
            _write("/proc/sys/" + key.replace(".", "/"), value)
        for interface in self._spec["unloaded"]:
            linux.offloads_off(interface)
        self._run_ip([f"link set dev {interface} up" for interface in ("lo", *self._spec["interfaces"])])
        self._run_all(self._spec["exec"])
        services = self._spec["services"]
        begun = [(self._begin(service), service) for service in services if service.get("ready")]
        for process, service in begun:  # while one comes up, so do the others
            self._settle(process, service)
        for service in services:  # what may need them
            if not service.get("ready"):
                self._start(service)

    def serve(self, signals: set[signal.Signals]) -> None:
        """Reap and restart until told to stop; then stop the services that want it, and end."""
        while True:
            wait_s = max(0.0, min(at for at, _service in self._due) - monotonic_s()) if self._due else 3600.0
            told = signal.sigtimedwait(signals, wait_s)
            self._reap()
            if told is not None and told.si_signo == signal.SIGTERM:
                self._stop()
            now = monotonic_s()
            for entry in [entry for entry in self._due if entry[0] <= now]:
                self._due.remove(entry)
                self._restart(entry[1])

    def _stop(self) -> None:
        graceful = {pid for pid, service in self._services.items() if service["graceful"]}
        for pid in graceful:
            os.kill(pid, signal.SIGTERM)
        deadline = monotonic_s() + STOP_WITHIN_S
        while graceful & self._services.keys() and monotonic_s() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, 0.1)
            self._reap()
        os._exit(0)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            service = self._services.pop(pid, None)
            if service:
                code = os.waitstatus_to_exitcode(status)
                _log(service, f"ended with {code}; starting it again in {RESTART_AFTER_S:g} s")
                self._due.append((monotonic_s() + RESTART_AFTER_S, service))

    def _restart(self, service: dict[str, Any]) -> None:
        """Start a service again; whatever goes wrong with it, the node stays up."""
        try:
            self._start(service)
        except (OSError, BootError, subprocess.SubprocessError) as error:
            _log(service, str(error))

    def _start(self, service: dict[str, Any]) -> None:
        self._settle(self._begin(service), service)

    def _begin(self, service: dict[str, Any]) -> int:
        """Start a service's process and return its number."""
        if ready := service.get("ready"):
            Path(ready).unlink(missing_ok=True)
        with _log_path(service).open("ab") as log:
            process = subprocess.Popen(
                service["argv"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._environment, **service.get("env", {})},
                start_new_session=True,
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, ()),  # noqa: PLW1509 - one thread
            )
        process.returncode = 0  # reaped here by pid, not by subprocess
        self._services[process.pid] = service
        return process.pid

    def _settle(self, process: int, service: dict[str, Any]) -> None:
        """Wait for the file that shows that a service is up, then run the command that configures it."""
        if ready := service.get("ready"):
            self._await_path(ready, process)
        if "configure" in service:
            self._run(service["configure"])

    def _await_path(self, path: str, process: int) -> None:
        deadline = monotonic_s() + READY_WITHIN_S
        while not Path(path).exists():
            self._reap()
            if process not in self._services:
                raise BootError(f"{path} will not appear: what makes it has ended")
            if monotonic_s() > deadline:
                raise BootError(f"{path} did not appear within {READY_WITHIN_S:g} s")
            time.sleep(0.005)

    def _file_systems(self) -> None:
        """Give the node its own /proc, /sys and /run; nothing of it is seen outside."""
        linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
        for bind in self._spec["binds"]:
            linux.mount(bind["source"], bind["target"], flags=linux.MS_BIND | linux.MS_REC)
            if bind["read_only"]:
                linux.mount("", bind["target"], flags=linux.MS_BIND | linux.MS_REMOUNT | linux.MS_RDONLY)
        run = Path(self._spec["new_run"])
        linux.mount("tmpfs", str(run), "tmpfs", options="mode=755,size=64m")
        for name, folder in self._spec["run_folders"].items():
            place = run / name
            place.mkdir(parents=True)
            if folder.get("bind"):
                linux.mount(folder["bind"], str(place), flags=linux.MS_BIND)
            if folder.get("user"):
                import pwd

                user = pwd.getpwnam(folder["user"])
                os.chown(place, user.pw_uid, user.pw_gid)
        # What is pinned in the host's /run must not be held by this node too: a namespace would outlive its lab.
        for point in reversed(linux.mount_points()):
            if point.startswith("/run/") and not point.startswith(str(run)):
                linux.umount(point)
        linux.mount(str(run), "/run", flags=linux.MS_MOVE)
        linux.mount("proc", "/proc", "proc")
        linux.mount("sysfs", "/sys", "sysfs", flags=linux.MS_RDONLY)
        linux.mount("tmpfs", "/var/tmp", "tmpfs")  # FRR keeps its crash logs there

    def _run_all(self, commands: list[list[str]]) -> None:
        """Run commands in order; neighbours that are all `ip` share one process."""
        batch: list[str] = []
        for command in commands:
            if command[0] == "ip" and not command[1].startswith("-"):
                batch.append(shlex.join(command[1:]))
                continue
            self._run_ip(batch)
            batch = []
            self._run(command)
        self._run_ip(batch)

    def _run_ip(self, lines: list[str]) -> None:
        if lines:
            self._run(["ip", "-batch", "-"], "\n".join(lines) + "\n", lines)

    def _run(self, command: list[str], text: str = "", lines: list[str] | None = None) -> None:
        result = subprocess.run(
            command, input=text, text=True, capture_output=True, env=self._environment, check=False, timeout=30
        )
        if result.returncode:
            said = " ".join(result.stderr.split())
            failed = [lines[int(n) - 1] for n in _failed_lines(said)] if lines else []
            raise BootError(f"{' '.join(command)}: {said}" + "".join(f" [ip {line}]" for line in failed))


def _failed_lines(said: str) -> list[str]:
    """Return the line numbers in `Command failed -:12`, as ip -batch tells them."""
    return [word.removeprefix("-:") for word in said.split() if word.startswith("-:")]


def _log_path(service: dict[str, Any]) -> Path:
    return Path(f"/run/log/{service['name']}.log")


def _log(service: dict[str, Any], text: str) -> None:
    with _log_path(service).open("a") as log:
        print(text, file=log)


def _write(path: str, value: str) -> None:
    try:
        Path(path).write_text(value)
    except OSError as error:
        raise BootError(f"{path} = {value}: {error.strerror}") from error
