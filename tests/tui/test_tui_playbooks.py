"""The screen of playbooks: what waits for approval comes first, with what it would change."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tui_govnet import NOW_NS, FakeHub
from tui_pilot import loaded, text_of, until

both_languages = pytest.mark.parametrize("interface", ["en", "zh_CN"], indirect=True)


def step(name: str, state: str, leg: str = "do") -> dict[str, Any]:
    return {"leg": leg, "step": name, "do": "protection.force", "text": "", "args": {"group": "pg-a"}, "state": state,
            "attempt": 1, "detail": ""}  # fmt: skip


def view(run: str, playbook: str, state: str, *steps: dict[str, Any], reason: str = "") -> dict[str, Any]:
    body = {
        "schema": "lifeline.playbook-state/1", "run": run, "playbook": playbook, "version": 1, "state": state,
        "reason": reason, "held": "", "by": "ann", "why": "", "hash": "abcdef" * 10, "approval": {"people": 2},
        "agreed": ["bob"], "aborting": "", "parameters": {"site": "core"}, "locks": ["site:core"],
        "created_at_ns": NOW_NS, "began_at_ns": None, "ended_at_ns": None, "token": 3, "steps": list(steps),
    }  # fmt: skip
    return {"subject": f"playbook:{run}", "node": "noc-a/hub", "site": "noc-a", "heard_at_ns": NOW_NS, "fresh": True,
            "body": body}  # fmt: skip


class Hub(FakeHub):
    async def playbook_preview(self, identifier: str) -> dict[str, Any]:
        self.orders.append({"preview": identifier})
        seen = {"leg": "do", "step": "move", "state": "done", "detail": "would be done; now: untouched",
                "args": {"group": "pg-a"}, "before": {"selector": "working"}}  # fmt: skip
        return {"schema": "lifeline.playbook-check/1", "state": "passed", "reason": "", "steps": [seen]}


def hub() -> Hub:
    return Hub(shown=[
        view("r3", "fibre-cut", "done", step("move", "done")),
        view("r2", "duct-cut", "compensated", step("move", "done"), step("move", "done", "undo"), reason="move failed"),
        view("r1", "core-room-lost", "planned", step("move", "waiting")),
    ])  # fmt: skip


@both_languages
@pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["80x24", "160x45"])
async def test_what_waits_for_approval_comes_first(interface: SimpleNamespace, open_app: Any, size: tuple[int, int]):
    app = open_app(hub())
    async with app.run_test(size=size) as pilot:
        await loaded(pilot)
        await pilot.press("6")
        await loaded(pilot)
        lines = text_of(app).splitlines()
    rows = [next(n for n, line in enumerate(lines) if name in line) for name in ("core-room-lost", "fibre-cut")]
    assert rows == sorted(rows)
    assert all(len(line) <= size[0] for line in lines)
    assert len(lines) == size[1]


@both_languages
async def test_the_difference_is_read_and_shown_before_anybody_agrees(interface: SimpleNamespace, open_app: Any):
    told = hub()
    app = open_app(told)
    async with app.run_test(size=(160, 45)) as pilot:
        await loaded(pilot)
        await pilot.press("6")
        await loaded(pilot)
        assert '"working"' not in text_of(app)
        await pilot.press("d")
        await until(lambda: told.orders, pilot)
        await loaded(pilot)
        text = text_of(app)
    assert told.orders == [{"preview": "r1"}]
    assert '- {"selector": "working"}' in text
    assert '+ {"group": "pg-a"}' in text
    assert "bob" in text
