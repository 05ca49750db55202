"""A site's devices: whether they answer, what is wrong, and how what they measure went of late."""

from __future__ import annotations

from math import sin
from types import SimpleNamespace
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from tui_govnet import NOW_NS, SECOND, FakeHub, alarm, healthy
from tui_pilot import loaded, text_of, until

both_languages = pytest.mark.parametrize("interface", ["en", "zh_CN"], indirect=True)
SITE = "sbs-dongcheng"
ROOM = f"device:{SITE}/room"


def reading(metric: str, value: float, unit: str, **more: Any) -> dict[str, Any]:
    return {"metric": metric, "value": value, "unit": unit, "quality": "good", **more}


def view(name: str, kind: str, *, fresh: bool = True, site: str = SITE, **body: Any) -> dict[str, Any]:
    """A device as netwatch shows it."""
    return {
        "subject": f"device:{site}/{name}", "node": "noc-a/netwatch", "site": site, "heard_at_ns": NOW_NS - 2 * SECOND,
        "fresh": fresh, "body": {
            "schema": "lifeline.device-state/1", "site": site, "device": name, "kind": kind, "address": "10.1.11.1",
            "profile": "generic-snmp", "vendor": "", "model": f"Simulated {name}", "reach": "up", "flapping": False,
            "why": "", "states": [], "readings": [], "untold": 0,
        } | body,
    }  # fmt: skip


def hub() -> FakeHub:
    """A hot room, a base station on its own, a router that does not answer, and another site's."""
    hot = alarm(ROOM, "room-hot", "major", "env.temperature[Room] 47.9 °C (> 35)")
    shown = [
        view("router", "router", reach="down", why="10.1.11.1 does not answer"),
        view("room", "sensor", profile="environment",
             states=[{"name": "env.door[Cabinet]", "word": "open", "health": "minor"},
                     {"name": "env.smoke[Smoke]", "word": "clear", "health": "ok"}],
             readings=[reading("system.uptime_s", 684, "s"), reading("env.humidity[Room]", 45, "%"),
                       reading("env.temperature[Room]", 47.91, "°C")]),
        view("station", "base-station", states=[{"name": "lmr.site", "word": "site-trunking", "health": "major"}],
             readings=[reading("lmr.tx_power", 50, "W")]),
        view("switch", "switch", fresh=False),
        view("core", "router", readings=[reading("if.in_octets[eth0]", 9e9, "B", per_s=1_234_567.0)]),
        view("router", "router", site="noc-a"),
    ]  # fmt: skip
    series = {
        (ROOM, "env.temperature[Room]"): [22 + sin(n / 4) for n in range(30)] + [24 + n for n in range(24)],
        (f"device:{SITE}/core", "if.in_octets[eth0]/s"): [1e6 + 1e5 * (n % 5) for n in range(48)],
    }
    return FakeHub(now=healthy() | {"alarms": [hot]}, shown=shown, series=series)


async def open_devices(app: Any, pilot: Any) -> None:
    """Go to the site's devices, and wait for the plots."""
    await loaded(pilot)
    await until(lambda: app.screen.table.chosen == SITE, pilot)
    await pilot.press("d")
    await until(lambda: app.histories.of(ROOM, "env.temperature[Room]"), pilot)
    await loaded(pilot)


@both_languages
@pytest.mark.parametrize("size", [(80, 24), (140, 34)], ids=["80x24", "140x34"])
async def test_the_devices_of_a_site_look_as_committed(
    interface: SimpleNamespace, open_app: Any, size: tuple[int, int], screen_snapshot: SnapshotAssertion
) -> None:
    app = open_app(hub())
    async with app.run_test(size=size) as pilot:
        await open_devices(app, pilot)
        text = text_of(app)
    assert text == screen_snapshot
    assert "noc-a" not in text.splitlines()[4]


async def test_a_device_is_opened_with_its_readings_and_their_past(interface: SimpleNamespace, open_app: Any) -> None:
    app = open_app(hub())
    async with app.run_test(size=(80, 24)) as pilot:
        await open_devices(app, pilot)
        await pilot.press("down", "down", "enter")
        await until(lambda: "47.91" in text_of(app) and "21 - 47" in text_of(app), pilot)
        shown = text_of(app)
        assert "room-hot" not in shown, "an alarm is told in words"
        assert "env.door[Cabinet]" in shown
        await pilot.press("escape", "escape")
        await until(lambda: isinstance(app.screen, interface.module("screens.overview").OverviewScreen), pilot)


async def test_a_device_that_comes_back_goes_down_in_the_list(interface: SimpleNamespace, open_app: Any) -> None:
    app = open_app(fake := hub())
    async with app.run_test(size=(140, 34)) as pilot:
        await open_devices(app, pilot)
        assert "router" in text_of(app).splitlines()[3]
        back = view("router", "router")
        fake.say_state(str(back["subject"]), back)
        await until(lambda: "router" in text_of(app).splitlines()[7], pilot)


async def test_a_site_without_watched_devices_says_so(interface: SimpleNamespace, open_app: Any) -> None:
    app = open_app(FakeHub())
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("d")
        await until(lambda: "lifeline netwatch run" in text_of(app), pilot)


def test_what_is_old_never_looks_well(interface: SimpleNamespace) -> None:
    device_view, model = interface.module("device_view"), interface.module("model").NetworkModel()
    row = device_view.device_row(model, view("room", "sensor"), lambda _subject, _metric: ())
    assert row.cells[0].symbol == "stale", "no hub is heard"


# ---------------------------------------------------------------- plots


def test_a_plot_goes_from_its_least_to_its_greatest(interface: SimpleNamespace) -> None:
    spark = interface.module("sparks").spark
    assert spark([0, 1, 2, 3], 8) == "\u28e0\u28fe"
    assert spark([5, 5], 8) == "\u28c0", "what does not move is a line on the ground"
    assert spark([0, None, 3], 8)[0] != spark([0, None, 3], 8)[1]
    assert spark([None], 8) == spark([], 8) == ""
    assert len(spark(list(range(100)), 12)) == 12


def test_a_terminal_without_braille_gets_ascii(interface: SimpleNamespace) -> None:
    look = interface.look.Look(interface.look.ASCII)
    assert look.mark("", interface.module("sparks").spark([0, 1, 2, 3], 8)) == ":#"
