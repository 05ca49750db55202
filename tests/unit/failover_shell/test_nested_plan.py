"""From an inventory with fibre over microwave over satellite to plans, conditions and what an operator sees."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from failover.agent.plan import AgentPlan
from failover.core import conditions
from failover.core.protection import DampingConfig, Protection, ProtectionConfig
from failover.fastpath.group import GroupEnd
from failover.keys import FILE, KeyPlan, Keys, KeysError
from failover.plan import FastPathPlan, PlanError, check_plan, compile_plan
from failover.traffic_plan import compile_traffic
from lifeline import clock
from lifeline.config import load_inventory
from lifeline.config.secrets import SecretError, read_key
from lifeline.model.inventory import Credential, Inventory, SecretRef
from lifeline.model.records import PerceivedSeverity
from lifeline.runtime.files import write_json

INVENTORY = """
lifeline: 1
credentials:
  bfd-2026: {kind: bfd-sha1, secret: {env: BFD_2026}}
  aps-2026: {kind: aps-sha256, secret: {env: APS_2026}}
sites:
  core: {kind: core-room-wired, name: Core, prefixes: [10.0.0.0/16]}
  x: {kind: super-base-station, name: X, prefixes: [10.1.11.0/24]}
links:
  fibre:
    media: fibre
    a: {site: x, interface: fibre, address: 10.64.11.2/30}
    b: {site: core, interface: f-x, address: 10.64.11.1/30}
    bfd: {interval_ms: 10, auth: {keys: [{id: 7, credential: bfd-2026}]}}
  radio:
    media: microwave
    a: {site: x, interface: radio, address: 10.65.0.11/24}
    b: {site: core, interface: radio0, address: 10.65.0.1/24}
    bfd: {interval_ms: 50}
  sat:
    media: satellite
    a: {site: x, interface: sat, address: 10.66.0.11/24}
    b: {site: core, interface: sat0, address: 10.66.0.1/24}
    bfd: {interval_ms: 300}
protection_groups:
  outer:
    working: fibre
    protection: inner
    prefixes: {x: [10.0.0.0/16], core: [10.1.11.0/24]}
    damping: {half_life_s: 30, suppress: 2000}
    auth: {keys: [{id: 1, credential: aps-2026}]}
  inner: {working: radio, protection: sat}
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    return load_inventory(tmp_path / "inventory.yml")


def test_a_group_stands_after_its_path_and_keeps_its_number_in_the_inventory(inventory: Inventory) -> None:
    plan = compile_plan(inventory, "x")
    assert [(g.id, g.nexthop_id % 1_000_000_000, g.prefixes) for g in plan.groups] == [
        ("inner", 1, ()),
        ("outer", 0, ("10.0.0.0/16",)),
    ]
    assert plan.links_of("outer") == ("fibre", "radio", "sat")
    assert inventory.links_of_path("outer") == ("fibre", "radio", "sat")
    assert AgentPlan.compile(
        plan, hubs=(), token_file=None, ca=None, data="", run="", metrics=None,
        traffic=compile_traffic(inventory, "x"), actuators=(), known_hosts="",
    ).groups == ("inner", "outer")  # fmt: skip


def test_a_plan_with_groups_keys_and_damping_survives_its_file(inventory: Inventory, tmp_path: Path) -> None:
    plan = compile_plan(inventory, "core")
    plan.save(tmp_path / "plan.json")
    assert FastPathPlan.load(tmp_path / "plan.json") == plan
    assert plan.session("fibre").auth == KeyPlan(((7, "bfd-2026"),), 7, "meticulous-sha1")
    assert plan.groups[1].auth == KeyPlan(((1, "aps-2026"),), 1)
    assert DampingConfig(**plan.groups[1].damping or {}).suppress == 2000.0


def test_a_group_before_its_path_is_refused(inventory: Inventory) -> None:
    plan = compile_plan(inventory, "x")
    with pytest.raises(PlanError, match="inner has no bfd"):
        check_plan(dataclasses.replace(plan, groups=plan.groups[::-1]))


def test_what_travels_may_go_by_every_link_of_the_chain(inventory: Inventory) -> None:
    pins = compile_traffic(inventory, "x").pins
    assert [(pin.group, pin.link) for pin in pins] == [("outer", "fibre"), ("outer", "radio"), ("outer", "sat")]
    assert {pin.prefixes for pin in pins} == {("10.0.0.0/16",)}


