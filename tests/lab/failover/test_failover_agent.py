"""A real agent beside a real fast path: what the outbox holds after cuts, kills and a full disk. No hub is there."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from failover_world import FastPathProcess, World, plan_of, run, two_sites, until

from failover.agent.plan import AgentPlan

pytestmark = pytest.mark.lab

PATHS = {"fibre": ("fibre", "10.64.0.1", "10.64.0.2", 10_000, 3), "sat": ("sat", "10.66.0.1", "10.66.0.2", 100_000, 3)}


class AgentProcess:
    def __init__(self, world: World, fast_path: FastPathProcess, data: Path) -> None:
        self.world, self.run, self.data = world, fast_path.run, data
        settings = {"hubs": ("unix:///nowhere/hub.sock",), "token_file": None, "ca": None, "metrics": None}
        plan = AgentPlan.compile(fast_path.plan, data=str(data), run=str(fast_path.run), **settings)
        plan.save(self.run / "agent-plan.json")
        self.start()

    def start(self) -> None:
        with (self.run / "agent-stderr").open("ab") as stderr:
            command = (sys.executable, "-m", "failover.agent", str(self.run / "agent-plan.json"))
            self.process = self.world.spawn("a", *command, stderr=stderr)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(10)

    def events(self) -> list[tuple[str, str, dict[str, Any]]]:
        database = self.data / "agent-outbox.db"
        with contextlib.suppress(sqlite3.OperationalError):
            if database.exists():
                with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
                    rows = db.execute("SELECT kind, subject, body FROM outbox ORDER BY seq").fetchall()
                return [(kind, subject, json.loads(body)) for kind, subject, body in rows]
        return []

    def conditions(self) -> list[str]:
        bodies = [body for kind, _subject, body in self.events() if kind == "condition"]
        return [
            f"{body['name']} {'cleared' if body['perceived_severity'] == 'cleared' else 'raised'}" for body in bodies
        ]

    def commands(self) -> list[dict[str, Any]]:
        return [body for kind, _subject, body in self.events() if kind == "command"]

    def states(self) -> list[str]:
        """Return the states one after another, whichever end saw their cause first."""
        told = (
            body["state"].removeprefix("Far ").capitalize() for kind, _, body in self.events() if kind == "protection"
        )
        return [state for state, _ in itertools.groupby(told)]


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[World, FastPathProcess, FastPathProcess]]:
    with two_sites("g") as world:
        mirrored = {link: (i, theirs, mine, us, n) for link, (i, mine, theirs, us, n) in PATHS.items()}
        a = world.fast_path("a", plan_of("a", PATHS, ("10.2.0.0/24",), ("10.1.0.0/24",)), tmp_path)
        b = world.fast_path("b", plan_of("b", mirrored, ("10.1.0.0/24",), ("10.2.0.0/24",)), tmp_path)
        until("a is Normal", lambda: a.group()["state"] == "Normal")
        until("b is Normal", lambda: b.group()["state"] == "Normal")
        yield world, a, b


CUT = {"path-down raised", "on-protection raised"}
REPAIRED = [*sorted(CUT), "on-protection cleared", "path-down cleared"]


def test_a_cut_and_its_repair_are_told_once_whatever_is_killed(
    ends: tuple[World, FastPathProcess, FastPathProcess], tmp_path: Path
) -> None:
    world, a, _b = ends
    agent = AgentProcess(world, a, tmp_path / "data")  # late: the fast path has kept the beginning
    until("the beginning is told", lambda: agent.states() == ["Normal"])
    assert agent.conditions() == []

    world.cut("fibre")
    until("the cut is told", lambda: set(agent.conditions()) == CUT)
    agent.stop(signal.SIGKILL)
    world.heal()
    until("the fast path is Normal", lambda: a.group()["state"] == "Normal")
    agent.start()
    until("the repair is told", lambda: sorted(agent.conditions()[2:]) == REPAIRED[2:])
    assert agent.states() == ["Normal", "Protecting failure", "Wait to restore", "Normal"]
    assert len(agent.conditions()) == 4
    until("all is acknowledged", lambda: a.snapshot()["stats"]["reports_unacknowledged"] == 0)


def test_a_fast_path_s_death_is_told_and_its_return(
    ends: tuple[World, FastPathProcess, FastPathProcess], tmp_path: Path
) -> None:
    world, a, _b = ends
    agent = AgentProcess(world, a, tmp_path / "data")
    until("the beginning is told", lambda: agent.states() == ["Normal"])
    a.stop(signal.SIGKILL)
    until("the silence is told", lambda: agent.conditions() == ["fastpath-silent raised"])
    a.start()
    until("the return is told", lambda: agent.conditions() == ["fastpath-silent raised", "fastpath-silent cleared"])


def test_a_full_disk_stops_no_switch_and_loses_no_event(
    ends: tuple[World, FastPathProcess, FastPathProcess], tmp_path: Path
) -> None:
    world, a, _b = ends
    small = tmp_path / "small"
    small.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small))
    try:
        agent = AgentProcess(world, a, small)
        until("the beginning is told", lambda: agent.states() == ["Normal"])
        with contextlib.suppress(OSError), (small / "filling").open("wb", buffering=0) as filling:
            while True:
                filling.write(bytes(4096))
        world.cut("fibre")
        until("a switches", lambda: a.group()["selector"] == "protection")
        until("the agent says so", lambda: "outbox is full" in (a.run / "agent-stderr").read_text())
        assert agent.conditions() == []
        (small / "filling").unlink()
        until("the cut is told", lambda: set(agent.conditions()) == CUT)
        assert agent.states() == ["Normal", "Protecting failure"]
        agent.stop()
    finally:
        world.close()
        subprocess.run(["umount", str(small)], check=False)


def test_an_order_s_outcome_is_told_although_the_agent_was_killed(
    ends: tuple[World, FastPathProcess, FastPathProcess], tmp_path: Path
) -> None:
    world, a, _b = ends
    agent = AgentProcess(world, a, tmp_path / "data")
    until("the beginning is told", lambda: agent.states() == ["Normal"])
    agent.stop(signal.SIGKILL)
    assert a.order(5, "lockout")["accepted"]
    assert a.order(6, "manual", "protection")["accepted"] is False
    assert a.order(7, "clear", dry_run=True)["accepted"]
    agent.start()
    until("both outcomes are told", lambda: len(agent.commands()) == 2)
    done, refused = agent.commands()
    assert (done["command_id"], done["command"], done["phase"]) == ("c5", "protection.lockout", "done")
    assert (done["before"]["state"], done["after"]["state"]) == ("Normal", "Locked out")
    assert (refused["phase"], refused["detail"]) == (
        "refused", "Manual switch to protection is refused: the group is locked out by command (LO)."
    )  # fmt: skip
    until("the lockout is told", lambda: agent.states()[-1] == "Locked out")
