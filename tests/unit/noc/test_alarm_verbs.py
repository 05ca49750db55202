"""The verbs of alarms, maintenance, history and the check, on a hub that runs in this loop."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable

import pytest
from hubworld import World, Writer

from lifeline.clock import wall_ns
from lifeline.model.records import PerceivedSeverity, Quality, Reading
from lifeline.runtime import wire
from noc.cli.main import main
from noc.client import HubClient

FIBRE = "path-down.link.fibre-a"
Verb = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def verb(hub: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verb:
    monkeypatch.setenv("LIFELINE_HUB", hub.url)
    monkeypatch.setenv("COLUMNS", "100")

    async def run(*args: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(main, args)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
async def alarmed(hub: World) -> None:
    writer = Writer()
    async with hub.daemon() as daemon:
        await daemon.deliver([
            writer.condition(),
            writer.condition("group:pg-a", "on-protection", PerceivedSeverity.WARNING, 'it says "so", indeed'),
        ])  # fmt: skip


async def test_a_list_has_roots_and_on_demand_what_follows(alarmed: None, verb: Verb) -> None:
    code, out, _err = await verb("alarm", "list")
    assert (code, FIBRE in out, "on-protection" in out) == (0, True, False)
    _code, out, _err = await verb("alarm", "list", "--consequences")
    assert "on-protection" in out
    _code, out, _err = await verb("alarm", "list", "--consequences", "--csv")
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(out))}
    assert rows["on-protection.group.pg-a"]["text"] == 'it says "so", indeed'
    assert rows["on-protection.group.pg-a"]["root"] == FIBRE
    _code, out, _err = await verb("alarm", "list", "--json")
    assert len(json.loads(out)["alarms"]) == 2, "a program gets all, with their roots"


async def test_why_shows_the_verdict_and_its_evidence(alarmed: None, verb: Verb) -> None:
    _code, out, _err = await verb("alarm", "why", "on-protection.group.pg-a")
    assert out.startswith("It follows from path-down of fibre-a: a path of the group is lost.")
    assert FIBRE in out.partition("Causes")[2]
    _code, out, _err = await verb("alarm", "why", FIBRE, "--json")
    document = json.loads(out)
    assert document["schema"] == "lifeline.alarm-why/1"
    assert [it["id"] for it in document["consequences"]] == ["on-protection.group.pg-a"]


async def test_shelving_notes_and_taking_back(alarmed: None, verb: Verb) -> None:
    assert (await verb("alarm", "shelve", FIBRE, "--for", "2h", "--text", "crew"))[0] == 0
    assert "shelved until" in (await verb("alarm", "list"))[1]
    assert (await verb("alarm", "note", FIBRE, "digger seen"))[0] == 0
    assert "digger seen" in (await verb("alarm", "show", FIBRE))[1]
    assert (await verb("alarm", "unshelve", FIBRE))[0] == 0
    assert (await verb("alarm", "unshelve", FIBRE))[0] == 5
    code, _out, err = await verb("alarm", "shelve", FIBRE, "--for", "a while")
    assert (code, "no span of time" in err) == (2, True)


async def test_maintenance_begins_is_listed_and_ends(alarmed: None, verb: Verb) -> None:
    code, out, _err = await verb("maintenance", "begin", "site:sbs-a", "--for", "90s", "--text", "new rectifier")
    assert code == 0
    window = out.rpartition("(")[2].strip(")\n")
    assert "new rectifier" in (await verb("maintenance", "list"))[1]
    assert "maintenance" in (await verb("alarm", "list"))[1]
    assert (await verb("maintenance", "end", window))[0] == 0
    assert json.loads((await verb("maintenance", "list", "--json"))[1])["windows"] == []


async def test_history_is_listed_and_plotted(hub: World, client: HubClient, verb: Verb) -> None:
    now_ns = wall_ns()
    readings = [
        Reading("power:sbs-a", "charge", 50.0 + n, "%", now_ns - (60 - n) * 1_000_000_000, Quality.GOOD)
        for n in range(60)
    ]
    async with hub.daemon("sbs-a/power") as daemon:
        await daemon.say(wire.Readings(tuple(readings)))
        async with asyncio.timeout(10):
            while not await client.readings("power:"):  # noqa: ASYNC110 - readings tell of no event
                await asyncio.sleep(0.02)
    assert "109" in (await verb("history", "power:sbs-a"))[1]
    code, out, _err = await verb("history", "power:sbs-a", "charge", "--since", "30min")
    assert (code, "charge: now 109, least 50, greatest 109 %" in out) == (0, True)
    assert len(out.splitlines()) > 8, "that is a plot"
    _code, out, _err = await verb("history", "power:sbs-a", "charge", "--json")
    assert len(json.loads(out)["points"]) == 60
    code, _out, err = await verb("history", "power:sbs-a", "charg")
    assert (code, "did you mean 'charge'" in err) == (1, True)


async def test_a_sites_token_measures_for_that_site_only(hub: World, client: HubClient) -> None:
    from noc.tokens import Role, create

    now_ns = wall_ns()
    token = create(hub.data, "sbs-a", Role.AGENT)
    async with hub.daemon("sbs-a/power", token) as daemon:
        await daemon.say(wire.Readings(tuple(
            Reading(f"power:{site}", "charge", 1.0, "%", now_ns, Quality.GOOD) for site in ("sbs-b", "sbs-a")
        )))  # fmt: skip
        async with asyncio.timeout(10):
            while not (found := await client.readings()):  # noqa: ASYNC110 - readings tell of no event
                await asyncio.sleep(0.02)
    assert [it["subject"] for it in found] == ["power:sbs-a"]


async def test_the_check_says_nothing_while_all_is_well(hub: World, verb: Verb) -> None:
    assert await verb("hub", "check") == (0, "", "")
    code, _out, err = await verb("hub", "check", "--hub", hub.url, "--hub", "unix:///nowhere/hub.sock")
    assert (code, "no hub answers" in err) == (3, True)
    _code, out, _err = await verb("hub", "check", "--json")
    assert json.loads(out)["hubs"][0]["exit_code"] == 0
