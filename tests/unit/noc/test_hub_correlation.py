"""Roots, shelves, notes and maintenance through a hub: what operators see of a cut, and how they put things aside."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hubworld import World, Writer

from lifeline.clock import wall_ns
from lifeline.model.records import PerceivedSeverity
from noc.client import HubClient, HubRefusedError

DUCT, FIBRE_A = "duct-cut.srg.duct", "path-down.link.fibre-a"


async def cut(hub: World, links: tuple[str, ...] = ("fibre-a", "fibre-b")) -> None:
    """Have both stations lose their fibre, as one cut of the duct does."""
    for site, link in zip(("sbs-a", "sbs-b"), links, strict=False):
        writer = Writer(f"{site}/agent")
        async with hub.daemon(f"{site}/agent") as daemon:
            await daemon.deliver([
                writer.condition(f"link:{link}", text=f"{site} has lost {link}"),
                writer.condition(f"group:pg-{site[-1]}", "on-protection", PerceivedSeverity.WARNING),
            ])  # fmt: skip


async def until(client: HubClient, holds: Any) -> dict[str, dict[str, Any]]:
    """Wait until the active alarms, by id, are as they should be."""
    async with asyncio.timeout(20):
        while not holds(found := {it["id"]: it for it in await client.alarms(active=True)}):  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.02)
    return found


async def test_a_cut_is_one_root_alarm_with_its_consequences(hub: World, client: HubClient) -> None:
    await cut(hub)
    found = await until(client, lambda alarms: DUCT in alarms)
    roots = [name for name, alarm in found.items() if alarm["root"] == name]
    assert roots == [DUCT]
    assert set(found[DUCT]["consequences"]) == set(found) - {DUCT}
    assert found[FIBRE_A]["parents"] == [DUCT]
    assert "runs through it" in found[FIBRE_A]["why"]
    (event,) = [event for event in await client.events(subject="srg:duct") if event["kind"] == "condition"]
    assert event["node"] == "noc-a/hub", "the inference is on record"


async def test_one_link_is_its_own_root(hub: World, client: HubClient) -> None:
    await cut(hub, ("fibre-a",))
    found = await until(client, lambda alarms: len(alarms) == 2)
    assert found[FIBRE_A]["root"] == FIBRE_A
    assert found["on-protection.group.pg-a"]["root"] == FIBRE_A


async def test_followers_hear_that_an_alarm_has_become_a_consequence(hub: World, client: HubClient) -> None:
    roots: list[str] = []
    connected = asyncio.Event()

    async def follow() -> None:
        async for message in client.stream():
            connected.set()
            if message.kind == "state" and message.data["subject"] == f"alarm:{FIBRE_A}":
                roots.append(message.data["body"]["root"])
                if roots[-1] == DUCT:
                    return

    async with asyncio.timeout(20):
        following = asyncio.create_task(follow())
        await connected.wait()
        await cut(hub)
        await following
    assert roots[-1] == DUCT


async def test_an_alarm_is_shelved_for_a_time_and_taken_back(hub: World, client: HubClient) -> None:
    await cut(hub, ("fibre-a",))
    done = await client.command("alarm.shelve", FIBRE_A, "crew is there", arguments={"for_s": 3600})
    assert done["phase"] == "done"
    alarm = await client.alarm(FIBRE_A)
    assert 3500e9 < alarm["shelved_until_ns"] - wall_ns() < 3600e9
    assert (alarm["shelf"]["by"], alarm["shelf"]["text"]) == ("local", "crew is there")
    await client.command("alarm.unshelve", FIBRE_A)
    assert (await client.alarm(FIBRE_A))["shelved_until_ns"] is None
    refused = await client.command("alarm.unshelve", FIBRE_A)
    assert refused["phase"] == "refused"


async def test_a_shelf_ends_by_itself(hub: World, client: HubClient) -> None:
    await cut(hub, ("fibre-a",))
    await client.command("alarm.shelve", FIBRE_A, arguments={"until_ns": wall_ns() + 300_000_000})
    await until(client, lambda alarms: alarms[FIBRE_A]["shelved_until_ns"] is None)


async def test_notes_stay_with_the_alarm(hub: World, client: HubClient) -> None:
    await cut(hub, ("fibre-a",))
    await client.command("alarm.note", FIBRE_A, "digger seen at the bridge")
    (note,) = (await client.alarm(FIBRE_A))["notes"]
    assert (note["by"], note["text"]) == ("local", "digger seen at the bridge")


@pytest.mark.parametrize(
    ("command", "target", "text", "arguments", "status"),
    [
        ("alarm.note", FIBRE_A, "", {}, 422),
        ("alarm.shelve", FIBRE_A, "", {}, 422),
        ("alarm.shelve", FIBRE_A, "", {"for_s": -1}, 422),
        ("alarm.shelve", FIBRE_A, "", {"for_s": 1e300}, 422),
        ("alarm.shelve", FIBRE_A, "", {"until_ns": "tomorrow"}, 422),
        ("maintenance.begin", "everything", "", {"for_s": 60}, 422),
        ("maintenance.begin", "site:sbs-a", "", {}, 422),
        ("maintenance.end", "none", "", {}, 404),
    ],
)
async def test_what_makes_no_sense_is_refused(
    hub: World, client: HubClient, command: str, target: str, text: str, arguments: dict[str, Any], status: int
) -> None:
    await cut(hub, ("fibre-a",))
    with pytest.raises(HubRefusedError) as refused:
        await client.command(command, target, text, arguments=arguments)
    assert refused.value.status == status


async def test_maintenance_covers_a_site_and_hides_nothing_elsewhere(hub: World, client: HubClient) -> None:
    done = await client.command("maintenance.begin", "site:sbs-a", "new rectifier", arguments={"for_s": 600})
    (window,) = await client.maintenance()
    assert (window["subject"], window["text"], window["id"]) == ("site:sbs-a", "new rectifier", done["detail"])
    await cut(hub, ("fibre-a",))
    async with hub.daemon("sbs-b/agent") as daemon:
        await daemon.deliver([Writer("sbs-b/agent").condition("power:sbs-b", "feed-lost")])
    found = {alarm["id"]: alarm["maintenance"] for alarm in await client.alarms(active=True)}
    assert found.pop("feed-lost.power.sbs-b") is None
    assert set(found.values()) == {window["id"]}
    await client.command("maintenance.end", window["id"])
    assert await client.maintenance() == []
    await until(client, lambda alarms: alarms[FIBRE_A]["maintenance"] is None)


async def test_a_duct_that_takes_more_than_the_covered_link_is_not_covered(hub: World, client: HubClient) -> None:
    await client.command("maintenance.begin", "site:sbs-a", arguments={"for_s": 600})
    await cut(hub)
    found = await until(client, lambda alarms: DUCT in alarms)
    assert found[DUCT]["maintenance"] is None
