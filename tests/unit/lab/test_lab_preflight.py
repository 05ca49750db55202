"""What a machine lacks is told before anything is made, each with what to do about it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.driver import LabError
from lab.drivers import preflight
from lab.lab import DEFAULT_TOPOLOGY, Lab
from lab.place import PINS, RUN, Place
from lab.topology import Topology
from lab.topology_file import load_topology


@pytest.fixture
def topology() -> Topology:
    return load_topology(DEFAULT_TOPOLOGY)


def test_not_being_root_is_told(topology: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    [lack] = preflight.lacks(topology)
    assert "takes root" in lack


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes nobody, which takes root")
@pytest.mark.parametrize("verb", ["up", "down", "status"])
def test_a_lab_of_root_s_is_nobody_else_s_and_they_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr("lab.place.RUN", tmp_path / "lab")
    place = Place("roots")
    place.write_state({"phase": "up"})
    place.root.chmod(0o700)
    acts: dict[str, Callable[[], object]] = {
        "up": lambda: Lab.up(name="roots"),
        "down": lambda: Lab.down("roots"),
        "status": lambda: Lab("roots"),
    }
    tmp_path.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(LabError, match="takes root") as told:
            acts[verb]()
    finally:
        os.seteuid(0)
    assert told.value.exit_code == 2


def test_every_missing_program_is_told_with_its_package(topology: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda _program: None)
    found = preflight.lacks(topology)
    assert "the program nft is missing: apt-get install nftables" in found
    assert "the program ospfd is missing: apt-get install frr" in found
    assert "the program sshd is missing: apt-get install openssh-server" in found


def test_a_missing_kernel_feature_is_told(topology: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda program: program)
    monkeypatch.setattr(preflight, "_succeeds", lambda argv, _text: "bridge" not in argv)
    [lack] = [each for each in preflight.lacks(topology) if "kernel" in each]
    assert "cannot do bridge" in lack
    assert "CONFIG_BRIDGE" in lack


def test_nothing_is_made_when_something_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("lab.place.RUN", tmp_path)
    monkeypatch.setattr(preflight, "lacks", lambda _topology: ["no veth"])
    with pytest.raises(LabError, match="no veth") as caught:
        Lab.up(name="lacking")
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []
    assert not list(PINS.glob("lacking-*"))
    assert not (RUN / "lacking").exists()
