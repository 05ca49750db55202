"""`lifeline lab` from outside, where no lab is needed for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from noc.cli.main import main


@pytest.mark.parametrize("verb", [["status"], ["heal"], ["faults", "list"], ["exec", "x", "--", "true"]])
def test_without_a_lab_a_verb_says_how_to_get_one(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    name = ["--name", "no-such-lab"]
    arguments = verb[:1] + name + verb[1:] if verb[0] == "exec" else verb + name
    assert main(["lab", *arguments]) == 1
    assert "there is no lab 'no-such-lab': run `lifeline lab up`" in capsys.readouterr().err


def test_taking_down_what_is_not_up_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "down", "--name", "no-such-lab"]) == 0
    assert "there is no lab 'no-such-lab'" in capsys.readouterr().err


def test_a_wrong_topology_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.clab.yml"
    path.write_text("name: x\ntopology:\n  nodes:\n    a: {kind: linux, startup-config: b}\n")
    assert main(["lab", "up", "--topology", str(path)]) == 2
    told = capsys.readouterr().err
    assert f"{path}:4:22: topology.nodes.a.startup-config: the lab does not know node key 'startup-config'" in told
    assert "^" in told


def test_a_name_that_would_leave_the_labs_folder_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "down", "--name", "../../etc"]) == 2
    assert "cannot name a lab" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["fault", "fibre-cut"], "Missing argument 'LINK...'"),
        (["fault", "fibre-cut", "x", "--mode", "loud"], "'loud' is not one of 'silent', 'oneway', 'carrier'"),
        (["heal", "1", "--all"], "give an ID or --all, not both"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", *arguments]) == 2
    assert told in capsys.readouterr().err
