"""The power daemon with a real upsd, a controller on real Modbus, and a real hub: what is lost is told in time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import ANY

import pytest

from lab.simulators.power_genset import EngineState, Genset, GensetServer, Mode, Tank
from lab.simulators.power_nut import NutServer, installed
from lifeline.clock import monotonic_s
from noc.client import HubClient

pytestmark = [pytest.mark.lab, pytest.mark.skipif(not installed(), reason="NUT's upsd and dummy-ups are not installed")]

LIFELINE = Path(sys.executable).with_name("lifeline")
POLL_S = 2
INVENTORY = """\
lifeline: 1
sites:
  station:
    kind: super-base-station
    name: Station
    devices:
      ups: {{kind: ups, address: 127.0.0.1}}
      genset: {{kind: generator, address: 127.0.0.2, profile: deepsea-gencomm}}
    power:
      target_autonomy_h: 8
      design_load_kw: 4
      feeds: {{feed-a: {{rated_kw: 20}}}}
      generators:
        generator-1:
          rated_kw: 12
          tank_l: 200
          burn_l_per_h: [1.2, 2.0, 2.8, 3.6]
          monitor: {{device: genset, protocol: modbus, port: {modbus}, poll_s: {poll}}}
          controls: [start, stop]
      ups:
        ups-1:
          module_kw: 3
          modules: 3
          modules_needed: 2
          strings: {{a: {{technology: vrla, capacity_kwh: 10, installed: 2025-01-01, peukert: 1.2}}}}
          monitor: {{device: ups, protocol: nut, name: ups, port: {nut}, poll_s: {poll}}}
