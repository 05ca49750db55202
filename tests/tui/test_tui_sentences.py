"""Events as sentences, in both languages."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tui_govnet import cut, event, healthy, path

from failover.core import bfd
from failover.core.conditions import judge_fast_path, judge_group, judge_path
from failover.core.follow import judge_actuation
from failover.core.protection import Protection, ProtectionConfig, State
from failover.core.protection import sentences as machine
from failover.core.shaping import ClassTraffic, LinkTraffic
from failover.core.traffic_report import judge, judge_capacity
from lifeline.model.inventory import Inventory, Site, SiteKind
from lifeline.runtime.conditions import crash_loop, database_corrupt
from lifeline.runtime.wire import CommandResult
from noc.projection import Projection
from noc.protection import Place, effect, plan
from tui.model import NetworkModel
from tui.phrases import TEMPLATES, _match, phrase
from tui.sentences import event_role, event_sentence, event_severity
from tui.words import PROTECTION_STATE

MACHINE_WHY = machine.WHY | machine.WHY_REQUESTED
CHINESE = re.compile(r"[\u4e00-\u9fff]")
in_chinese = pytest.mark.parametrize("interface", ["zh_CN"], indirect=True)


@pytest.fixture
def model() -> NetworkModel:
    """The healthy network."""
    model = NetworkModel()
    model.load(healthy(), 0)
    return model


EVENTS = [
    *cut(healthy())[1],
    event(1, "daemon", "daemon:sbs-haidian/agent", {"state": "exited", "pid": 7, "exit": -9}),
    event(2, "command", "alarm:x", {
        "command_id": "c1", "command": "alarm.acknowledge", "phase": "done", "by": "li", "target": "x"}),
    event(3, "alarm", "link:fibre-haidian", {"act": "acknowledge", "by": "li", "text": "seen"}),
]  # fmt: skip
SENTENCES = [
    "BFD Down on fibre-dongcheng at Dongcheng (was Up): Control Detection Time Expired",
    (
        "Dongcheng: traffic on satellite (sat-dongcheng). "
        "Working path fibre-dongcheng failed (BFD detection time expired); carrying on sat-dongcheng."
    ),
    "Dongcheng has lost fibre-dongcheng: BFD is Down (Control Detection Time Expired)",
    "Haidian, agent: exited (process 7, exit code -9)",
    "li: command alarm.acknowledge on x: done",
    "li acknowledged the alarm on fibre-haidian (fibre): seen",
]


@pytest.mark.parametrize(("entry", "sentence"), zip(EVENTS, SENTENCES, strict=True))
def test_an_event_reads_as_a_sentence(model: NetworkModel, entry: dict[str, Any], sentence: str) -> None:
    assert event_sentence(entry, model) == sentence


@in_chinese
@pytest.mark.parametrize("entry", EVENTS)
def test_an_event_reads_in_chinese(interface: SimpleNamespace, entry: dict[str, Any]) -> None:
    model = interface.module("model").NetworkModel()
    model.load(healthy(), 0)
    assert CHINESE.search(interface.module("sentences").event_sentence(entry, model))


@pytest.mark.parametrize("body", [{}, {"state": None}, {"selector": "working"}, {"act": "other", "by": "x"}])
@pytest.mark.parametrize("kind", ["condition", "protection", "bfd", "daemon", "command", "alarm", "new-kind"])
def test_an_event_of_another_shape_is_shown_raw(model: NetworkModel, kind: str, body: dict[str, Any]) -> None:
    entry = event(1, kind, "thing:x", body)
    assert event_sentence(entry, model)
    assert event_role(entry) is not None
    assert event_severity(entry) is not None


def test_a_conditions_text_is_not_prefixed_by_what_it_names(model: NetworkModel) -> None:
    body = {"subject": "daemon:noc-a/hub", "perceived_severity": "critical", "text": "The disk is full"}
    assert event_sentence(event(1, "condition", "daemon:noc-a/hub", body), model) == (
        "Operations centre A, hub: The disk is full"
    )


# ---- phrases ----


def test_the_machines_reasons_are_phrases() -> None:
    others = {machine.WHY_HOLD_OFF, machine.WHY_FROZEN, machine.WHY_SUPPRESSED}
    assert {*MACHINE_WHY.values(), *others} - set(TEMPLATES) == set()
    assert {state.value for state in State} - PROTECTION_STATE.keys() == set()


def test_a_reason_of_the_machine_is_found_with_its_gaps() -> None:
    config = ProtectionConfig(wtr_s=2, working="fibre-x", protection="sat-x", hold_off_s=0.5)
    machine = Protection(config, 0.0)
    machine.signal_fail("protection", False, 0.0)
    machine.signal_fail("working", True, 1.0, "detection time expired")
    assert machine.state is not State.PROTECTING_FAILURE
    assert phrase(machine.why) == machine.why


def test_an_unknown_sentence_is_shown_as_it_came() -> None:
    assert phrase("Nobody expected {this} (at all).") == "Nobody expected {this} (at all)."


SATELLITE = LinkTraffic(
    "sat-x",
    3_800_000,
    50_000,
    (),
    (ClassTraffic("voice", 1, 1_536_000, 3_800_000, 60, marks=(46,)),),
    0,
    600,
    4_000_000,
)


def conditions() -> list[str]:
    """Everything that a condition can say, by the code that says it."""
    fast = {"carrier": True, "remote_bfd": "Up", "remote_diag": "No Diagnostic", "signal_fail": True, "bfd": "Down"}
    lost = path("fibre-x") | fast | {"diag": "Control Detection Time Expired"}
    spare = path("sat-x") | fast
    why = MACHINE_WHY[State.NO_PATH].format(
        working="fibre-x", working_reason="reported locally: Path Down", protection="sat-x", on="sat-x",
        protection_reason="far end signalled Down: Control Detection Time Expired")  # fmt: skip
    group = {"site": "sbs-haidian", "group": "pg-x", "selector": "protection", "why": why, "working": lost,
             "protection": spare, "trouble": ""}  # fmt: skip
    refused = group | {"protection": spare | {"signal_fail": False}, "trouble": "there is no interface sat"}
    hub = Projection(
        Inventory(lifeline=1, sites={"noc-a": Site(SiteKind.COMMAND_CENTRE, "A", agent=True)}), "noc-a/hub"
    )
    judged = [
        *judge_path(lost | {"carrier": False}, "sbs-haidian").values(),
        *judge_path(lost | {"carrier": None}, "sbs-haidian").values(),
        *judge_group(group).values(), *judge_group(refused).values(),
        *judge_fast_path("sbs-haidian", silent=True).values(),
        crash_loop("x/y", 3), crash_loop("x/y", 0), database_corrupt("x/y", None), database_corrupt("x/y", Path("/a")),
        *hub.silence(100.0), *judge("sbs-haidian", [SATELLITE], "there is no interface sat").values(),
        *(condition for kbps in (3000, 1000) for condition in
          judge_capacity("sbs-haidian", SATELLITE, SATELLITE.at_capacity(kbps * 1000), "modem").values()),
        *(condition for to in ("working", "protection") for condition in
          judge_actuation("pg-x", "sbs-haidian", "sbs-haidian/r", to, trouble="no", helpless=False).values()),
    ]  # fmt: skip
    return [condition.text for condition in judged if condition is not None]


def test_what_conditions_say_are_phrases() -> None:
    assert [text for text in conditions() if phrase(text, lambda site: f"<{site}>") == text and "sbs-" in text] == []
    assert len(conditions()) >= 17


@in_chinese
def test_what_daemons_write_is_shown_in_chinese(interface: SimpleNamespace) -> None:
    said = interface.module("phrases").phrase
    reasons = [text.format(working="a", protection="b", on="a", working_reason="BFD detection time expired",
                           protection_reason="signal fail", wtr_s=2, working_degrade="loss 3 %, raised at 1",
                           protection_degrade="loss 3 %, raised at 1") for text in MACHINE_WHY.values()]  # fmt: skip
    assert [text for text in (*conditions(), *reasons) if not CHINESE.search(said(text))] == []
    assert said(MACHINE_WHY[State.WAIT_TO_RESTORE].format(working="fibre-x", protection="sat-x", wtr_s=2.5)) == (
        "工作路径 fibre-x 已恢复；再稳定满 2.5 秒之前业务走 sat-x。"  # noqa: RUF001 - Chinese punctuation
    )


def test_the_reasons_of_a_failed_path_are_phrases() -> None:
    written = re.findall(r'_judge\((?:True|False), f?"([^"]+)"', inspect.getsource(bfd))
    shapes = {re.sub(r"{[^}]*}", "{}", text).replace("{}{}", "{}") for text in written}
    known = {re.sub(r"{[^}]*}", "{}", text) for text in TEMPLATES}
    assert len(written) >= 5
    assert shapes <= known


def test_refusals_and_what_the_hub_says_of_commands_are_phrases() -> None:
    refusals = [text for name, text in vars(machine).items() if name.startswith("REFUSED_")]
    stands = {*machine.STANDS.values(), *machine.STANDS_AT_REST.values()}
    assert {*refusals, *stands} <= set(TEMPLATES)
    place = Place("sbs-a", "because the agent of sbs-b is not connected")
    orders = (("force", None), ("manual", "working"), ("manual", "protection"), ("lockout", None), ("exercise", None),
              ("freeze", None), ("clear", None))  # fmt: skip
    said = [plan("pg", command, to, place) for command, to in orders]
    ends = {name: {"signal_fail": False} for name in ("working", "protection")} | {
        "selector": "working", "state": "Normal"}  # fmt: skip
    links = {"working": "fibre", "protection": "sat"}
    for selector in links:
        result = CommandResult("7", True, "", predicted={"selector": selector, "state": "Forced switch"})
        said += [*effect(links, result, ends), *effect(links, result, {"selector": "working"})]
    said += effect(links, CommandResult("7", False, "The group is frozen; clear that first."), ends)
    assert [text for text in said if _match(text) is None] == []
