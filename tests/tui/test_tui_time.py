"""The screen of time: states, sources with their reasons and C/N0, the budget; what is stale is unknown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tui_govnet import NOW_NS, FakeHub
from tui_pilot import loaded, text_of, until

from lab.simulators.time_sky import Fault
from lab.simulators.time_world import World
from lifeline.i18n import _
from timesync.core.body import change_to_json, live_state

both_languages = pytest.mark.parametrize("interface", ["en", "zh_CN"], indirect=True)


def view(site: str, fault: Fault | None = None, *, fresh: bool = True, seconds: int = 120) -> dict[str, Any]:
    """A site's live state as its daemon would show it, after a while in the simulated clock room."""
    world = World(seed=3)
    world.run(seconds)
    if fault is not None:
        world.receivers["gps"].fault = Fault(fault.kind, world.now, fault.size)
        world.run(8)
    gate = {"feeds": {}, "dropped": 0, "withdrawn": False, "trouble": "", "refclocks": [], "tracking": None}
    history = [change_to_json(change, NOW_NS) for _at, change in reversed(world.changes)]
    body = live_state(site, world.decision, gate, history=history)
    return {"subject": f"time:{site}", "node": f"{site}/time", "site": site, "heard_at_ns": NOW_NS, "fresh": fresh,
            "body": body}  # fmt: skip


@both_languages
@pytest.mark.parametrize("size", [(80, 24), (120, 34)], ids=["80x24", "120x34"])
async def test_the_time_screen_tells_what_is_selected_and_why_not(
    interface: SimpleNamespace, open_app: Any, size: tuple[int, int]
) -> None:
    app = open_app(FakeHub(shown=[view("core-wired", Fault("step", 0, 5_000))]))
    async with app.run_test(size=size) as pilot:
        await loaded(pilot)
        await pilot.press("4")
        await loaded(pilot)
        text = text_of(app)
        assert "beidou" in text
        assert "1.5 µs" in text


@both_languages
async def test_the_detail_shows_sources_reasons_and_decisions(interface: SimpleNamespace, open_app: Any) -> None:
    shown = view("core-wired", Fault("step", 0, 5_000))
    app = open_app(FakeHub(shown=[shown]))
    tell = interface.module("time_view").time_detail
    async with app.run_test(size=(120, 34)) as pilot:
        await loaded(pilot)
        lines = tell(app.model, shown)
        text = "\n".join(" ".join([line.label, *(cell.at(NOW_NS) for cell in line.cells)]) for line in lines)
    for part in ("gps", _("step"), "C/N0", _("Decisions"), _("selected")):
        assert part in text


async def test_what_is_stale_is_unknown(interface: SimpleNamespace, open_app: Any) -> None:
    app = open_app(FakeHub(shown=[view("core-wired", fresh=False)]))
    async with app.run_test(size=(120, 34)) as pilot:
        await loaded(pilot)
        await pilot.press("4")
        await loaded(pilot)
        assert _("unknown") in text_of(app)


async def test_without_a_daemon_it_says_what_to_start(interface: SimpleNamespace, open_app: Any) -> None:
    app = open_app(FakeHub(shown=[]))
    async with app.run_test(size=(120, 34)) as pilot:
        await loaded(pilot)
        await pilot.press("4")
        await loaded(pilot)
        assert "lifeline time run" in text_of(app)


async def test_a_source_is_excluded_only_armed_planned_and_typed_out(open_app: Any) -> None:
    hub = FakeHub(shown=[view("core-wired")])
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("4")
        await loaded(pilot)
        await pilot.press("a")
        await pilot.pause()
        assert hub.orders == []
        await pilot.press("ctrl+e", "a")
        await until(lambda: app.screen.query("#orders"), pilot)
        await pilot.press("down", "down", "enter")  # exclude and select of beidou come first
        await until(lambda: app.screen.query("#typed") and app.screen.step.name == "PLANNED", pilot)
        assert [(it["command"], it["target"], it["dry_run"]) for it in hub.orders] == [
            ("time.exclude", "time:core-wired/gps", True)
        ]
        hub.answer = {"phase": "done", "detail": "gps is not selected until it is released"}
        await pilot.press(*("minus" if it == "-" else "slash" if it == "/" else it for it in "core-wired/gps"), "enter")
        await until(lambda: app.screen.step.name == "OVER", pilot)
        assert hub.orders[-1]["dry_run"] is False


def test_what_may_be_ordered_follows_what_stands(interface: SimpleNamespace) -> None:
    shown = view("core-wired")
    shown["body"]["sources"][1]["excluded_by"] = "somebody"
    orders = [
        (it.command, it.target) for it in interface.module("orders").time_orders("time:core-wired", shown["body"])
    ]
    assert orders == [
        ("exclude", "time:core-wired/beidou"), ("select", "time:core-wired/beidou"), ("release", "time:core-wired/gps"),
        ("lock", "time:core-wired"), ("release", "time:core-wired"),
    ]  # fmt: skip
