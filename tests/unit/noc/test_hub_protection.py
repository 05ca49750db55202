"""Protection commands through a hub to an agent on a real WebSocket, and what is on record of them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from hubworld import AGENT, HubProcess, World, Writer, end

from lifeline.model.records import EventKind
from lifeline.runtime import wire
from noc import commands
from noc.client import HubClient, HubRefusedError

GROUP = "group:pg-a"
CORE = "core/agent"
PREDICTED = {"state": "Forced", "request": "FS", "selector": "protection", "switches": True}
Answer = Callable[[wire.Command], wire.CommandResult | None]


def obey(order: wire.Command) -> wire.CommandResult:
    result = None if order.dry_run else end() | {"state": "Forced", "request": "FS", "selector": "protection"}
    return wire.CommandResult(order.id, True, "Forced to sat-a by command.", PREDICTED, result)


def refuse(order: wire.Command) -> wire.CommandResult:
    return wire.CommandResult(order.id, False, "Forced switch is refused: protection path sat-a has failed (SF-P).")


def keep_silent(_order: wire.Command) -> None:
    return None


class Agent:
    """An agent that answers as it is told, and remembers its orders."""

    def __init__(self, connection: Any, answer: Answer) -> None:
        self.daemon = connection
        self.answer = answer
        self.orders: list[wire.Command] = []
        self.ordered = asyncio.Event()

    async def work(self) -> None:
        async for text in self.daemon.connection:
            order = wire.decode_server(text)
            if isinstance(order, wire.Command):
                self.orders.append(order)
                if (result := self.answer(order)) is not None:
                    await self.daemon.say(result)
                self.ordered.set()

    async def tell(self, **changes: Any) -> None:
        await self.daemon.say(wire.State(GROUP, end() | changes))


@contextlib.asynccontextmanager
async def agent(world: World, answer: Answer = obey, node: str = AGENT) -> AsyncIterator[Agent]:
    async with world.daemon(node) as daemon:
        await daemon.say(wire.State(GROUP, end(node.partition("/")[0])))
        one = Agent(daemon, answer)
        task = asyncio.create_task(one.work())
        try:
            yield one
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110 - the API tells of no event to await
            await asyncio.sleep(0.02)


async def phase_of(client: HubClient) -> str:
    return str((await client.commands())[0]["phase"])


async def heard(client: HubClient, site: str, **told: Any) -> None:
    """Wait until the hub has taken what an end told of itself."""

    async def taken() -> bool:
        known = (await client.group("pg-a"))["ends"].get(site)
        return known is not None and all(known.get(name) == value for name, value in told.items())

    await until(taken)


async def settled_as(client: HubClient, phase: str) -> dict[str, Any]:
    """Wait until the latest command has this phase, and return it."""

    async def is_so() -> bool:
        return bool((await client.commands())[0]["phase"] == phase)

    await until(is_so)
    return (await client.commands())[0]


# ---------------------------------------------------------------- dry run


async def test_a_dry_run_tells_the_plan_and_the_effect_and_leaves_no_trace(hub: World, client: HubClient) -> None:
    async with agent(hub) as one:
        await heard(client, "sbs-a")
        found = await client.command("protection.force", GROUP)
    assert one.orders[0].dry_run
    assert (found["phase"], found["dry_run"], found["at"]) == ("planned", True, "sbs-a")
    assert found["plan"] == [
        "Order: force to protection, group pg-a, at sbs-a (the station's end).",
        "Traffic would move from fibre-a to sat-a.",
        "Both paths work: no loss is expected.",
        "State: Normal, then Forced.",
    ]
    assert found["after"] == PREDICTED
    assert await client.commands() == []


async def test_a_dry_run_tells_what_stands_against_the_command(hub: World, client: HubClient) -> None:
    async with agent(hub, refuse):
        found = await client.command("protection.force", GROUP)
    assert found["phase"] == "refused"
    assert found["plan"][1] == (
        "It would be refused: Forced switch is refused: protection path sat-a has failed (SF-P)."
    )


async def test_loss_is_to_be_expected_when_a_path_does_not_work(hub: World, client: HubClient) -> None:
    async with agent(hub) as one:
        doubtful = end(sat=None)
        await one.tell(**doubtful)
        await heard(client, "sbs-a", protection=doubtful["protection"])
        found = await client.command("protection.force", GROUP)
    assert found["plan"][2] == "Not both paths are known to work: expect loss."


# ---------------------------------------------------------------- carried out


async def test_intent_is_on_record_before_it_is_sent_and_the_outcome_after(hub: World, client: HubClient) -> None:
    async with agent(hub) as one:
        await heard(client, "sbs-a")
        done = await client.command("protection.force", GROUP, "crew in the duct", dry_run=False)
        events = await client.events(0, 1000, subject=GROUP, kind="command")
    order = one.orders[0]
    assert (order.command, order.target, order.to, order.by, order.dry_run) == ("force", GROUP, None, "local", False)
    assert [event["body"]["phase"] for event in events] == ["requested", "done"]
    assert {event["body"]["token"] for event in events} == {order.token}
    assert events[0]["body"]["before"]["selector"] == "working"
    assert events[1]["body"]["after"]["selector"] == "protection"
    assert (done["phase"], done["detail"], done["token"]) == ("done", "Forced to sat-a by command.", order.token)
    assert await client.commands() == [done]


async def test_a_refusal_is_on_record_with_its_reason(hub: World, client: HubClient) -> None:
    async with agent(hub, refuse):
        refused = await client.command("protection.force", GROUP, dry_run=False)
    assert refused["phase"] == "refused"
    assert "SF-P" in refused["detail"]
    assert await client.commands() == [refused]


async def test_tokens_grow_with_every_command_and_through_a_restart(world: World) -> None:
    tokens = []
    for _life in range(2):
        async with HubProcess(world) as process, HubClient(world.url) as client, agent(world) as one:
            for _ in range(2):
                await client.command("protection.force", GROUP, dry_run=False)
            tokens += [order.token for order in one.orders]
            await process.end(signal.SIGKILL)
    assert tokens == sorted(set(tokens))


async def test_a_command_sent_again_under_its_key_is_ordered_once(hub: World, client: HubClient) -> None:
    async with agent(hub) as one:
        both = await asyncio.gather(*(
            client.command("protection.force", GROUP, idempotency_key="k", dry_run=False) for _ in range(2)
        ))  # fmt: skip
    assert both[0] == both[1]
    assert both[0]["phase"] == "done"
    assert len(one.orders) == 1


async def test_a_key_is_good_for_one_command_only(hub: World, client: HubClient) -> None:
    async with agent(hub):
        await client.command("protection.manual", GROUP, idempotency_key="k", to="protection", dry_run=False)
        with pytest.raises(HubRefusedError, match=r"was used for protection\.manual"):
            await client.command("protection.manual", GROUP, idempotency_key="k", to="working", dry_run=False)


# ---------------------------------------------------------------- at which end


async def test_it_acts_at_the_station_while_that_is_connected(hub: World, client: HubClient) -> None:
    async with agent(hub) as station, agent(hub, node=CORE) as core:
        done = await client.command("protection.force", GROUP, dry_run=False)
    assert (len(station.orders), len(core.orders), done["at"]) == (1, 0, "sbs-a")


async def test_it_acts_at_the_core_when_the_station_is_not_connected(hub: World, client: HubClient) -> None:
    async with agent(hub, node=CORE) as core:
        found = await client.command("protection.force", GROUP)
    assert len(core.orders) == 1
    assert found["plan"][0].endswith("at core (because the agent of sbs-a is not connected).")


async def test_clear_acts_where_the_command_stands(hub: World, client: HubClient) -> None:
    async with agent(hub), agent(hub, node=CORE) as core:
        await core.tell(site="core", commands=["lockout"])
        await heard(client, "core", commands=["lockout"])
        found = await client.command("protection.clear", GROUP)
    assert found["plan"][0] == "Order: clear, group pg-a, at core (where the command stands)."


async def test_it_acts_where_the_operator_says(hub: World, client: HubClient) -> None:
    async with agent(hub), agent(hub, node=CORE) as core:
        await client.command("protection.lockout", GROUP, at="core", dry_run=False)
    assert [order.command for order in core.orders] == ["lockout"]


@pytest.mark.parametrize(
    ("asked", "status", "why"),
    [
        ({"command": "protection.force", "target": GROUP}, 502, "neither the agent of sbs-a nor that of core"),
        ({"command": "protection.force", "target": GROUP, "at": "core"}, 502, "the agent of core is not connected"),
        ({"command": "protection.force", "target": GROUP, "at": "mast"}, 422, "ends at sbs-a and core, not at 'mast'"),
        ({"command": "protection.force", "target": "group:pg-x"}, 404, "no protection group 'pg-x'; did you mean"),
        ({"command": "protection.manual", "target": GROUP}, 422, "`to` belongs to protection.manual"),
        ({"command": "protection.force", "target": GROUP, "to": "working"}, 422, "`to` belongs to protection.manual"),
        ({"command": "alarm.acknowledge", "target": "x", "dry_run": True}, 422, "has no `at`, `to` or `dry_run`"),
    ],
)
async def test_what_cannot_be_done_is_refused_without_a_trace(
    client: HubClient, asked: dict[str, Any], status: int, why: str
) -> None:
    with pytest.raises(HubRefusedError, match=why) as refusal:
        await client.command(**asked)
    assert refusal.value.status == status
    assert await client.commands() == []


# ---------------------------------------------------------------- no answer


async def test_an_agent_that_keeps_silent_leaves_the_outcome_unknown(
    hub: World, client: HubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "ANSWER_S", 0.2)
    async with agent(hub, keep_silent):
        unknown = await client.command("protection.force", GROUP, dry_run=False)
        assert (unknown["phase"], unknown["detail"]) == ("unknown", "sbs-a/agent has not answered within 0.2 s")
        with pytest.raises(HubRefusedError) as refusal:
            await client.command("protection.force", GROUP)
    assert refusal.value.exit_code == 4


async def test_an_unknown_outcome_is_settled_by_a_late_answer(
    hub: World, client: HubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "ANSWER_S", 0.2)
    async with agent(hub, keep_silent) as one:
        await client.command("protection.force", GROUP, dry_run=False)
        await one.daemon.say(refuse(one.orders[0]))
        await settled_as(client, "refused")


async def test_an_answer_of_somebody_else_settles_nothing(
    hub: World, client: HubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "ANSWER_S", 0.2)
    async with agent(hub, keep_silent) as one, agent(hub, node=CORE) as other:

        def answer_for_the_other(order: wire.Command) -> None:
            stolen.append(order)

        stolen: list[wire.Command] = []
        one.answer = answer_for_the_other
        asking = asyncio.create_task(client.command("protection.force", GROUP, dry_run=False))
        await one.ordered.wait()
        await other.daemon.say(obey(stolen[0]))
        assert (await asking)["phase"] == "unknown"
        assert await phase_of(client) == "unknown"


async def test_a_connection_that_breaks_in_the_middle_leaves_it_unknown_and_the_ends_state_settles_it(
    hub: World, client: HubClient
) -> None:
    async with agent(hub, keep_silent) as one:
        asking = asyncio.create_task(client.command("protection.force", GROUP, dry_run=False))
        await one.ordered.wait()
    assert (await asking)["phase"] == "unknown"
    assert "broke before it answered" in (await client.commands())[0]["detail"]
    async with agent(hub) as one:
        await one.tell(commands=["force"], state="Forced", selector="protection")
        await settled_as(client, "done")
    assert (await client.commands())[0]["after"]["selector"] == "protection"


async def test_the_agents_own_record_settles_it_too(hub: World, client: HubClient) -> None:
    async with agent(hub, keep_silent) as one:
        asking = asyncio.create_task(client.command("protection.force", GROUP, "splicing", dry_run=False))
        await one.ordered.wait()
    unknown = await asking
    assert unknown["phase"] == "unknown"
    named = {"command_id": one.orders[0].id, "command": "protection.force", "target": GROUP, "by": "local", "text": ""}
    writer = Writer()
    async with hub.daemon() as daemon:
        await daemon.deliver([
            writer.event(EventKind.COMMAND, GROUP, named | {"phase": phase, "detail": "", "after": None})
            for phase in ("requested", "done")
        ])  # fmt: skip
    done = (await client.commands())[0]
    assert (done["phase"], done["text"], done["token"]) == ("done", "splicing", unknown["token"])


async def test_a_hub_killed_between_intent_and_outcome_says_so_and_learns_it_from_the_end(world: World) -> None:
    async with HubProcess(world) as process, HubClient(world.url) as client, agent(world, keep_silent) as one:
        asking = asyncio.create_task(client.command("protection.freeze", GROUP, dry_run=False))
        await one.ordered.wait()
        await process.end(signal.SIGKILL)
        with pytest.raises(Exception, match=r"no hub answers|not answer"):
            await asking
    async with HubProcess(world), HubClient(world.url) as client:
        command = (await client.commands())[0]
        assert (command["phase"], command["detail"]) == ("unknown", "the hub stopped before it heard what became of it")
        async with agent(world) as one:
            await one.tell(commands=["freeze"], frozen=True)
            await settled_as(client, "done")


async def test_a_command_that_is_not_in_force_long_after_is_closed() -> None:
    from noc import settling
    from noc.views import CommandView

    command = CommandView("7", "protection.force", GROUP, "", "chen", "unknown", 0, 1_000, "", at="sbs-a", token=3)
    told = end() | {"heard_at_ns": 2_000}
    late_ns = 1_000 + int(settling.DOUBT_S * 1e9)
    assert not list(settling.by_evidence([command], lambda _group, _site: told, 3_000))
    assert not list(settling.by_evidence([command], lambda _group, _site: None, late_ns))
    [(_kind, subject, body)] = settling.by_evidence([command], lambda _group, _site: told, late_ns)
    assert (subject, body["phase"]) == (GROUP, "refused")
    assert "it is not in force" in body["detail"]
    assert not list(settling.by_evidence([replace(command, phase="done")], lambda _group, _site: told, late_ns))


@pytest.mark.parametrize("command", ["lockout", "freeze"])
async def test_what_holds_traffic_goes_to_the_centre_where_a_cut_leaves_it_in_reach(
    hub: World, client: HubClient, command: str
) -> None:
    async with agent(hub) as station, agent(hub, node=CORE) as core:
        await client.command(f"protection.{command}", GROUP, dry_run=True)
    assert ([order.command for order in core.orders], station.orders) == ([command], [])
