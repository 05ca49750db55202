"""`lifeline protection` against a hub with an agent: what it says, and what it ends with."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hubworld import World
from test_hub_protection import agent, heard, keep_silent, obey, refuse

from noc import commands
from noc.cli.main import main
from noc.client import HubClient


@pytest.fixture
def verb(hub: World, client: HubClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a verb in a thread, beside the hub; return its exit code, stdout and stderr."""
    monkeypatch.setenv("LIFELINE_HUB", hub.url)

    async def run(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()  # the hub in this process writes its log there
        code = await asyncio.to_thread(main, ["protection", *args])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


async def test_without_yes_the_plan_is_shown_and_nothing_is_done(hub: World, client: HubClient, verb: Any) -> None:
    async with agent(hub, obey) as one:
        await heard(client, "sbs-a")
        code, out, err = await verb("force", "pg-a")
    assert code == 0
    assert "Order: force to protection, group pg-a, at sbs-a" in out
    assert "Traffic would move from fibre-a to sat-a." in out
    assert "Add --yes to act" in err
    assert [order.dry_run for order in one.orders] == [True]


async def test_a_plan_that_would_be_refused_ends_with_5(hub: World, verb: Any) -> None:
    async with agent(hub, refuse):
        code, out, _err = await verb("force", "pg-a")
    assert code == 5
    assert "(SF-P)" in out


async def test_yes_acts_and_the_group_shows_who_did_it(hub: World, client: HubClient, verb: Any) -> None:
    async with agent(hub, obey) as one:
        await heard(client, "sbs-a")
        code, out, _err = await verb("manual", "pg-a", "--to", "protection", "--yes", "--text", "splicing")
        assert code == 0
        assert "manual protection of pg-a at sbs-a: done\n" in out
        assert (one.orders[0].to, one.orders[0].dry_run) == ("protection", False)
        code, out, _err = await verb("show", "pg-a")
    assert code == 0
    assert "manual protection" in out
    assert "requests NR" in out


async def test_a_refused_command_ends_with_5_and_the_reason(hub: World, verb: Any) -> None:
    async with agent(hub, refuse):
        code, out, _err = await verb("force", "pg-a", "--yes")
    assert code == 5
    assert "protection path sat-a has failed (SF-P)" in out


async def test_an_agent_that_is_not_connected_ends_with_3(verb: Any) -> None:
    code, _out, err = await verb("force", "pg-a", "--yes")
    assert code == 3
    assert "neither the agent of sbs-a nor that of core is connected" in err


async def test_an_outcome_that_is_not_known_ends_with_4(hub: World, verb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "ANSWER_S", 0.2)
    async with agent(hub, keep_silent):
        code, out, err = await verb("force", "pg-a", "--yes")
    assert code == 4
    assert "unknown" in out
    assert "lifeline protection show pg-a" in err


@pytest.mark.parametrize(
    ("args", "code", "why"),
    [
        (("force", "pg-x"), 1, "did you mean 'pg-"),
        (("force", "pg-a", "--at", "mast"), 2, "ends at sbs-a and core"),
        (("manual", "pg-a"), 2, "--to"),
    ],
)
async def test_what_makes_no_sense_is_said(verb: Any, args: tuple[str, ...], code: int, why: str) -> None:
    got, _out, err = await verb(*args)
    assert got == code
    assert why in err


async def test_groups_are_listed_for_people_and_for_programs(hub: World, client: HubClient, verb: Any) -> None:
    async with agent(hub, obey):
        await heard(client, "sbs-a")
        _code, out, _err = await verb("list")
        assert "pg-a" in out
        _code, out, _err = await verb("list", "--json")
        assert json.loads(out)["schema"] == "lifeline.groups/1"
        code, out, _err = await verb("clear", "pg-a", "--json")
    assert code == 0
    assert json.loads(out)["command"]["phase"] == "planned"
