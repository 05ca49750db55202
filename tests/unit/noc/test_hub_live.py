"""What daemons show live reaches whoever asks and follows; commands go to the daemon that speaks for their target."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest
from hubworld import INVENTORY, Daemon, World

from lifeline.runtime import wire
from noc import live as live_module
from noc.client import HubClient, HubRefusedError
from noc.live import STALE_S, STATE_MAX_BYTES, LiveStates
from noc.subjects import Subjects
from noc.tokens import Role, create

BODY = {"schema": "lifeline.power-state/1", "source": "utility"}
NODE = "sbs-a/power"
POWER = "power:sbs-a"


async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(20):
        while not (found := await holds()):  # noqa: ASYNC110 - the API tells of no event to await
            await asyncio.sleep(0.02)
    return found


# ---------------------------------------------------------------- the store


@pytest.fixture
def states() -> LiveStates:
    return LiveStates(Subjects(INVENTORY))


@pytest.mark.parametrize(
    ("subject", "sites"),
    [
        ("power:sbs-a", ("sbs-a",)),
        ("power:sbs-a/ups1", ("sbs-a",)),
        ("device:sbs-a/router", ("sbs-a",)),
        ("daemon:sbs-a/agent", ("sbs-a",)),
        ("traffic:fibre-a", ("sbs-a", "core")),
        ("group:pg-a", ("sbs-a", "core")),
        ("link:nowhere", ()),
        ("srg:duct", ()),
    ],
)
def test_the_sites_of_a_subject(subject: str, sites: tuple[str, ...]) -> None:
    assert Subjects(INVENTORY).sites(subject) == sites


def test_both_ends_of_a_link_are_kept_apart(states: LiveStates) -> None:
    for node in ("sbs-a/agent", "core/agent"):
        states.put(node, "traffic:fibre-a", {"from": node}, 0.0, 1)
    assert {(view.node, view.site) for view in states.find("traffic:")} == {
        ("sbs-a/agent", "sbs-a"), ("core/agent", "core"),
    }  # fmt: skip


def test_what_is_not_told_again_or_whose_daemon_is_silent_grows_stale(states: LiveStates) -> None:
    states.put(NODE, POWER, BODY, 0.0, 1)
    states.put("core/power", "power:core", BODY, 0.0, 1)
    states.take_dirty()
    states.age(1.0, frozenset({NODE}))
    assert states.take_dirty() == {(POWER, NODE)}
    states.age(STALE_S)
    assert not any(view.fresh for view in states.find())
    states.put(NODE, POWER, BODY, STALE_S + 1, 2)
    assert [view.fresh for view in states.find(POWER)] == [True]


def test_a_flood_of_subjects_is_bounded_and_the_stale_give_way(states: LiveStates, monkeypatch) -> None:
    monkeypatch.setattr(live_module, "STATES_MAX", 3)
    for number in range(3):
        states.put(NODE, f"power:sbs-a/{number}", BODY, float(number), 1)
    assert not states.put(NODE, "power:sbs-a/more", BODY, 3.0, 1)
    assert (len(states), states.refused) == (3, 1)
    states.age(STALE_S)
    assert states.put(NODE, "power:sbs-a/more", BODY, STALE_S, 1)
    assert [view.subject for view in states.find()] == ["power:sbs-a/1", "power:sbs-a/2", "power:sbs-a/more"]


def test_a_prefix_is_not_a_subject(states: LiveStates) -> None:
    for subject in ("power:sbs-a", "power:sbs-a/ups1", "power:sbs-ab"):
        states.put(NODE, subject, BODY, 0.0, 1)
    assert [view.subject for view in states.find("power:sbs-a")] == ["power:sbs-a"]
    assert [view.subject for view in states.find("power:sbs-a/")] == ["power:sbs-a/ups1"]
    assert len(list(states.find("power:"))) == 3


# ---------------------------------------------------------------- through the hub


async def test_a_state_is_asked_for_and_followed(hub: World, client: HubClient) -> None:
    async with hub.daemon(NODE) as daemon, aclosing(client.stream()) as messages:
        assert (await anext(messages)).kind == "connected"
        await daemon.say(wire.State(POWER, BODY))
        async for message in messages:
            if message.kind == "state" and message.data["subject"] == POWER:
                break
        assert message.data["body"]["body"] == BODY
        (view,) = await client.live("power:")
        assert (view["subject"], view["node"], view["site"], view["fresh"]) == (POWER, NODE, "sbs-a", True)


async def test_a_sites_token_speaks_for_that_site_only(hub: World, client: HubClient) -> None:
    token = create(hub.data, "sbs-a", Role.AGENT)
    async with hub.daemon(NODE, token) as daemon:
        for subject in ("power:sbs-b", "traffic:fibre-b", "site:sbs-a", POWER):
            await daemon.say(wire.State(subject, BODY))
        await until(client.live)
        assert [view["subject"] for view in await client.live()] == [POWER]


async def test_a_state_beyond_measure_ends_the_connection(hub: World) -> None:
    async with hub.daemon(NODE) as daemon:
        await daemon.say(wire.State(POWER, {"text": "x" * STATE_MAX_BYTES}))
        refused = await daemon.hear()
    assert isinstance(refused, wire.Refused)
    assert "at most" in refused.reason


# ---------------------------------------------------------------- commands


async def obeying(daemon: Daemon, orders: list[wire.Command]) -> None:
    async for text in daemon.connection:
        order = wire.decode_server(text)
        if isinstance(order, wire.Command):
            orders.append(order)
            result = None if order.dry_run else {"testing": True}
            await daemon.say(wire.CommandResult(order.id, True, "The battery is tested.", {"minutes": 5}, result))


async def test_a_command_goes_to_who_speaks_for_its_target_and_is_on_record(hub: World, client: HubClient) -> None:
    """The centre's daemon watches the station here: what it shows says so, not the target's name."""
    orders: list[wire.Command] = []
    async with hub.daemon("core/power") as daemon:
        await daemon.say(wire.State(POWER, BODY))
        await until(client.live)
        task = asyncio.create_task(obeying(daemon, orders))
        planned = await client.command("power.self-test", f"{POWER}/ups1", arguments={"deep": True})
        done = await client.command("power.self-test", f"{POWER}/ups1", arguments={"deep": True}, dry_run=False)
        task.cancel()
    assert planned["plan"] == [
        "Order: power.self-test of power:sbs-a/ups1, by core/power (it speaks for the target).",
        "The battery is tested.",
    ]
    assert (planned["phase"], planned["after"]) == ("planned", {"minutes": 5})
    assert (done["phase"], done["node"], done["at"], done["after"]) == ("done", "core/power", "core", {"testing": True})
    assert [(order.command, order.dry_run, order.arguments) for order in orders] == [
        ("power.self-test", True, {"deep": True}), ("power.self-test", False, {"deep": True}),
    ]  # fmt: skip
    assert [command["id"] for command in await client.commands()] == [done["id"]]


@pytest.mark.parametrize(
    ("command", "target", "status", "text"),
    [
        ("power.self-test", "power:sbs-b", 502, "the daemon sbs-b/power is not connected"),
        ("power.self-test", "time:sbs-b", 422, "power.self-test acts on device, power"),
        ("weather.improve", "power:sbs-b", 422, "there is no command"),
        ("netwatch.probe", "link:nowhere", 404, "there is no subject"),
    ],
)
async def test_a_command_nobody_can_carry_out_is_refused_unrecorded(
    client: HubClient, command: str, target: str, status: int, text: str
) -> None:
    with pytest.raises(HubRefusedError, match=text) as refused:
        await client.command(command, target, dry_run=False)
    assert refused.value.status == status
    assert await client.commands() == []
