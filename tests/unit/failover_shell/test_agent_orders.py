"""A hub's command at the agent: on record before anybody acts, answered with what the fast path says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from failover.agent import orders
from failover.agent.intake import Intake
from failover.agent.orders import Orders
from failover.agent.record import Record
from lifeline.runtime.outbox import Outbox
from lifeline.runtime.wire import Command

LOCKOUT = Command("c1", "group:pg", "lockout", token=4, by="li", dry_run=False)


class FastPath:
    """A fast path that answers at once, or not at all."""

    def __init__(self, desk: Orders, *, answers: bool = True, error: OSError | None = None) -> None:
        self.desk, self.answers, self.error = desk, answers, error
        self.heard: list[dict[str, Any]] = []

    def order(self, order: dict[str, Any]) -> None:
        if self.error:
            raise self.error
        self.heard.append(order)
        if self.answers:
            after = {"state": "Locked out"}
            self.desk.answered({**order, "accepted": True, "reason": "So.", "predicted": after, "result": after})


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    opened = Outbox(tmp_path / "outbox.db", "site-a/agent")
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def desk(tmp_path: Path, outbox: Outbox) -> Orders:
    record = Record(tmp_path / "record.json")
    record.load(outbox)
    return Orders("site-a", Intake("site-a", outbox, record))


def phases(outbox: Outbox) -> list[tuple[str, str]]:
    return [(event.body["command"], event.body["phase"]) for event in outbox.pending()]


async def test_a_command_is_on_record_before_the_fast_path_hears_of_it(desk: Orders, outbox: Outbox) -> None:
    class Looks(FastPath):
        def order(self, order: dict[str, Any]) -> None:
            assert phases(outbox) == [("protection.lockout", "received")]
            super().order(order)

    fast_path = Looks(desk)
    result = await desk.carry_out(LOCKOUT, fast_path)  # type: ignore[arg-type]  # a stand-in
    assert (result.id, result.accepted, result.reason) == ("c1", True, "So.")
    assert result.result == {"state": "Locked out"}
    assert [(order["group"], order["token"]) for order in fast_path.heard] == [("pg", 4)]


async def test_a_dry_run_leaves_no_record(desk: Orders, outbox: Outbox) -> None:
    dry = Command("c2", "group:pg", "lockout", token=4, by="li")
    assert (await desk.carry_out(dry, FastPath(desk))).accepted  # type: ignore[arg-type]  # a stand-in
    assert (await desk.carry_out(dry, None)).accepted is False
    assert phases(outbox) == []


@pytest.mark.parametrize("error", [None, OSError(32, "Broken pipe")])
async def test_without_a_fast_path_a_command_is_refused(desk: Orders, outbox: Outbox, error: OSError | None) -> None:
    fast_path = FastPath(desk, error=error) if error else None
    result = await desk.carry_out(LOCKOUT, fast_path)  # type: ignore[arg-type]  # a stand-in
    assert not result.accepted
    assert "The fast path of site-a" in result.reason
    assert [phase for _command, phase in phases(outbox)] == ["received", "refused"]


async def test_of_a_silent_fast_path_nobody_says_that_it_refused(
    desk: Orders, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "ANSWER_S", 0.01)
    with pytest.raises(TimeoutError, match="has not answered"):
        await desk.carry_out(LOCKOUT, FastPath(desk, answers=False))  # type: ignore[arg-type]  # a stand-in
    assert [phase for _command, phase in phases(outbox)] == ["received"]
