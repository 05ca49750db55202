from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from fakehub import FakeHub, eventually

ROOT = Path(__file__).parents[3]
SLEEP = ["/usr/bin/sleep", "1000"]


class Running:
    """A supervisor in a process of its own, seen from outside."""

    def __init__(self, process: subprocess.Popen[str], run: Path) -> None:
        self.process = process
        self.run = run

    def status(self, daemon: str) -> dict[str, Any]:
        try:
            return json.loads((self.run / "supervisor.json").read_text())["daemons"][daemon]
        except FileNotFoundError:
            return {"state": "not yet", "pid": None, "restarts": 0}

    async def until(self, daemon: str, **wanted: object) -> dict[str, Any]:
        await eventually(lambda: self.status(daemon).items() >= wanted.items(), timeout_s=15)
        return self.status(daemon)

    async def pid(self, daemon: str) -> int:
        return (await self.until(daemon, state="running"))["pid"]

    async def ended(self) -> int:
        return await asyncio.to_thread(self.process.wait, 15)


@asynccontextmanager
async def supervising(
    tmp_path: Path, daemons: list[dict], env: dict | None = None, **more: object
) -> AsyncIterator[Running]:
    config = {"node": "sbs-test", "run": str(tmp_path / "run"), "daemons": daemons, **more}
    (tmp_path / "node.yml").write_text(yaml.safe_dump(config))
    process = subprocess.Popen(  # noqa: ASYNC220 - its end is awaited in a thread
        [sys.executable, "-m", "noc.cli.main", "supervise", "--config", str(tmp_path / "node.yml")],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(process, tmp_path / "run")
    finally:
        process.kill()
        process.communicate()


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_a_daemon_that_ends_is_started_again(tmp_path: Path) -> None:
    async with supervising(tmp_path, [{"name": "agent", "argv": SLEEP}]) as supervisor:
        first = await supervisor.pid("agent")
        os.kill(first, signal.SIGKILL)
        again = await supervisor.until("agent", state="running", restarts=1)
        assert again["pid"] != first
        assert again["last_exit"] == "SIGKILL"


async def test_daemons_stop_in_reverse_order_and_a_deaf_one_is_killed(tmp_path: Path) -> None:
    deaf = [sys.executable, "-c", "import signal; signal.signal(15, signal.SIG_IGN); signal.pause(); signal.pause()"]
    daemons = [
        {"name": "first", "argv": SLEEP},
        {"name": "deaf", "argv": deaf, "grace_s": 0.3},
        {"name": "last", "argv": SLEEP},
    ]
    async with supervising(tmp_path, daemons) as supervisor:
        pids = [await supervisor.pid(name) for name in ("first", "deaf", "last")]
        await eventually(lambda: "python" in psutil.Process(pids[1]).name() and ignores_sigterm(pids[1]))
        supervisor.process.terminate()
        assert await supervisor.ended() == 0
        assert not any(map(alive, pids))
        assert supervisor.process.stderr is not None
        stopped = [
            (record["name"], record["exit"])
            for record in map(json.loads, supervisor.process.stderr)
            if record["event"] == "daemon stopped"
        ]
        assert stopped == [("last", "SIGTERM"), ("deaf", "SIGKILL"), ("first", "SIGTERM")]
        assert supervisor.status("deaf")["state"] == "stopped"


def ignores_sigterm(pid: int) -> bool:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn:")]
    return bool(int(line.split()[1], 16) & 1 << (signal.SIGTERM - 1))


async def test_daemons_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    async with supervising(tmp_path, [{"name": "agent", "argv": SLEEP}]) as supervisor:
        pid = await supervisor.pid("agent")
        supervisor.process.kill()
        await supervisor.ended()
        await eventually(lambda: not alive(pid))


async def test_what_a_daemon_leaves_behind_in_its_group_ends_with_it(tmp_path: Path) -> None:
    mother = f"sleep 1000 & echo $! > {tmp_path}/child; exec sleep 1000"
    async with supervising(tmp_path, [{"name": "agent", "argv": ["/bin/sh", "-c", mother]}]) as supervisor:
        pid = await supervisor.pid("agent")
        await eventually(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip() != "")
        child = int((tmp_path / "child").read_text())
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not alive(child))