def test_keys_lie_in_a_file_of_their_own_that_only_its_owner_reads(inventory: Inventory, tmp_path: Path) -> None:
    plan = compile_plan(inventory, "x")
    write_json(tmp_path / FILE, Keys({"bfd-2026": b"secret", "aps-2026": b"0123456789abcdef"}).to_json())
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    keys = Keys.load(tmp_path)
    fibre, outer = plan.session("fibre").auth, plan.groups[1].auth
    assert fibre is not None
    assert outer is not None
    assert keys.bfd(fibre).keys == {7: b"secret"}
    assert keys.aps(outer).signing == 1
    assert b"secret" not in json.dumps(plan.to_json()).encode()


def test_a_missing_key_and_a_damaged_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="no key for credential bfd-2026"):
        Keys.load(tmp_path).bfd(KeyPlan(((1, "bfd-2026"),), 1, "keyed-sha1"))
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(KeysError, match="not a lifeline"):
        Keys.load(tmp_path)


@pytest.mark.parametrize(("kind", "key", "fits"), [
    ("bfd-sha1", "k" * 20, True), ("bfd-sha1", "k" * 21, False),
    ("aps-sha256", "k" * 16, True), ("aps-sha256", "k" * 15, False),
])  # fmt: skip
def test_a_key_must_have_the_length_of_its_kind(
    kind: Any, key: str, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", key)
    credential = Credential(kind=kind, secret=SecretRef(env="THE_KEY"))
    if fits:
        assert read_key(credential) == key.encode()
    else:
        with pytest.raises(SecretError, match=f"this one has {len(key)}"):
            read_key(credential)


# ---- conditions ----


def path(link: str, *, failed: bool, **more: Any) -> dict[str, Any]:
    body = {"link": link, "bfd": "Down" if failed else "Up", "diag": "Path Down", "remote_bfd": "Up"}
    return body | {"remote_diag": "", "signal_fail": failed, "carrier": True, **more}


def group(working: dict[str, Any], protection: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"group": "outer", "site": "x", "selector": "working", "why": "", "trouble": "", "aps": {}}
    return body | {"working": working, "protection": protection, **more}


def test_a_group_with_a_group_below_has_no_path_when_that_one_carries_nothing() -> None:
    below = path("radio", failed=True, group="inner", carries=True)
    judged = conditions.judge_group(group(path("fibre", failed=True), below))
    assert judged["group:outer", conditions.NO_PATH] is None
    assert ("link:radio", conditions.PATH_DOWN) not in judged  # the group below tells
    judged = conditions.judge_group(group(path("fibre", failed=True), below | {"carries": False}))
    condition = judged["group:outer", conditions.NO_PATH]
    assert condition is not None
    assert condition.perceived_severity is PerceivedSeverity.CRITICAL
    assert condition.text == "x has no path for outer: fibre and inner have failed"
    judged = conditions.judge_group(group(path("fibre", failed=True), below | {"carries": None}))
    assert ("group:outer", conditions.NO_PATH) not in judged


def test_a_group_below_without_a_path_is_less_than_a_site_without_one() -> None:
    both = path("radio", failed=True), path("sat", failed=True)
    condition = conditions.judge_group(group(*both, above=["outer"]))["group:outer", conditions.NO_PATH]
    assert condition is not None
    assert condition.perceived_severity is PerceivedSeverity.MAJOR


def test_a_path_whose_packets_are_refused_says_why() -> None:
    judged = conditions.judge_path(path("fibre", failed=True, auth={"refused": "hash is wrong for key 1"}), "x")
    condition = judged["link:fibre", conditions.PATH_DOWN]
    assert condition is not None
    assert condition.text.endswith("packets are refused: hash is wrong for key 1")


# ---- damping ----


def test_penalty_and_suppression_are_shown_as_long_as_they_last(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(clock, "monotonic_s", lambda: now)
    monkeypatch.setattr(clock, "wall_ns", lambda: int(now * 1e9))
    end = GroupEnd.__new__(GroupEnd)
    end.plan = compile_plan(inventory, "x").groups[1]
    end.core = Protection(ProtectionConfig(wtr_s=0.0, damping=DampingConfig(**end.plan.damping or {})), now)
    end.core.signal_fail("protection", False, now)
    for _ in range(2):
        end.core.signal_fail("working", True, now)
        end.core.signal_fail("working", False, now)
    shown = end._damping()
    assert shown is not None
    assert shown["working"] == {"penalty": 2000, "suppressed_until_ns": 130_000_000_000}
    assert shown["protection"] == {"penalty": 0, "suppressed_until_ns": None}
    assert end.core.selector.value == "protection"
    now = 130.0
    end.core.handle_timer(now)
    shown = end._damping()
    assert shown is not None
    assert shown["working"] == {"penalty": 1000, "suppressed_until_ns": None}
    assert end.core.selector.value == "working"
