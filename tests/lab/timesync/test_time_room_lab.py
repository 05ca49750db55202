"""A clock room of real programs: gpsd and chronyd -x in a namespace, receivers on ptys, the daemon, and no hub."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.simulators.time_rig import OURS, Rig

LIFELINE = Path(sys.executable).with_name("lifeline")
pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(
        not shutil.which("chronyd") or not shutil.which("gpsd"), reason="chrony or gpsd is not installed"
    ),
]


@pytest.fixture(scope="module")
def room() -> Iterator[Rig]:
    with Rig(qualification_s=10, limit_ns=1e5) as rig:
        rig.until(lambda s: s["state"] == "locked" and len(s["selected"]) == 2, 60)
        yield rig


def lifeline(rig: Rig, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(LIFELINE), "time", *argv, "--local", str(rig.folder), "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def source(state: dict, name: str) -> dict:
    return next(it for it in state["sources"] if it["source"] == name)


def test_receivers_are_heard_through_gpsd_and_chronyd_follows(room: Rig) -> None:
    room.until(lambda s: (s["gate"]["tracking"] or {}).get("synchronised"), 40)
    state = room.state()
    assert state is not None
    for name in ("beidou", "gps"):
        it = source(state, name)
        assert {s[0] for s in it["satellites"]} == {name}
        assert it["used"] >= 4
        assert abs(it["offset_ns"]) < 2_000
        assert it["jamming"] is None  # unknown is not clear, and is not told as clear
    assert state["gate"]["feeds"]["gps"] > 0
    assert abs(room.correction_ns(OURS) or 1e9) < 20_000


def test_people_at_the_site_decide_without_a_hub_and_it_is_on_record(room: Rig) -> None:
    assert lifeline(room, "exclude", room.site, "gps").returncode == 0  # told, not done
    assert lifeline(room, "exclude", room.site, "nobody", "--yes").returncode == 2
    assert lifeline(room, "exclude", room.site, "gps", "--yes").returncode == 0
    room.until(lambda s: source(s, "gps")["reason"] == "excluded", 5)
    assert (json.loads((room.folder / "time-choices.json").read_text()))["excluded"].keys() == {"gps"}
    assert lifeline(room, "release", room.site, "gps", "--yes").returncode == 0
    room.until(lambda s: source(s, "gps")["reason"] is None, 15)
    shown = json.loads(lifeline(room, "history", room.site).stdout)
    assert any(it["source"] == "gps" and it["after"] == "excluded" for it in shown["history"])


def test_a_step_of_a_few_microseconds_never_reaches_the_client(room: Rig) -> None:
    fed = room.state()["gate"]["feeds"]["gps"]  # type: ignore[index] # it has been shown before
    room.inject("gps", "step", 5_000)
    took_s = room.until(lambda s: source(s, "gps")["reason"] == "step", 8)
    assert took_s < 8
    state = room.state()
    assert state is not None
    assert state["serve"]
    assert state["selected"] == ["beidou"]
    assert state["gate"]["feeds"]["gps"] - fed <= 3  # what had come before the step
    assert abs(room.correction_ns(OURS) or 1e9) < 20_000
    explained = lifeline(room, "explain", room.site)
    assert explained.returncode == 10
    assert "step" in explained.stdout
    room.heal("gps")


def test_a_chronyd_that_is_gone_is_told_with_the_next_step(room: Rig) -> None:
    room.kill(OURS)
    room.until(lambda s: "start" in (s["gate"]["trouble"] or "") or "does not" in (s["gate"]["trouble"] or ""), 12)
    room.start_chronyd(OURS)
    room.until(lambda s: s["gate"]["trouble"] == "" and s["gate"]["tracking"], 30)


def test_a_base_station_that_drifts_alone_is_no_wrong_source(room: Rig) -> None:
    def clients(state: dict) -> dict[str, bool | None]:
        return {it["device"]: it["off"] for it in state["clients"]}

    def sound(state: dict) -> bool:
        return len(state["selected"]) == 2 and clients(state) == {"bts-1": False, "bts-2": False}

    room.until(sound, 60)
    room.inject("bts-2", "step", 80e6)
    try:
        room.until(lambda s: clients(s) == {"bts-1": False, "bts-2": True}, 40)
        state = room.state()
    finally:
        room.heal("bts-2")
    assert state is not None
    assert not [it["source"] for it in state["sources"] if it["verdict"]]
    off = next(it for it in state["clients"] if it["device"] == "bts-2")
    assert off["site"] == "field"
    assert off["offset_ns"] == pytest.approx(80e6, abs=off["floor_ns"])