async def test_exits_and_crash_loops_reach_the_hub(tmp_path: Path, hub: FakeHub) -> None:
    quick = {"backoff_first_s": 0.01, "crash_loop_retry_s": 0.3, "crash_loop_exits": 3, "stable_s": 0.4}
    once_broken = f"test -e {tmp_path}/mended && exec sleep 1000; exit 7"
    async with supervising(
        tmp_path,
        [{"name": "agent", "argv": ["/bin/sh", "-c", once_broken]}],
        outbox=str(tmp_path / "supervisor.db"),
        hubs=[hub.url],
        restart=quick,
    ) as supervisor:
        await supervisor.until("agent", state="crash-loop")
        (tmp_path / "mended").touch()
        await supervisor.until("agent", state="running")
        conditions = lambda: [  # noqa: E731 - read again at every change
            (e.body["name"], e.body["perceived_severity"])
            for e in hub.kept.values()
            if e.kind == "condition" and e.subject == "daemon:sbs-test/agent"
        ]
        await hub.until(lambda: conditions() == [("crash-loop", "critical"), ("crash-loop", "cleared")])
        supervisor.process.terminate()
        assert await supervisor.ended() == 0
    said = [e.body for e in hub.kept.values() if e.kind == "daemon"]
    assert [body["state"] for body in said[:7]] == ["started", "exited"] * 3 + ["crash-loop"]
    assert said[1]["exit"] == 7
    assert [body["state"] for body in said[-3:]] == ["started", "stable", "stopped"]
    assert {e.node for e in hub.kept.values()} == {"sbs-test/supervisor"}
    assert [e.body["name"] for e in hub.kept.values() if e.kind == "condition"] == ["crash-loop"] * 2, "no other news"


async def test_a_program_that_is_not_there_is_told_and_tried_again(tmp_path: Path) -> None:
    async with supervising(tmp_path, [{"name": "agent", "argv": ["/nowhere/agent"]}]) as supervisor:
        status = await supervisor.until("agent", last_exit="cannot be started: No such file or directory")
        assert status["state"] == "waiting"


async def test_a_second_supervisor_of_the_same_directory_is_refused(tmp_path: Path) -> None:
    async with supervising(tmp_path, [{"name": "agent", "argv": SLEEP}]) as supervisor:
        await supervisor.pid("agent")
        async with supervising(tmp_path, [{"name": "agent", "argv": SLEEP}]) as second:
            assert await second.ended() == 1
            assert second.process.stderr is not None
            assert "another supervisor serves" in second.process.stderr.read()


async def test_systemd_is_told_when_it_is_ready_alive_and_stopping(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        loop = asyncio.get_running_loop()
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
        async with supervising(tmp_path, [{"name": "agent", "argv": SLEEP}], env) as supervisor:
            async with asyncio.timeout(15):
                heard = [(await loop.sock_recv(manager, 200)).decode() for _ in range(3)]
                assert sorted(heard) == ["READY=1\nSTATUS=Watching 1 daemons", "WATCHDOG=1", "WATCHDOG=1"]
                supervisor.process.terminate()
                while await loop.sock_recv(manager, 200) != b"STOPPING=1":
                    pass
            assert await supervisor.ended() == 0


def test_importing_it_is_light() -> None:
    heavy = {"sqlmodel", "sqlalchemy", "fastapi", "pydantic", "prometheus_client", "alembic"}
    program = f"import sys, lifeline.runtime.supervisor; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not YAML"),
        ("[]", "file: must be a mapping"),
        ("node: a", "run: missing"),
        ("nodes: a", "nodes: unknown key; did you mean 'node'?"),
        ("{node: 7, run: /r, daemons: []}", "node: 7 must be a text"),
        ("{node: a, run: /r, daemons: {}}", "daemons: must be a list"),
        ("{node: a, run: /r, daemons: [{name: x}]}", "daemons.0.argv: missing"),
        ("{node: a, run: /r, daemons: [{name: X, argv: [a]}]}", "daemons.0.name: 'X' must be lower-case"),
        ("{node: a, run: /r, daemons: [{name: x, argv: []}]}", "daemons.0.argv: empty"),
        ("{node: a, run: /r, daemons: [{name: x, argv: [a], env: {A: 1}}]}", "daemons.0.env: must map words to words"),
        ("{node: a, run: /r, daemons: [{name: x, argv: [a], grace_s: -1}]}", "daemons.0.grace_s: -1 must be a number"),
        ("{node: a, run: /r, daemons: [{name: x, argv: [a]}, {name: x, argv: [b]}]}", "'x' stands there 2 times"),
        ("{node: a, run: /r, daemons: [], hubs: ['unix:///x']}", "outbox: missing"),
        (
            "{node: a, run: /r, daemons: [], restart: {stable: 1}}",
            "restart.stable: unknown key; did you mean 'stable_s'",
        ),
    ],
)
def test_every_mistake_in_the_configuration_is_named(tmp_path: Path, text: str, why: str, capsys) -> None:
    from noc.cli.main import main

    (tmp_path / "node.yml").write_text(text)
    assert main(["supervise", "--config", str(tmp_path / "node.yml")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"{tmp_path}/node.yml: ")
    assert why in error
