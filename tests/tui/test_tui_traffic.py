"""What travels over a link, and the routers that follow a group, in the detail pane."""

from __future__ import annotations

from typing import Any

import pytest
from tui_govnet import NOW_NS, healthy

from lifeline.i18n import choose_language
from tui.detail_pane import lay_out
from tui.details import detail_of
from tui.look import UNICODE, Look
from tui.model import Connection, HubLink, NetworkModel
from tui.sentences import event_role, event_sentence

LINK, GROUP = "sat-haidian", "pg-haidian"


@pytest.fixture
def model() -> NetworkModel:
    choose_language("en")
    model = NetworkModel()
    model.connected(Connection(HubLink.LIVE), 1000)
    model.load(healthy(), 1000)
    return model


def one(name: str, guaranteed: int, kbps: float | None, dropped: int = 0, backlog: int = 0) -> dict[str, Any]:
    return {"class": name, "guaranteed_kbps": guaranteed, "ceiling_kbps": 3800, "kbps": kbps, "sent_bytes": 1,
            "sent_packets": 1, "dropped": dropped, "backlog_bytes": backlog, "backlog_packets": 0}  # fmt: skip


def traffic(site: str, *, fresh: bool = True, **changes: Any) -> dict[str, Any]:
    body = {"schema": "lifeline.traffic-state/1", "link": LINK, "site": site, "divided": True, "trouble": "",
            "rate_kbps": 3800, "planned_rate_kbps": 3800, "told_by": "", "lacking": [],
            "classes": [one("control", 53, 12.4), one("voice", 1536, 86.0), one("images", 0, None, 6443, 178_200)],
            **changes}  # fmt: skip
    return {"subject": f"traffic:{LINK}", "node": f"{site}/agent", "site": site, "heard_at_ns": NOW_NS, "fresh": fresh,
            "body": body}  # fmt: skip


def router(**changes: Any) -> dict[str, Any]:
    body = {"group": GROUP, "site": "core-wired", "device": "core-wired/edge", "driver": "huawei_vrp",
            "wanted": "protection", "stands": "protection", "failures": 0, "result": "changed", "reason": "",
            "at_ns": NOW_NS, "next_look_in_s": 300, **changes}  # fmt: skip
    return {"subject": f"actuation:core-wired/{GROUP}", "node": "core-wired/agent", "site": "core-wired",
            "heard_at_ns": NOW_NS, "fresh": True, "body": body}  # fmt: skip


def shown(model: NetworkModel, key: str, size: int = 78) -> str:
    lines = lay_out(detail_of(model, key), size, Look(UNICODE), NOW_NS)
    return "\n".join("".join(text for text, _role in line).rstrip() for line in lines)


def test_each_class_tells_its_promise_its_rate_its_losses_and_what_waits(model: NetworkModel) -> None:
    assert "kbit/s" not in shown(model, f"link:{LINK}")
    model.load_live([traffic("sbs-haidian"), traffic("core-wired")])
    for key in (f"link:{LINK}", f"group:{GROUP}"):
        text = shown(model, key)
        assert text.count("of 3800 kbit/s") == 2, text
        (images, _again) = [line.split() for line in text.splitlines() if line.startswith("images")]
        assert images == ["images", "0", "3800", "unknown", "6443", "178", "kB"]
        voice = next(line.split() for line in text.splitlines() if line.startswith("voice"))
        assert voice == ["voice", "1536", "3800", "86", "0", "-"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rate_kbps": 1900, "told_by": "modem"}, "1900 instead of 3800 kbit/s, by the word of modem"),
        ({"divided": False, "trouble": "no htb", "classes": []}, "does not divide the link: no htb"),
        ({"fresh": False}, "told 0s ago"),
    ],
)
def test_what_is_not_as_planned_is_told(model: NetworkModel, changes: dict[str, Any], told: str) -> None:
    model.load_live([traffic("sbs-haidian", **changes)])
    assert told in shown(model, f"link:{LINK}")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "stands for protection"),
        ({"stands": None}, "is being changed for protection"),
        ({"stands": None, "failures": 3, "reason": "edge cannot be reached"}, "does not follow to protection, tried 3"),
        ({"wanted": None, "stands": None}, "does not know which path carries"),
    ],
)
def test_a_router_tells_whether_it_follows(model: NetworkModel, changes: dict[str, Any], told: str) -> None:
    model.load_live([router(**changes)])
    text = shown(model, f"group:{GROUP}")
    assert "core-wired/edge" in text
    assert told in text
    assert str(changes.get("reason", "")) in text


def test_what_was_reset_and_what_was_changed_are_sentences(model: NetworkModel) -> None:
    reset = {"site": "core-wired", "group": GROUP, "selector": "working", "count": 2, "flows": [], "refused": ""}
    said = event_sentence({"kind": "traffic", "subject": f"group:{GROUP}", "body": reset}, model)
    assert "reset 2 flows that pg-haidian left behind on going to working" in said
    body = {"phase": "failed", "site": "core-wired", "group": GROUP, "device": "core-wired/edge",
            "selector": "protection", "reason": "no answer"}  # fmt: skip
    event = {"kind": "actuation", "subject": f"group:{GROUP}", "body": body}
    assert event_sentence(event, model).endswith(
        "could not bring core-wired/edge to protection of pg-haidian: no answer"
    )
    assert event_role(event) == "major"
