"""The fibre-cut drill against a hub and a lab that play their part: real probes over loopback."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from drill_fakes import PACE, TARGET, FakeNetwork, end_state, make_inventory, make_state

from lab.drills.fibre_cut import FibreCut, plan, targets_for
from lab.drills.record import DrillReport, Verdict


async def run_drill(network: FakeNetwork, **changes: Any) -> DrillReport:
    targets = targets_for(network.inventory, TARGET, 50)
    one = FibreCut(network, network, 1, TARGET, "silent", None, targets, pace=PACE)
    for name, value in changes.items():
        setattr(one, name, value)
    return await one.run()


async def test_a_network_that_switches_and_reverts_passes() -> None:
    network = FakeNetwork()
    report = await run_drill(network)
    assert report.reasons == ()
    assert report.verdict is Verdict.PASS
    assert report.healed
    assert [task.name for task in report.tasks] == [
        "detect", "switch", "alarm raised", "site's own report", "revert",
    ]  # fmt: skip
    assert all(task.met for task in report.tasks)
    for windows in report.traffic.values():
        assert windows["cut"].sent > 0
        assert windows["revert"].sent > 0
    assert network.injected == [{"name": "fibre-cut", "target": "fibre-dongcheng", "mode": "silent"}]
    assert [m.what for m in report.timeline if m.what in ("cut", "repair")] == ["cut", "repair"]


async def test_a_network_that_does_not_switch_fails_and_is_healed() -> None:
    network = FakeNetwork(answers=("revert",))
    report = await run_drill(network, pace=replace(PACE, observe_within=0.1))
    assert report.verdict is Verdict.FAIL
    assert "switch: did not happen" in report.reasons
    assert network.standing == []


async def test_a_late_alarm_fails() -> None:
    network = FakeNetwork(delay_ms=15)
    targets = replace(targets_for(network.inventory, TARGET, 50), alarm_ms=10)
    report = await run_drill(network, targets=targets)
    assert report.verdict is Verdict.FAIL
    assert any(reason.startswith("alarm raised: ") for reason in report.reasons)


async def test_an_unsteady_network_is_not_drilled() -> None:
    network = FakeNetwork(state_json=make_state(**{"sbs-dongcheng": end_state(protection="Down")}))
    report = await run_drill(network)
    assert report.verdict is Verdict.NOT_RUN
    assert report.reasons == ("sbs-dongcheng: BFD on sat-dongcheng is Down",)
    assert network.injected == []
    assert network.heals == 0, "a fault that stood before is not the drill's to heal"


async def test_a_fault_that_breaks_off_is_healed_and_fails() -> None:
    network = FakeNetwork(break_on_inject=OSError("nft: no such table"))
    report = await run_drill(network)
    assert report.verdict is Verdict.FAIL
    assert report.reasons == ("the drill broke off: nft: no such table",)
    assert network.standing == []


async def test_an_unforeseen_error_heals_before_it_is_told() -> None:
    network = FakeNetwork(break_on_inject=KeyError("bug"))
    with pytest.raises(KeyError):
        await run_drill(network)
    assert network.standing == []


async def test_an_interrupted_drill_heals() -> None:
    network = FakeNetwork(answers=())
    task = asyncio.create_task(run_drill(network))
    await network.cut.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert network.standing == []


def test_the_seed_decides_what_is_not_given() -> None:
    inventory = make_inventory()
    assert plan(inventory, mode="oneway", site=None, direction=None, seed=3) == plan(
        inventory, mode="oneway", site=None, direction=None, seed=3
    )
    drawn = {plan(inventory, mode="oneway", site=None, direction=None, seed=s)[1] for s in range(20)}
    assert drawn == {"to-site", "to-core"}
    assert plan(inventory, mode="silent", site="sbs-dongcheng", direction=None, seed=1) == (TARGET, None)


def test_a_site_without_a_protected_fibre_is_refused() -> None:
    with pytest.raises(ValueError, match="there are sbs-dongcheng"):
        plan(make_inventory(), mode="silent", site="core-wired", direction=None, seed=1)
    with pytest.raises(ValueError, match="has no direction"):
        plan(make_inventory(), mode="silent", site=None, direction="to-site", seed=1)
