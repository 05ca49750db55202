"""The fibre-cut drill on a whole lab: real daemons, real packets, and a lab that is healed whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lab.convergence import wait_until
from lab.lab import Lab
from lab.scorecard import render

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root: run the tests as root"),
]
NAME = f"drill{os.getpid()}"
LIFELINE = [sys.executable, "-m", "noc.cli.main"]
DRILL = [*LIFELINE, "drill", "run", "fibre-cut", "--lab", NAME]
# Timing is measured in bench/: here a starved machine must not fail what works.
GENEROUS_MS = "400"
WITHIN_S = 60


@pytest.fixture(scope="module")
def network() -> Iterator[Lab]:
    try:
        yield Lab.up(name=NAME)
    finally:
        Lab.down(NAME)


def drill(*options: str) -> tuple[int, dict[str, Any]]:
    run = subprocess.run(
        [*DRILL, "--json", "--target-ms", GENEROUS_MS, *options],
        capture_output=True, text=True, check=False, timeout=WITHIN_S,
    )  # fmt: skip
    assert run.stdout, run.stderr
    return run.returncode, json.loads(run.stdout)


@pytest.mark.parametrize("mode", ["silent", "oneway", "carrier"])
def test_traffic_survives_a_cut_and_comes_back(network: Lab, mode: str) -> None:
    _code, record = drill("--mode", mode, "--seed", "7")
    assert record["schema"] == "lifeline.drill/1"
    assert (record["mode"], record["seed"]) == (mode, 7)
    assert [task["name"] for task in record["tasks"] if task["actual_ms"] is None] == []
    for windows in record["traffic"].values():
        assert windows["cut"]["lost_ms"] <= int(GENEROUS_MS)
        assert windows["revert"]["lost"] == 0
    assert record["healed"]
    assert network.faults.active() == []
    words = render(record, colour=False)
    assert "drill fibre-cut at sbs-" in words
    assert "The lab is healed." in words
    assert max(map(len, words.splitlines())) <= 80


@pytest.mark.parametrize("name", ["satellite-lost", "agent-killed"])
def test_a_script_is_played_to_its_end(network: Lab, name: str) -> None:
    run = subprocess.run(
        [*LIFELINE, "drill", "run", name, "--lab", NAME, "--seed", "7", "--json"],
        capture_output=True, text=True, check=False, timeout=WITHIN_S,
    )  # fmt: skip
    record = json.loads(run.stdout)
    assert [task["name"] for task in record["tasks"] if task["actual_ms"] is None] == []
    for windows in record["traffic"].values():
        assert all(windows[name]["lost"] == 0 for name, limit_ms in record["limits"].items() if limit_ms == 0)
    assert record["healed"]
    assert network.faults.active() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_drill_that_is_told_to_end_heals_first(network: Lab, number: signal.Signals) -> None:
    process = subprocess.Popen(DRILL, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    with process, process.stderr:
        for line in process.stderr:
            if "is cut" in line:
                process.send_signal(number)
                break
        process.stderr.read()
        assert process.wait(WITHIN_S) == 130
    assert network.faults.active() == []


def test_a_cut_duct_is_one_root_and_everything_of_it_follows(network: Lab) -> None:
    """With netwatch running; what a starved machine brings of its own, such as jitter, is not about the duct."""
    links = [link.id for link in network.topology.links_in("duct-east")]
    groups = {name for name, it in network.inventory.protection_groups.items() if it.working in links}
    about = {"srg:duct-east", *(f"link:{link}" for link in links), *(f"group:{group}" for group in groups)}
    cut = "duct-cut.srg.duct-east"

    def standing() -> dict[str, dict[str, Any]]:
        argv = [*LIFELINE, "alarm", "list", "--consequences", "--json", "--hub", network.hub_url]
        run = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=WITHIN_S)
        return {it["id"]: it for it in json.loads(run.stdout)["alarms"] if it["resource"] in about}

    network.faults.inject("duct-cut", "duct-east")
    try:
        assert wait_until(lambda: len(standing()) == 1 + len(links) + len(groups), within_s=30), standing()
        alarms = standing()
        assert {it["root"] for it in alarms.values()} == {cut}
        assert set(alarms[cut]["consequences"]) == alarms.keys() - {cut}
    finally:
        network.faults.heal()
    assert wait_until(lambda: cut not in standing(), within_s=30)


def test_a_lab_with_a_fault_is_not_drilled_and_keeps_its_fault(network: Lab) -> None:
    fault = network.faults.inject("fibre-cut", "fibre-haidian", mode="silent")
    try:
        code, record = drill("--steady-within-s", "0.5")
        assert (code, record["verdict"]) == (1, "not-run")
        assert f"fault {fault.id} is active" in record["reasons"]
        told = subprocess.run(
            [*DRILL, "--steady-within-s", "0"], capture_output=True, text=True, check=False, timeout=WITHIN_S
        )
        assert (told.returncode, f"fault {fault.id} is active" in told.stdout) == (1, True), told.stdout
        assert [each.id for each in network.faults.active()] == [fault.id]
    finally:
        network.faults.heal()


def test_no_lab_is_exit_code_3() -> None:
    argv = [*LIFELINE, "drill", "run", "fibre-cut", "--lab", "nowhere"]
    run = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=WITHIN_S)
    assert run.returncode == 3
    assert "lifeline lab up" in run.stderr


def test_an_unknown_site_is_exit_code_2_and_names_those_there_are(network: Lab) -> None:
    run = subprocess.run(
        [*DRILL, "--site", "sbs-nowhere"], capture_output=True, text=True, check=False, timeout=WITHIN_S
    )
    assert run.returncode == 2
    assert "sbs-dongcheng" in run.stderr
