"""Orders at the fast path: fenced, carried out once, and standing again in its next life."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from shell_bodies import plan

from failover.core.protection import Command, Protection, ProtectionConfig, Selector
from failover.core.protection.cascade import Cascade, Member
from failover.fastpath.commands import SETTLE_S, Commands
from failover.fastpath.group import GroupEnd
from failover.fastpath.groups import Groups
from failover.fastpath.worker import Worker

T = TypeVar("T")


class Group(GroupEnd):
    """A group's end without a kernel."""

    def __init__(self, selector: Selector = Selector.WORKING) -> None:
        self.plan = plan().groups[0]
        self.core = Protection(ProtectionConfig(), 0.0, selector)

    def both_paths_work(self) -> None:
        for path in Selector:
            self.core.signal_fail(path, False, 1.0)


class Alone(Groups):
    """That group and no other."""

    def __init__(self, group: Group) -> None:
        self._ends = {group.plan.id: group}
        self._cascade = Cascade({group.plan.id: Member(group.core, group.plan.working, group.plan.protection)})


class Disk(Worker):
    """One that is done at once, or, while it is `slow`, when asked to."""

    def __init__(self) -> None:
        self.slow = False
        self.waiting: list[Callable[[], None]] = []

    def do(self, job: Callable[[], T], then: Callable[[T], None]) -> None:
        self.waiting.append(lambda: then(job()))
        if not self.slow:
            self.finish()

    def finish(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()


class Life(SimpleNamespace):
    group: Group
    commands: Commands
    disk: Disk

    def order(self, command: str, token: int = 1, *, to: str | None = None, dry_run: bool = False, **more: Any) -> Any:
        order = {"id": f"c{token}", "group": "pg", "command": command, "to": to, "token": token, "by": "li"}
        _group, answer, _effects = self.commands.carry_out({**order, "dry_run": dry_run, **more}, 2.0)
        self.commands.remember()
        return answer


@pytest.fixture
def begin(tmp_path: Path) -> Any:
    def life() -> Life:
        group = Group()
        disk = Disk()
        commands = Commands(tmp_path / "commands.json", Alone(group), disk)
        commands.restore(0.5)
        group.both_paths_work()
        return Life(group=group, commands=commands, disk=disk)

    return life


def test_a_command_is_predicted_carried_out_and_told(begin: Any) -> None:
    life = begin()
    answer = life.order("force")
    assert (answer["accepted"], answer["before"]["selector"]) == (True, "working")
    assert answer["predicted"] == {k: v for k, v in answer["result"].items() if k != "frozen"}
    assert (answer["result"]["state"], answer["result"]["selector"]) == ("Forced switch", "protection")


def test_a_dry_run_changes_nothing(begin: Any) -> None:
    life = begin()
    answer = life.order("force", 9, dry_run=True)
    assert (answer["accepted"], answer["predicted"]["selector"], answer["result"]) == (True, "protection", None)
    assert life.group.core.selector is Selector.WORKING
    assert life.order("lockout", 1)["accepted"]


def test_a_late_command_is_refused_in_this_life_and_the_next(begin: Any) -> None:
    assert begin().order("lockout", 7)["accepted"]
    for _ in range(2):
        answer = begin().order("clear", 6)
        assert (answer["accepted"], answer["reason"]) == (False, "Command 6 comes late: 7 has been obeyed.")


def test_a_command_sent_twice_is_carried_out_once(begin: Any) -> None:
    life = begin()
    first = life.order("force", 3)
    assert life.order("force", 3) == first
    assert begin().order("force", 3) == first


@pytest.mark.parametrize(
    ("command", "to"),
    [("lockout", None), ("force", "protection"), ("manual", "protection"), ("manual", "working")],
)
def test_what_stands_stands_again_in_the_next_life(begin: Any, command: str, to: str | None) -> None:
    before = begin()
    assert before.order(command, to=to)["accepted"]
    after = begin()
    assert after.group.core.standing_command is before.group.core.standing_command
    assert after.group.core.state is before.group.core.state


def test_a_freeze_stands_again_and_a_clear_ends_it_for_good(begin: Any) -> None:
    assert begin().order("freeze", 1)["result"]["frozen"]
    life = begin()
    assert life.group.core.frozen
    assert not life.order("clear", 2)["result"]["frozen"]
    assert not begin().group.core.frozen


def test_what_our_own_absence_has_overridden_is_put_back_again_for_a_while(begin: Any) -> None:
    assert begin().order("force")["accepted"]
    life = begin()
    life.group.core.signal_fail(Selector.PROTECTION, True, 3.0)
    assert life.group.core.standing_command is None
    life.commands.settle(4.0)
    assert life.group.core.standing_command is None
    life.group.core.signal_fail(Selector.PROTECTION, False, 5.0)
    assert life.commands.settle(6.0)
    assert life.group.core.selector is Selector.PROTECTION
    assert life.commands.settle(0.5 + SETTLE_S) == ()
    life.group.core.signal_fail(Selector.PROTECTION, True, 12.0)
    life.group.core.signal_fail(Selector.PROTECTION, False, 13.0)
    assert life.commands.settle(14.0) == ()
    assert begin().group.core.standing_command is None


def test_a_damaged_file_is_told_and_forgotten(begin: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert begin().order("lockout")["accepted"]
    (tmp_path / "commands.json").write_text("{")
    assert begin().group.core.standing_command is None
    assert "commands of the last life are lost" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"command": "reboot"}, "There is no command reboot."),
        ({"command": "lockout", "to": "working"}, "There is no command lockout to working."),
        ({"command": "manual"}, "A manual switch must say where to: working or protection."),
        (
            {"command": "force", "to": "working"},
            "A forced switch goes to protection; a lockout holds traffic on working.",
        ),
        ({"command": ["x"]}, "There is no command ['x']."),
        ({"command": "freeze", "token": None}, "A command needs a token."),
        ({"command": "freeze", "group": "other"}, "No group other here."),
        ({"command": "clear"}, "There is no command and no wait to clear here."),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(begin: Any, order: dict[str, Any], reason: str) -> None:
    answer = begin().order(**{"command": "", **order})
    assert (answer["accepted"], answer["reason"]) == (False, reason)


def test_an_answer_waits_until_what_stands_is_on_the_disk(begin: Any, tmp_path: Path) -> None:
    life = begin()
    life.disk.slow = True
    order = {"id": "c1", "group": "pg", "command": "lockout", "to": None, "token": 1, "by": "li", "dry_run": False}
    life.commands.carry_out(order, 2.0)
    told: list[str] = []
    life.commands.remember(lambda: told.append("first"))
    life.commands.remember(lambda: told.append("again"))
    assert told == []
    assert not (tmp_path / "commands.json").exists()
    life.disk.finish()
    assert told == ["first", "again"]
    assert begin().group.core.standing_command is Command.LOCKOUT


def test_a_disk_that_refuses_is_told_once_and_tried_again(
    begin: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    life = begin()
    (tmp_path / "commands.json").mkdir()  # nothing can be written in its place
    assert life.order("lockout")["accepted"]
    life.commands.settle(3.0)
    assert capfd.readouterr().err.count("would not outlive") == 1
    (tmp_path / "commands.json").rmdir()
    life.commands.settle(4.0)
    assert begin().group.core.standing_command is Command.LOCKOUT
