from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from shell_bodies import plan

from failover.agent.plan import AgentPlan
from failover.plan import FIRST_NEXTHOP_ID, FastPathPlan, PlanError, check_plan, compile_plan
from lifeline.config import parse_inventory
from lifeline.model.inventory import Inventory

GOVNET = Path(__file__).parents[3] / "containerlab" / "govnet.inventory.yml"

TEXT = """
lifeline: 1
sites:
  core: {kind: core-room-wired, name: Core, agent: true, prefixes: [10.0.0.0/24, "fd00:c::/64"]}
  east: {kind: super-base-station, name: East, agent: true, prefixes: [10.1.0.0/24, "fd00:e::/64"]}
links:
  fibre:
    media: fibre
    bfd: {interval_ms: 10}
    a: {site: core, interface: f-east, address: FIBRE_A}
    b: {site: east, interface: fibre, address: FIBRE_B}
  sat:
    media: satellite
    bfd: {interval_ms: 300, detect_mult: 5}
    a: {site: core, interface: sat0, address: 10.66.0.1/24}
    b: {site: east, interface: sat, address: 10.66.0.11/24}
protection_groups:
  pg:
    working: fibre
    protection: sat
    prefixes: {core: [CORE_REACHES], east: [10.0.0.0/24]}
    wtr_ms: 2000
"""


def inventory(
    *, fibre: tuple[str, str] = ("10.64.0.1/30", "10.64.0.2/30"), core_reaches: str = "10.1.0.0/24", quality: str = ""
) -> Inventory:
    text = TEXT.replace("FIBRE_A", f'"{fibre[0]}"').replace("FIBRE_B", f'"{fibre[1]}"')
    if quality:
        text = text.replace("media: fibre", f"media: fibre\n    quality: {quality}")
    return parse_inventory(text.replace("CORE_REACHES", f'"{core_reaches}"'))


def test_a_plan_has_this_site_s_end_of_each_path() -> None:
    compiled = compile_plan(inventory(), "east")
    fibre, sat = compiled.sessions
    assert (fibre.interface, fibre.local, fibre.remote) == ("fibre", "10.64.0.2", "10.64.0.1")
    assert (sat.interval_us, sat.detect_mult) == (300_000, 5)
    assert [(g.id, g.nexthop_id, g.prefixes, g.wtr_ms) for g in compiled.groups] == [
        ("pg", FIRST_NEXTHOP_ID, ("10.0.0.0/24",), 2000)
    ]
    assert compiled.source_networks == ("10.1.0.0/24", "fd00:e::/64")


def test_the_core_s_plan_has_all_groups_with_numbers_of_their_own() -> None:
    from lifeline.config import load_inventory

    compiled = compile_plan(load_inventory(GOVNET), "core-wired")
    assert len(compiled.groups) == 6
    assert len({group.nexthop_id for group in compiled.groups}) == 6
    assert len({session.discriminator for session in compiled.sessions}) == len(compiled.sessions) == 12


def test_a_site_without_bfd_has_an_empty_plan() -> None:
    from lifeline.config import load_inventory

    compiled = compile_plan(load_inventory(GOVNET), "noc-b")
    assert (compiled.sessions, compiled.groups) == ((), ())
    assert not AgentPlan.compile(
        compiled, hubs=("unix:///x",), token_file=None, ca=None, data="", run="", metrics=None
    ).expects_fast_path


def test_paths_of_two_families_cannot_protect_each_other() -> None:
    mixed = inventory(fibre=("fd00:64::1/64", "fd00:64::2/64"))
    with pytest.raises(PlanError, match="group pg: working and protection must both be IPv4 or both IPv6"):
        compile_plan(mixed, "core")


def test_an_ipv6_prefix_cannot_go_by_an_ipv4_next_hop() -> None:
    with pytest.raises(PlanError, match="group pg: IPv6 prefix fd00:e::/64 cannot go by an IPv4 next hop"):
        compile_plan(inventory(core_reaches="fd00:e::/64"), "core")


def test_a_measured_path_s_plan_survives_the_file(tmp_path: Path) -> None:
    quality = "{interval_ms: 10, window_ms: 5000, loss_pct: {raise_at: 1, clear_at: 0.2}}"
    compiled = compile_plan(inventory(quality=quality), "east")
    fibre, sat = compiled.sessions
    assert fibre.quality is not None
    assert (fibre.quality.interval_ms, fibre.quality.loss_pct, sat.quality) == (10, (1.0, 0.2), None)
    compiled.save(tmp_path / "plan.json")
    assert FastPathPlan.load(tmp_path / "plan.json") == compiled


def test_both_ends_number_a_group_alike_and_no_two_groups() -> None:
    east, core = (compile_plan(inventory(), site).groups[0] for site in ("east", "core"))
    assert east.number == core.number
    twins = tuple(replace(east, id=name, nexthop_id=n) for n, name in enumerate(("plumless", "buckeroo")))  # CRC-32
    with pytest.raises(PlanError, match="group buckeroo: its name and plumless make the same number"):
        check_plan(replace(compile_plan(inventory(), "east"), groups=twins))


def test_plans_survive_the_file(tmp_path: Path) -> None:
    plan().save(tmp_path / "plan.json")
    assert FastPathPlan.load(tmp_path / "plan.json") == plan()
    assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "plan.json"]

    settings = {"hubs": ("https://h:1",), "token_file": "/t", "ca": None, "data": "/d", "run": "/r", "metrics": None}
    agent_plan = AgentPlan.compile(plan(), **settings)
    agent_plan.save(tmp_path / "agent.json")
    assert AgentPlan.load(tmp_path / "agent.json") == agent_plan


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": "lifeline.fastpath-plan/2"}', '{"schema": "lifeline.fastpath-plan/1"}']
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(PlanError):
        FastPathPlan.load(tmp_path / "plan.json")
    with pytest.raises(PlanError):
        AgentPlan.load(tmp_path / "plan.json")