"""
HEALTHY = {"ups.status": "OL", "battery.charge": "100", "battery.runtime": "7000", "ups.realpower": "3000",
           "battery.temperature": "24", "device.mfr": "Example"}  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def eventually(look, within_s: float = 60.0):
    """Return what `look` gives once it gives something."""
    ends_s = monotonic_s() + within_s
    while True:
        if found := await look():
            return found
        assert monotonic_s() < ends_s, "it did not happen in time"
        await asyncio.sleep(0.05)


class Plant:
    """What the test sees and does."""

    def __init__(self, nut: NutServer, genset: GensetServer, client: HubClient, env: dict[str, str]) -> None:
        self.nut, self.genset, self.client, self.env = nut, genset, client, env

    async def ask(self, *words: str) -> tuple[int, dict]:
        """Run `lifeline power ...` against the hub; return its exit code and what it says."""
        process = await asyncio.create_subprocess_exec(
            LIFELINE, "power", *words, "--json", env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert out, err.decode()
        return process.returncode or 0, json.loads(out)

    async def state(self) -> dict:
        live = await self.client.live("power:station")
        return live[0]["body"] if live else {}

    async def raised(self) -> set[tuple[str, str]]:
        return {(it["resource"], it["alarm_type_id"]) for it in await self.client.alarms()}


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    nut_port, modbus_port = free_port(), free_port()
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(INVENTORY.format(nut=nut_port, modbus=modbus_port, poll=POLL_S), encoding="utf-8")
    genset = Genset(12, Tank(200, 160), (1.2, 2.0, 2.8, 3.6), crank_cycle_s=10)
    common = ["--inventory", inventory, "--data"]
    hub_url = f"unix://{tmp_path}/run/hub.sock"
    processes = []
    env = {**os.environ, "LIFELINE_LANG": "en"}
    with (tmp_path / "log").open("wb") as log, NutServer(tmp_path / "nut", {"ups": HEALTHY}, nut_port) as nut:
        async with GensetServer(genset, modbus_port, "127.0.0.2") as server, HubClient(hub_url) as client:
            (tmp_path / "hub").mkdir()
            (tmp_path / "power").mkdir()
            hub = [LIFELINE, "hub", "run", *common, tmp_path / "hub", "--run", tmp_path / "run", "--name", "test"]
            run = ["--run", tmp_path / "run"]
            power = [LIFELINE, "power", "run", *common, tmp_path / "power", *run, "--site", "station",
                     "--hub", hub_url, "--metrics", "off"]  # fmt: skip
            try:
                processes.append(subprocess.Popen(hub, env=env, stdout=log, stderr=log))  # noqa: ASYNC220 - starts at once
                await eventually(_there(tmp_path / "run" / "hub.sock"))
                processes.append(subprocess.Popen(power, env=env, stdout=log, stderr=log))  # noqa: ASYNC220 - starts at once
                asking = env | {"LIFELINE_HUB": hub_url, "LIFELINE_INVENTORY": str(inventory)}
                found = Plant(nut, server, client, asking)
                await eventually(_settled(found))
                yield found
            finally:
                for process in reversed(processes):
                    process.send_signal(signal.SIGTERM)
                for process in processes:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(20)
                    process.kill()
                    process.wait()


def _there(path: Path):
    async def look() -> bool:
        return path.exists()  # noqa: ASYNC240 - a look at tmpfs

    return look


def _settled(plant: Plant):
    async def look() -> bool:
        state = await plant.state()
        return bool(state) and all(it["fresh"] for it in state["parts"] if it["part"] != "feed-a")

    return look


async def test_what_is_lost_is_told_and_what_lasts_is_known(plant: Plant) -> None:
    state = await plant.state()
    assert state["runs_on"] == "utility"
    system = next(
        it for it in state["figures"] if (it["kind"], it["redundancy"], it["load"]) == ("system", "n", "present")
    )
    assert system["low_h"] < system["h"] < system["high_h"]
    assert system["verdict"] == "met"
    assert not {name for _subject, name in await plant.raised()} & {"utility-lost", "on-battery", "silent"}

    code, status = await plant.ask("status")
    assert (code, status["sites"][0]["body"]["runs_on"]) == (0, "utility")
    code, shown = await plant.ask("status", "station")
    assert (code, shown["sites"][0]["body"]["ready"]) == (0, {"verdict": "ready", "because": []})
    code, autonomy = await plant.ask("autonomy", "station")
    assert (code, len(autonomy["figures"])) == (0, 18)
    code, whatif = await plant.ask("whatif", "station", "--lose", "feed:all", "--lose", "genset:1")
    assert code == 11  # batteries alone do not reach the target
    assert whatif["outcomes"][0]["timeline"]["dark_h"] == pytest.approx(
        next(it for it in state["figures"] if it["kind"] == "battery")["h"],
        rel=0.3,  # which the device bounds
    )
    code, shed = await plant.ask("plan", "shed", "station")
    assert (code, len(shed["steps"])) == (0, 1)
    code, fuel = await plant.ask("plan", "fuel", "--hours", "200")
    assert fuel["trips"][0]["site"] == "station"

    plant.nut.set("ups", ups_status="OB DISCHRG", battery_charge="96")
    lost_s = monotonic_s()

    async def on_battery() -> bool:
        return ("power:station/ups-1", "on-battery") in await plant.raised()

    await eventually(on_battery)
    # The dummy driver takes up to a second to read its file; the rest are our polls.
    assert monotonic_s() - lost_s < 2 * POLL_S + 10
    assert (await plant.state())["runs_on"] == "battery"

    plant.genset.genset.called = True
    plant.genset.genset.load_kw = 3.3
    for _second in range(12):
        plant.genset.genset.step(1)
    assert plant.genset.genset.state is EngineState.RUNNING
    await plant.genset.publish()
    plant.nut.set("ups", ups_status="OL CHRG")

    async def running() -> bool:
        parts = {it["part"]: it for it in (await plant.state())["parts"]}
        return parts["generator-1"]["state"] == "running" and parts["ups-1"]["state"] == "online"

    await eventually(running)


async def test_a_failed_start_is_told_and_a_silent_device_makes_figures_unknown_and_delays_no_other(
    plant: Plant,
) -> None:
    plant.genset.genset.fails_to_start = plant.genset.genset.called = True
    for _second in range(15):
        plant.genset.genset.step(1)
    await plant.genset.publish()

    async def told() -> bool:
        return ("power:station/generator-1", "start-failed") in await plant.raised()

    await eventually(told)

    async def counted_out() -> bool:
        return "generator-1" in (await plant.state())["situation"]["lost"]

    await eventually(counted_out)

    plant.nut.freeze("ups")
    try:

        async def silent() -> bool:
            return ("power:station/ups-1", "silent") in await plant.raised()

        await eventually(silent)
        state = await plant.state()
        system = next(it for it in state["figures"] if it["kind"] == "system")
        assert system["verdict"] == "unknown"
        assert system["h"] is None
        assert "ups-1" in system["sentence"]
        parts = {it["part"]: it for it in state["parts"]}
        assert parts["generator-1"]["fresh"]
        assert not parts["ups-1"]["fresh"]
    finally:
        plant.nut.thaw("ups")


async def order(plant: Plant, *words: str) -> tuple[int, str, str]:
    """Command something; ask again while the part has not been heard of for three polls, as on a busy machine."""

    async def answered() -> tuple[int, str, str] | None:
        code, told = await plant.ask(*words)
        command = told["command"]
        return None if "not known now" in command["detail"] else (code, command["phase"], command["detail"])

    return await eventually(answered)


async def test_a_generator_is_started_and_stopped_in_two_steps_with_interlocks_and_on_record(plant: Plant) -> None:
    genset = plant.genset.genset
    assert await order(plant, "control", "station", "generator-1", "start") == (0, "planned", ANY)
    assert genset.mode is Mode.AUTO  # a dry run touches nothing
    assert await order(plant, "control", "station", "generator-1", "start", "--yes") == (0, "done", ANY)
    assert (genset.mode, genset.wanted) == (Mode.MANUAL, True)
    code, phase, detail = await order(plant, "control", "station", "generator-1", "start", "--yes")
    assert (code, phase) == (5, "refused")
    assert "wait 60 s" in detail
    assert await order(plant, "control", "station", "generator-1", "stop", "--yes") == (0, "done", ANY)
    assert (genset.mode, genset.wanted) == (Mode.AUTO, False)
    code, phase, detail = await order(plant, "test", "station", "ups-1")
    assert (code, detail) == (5, "The inventory does not admit battery-test at ups-1.")
    assert {it["phase"] for it in await plant.client.commands()} == {"done", "refused"}
