"""The fold of the hub's state and stream."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tui_govnet import NOW_NS, SECOND, alarm, cut, end, event, group, healthy, path, site

from tui.detail_pane import lay_out
from tui.details import detail_of
from tui.look import UNICODE, Look
from tui.model import Change, Connection, HubLink, NetworkModel
from tui.rows import group_row

LIVE = Connection(HubLink.LIVE)


@pytest.fixture
def model() -> NetworkModel:
    """A model of the healthy network."""
    model = NetworkModel()
    model.connected(LIVE, 1000)
    model.load(healthy(), 1000)
    return model


def test_a_model_that_knows_nothing_is_unknown_and_stale() -> None:
    model = NetworkModel()
    assert (model.overall, model.stale) == ("unknown", True)


def test_the_whole_state_replaces_what_was_known(model: NetworkModel) -> None:
    state = healthy()
    model.load(state | {"sites": state["sites"][:1], "groups": [], "links": []}, 2000)
    assert list(model.sites) == ["core-wired"]
    assert (model.groups, model.links) == ({}, {})


def test_ages_refer_to_the_hubs_clock(model: NetworkModel) -> None:
    assert model.now_ns(1000 + 5 * SECOND) == NOW_NS + 5 * SECOND


def test_an_event_counts_once(model: NetworkModel) -> None:
    entry = event(15, "daemon", "daemon:noc-a/agent", {"state": "started"})
    assert model.add_event(entry).events == (entry,)
    assert model.add_event(entry) == Change()
    assert (len(model.events), model.cursor) == (1, 15)


def test_older_events_go_in_front_and_none_twice(model: NetworkModel) -> None:
    model.add_event(event(20, "daemon", "daemon:a", {}))
    model.add_history([event(n, "daemon", "daemon:a", {}) for n in (18, 19, 20)])
    assert [e["cursor"] for e in model.events] == [18, 19, 20]


def test_another_journal_starts_from_nothing(model: NetworkModel) -> None:
    model.add_event(event(20, "daemon", "daemon:a", {}))
    model.forget_events()
    model.add_event(event(1, "daemon", "daemon:a", {}))
    assert [e["cursor"] for e in model.events] == [1]


@pytest.mark.parametrize(
    ("view", "at_once"),
    [
        (group("dongcheng", selector="protection"), True),
        (group("dongcheng", ends={"sbs-dongcheng": end("dongcheng", "sbs-dongcheng", heard_at_ns=1)}), False),
    ],
)
def test_a_moved_selector_does_not_wait(model: NetworkModel, view: dict[str, object], at_once: bool) -> None:
    change = model.put("group:pg-dongcheng", view)
    assert change.at_once is at_once
    assert change.sites == {"sbs-dongcheng", "core-wired"}
    assert change.links == {"fibre-dongcheng", "sat-dongcheng"}


def test_an_alarm_touches_the_rows_that_show_it(model: NetworkModel) -> None:
    raised = alarm("link:fibre-dongcheng", "path-down", "major", "Path fibre-dongcheng is down")
    change = model.put("alarm:x", raised)
    assert (change.at_once, change.groups) == (True, {"pg-dongcheng"})
    assert change.sites == {"sbs-dongcheng", "core-wired"}
    assert [a["id"] for a in model.alarms_at("sbs-dongcheng")] == [raised["id"]]
    assert model.counts()["major"] == 1


def test_a_cleared_alarm_is_gone(model: NetworkModel) -> None:
    raised = alarm("site:noc-a", "agent-silent", "major", "silent")
    model.put("alarm:x", raised)
    assert model.overall == "degraded"
    model.put("alarm:x", raised | {"cleared_at_ns": NOW_NS})
    assert (model.alarms, model.overall) == ({}, "ok")


def test_the_worst_of_sites_groups_and_alarms_is_the_whole(model: NetworkModel) -> None:
    assert model.overall == "ok"
    model.put("site:noc-b", site("noc-b", health="unknown", agent="none"))
    assert model.overall == "ok", "where no agent is expected nobody tells"
    model.put("group:pg-haidian", group("haidian", health="degraded"))
    assert model.overall == "degraded"
    model.put("site:noc-a", site("noc-a", health="unknown", agent="silent"))
    assert model.overall == "unknown", "what is unknown may be worse"
    model.put("alarm:x", alarm("daemon:noc-a/hub", "journal-full", "critical", "full"))
    assert model.overall == "critical"


def test_without_the_hub_nothing_is_healthy(model: NetworkModel) -> None:
    model.connected(Connection(HubLink.LOST, reason="gone"), 1000 + 3 * SECOND)
    assert (model.overall, model.stale) == ("unknown", True)
    assert model.stale_since_ns == NOW_NS + 3 * SECOND
    model.connected(Connection(HubLink.LOST, reason="gone"), 1000 + 9 * SECOND)
    assert model.stale_since_ns == NOW_NS + 3 * SECOND, "since the first word was missed"
    model.connected(LIVE, 1000 + 10 * SECOND)
    assert (model.overall, model.stale_since_ns) == ("ok", None)


def test_a_copy_stays_as_it_was(model: NetworkModel) -> None:
    frozen = model.copy()
    state, events = cut(healthy())
    model.load(state, 2000)
    for entry in events:
        model.add_event(entry)
    assert frozen.groups["pg-dongcheng"]["selector"] == "working"
    assert not frozen.events


def test_what_is_not_known_changes_nothing(model: NetworkModel) -> None:
    before = replace(model)
    assert model.put("plant:x", {}) == Change()
    assert model.sites_of("plant:x") == set()
    assert model.sites == before.sites


def test_links_in_one_duct_share_its_risk(model: NetworkModel) -> None:
    assert model.shares_risk_with("fibre-dongcheng") == {"duct-east": ["fibre-chaoyang", "fibre-fengtai"]}
    assert path("fibre-dongcheng")["bfd"] == "Up"


ODD = [None, "x", -1, [], {}, True]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("missing", [False, True])
def test_an_odd_agent_never_takes_the_screen_down_nor_looks_healthy(
    model: NetworkModel, odd: object, missing: bool
) -> None:
    keys = ("state", "selector", "request", "why", "wtr_ends_at_ns", "switch_count", "last_switch_at_ns", "fresh")
    paths = ("bfd", "diag", "signal_fail", "carrier", "since_ns", "interval_ms", "detect_ms")
    told = end("dongcheng", "sbs-dongcheng")
    for key in keys:
        told[key] = odd
    for name in ("working", "protection"):
        told[name] = {"link": told[name]["link"]} if missing else told[name] | dict.fromkeys(paths, odd)
    if missing:
        told = {"working": told["working"], "protection": told["protection"]}
    ends = {"sbs-dongcheng": told, "core-wired": end("dongcheng", "core-wired")}
    model.put("group:pg-dongcheng", group("dongcheng", ends=ends, selector="unknown", health="unknown"))
    model.put("link:fibre-dongcheng", model.links["fibre-dongcheng"] | {"ends": {"sbs-dongcheng": told["working"]}})
    row = group_row(model, model.groups["pg-dongcheng"])
    for key in ("group:pg-dongcheng", "link:fibre-dongcheng", "site:sbs-dongcheng"):
        assert lay_out(detail_of(model, key), 60, Look(UNICODE), NOW_NS)
    assert "ok" not in [cell.role for cell in row.cells]


def test_what_daemons_show_is_kept_by_subject_and_by_daemon() -> None:
    model = NetworkModel()

    def view(node: str, heard: int, source: str) -> dict[str, object]:
        return {"subject": "traffic:fibre", "node": node, "site": "a", "heard_at_ns": heard, "fresh": True,
                "body": {"source": source}}  # fmt: skip

    model.load_live([view("a/agent", 2, "later"), view("b/agent", 1, "earlier")])
    assert model.live["traffic:fibre"]["body"] == {"source": "later"}
    change = model.put("traffic:fibre", view("b/agent", 3, "latest"))
    assert change.live == {"traffic:fibre"}
    assert model.live["traffic:fibre"]["body"] == {"source": "latest"}
    assert [one["node"] for one in model.live_of("traffic:fibre")] == ["a/agent", "b/agent"]
    assert model.put("weather:here", {"rain": True}) == Change()
