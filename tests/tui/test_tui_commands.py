"""Nothing is commanded unless armed, planned and typed out; and a group's whole state is there to decide by."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tui_govnet import NOW_NS, SECOND, FakeHub, cut, end, event, group, healthy, path
from tui_pilot import loaded, text_of, until

from noc.client import HubRefusedError, HubUnreachableError


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


def told(app: Any) -> list[str]:
    return [notice.message for notice in app._notifications]


async def at_dialog(app: Any, pilot: Any, *, choice: int = 2) -> None:
    """Arm, choose the first group and a command (the forced switch), and wait for the plan."""
    await loaded(pilot)
    await pilot.press("ctrl+e", "a")
    await until(lambda: app.screen.query("#orders"), pilot)
    await pilot.press(*["down"] * choice, "enter")
    await until(lambda: app.screen.query("#typed") and app.screen.step.name != "ASKING", pilot)


async def type_out(pilot: Any, text: str) -> None:
    await pilot.press(*("minus" if letter == "-" else letter for letter in text), "enter")


async def test_nothing_is_commanded_before_one_has_armed(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub, screen="links")
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("a")
        await pilot.pause()
        assert app.screen is app.screen_stack[0]
        assert "Ctrl+E arms" in told(app)[-1]
    assert hub.orders == []


async def test_arming_shows_in_the_header_counts_down_and_runs_out(
    open_app: Any, interface: SimpleNamespace, hub: FakeHub
) -> None:
    app = open_app(hub, screen="links")
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        assert "ARMED" not in text_of(app)
        await pilot.press("ctrl+e")
        await pilot.pause()
        assert "ARMED 5m" in text_of(app)
        interface.clock.ns += 90 * SECOND
        app._tick()
        await pilot.pause()
        assert "ARMED 3m 30s" in text_of(app)
        interface.clock.ns += 211 * SECOND
        app._tick()
        await pilot.pause()
        assert "ARMED" not in text_of(app)
        await pilot.press("a")
        await pilot.pause()
        assert "Ctrl+E arms" in told(app)[-1]


async def test_arming_again_disarms(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub, screen="overview")
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("ctrl+e", "ctrl+e")
        await pilot.pause()
        assert "ARMED" not in text_of(app)


@pytest.mark.parametrize("size", [(80, 24), (120, 34), (160, 45)])
async def test_the_plan_is_shown_and_the_groups_name_typed_out_acts(
    open_app: Any, hub: FakeHub, size: tuple[int, int]
) -> None:
    app = open_app(hub, screen="links")
    async with app.run_test(size=size) as pilot:
        await at_dialog(app, pilot)
        assert "Traffic would move from fibre-dongcheng to sat-dongcheng." in text_of(app)
        assert "type pg-chaoyang to confirm" in text_of(app)
        assert [order["dry_run"] for order in hub.orders] == [True]
        hub.answer = {"phase": "done", "detail": "Forced to sat-chaoyang by command."}
        await type_out(pilot, "pg-chaoyang")
        await until(lambda: app.screen.step.name == "OVER", pilot)
        assert "Forced to sat-chaoyang by command." in text_of(app)
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is app.screen_stack[0]
    order = hub.orders[1]
    assert (order["command"], order["target"], order["to"]) == ("protection.force", "group:pg-chaoyang", None)
    assert order["dry_run"] is False
    assert order["idempotency_key"]


async def test_another_name_typed_does_nothing(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub, screen="links")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_dialog(app, pilot)
        await type_out(pilot, "pg-haidian")
        await pilot.pause()
        assert "That is not pg-chaoyang." in told(app)[-1]
        await pilot.press("escape")
        await pilot.pause()
    assert [order["dry_run"] for order in hub.orders] == [True]


async def test_arming_that_runs_out_in_the_dialog_does_nothing(
    open_app: Any, interface: SimpleNamespace, hub: FakeHub
) -> None:
    app = open_app(hub, screen="links")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_dialog(app, pilot)
        interface.clock.ns += 301 * SECOND
        await type_out(pilot, "pg-chaoyang")
        await until(lambda: app.screen.step.name == "OVER", pilot)
        assert "No longer armed: nothing was done." in text_of(app)
    assert [order["dry_run"] for order in hub.orders] == [True]


async def test_what_would_be_refused_cannot_be_typed_out(open_app: Any, hub: FakeHub) -> None:
    hub.answer = {"phase": "refused", "plan": [
        "It would be refused: Forced switch is refused: protection path sat-chaoyang has failed (SF-P)."]}  # fmt: skip
    app = open_app(hub, screen="links")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_dialog(app, pilot)
        assert "It cannot be ordered now." in text_of(app)
        assert "has failed (SF-P)" in text_of(app)
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is app.screen_stack[0]
    assert len(hub.orders) == 1


@pytest.mark.parametrize(
    "error",
    [HubRefusedError(502, "the agent of sbs-chaoyang is not connected (as ordered)"), HubUnreachableError("no hub")],
)
async def test_an_error_is_shown_and_ends_it(open_app: Any, hub: FakeHub, error: Exception) -> None:
    hub.answer = error
    app = open_app(hub, screen="links")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_dialog(app, pilot)
        assert str(error).split("(")[0].split(" of ")[0] in text_of(app)
        assert app.screen.step.name == "OVER"


async def test_escape_leaves_the_menu_without_a_question(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub, screen="links")
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("ctrl+e", "a")
        await until(lambda: app.screen.query("#orders"), pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is app.screen_stack[0]
    assert hub.orders == []


async def test_only_a_group_is_commanded_and_never_on_a_frozen_view(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub, screen="links")
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("ctrl+e", "end", "a")
        await pilot.pause()
        assert "Choose a protection group" in told(app)[-1]
        await pilot.press("home", "p", "a")
        await pilot.pause()
        assert "The view is frozen" in told(app)[-1]
    assert hub.orders == []


# ---- what one decides by ----


async def test_a_groups_detail_tells_commands_far_end_defects_and_quality(open_app: Any, hub: FakeHub) -> None:
    quality = {
        "degraded": True, "reasons": ["loss 2 %, raised at 1"], "known": True, "measuring": True, "trouble": "",
        "figures": {"loss_forward_pct": 2.0, "loss_backward_pct": 0.0, "delay_ms": 541.0, "jitter_forward_ms": 3.0,
                    "jitter_backward_ms": None},
    }  # fmt: skip
    here = end("dongcheng", "sbs-dongcheng", state="Forced switch", request="FS", selector="protection",
               commands=["force", "freeze"], frozen=True, protection=path("sat-dongcheng", quality=quality),
               aps={"heard": True, "far_request": "NR", "far_selector": "working",
                    "defects": {"aps-no-response": "the far end carries traffic on the other path"}})  # fmt: skip
    hub.now["groups"][0] = group("dongcheng", health="degraded", ends={
        "sbs-dongcheng": here, "core-wired": end("dongcheng", "core-wired")})  # fmt: skip
    hub.journal.append(event(15, "command", "group:pg-dongcheng", {
        "command_id": "c", "command": "protection.force", "to": None, "at": "sbs-dongcheng", "phase": "done",
        "by": "li", "detail": "Forced to sat-dongcheng by command."}, 60))  # fmt: skip
    hub.now["cursor"] = 15
    app = open_app(hub, screen="links")
    async with app.run_test(size=(200, 60)) as pilot:
        await loaded(pilot)
        await until(lambda: "Timeline" in text_of(app), pilot)
        text = text_of(app)
    assert "Forced switch, Freeze the end" in text
    assert "NR on working" in text
    assert "the far end carries traffic on the other path" in text
    assert "2 / 0 %" in text
    assert "541 ms" in text
    assert "li: Forced switch of pg-dongcheng at Dongcheng: done." in text
    assert NOW_NS


async def test_a_groups_timeline_holds_its_own_events_newest_first(interface: SimpleNamespace) -> None:
    model = interface.module("model").NetworkModel()
    state, events = cut(healthy())
    model.load(state, 0)
    model.add_history(events)
    [_blank, _title, line] = interface.module("details").timeline(model, "group:pg-dongcheng")
    assert line.cells[0].text.startswith("Dongcheng: traffic on satellite")
