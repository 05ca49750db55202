"""Screen 5: one cause is one line; what follows from it is there when asked for; nothing is done unless armed."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from typing import Any

import pytest
from tui_govnet import NOW_NS, SECOND, FakeHub, alarm, cut
from tui_pilot import loaded, text_of, until

from lifeline.alarms import why as explained
from lifeline.alarms.correlate import Verdict
from noc.client import HubRefusedError
from tui.alarm_view import alarm_row, is_folded
from tui.model import NetworkModel
from tui.phrases import TEMPLATES, _match

ROOT, LOST, SWITCHED = "srg:duct/duct-cut", "link:fibre-dongcheng/path-down", "group:pg-dongcheng/on-protection"


def city() -> list[dict[str, Any]]:
    """A cut duct with two consequences, and a disk that is full."""
    below = [LOST, SWITCHED]
    return [
        alarm("srg:duct", "duct-cut", "critical", "duct is cut: its links failed together", root=ROOT, parents=[],
              consequences=below, why="Nothing that stands explains it; 2 alarms follow from it."),
        alarm("link:fibre-dongcheng", "path-down", "major", "sbs-dongcheng has lost fibre-dongcheng: it is dark",
              root=ROOT, parents=[ROOT], consequences=[], why="It follows from duct-cut of duct: it runs through it."),
        alarm("group:pg-dongcheng", "on-protection", "warning", "sbs-dongcheng has pg-dongcheng on protection: cut",
              root=ROOT, parents=[LOST], consequences=[],
              why="It follows from path-down of fibre-dongcheng: a path of the group is lost; the root is duct-cut of "
                  "duct."),
        alarm("daemon:noc-a/hub", "journal-full", "critical", "The journal takes no events", root="daemon:noc-a/hub/"
              "journal-full", parents=[], consequences=[], why="Nothing that stands explains it.",
              raised_at_ns=NOW_NS - 99 * SECOND),
    ]  # fmt: skip


@pytest.fixture
def hub() -> FakeHub:
    hub = FakeHub()
    hub.now, more = cut(hub.now)
    hub.now |= {"alarms": city()}
    hub.journal += more
    return hub


def told(app: Any) -> list[str]:
    return [notice.message for notice in app._notifications]


def shown(app: Any) -> tuple[str, ...]:
    return tuple(app.screen.table.keys_shown)


async def opened(pilot: Any) -> None:
    await loaded(pilot)
    await until(lambda: "duct is cut" in text_of(pilot.app), pilot)


@pytest.mark.parametrize("size", [(80, 24), (120, 34), (160, 45)])
async def test_a_cut_is_one_line_with_what_follows_counted(open_app: Any, hub: FakeHub, size: tuple[int, int]) -> None:
    app = open_app(hub, screen="alarms")
    async with app.run_test(size=size) as pilot:
        await opened(pilot)
        assert shown(app) == (ROOT, "daemon:noc-a/hub/journal-full")
        text = text_of(app)
        assert "+2" in text
        assert "2 alarms follow from others" in text
        assert ("Consequences" in text) is (size[0] >= 100)


async def test_what_follows_is_listed_below_its_root_when_unfolded(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub, screen="alarms")
    async with app.run_test(size=(120, 34)) as pilot:
        await opened(pilot)
        await pilot.press("x")
        await until(lambda: len(shown(app)) == 4, pilot)
        assert shown(app) == (ROOT, LOST, SWITCHED, "daemon:noc-a/hub/journal-full")
        await pilot.press("down", "down")
        await until(lambda: "Causes" in text_of(app), pilot)
        assert "root" in text_of(app), "the tree leads to the root"


async def test_an_alarm_that_turns_out_to_follow_goes_below_its_root(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub, screen="alarms")
    async with app.run_test(size=(120, 34)) as pilot:
        await opened(pilot)
        late = alarm("site:sbs-dongcheng", "agent-silent", "major", "the agent of sbs-dongcheng is silent",
                     root="site:sbs-dongcheng/agent-silent", parents=[], consequences=[])  # fmt: skip
        hub.say_state(f"alarm:{late['id']}", late)
        await until(lambda: late["id"] in shown(app), pilot)
        hub.say_state(f"alarm:{late['id']}", late | {"root": ROOT, "parents": [LOST]})
        await until(lambda: late["id"] not in shown(app), pilot)


async def test_when_the_root_goes_what_stands_is_seen(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub, screen="alarms")
    async with app.run_test(size=(120, 34)) as pilot:
        await opened(pilot)
        hub.say_state(f"alarm:{ROOT}", city()[0] | {"is_cleared": True, "cleared_at_ns": NOW_NS})
        await until(lambda: ROOT not in shown(app), pilot)
        assert {LOST, SWITCHED} <= set(shown(app))


async def test_nothing_is_done_unless_armed(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub, screen="alarms")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("a", "h")
        await until(lambda: len(told(app)) == 2, pilot)
        assert all("Ctrl+E" in notice for notice in told(app))
        assert hub.orders == []


async def test_armed_one_acknowledges_and_shelves(open_app: Any, hub: FakeHub) -> None:
    hub.answer = {"phase": "done"}
    app = open_app(hub, screen="alarms")
    async with app.run_test(size=(160, 45)) as pilot:
        await opened(pilot)
        await pilot.press("ctrl+e", "a", "h")
        await until(lambda: len(hub.orders) == 2, pilot)
        assert [(order["command"], order["target"], order["arguments"]) for order in hub.orders] == [
            ("alarm.acknowledge", ROOT, None), ("alarm.shelve", ROOT, {"for_s": 3600}),
        ]  # fmt: skip
        hub.say_state(
            f"alarm:{ROOT}",
            city()[0] | {"acknowledged_by": "chen", "shelved_until_ns": NOW_NS + 3600 * SECOND},
        )
        await until(lambda: "shelved 60m" in text_of(app), pilot)
        assert shown(app)[-1] == ROOT, "what is shelved goes below"
        await pilot.press("end", "a", "h")
        await until(lambda: len(hub.orders) == 4, pilot)
        assert [order["command"] for order in hub.orders[2:]] == ["alarm.unacknowledge", "alarm.unshelve"]


async def test_a_refusal_is_told(open_app: Any, hub: FakeHub) -> None:
    hub.answer = HubRefusedError(403, "this needs operator")
    app = open_app(hub, screen="alarms")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("ctrl+e", "a")
        await until(lambda: "this needs operator" in told(app), pilot)


async def test_all_is_well_is_said_too(open_app: Any) -> None:
    app = open_app(FakeHub(), screen="alarms")
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await until(lambda: "No alarm stands." in text_of(app), pilot)


def test_maintenance_and_shelves_are_quiet() -> None:
    model = NetworkModel()
    loud = alarm("link:a", "path-down", "minor", "a")
    quiet = alarm("link:b", "path-down", "critical", "b", maintenance="w1")
    model.alarms = {it["id"]: it for it in (loud, quiet)}
    rows = sorted(model.alarms, key=lambda key: alarm_row(model, model.alarms[key]).rank)
    assert rows == [loud["id"], quiet["id"]]
    assert not is_folded(model, loud), "an older hub tells no root"


def test_what_the_hub_explains_has_a_template() -> None:
    """Every sentence that `lifeline.alarms.explain` makes is one that this interface can translate."""
    returned = re.findall(r'return .*"([a-z][^"]+)"', source("lifeline.alarms.correlate"))
    assert len(returned) > 12
    assert [clause for clause in returned if clause not in TEMPLATES] == []
    alarm_of = {"a": _Alarm("a"), "b": _Alarm("b"), "c": _Alarm("c")}
    for verdict in (
        Verdict("a", "a"), Verdict("a", "a", consequences=("b",)), Verdict("a", "a", consequences=("b", "c")),
        Verdict("a", "b", ("b",), "it has no power"), Verdict("a", "c", ("b",), "it has no power"),
    ):  # fmt: skip
        sentence = explained(alarm_of["a"], verdict, alarm_of.get, None)  # type: ignore[arg-type]  # as far as it looks
        assert _match(sentence) is not None, sentence
    assert _match("duct is cut: its links failed together") is not None
    assert "is cut: its links failed together" in source("lifeline.alarms.ducts")


class _Alarm:
    def __init__(self, name: str) -> None:
        self.alarm_type_id = "path-down"
        self.resource = f"link:{name}"
        self.perceived_severity = "major"
        self.probable_cause = "lossOfSignal"


def source(module: str) -> str:
    importlib.import_module(module)
    return inspect.getsource(sys.modules[module])
