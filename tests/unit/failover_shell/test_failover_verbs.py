from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from failover import verbs

GOVNET = str(Path(__file__).parents[3] / "containerlab" / "govnet.inventory.yml")


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []
    monkeypatch.setattr(verbs.os, "execv", lambda _program, argv: calls.append(argv))
    return calls


def fast_path(site: str, run: Path) -> list[str]:
    return ["run", "--inventory", GOVNET, "--site", site, "--run", str(run), "--data", str(run)]


def agent(run: Path, *more: str) -> list[str]:
    return ["run", "--inventory", GOVNET, "--site", "noc-b", "--run", str(run), "--data", str(run), *more]


def test_the_fast_path_becomes_a_lean_process_with_a_plan(
    tmp_path: Path, became: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "_may_change_routes", lambda: True)
    result = CliRunner().invoke(verbs.fastpath, fast_path("sbs-dongcheng", tmp_path / "run"))
    assert result.exit_code == 0, result.output
    assert became[0][-4:] == [
        "-m",
        "failover.fastpath",
        str(tmp_path / "run" / "fastpath-plan.json"),
        str(tmp_path / "run"),
    ]
    assert "no interface 'fibre' yet, waiting for it" in result.stderr


def test_an_unknown_site_is_told_with_the_nearest_one(tmp_path: Path, became: list[list[str]]) -> None:
    result = CliRunner().invoke(verbs.fastpath, fast_path("sbs-dongchen", tmp_path))
    assert (result.exit_code, became) == (2, [])
    assert "did you mean 'sbs-dongcheng'?" in result.stderr


def test_a_site_with_nothing_to_watch_is_told(tmp_path: Path, became: list[list[str]]) -> None:
    result = CliRunner().invoke(verbs.fastpath, fast_path("noc-b", tmp_path))
    assert (result.exit_code, became) == (2, [])
    assert "noc-b has no link with bfd" in result.stderr


def test_a_missing_capability_is_told_with_its_remedy(
    tmp_path: Path, became: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "_may_change_routes", lambda: False)
    result = CliRunner().invoke(verbs.fastpath, fast_path("core-wired", tmp_path))
    assert (result.exit_code, became) == (1, [])
    assert "CAP_NET_ADMIN" in result.stderr


def test_the_agent_runs_at_a_site_without_a_fast_path(tmp_path: Path, became: list[list[str]]) -> None:
    result = CliRunner().invoke(verbs.agent, agent(tmp_path, "--hub", "unix:///run/hub.sock"))
    assert result.exit_code == 0, result.output
    assert became[0][-3:] == ["-m", "failover.agent", str(tmp_path / "agent-plan.json")]


def test_a_remote_hub_wants_a_token(tmp_path: Path, became: list[list[str]]) -> None:
    result = CliRunner().invoke(verbs.agent, agent(tmp_path, "--hub", "https://10.0.10.1:8443"))
    assert (result.exit_code, became) == (2, [])
    assert "--token-file" in result.stderr


def test_a_token_that_cannot_be_read_or_is_empty_is_told(tmp_path: Path, became: list[list[str]]) -> None:
    token = tmp_path / "token"
    hub = ("--hub", "https://10.0.10.1:8443", "--token-file", str(token))
    assert "No such file" in CliRunner().invoke(verbs.agent, agent(tmp_path, *hub)).stderr
    token.write_text("\n")
    result = CliRunner().invoke(verbs.agent, agent(tmp_path, *hub))
    assert (result.exit_code, became) == (2, [])
    assert "is empty" in result.stderr
