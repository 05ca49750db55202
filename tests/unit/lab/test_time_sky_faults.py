"""Faults of simulated skies: planned by name, held against what the sky says, undone like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab import place as place_module
from lab.clocks import files
from lab.driver import LabError
from lab.faults import Faults
from lab.lab import DEFAULT_INVENTORY
from lab.place import Place
from lab.topology_file import load_topology
from lifeline.config import load_inventory

TOPOLOGY = """\
name: toy
topology:
  defaults: {kind: linux}
  nodes:
    core: {labels: {lifeline.services: sky}}
    bare: {}
"""
INVENTORY = load_inventory(DEFAULT_INVENTORY)


class Sky:
    """A node's sky of dictionaries; a deaf one says yes and does nothing."""

    def __init__(self) -> None:
        self.wrong: dict[str, str | None] = {"gps": None, "beidou": None, "ntp": None}
        self.deaf = False

    def ask_sky(self, _node: str, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["act"] != "look" and not self.deaf:
            self.wrong[wanted["at"]] = wanted["kind"] if wanted["act"] == "fault" else None
        receivers = {it: {"fault": kind} for it, kind in self.wrong.items() if it != "ntp"}
        return {"ok": True, "receivers": receivers, "ntp": self.wrong["ntp"]}

    def mend(self) -> None:
        pass


@pytest.fixture
def sky() -> Sky:
    return Sky()


@pytest.fixture
def faults(sky: Sky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faults:
    monkeypatch.setattr(place_module, "RUN", tmp_path)
    (tmp_path / "toy.clab.yml").write_text(TOPOLOGY)
    place = Place("toy")
    place.root.mkdir()
    return Faults(load_topology(tmp_path / "toy.clab.yml"), sky, place)  # type: ignore[arg-type] # all that is asked


def test_a_receiver_is_jammed_and_healed(faults: Faults, sky: Sky) -> None:
    fault = faults.inject("gnss", "core/gps", mode="jam")
    assert sky.wrong == {"gps": "jam", "beidou": None, "ntp": None}
    assert fault.phase == "standing"
    faults.heal()
    assert sky.wrong["gps"] is None


def test_an_ntp_server_is_a_receiver_of_its_own_faults(faults: Faults, sky: Sky) -> None:
    faults.inject("gnss", "core/ntp", mode="step", size=5e6)
    assert sky.wrong["ntp"] == "step"
    with pytest.raises(LabError, match="jam"):
        faults.inject("gnss", "core/ntp", mode="jam")


@pytest.mark.parametrize(
    ("target", "mode", "says"),
    [
        ("core/gpps", "jam", "gps"),
        ("bare/gps", "jam", "core"),
        ("core/gps", "jamm", "jam"),
        ("core", "jam", "receiver"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(faults: Faults, target: str, mode: str, says: str) -> None:
    with pytest.raises(LabError, match=says) as refused:
        faults.inject("gnss", target, mode=mode)
    assert refused.value.exit_code == 2


def test_one_receiver_has_one_fault_and_another_may_have_another(faults: Faults) -> None:
    faults.inject("gnss", "core/gps", mode="jam")
    with pytest.raises(LabError, match="already"):
        faults.inject("gnss", "core/gps", mode="step", size=1000.0)
    faults.inject("gnss", "core/beidou", mode="silent")
    assert len(faults.heal()) == 2


def test_a_fault_that_does_not_take_hold_is_undone(faults: Faults, sky: Sky) -> None:
    sky.deaf = True
    with pytest.raises(LabError, match="did not take hold"):
        faults.inject("gnss", "core/gps", mode="jam")
    assert faults.active() == []


def test_a_clock_room_is_wired_as_the_inventory_says() -> None:
    made = files(("sky", "gpsd", "chronyd"), INVENTORY.sites["core-wired"])
    assert made["gpsd.lines"] == "/run/clock/gps.tty"
    assert made["chrony.conf"].count("refclock SOCK") == 3
    assert "bindcmdaddress /run/chrony/chronyd.sock" in made["chrony.conf"]
    assert '"voice": "ubx"' in made["clock-room.json"]
    assert '"ntp"' not in made["clock-room.json"]
    assert '"10.0.20.1"' in files(("sky",), INVENTORY.sites["noc-b"])["clock-room.json"]
    assert files(("snmpd",), None) == {}
