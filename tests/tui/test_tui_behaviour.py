"""What happens when one presses keys, and when the hub goes away."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from textual.widgets import Input
from tui_govnet import NOW_NS, SECOND, FakeHub, alarm, cut, end, event, group, healthy, site, started_events
from tui_pilot import loaded, text_of, until

from noc.client import HubRefusedError


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


def rows(app: Any) -> tuple[str, ...]:
    return app.screen.table.keys_shown


async def test_the_worst_site_comes_to_the_top_at_once(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        assert rows(app)[-1] == "sbs-xicheng"
        hub.say_state("site:sbs-xicheng", site("sbs-xicheng", health="critical"))
        await until(lambda: rows(app)[0] == "sbs-xicheng", pilot)
        assert "✖ critical Xicheng" in text_of(app)
        assert "✖ critical   critical 0" in text_of(app)


async def test_a_switch_is_seen_from_the_stream_alone(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub)
    state, events = cut(healthy())
    async with app.run_test(size=(160, 45)) as pilot:
        await loaded(pilot)
        await pilot.press("2")
        for entry in events:
            hub.say_event(entry)
        hub.say_state("group:pg-dongcheng", next(g for g in state["groups"] if g["id"] == "pg-dongcheng"))
        for raised in state["alarms"]:
            hub.say_state(f"alarm:{raised['id']}", raised)
        await until(lambda: "⇄ satellite P/P   SF Down" in text_of(app), pilot)
        assert rows(app)[0] == "group:pg-dongcheng"
        assert "Working path fibre-dongcheng failed" in text_of(app)
        await pilot.press("8")
        await until(lambda: "traffic on satellite (sat-dongcheng)" in text_of(app), pilot)


async def test_the_countdown_to_revert_ticks(open_app: Any, interface: SimpleNamespace, hub: FakeHub) -> None:
    waiting = {
        at: end("dongcheng", at, selector="protection", request="WTR", state="Wait to restore",
                wtr_ends_at_ns=NOW_NS + 90 * SECOND)
        for at in ("sbs-dongcheng", "core-wired")
    }  # fmt: skip
    hub.now["groups"][0] = group("dongcheng", selector="protection", health="degraded", ends=waiting)
    app = open_app(hub, screen="links")
    async with app.run_test(size=(160, 45)) as pilot:
        await loaded(pilot)
        assert "reverts to working in 1m 30s (WTR)" in text_of(app)
        interface.clock.ns += 88 * SECOND
        app._tick()
        await pilot.pause()
        assert "WTR 2s" in text_of(app)
        assert "reverts to working in 2s (WTR)" in text_of(app)


async def test_old_data_never_look_healthy(open_app: Any, interface: SimpleNamespace, hub: FakeHub) -> None:
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        hub.away = True
        hub.say("disconnected", {"reason": "the hub closed the stream", "retry_in_s": 3.0})
        await until(lambda: app.model.stale, pilot)
        interface.clock.ns += SECOND
        app._tick()
        for key in ("1", "2"):
            await pilot.press(key)
            await pilot.pause()
            text = text_of(app)
            assert "? unknown" in text
            assert "? STALE since 14:00:00, 1s, retry in 2s" in text
            assert "? was ok" in text
            assert "the hub closed the stream" in text
            assert "✔" not in text, "nothing old is marked as good"


async def test_it_comes_back_by_itself_and_asks_for_the_whole_state(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        asked = hub.states_asked
        hub.say("disconnected", {"reason": "gone", "retry_in_s": 0.2})
        await until(lambda: app.model.stale, pilot)
        hub.now, events = cut(hub.now)
        hub.say("connected", {"hub": "noc-a", "journal": "j1", "cursor": 14, "rewound": False})
        for entry in events:
            hub.say_event(entry)
        await until(lambda: not app.model.stale, pilot)
        assert hub.states_asked == asked + 1
        assert "⚠ degraded Dongcheng" in text_of(app)
        await until(lambda: app.model.cursor == 17, pilot)


async def test_another_journal_replaces_the_events(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub, screen="log")
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        assert len(rows(app)) == 12
        hub.journal = [event(1, "daemon", "daemon:noc-a/hub", {"state": "started", "pid": 7})]
        hub.now = healthy() | {"cursor": 1}
        hub.say("connected", {"hub": "noc-a", "journal": "j2", "cursor": 1, "rewound": True})
        await until(lambda: rows(app) == ("1",), pilot)


async def test_before_the_first_word_it_says_so(open_app: Any, hub: FakeHub) -> None:
    hub.away = True
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: "no word from the hub yet, retry in 1s" in text_of(app), pilot)
        assert "connection refused" in text_of(app)
        hub.away = False
        await until(lambda: app.model.loaded, pilot)
        await until(lambda: "Dongcheng" in text_of(app), pilot)


async def test_a_refusal_ends_the_program_with_its_reason(open_app: Any, interface: SimpleNamespace) -> None:
    class Refusing(FakeHub):
        async def state(self) -> dict[str, Any]:
            raise HubRefusedError(401, "the token is not known")

    app = open_app(Refusing())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: not app.is_running, pilot)
    assert app.return_value == interface.app.Ended("the token is not known", 5)


async def test_freezing_holds_the_view_and_thawing_catches_up(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("p")
        hub.say_state("site:sbs-xicheng", site("sbs-xicheng", health="critical"))
        await until(lambda: app.model.sites["sbs-xicheng"]["health"] == "critical", pilot)
        app._tick()
        await pilot.pause()
        text = text_of(app)
        assert "FROZEN at 14:00:00" in text
        assert "✔ ok       Xicheng" in text
        assert text.splitlines()[1].startswith("✖ critical"), "the status bar stays live"
        await pilot.press("p")
        await until(lambda: "✖ critical Xicheng" in text_of(app), pilot)


async def test_a_frozen_view_grows_old_when_the_hub_goes(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("p")
        hub.say("disconnected", {"reason": "gone", "retry_in_s": 0.2})
        await until(lambda: "? was ok" in text_of(app), pilot)


async def test_the_filter_keeps_rows_with_all_words(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("slash", *"fibre h")
        await until(lambda: "filter: fibre h" in text_of(app), pilot)
        assert set(rows(app)) == {"sbs-chaoyang", "sbs-dongcheng", "sbs-fengtai", "sbs-haidian", "sbs-shijingshan",
                                  "sbs-xicheng"}  # fmt: skip
        await pilot.press(*"aid", "enter")
        assert rows(app) == ("sbs-haidian",)
        assert "filter: fibre haid  (1 of 11)" in text_of(app)
        assert app.screen.table.has_focus
        await pilot.press("escape")
        assert len(rows(app)) == 11


async def test_letters_typed_into_the_filter_are_no_commands(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("slash", *"q1p")
        assert app.is_running
        assert app.current_mode == "overview"
        assert app.screen.query_one("#filter", Input).value == "q1p"


async def test_sorting_goes_through_the_columns_and_back(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        usual = rows(app)
        await pilot.press("s", "s")
        assert "sorted by Site" in text_of(app)
        names = [app.model.sites[key]["name"].casefold() for key in rows(app)]
        assert names == sorted(names)
        await pilot.press("S")
        assert [app.model.sites[key]["name"].casefold() for key in rows(app)] == sorted(names, reverse=True)
        await pilot.press(*["s"] * 7)
        assert rows(app) == usual


async def test_copying_gives_the_whole_row(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub, screen="log")
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("y")
        assert app.clipboard == "11-24  13:00:12  program  Shijingshan, agent: started (process 112)"


async def test_enter_opens_a_screen_where_there_is_no_room_and_a_pane_where_there_is(
    open_app: Any, hub: FakeHub
) -> None:
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert "core-800m" in text_of(app)
        hub.say_state("site:core-800m", site("core-800m", health="degraded"))
        await until(lambda: "⚠ degraded" in text_of(app).partition("Kind")[0], pilot)
        await pilot.press("1")
        await pilot.pause()
        assert rows(app)[0] == "core-800m"
        await pilot.resize_terminal(120, 34)
        await pilot.press("enter")
        assert app.focused.id == "detail"
        await pilot.press("escape")
        assert app.focused.id == "list"


async def test_the_other_language_opens_on_the_same_screen(
    open_app: Any, interface: SimpleNamespace, hub: FakeHub
) -> None:
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("2", "L")
    assert app.return_value == interface.app.Relaunch("zh", "links")


async def test_a_click_on_a_key_presses_it_and_one_on_a_row_chooses_it(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.click("#list", offset=(3, 4))
        assert app.screen.table.chosen == rows(app)[3]
        await pilot.click("#status", offset=(15, 0))
        await until(lambda: app.current_mode == "links", pilot)


async def test_the_palette_offers_only_what_exists(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("ctrl+p", *"log", "enter")
        await until(lambda: app.current_mode == "log", pilot)


# ---- the log ----


async def test_the_log_follows_its_end_until_one_moves_away(open_app: Any, hub: FakeHub) -> None:
    hub.journal = [event(n, "daemon", "daemon:noc-a/hub", {"state": "started", "pid": n}) for n in range(1, 61)]
    hub.now["cursor"] = 60
    app = open_app(hub, screen="log")
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        assert "process 60" in text_of(app)
        hub.say_event(event(61, "daemon", "daemon:noc-a/hub", {"state": "started", "pid": 61}))
        await until(lambda: "process 61" in text_of(app), pilot)
        await pilot.press("up")
        assert "not following" in text_of(app)
        chosen = app.screen.table.chosen
        hub.say_event(event(62, "condition", "site:noc-a", {
            "subject": "site:noc-a", "perceived_severity": "major", "text": "something broke"}))  # fmt: skip
        await until(lambda: "62" in rows(app), pilot)
        assert app.screen.table.chosen == chosen
        assert "something broke" not in text_of(app)
        await pilot.press("end")
        await until(lambda: "something broke" in text_of(app), pilot)


async def test_the_log_opens_at_its_end(open_app: Any, hub: FakeHub) -> None:
    hub.journal = [event(n, "daemon", "daemon:noc-a/hub", {"state": "started", "pid": n}) for n in range(1, 301)]
    hub.now["cursor"] = 300
    app = open_app(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("8")
        await until(lambda: "process 300" in text_of(app), pilot)


async def test_going_up_from_the_first_event_fetches_older_ones(open_app: Any, hub: FakeHub) -> None:
    # A gap in the cursors wider than a page: what is asked for next is still found.
    hub.journal = [event(n, "daemon", "daemon:noc-a/hub", {"state": "started", "pid": n})
                   for n in (*range(1, 11), *range(600, 1001))]  # fmt: skip
    hub.now["cursor"] = 1000
    app = open_app(hub, screen="log")
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        assert rows(app)[0] == "801"
        for first in ("601", "600", "1"):
            await pilot.press("home")  # reaching the first row asks for more
            await until(lambda first=first: rows(app)[0] == first, pilot)
        assert len(rows(app)) == 411


async def test_the_severity_filter_hides_what_matters_less(open_app: Any, hub: FakeHub) -> None:
    state, events = cut(healthy())
    app = open_app(FakeHub(now=state, journal=[*started_events(), *events]), screen="log")
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        assert len(rows(app)) == 15
        await pilot.press("v", "v", "v")
        assert rows(app) == ("15", "17")
        assert "major and worse" in text_of(app)
        await pilot.press("v", "v")
        assert len(rows(app)) == 15


async def test_an_alarm_shows_where_it_stands_and_who_has_seen_it(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub)
    async with app.run_test(size=(120, 34)) as pilot:
        await loaded(pilot)
        raised = alarm("site:core-800m", "agent-silent", "major", "the agent of core-800m is silent: how it is there "
                       "is not known", acknowledged_by="li")  # fmt: skip
        hub.say_state("alarm:x", raised)
        await until(lambda: "acknowledged" in text_of(app), pilot)
        assert "major 1" in text_of(app)


async def test_the_log_lets_go_of_what_is_old(open_app: Any, hub: FakeHub) -> None:
    app = open_app(hub, screen="log")
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        app.model.events = deque(app.model.events, maxlen=20)
        for n in range(100, 130):
            hub.say_event(event(n, "daemon", "daemon:noc-a/hub", {"state": "started", "pid": n}))
        await until(lambda: app.model.cursor == 129, pilot)
        app._tick()
        await until(lambda: len(app.screen.table.keys) == 20, pilot)
        assert "process 129" in text_of(app)
