"""Daemons deliver to a hub on real sockets: acknowledged means committed and folded, and nothing is kept twice."""

from __future__ import annotations

import asyncio
import math

import httpx
import pytest
from hubworld import AGENT, Daemon, World, Writer, end, eventually
from websockets.exceptions import InvalidStatus

from lifeline.model.records import Event, EventKind
from lifeline.runtime import wire
from lifeline.runtime.outbox import Outbox
from lifeline.runtime.uplink import Uplink
from noc import tokens
from noc.client import HubClient

ALARM = "path-down.link.fibre-a"


async def refusal(daemon: Daemon) -> str:
    answer = await daemon.hear()
    assert isinstance(answer, wire.Refused)
    return answer.reason


async def keys(client: HubClient) -> list[tuple[str, str, int]]:
    events = await client.events(0, 1000)
    return [(e["node"], e["boot_id"], e["seq"]) for e in events if e["node"] == AGENT]


async def test_what_is_acknowledged_is_in_the_state_already(hub: World, client: HubClient) -> None:
    async with hub.daemon() as daemon:
        await daemon.deliver([Writer().condition()])
        state = await client.state()
    assert [alarm["id"] for alarm in state["alarms"]] == [ALARM]


async def test_events_sent_again_after_a_reconnect_are_acknowledged_and_kept_once(
    hub: World, client: HubClient
) -> None:
    events = Writer().bfd(600)
    async with hub.daemon() as daemon:
        await daemon.deliver(events[:400])
    async with hub.daemon() as daemon:
        await daemon.deliver(events[200:])
    assert await keys(client) == [event.key for event in events]


async def test_many_daemons_at_once_are_all_acknowledged(hub: World, client: HubClient) -> None:
    async def one(n: int) -> None:
        node = f"sbs-{n}/agent"
        async with hub.daemon(node) as daemon:
            await daemon.deliver(Writer(node).bfd(100))

    await asyncio.gather(*(one(n) for n in range(20)))
    assert len(await client.events(0, 1000)) >= 1000


async def test_a_real_outbox_drains_over_tls(hub: World, client: HubClient) -> None:
    token = tokens.create(hub.data, "sbs-a", "agent")
    with Outbox(hub.data / "outbox.db", AGENT) as outbox:
        uplink = Uplink(outbox, "sbs-a", [hub.tls_url], token, hub.ca)
        uplink.set_state("group:pg-a", end())
        for event in Writer().bfd(50):
            outbox.put(event.kind, event.subject, event.body)
        task = asyncio.create_task(uplink.run())
        assert await uplink.flush(10)
        assert len(outbox) == 0
        await eventually(lambda: uplink.status.sent_states > 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert len(await keys(client)) == 50


async def test_a_live_state_is_shown_and_not_kept(hub: World, client: HubClient) -> None:
    cursor = (await client.state())["cursor"]
    async with hub.daemon() as daemon:
        await daemon.say(wire.State("group:pg-a", end("sbs-a", "protection")))
        await daemon.say(wire.Heartbeat())
        await daemon.deliver(Writer().bfd())
        group = await client.group("pg-a")
    assert group["ends"]["sbs-a"]["selector"] == "protection"
    assert group["ends"]["sbs-a"]["fresh"] is True
    assert group["selector"] == "unknown"
    assert (await client.site("sbs-a"))["agent"] == "up"
    assert (await client.state())["cursor"] == cursor + 1


async def test_every_message_that_makes_no_sense_is_refused_with_a_reason(hub: World) -> None:
    async with hub.daemon(None) as daemon:
        await daemon.say(wire.Heartbeat())
        assert await refusal(daemon) == "the first message must be hello"
    async with hub.daemon(None) as daemon:
        await daemon.say(wire.Hello(AGENT, "b1", "sbs-a", version=2))
        assert await refusal(daemon) == "version 2 is spoken there, 1 here"
    async with hub.daemon(None) as daemon:
        await daemon.say(wire.Hello("../x", "b1", "sbs-a"))
        assert "no name of a daemon" in await refusal(daemon)
    async with hub.daemon() as daemon:
        await daemon.connection.send('{"type": "events", "events": [7]}')
        assert "every event must be an object" in await refusal(daemon)
    async with hub.daemon() as daemon:
        await daemon.say(wire.Events(tuple(Writer("core/agent").bfd())))
        assert await refusal(daemon) == "an event of 'core/agent' came from 'sbs-a/agent'"
    async with hub.daemon() as daemon:
        await daemon.say(wire.Hello(AGENT, "b1", "sbs-a"))
        assert await refusal(daemon) == "hello was said already"


@pytest.mark.parametrize("poison", [{"x": math.nan}, {"x": "\ud800"}])
async def test_what_no_journal_can_hold_harms_only_the_daemon_that_sends_it(
    hub: World, client: HubClient, poison: dict[str, object]
) -> None:
    import json

    bad = Event(AGENT, "b1", 1, 1, EventKind.DAEMON, "daemon:x", poison)
    async with hub.daemon() as daemon, hub.daemon("core/agent") as other:
        await daemon.connection.send(json.dumps({"type": "events", "events": [bad.to_json()]}))
        await other.deliver(Writer("core/agent").bfd(10))
        assert "no journal can hold" in await refusal(daemon)
    assert [e for e in await client.events() if e["node"] == AGENT] == []


async def test_a_number_beyond_the_journals_harms_only_the_daemon_that_sends_it(hub: World, client: HubClient) -> None:
    async with hub.daemon() as daemon:
        await daemon.say(wire.Events((Event(AGENT, "b1", 1 << 70, 1, EventKind.DAEMON, "daemon:x", {}),)))
        assert "no journal can hold" in await refusal(daemon)
    assert await keys(client) == []


async def test_only_an_agents_token_opens_the_door(hub: World) -> None:
    for role, status in (("viewer", 403), ("operator", 403), ("administrator", 403)):
        with pytest.raises(InvalidStatus) as refused:
            async with hub.daemon(token=tokens.create(hub.data, role, role)):
                pass
        assert refused.value.response.status_code == status
    with pytest.raises(InvalidStatus) as refused:
        async with hub.daemon(token="guessed"):
            pass
    assert refused.value.response.status_code == 401
    assert b"revoked" in refused.value.response.body
    async with hub.daemon(token=tokens.create(hub.data, "sbs-a", "agent")) as daemon:
        await daemon.deliver(Writer().bfd())


async def test_a_sites_token_speaks_for_no_other_site(hub: World) -> None:
    token = tokens.create(hub.data, "sbs-b", "agent")
    async with hub.daemon(None, token) as daemon:
        await daemon.say(wire.Hello(AGENT, "b1", "sbs-a"))
        assert await refusal(daemon) == "token 'sbs-b' speaks for that site's daemons, not for 'sbs-a/agent'"


async def test_a_revoked_token_ends_a_connection_that_stands(hub: World) -> None:
    async with hub.daemon(token=tokens.create(hub.data, "sbs-a", "agent")) as daemon:
        await daemon.deliver(Writer().bfd())
        tokens.TokenStore(hub.data).revoke("sbs-a")
        assert await refusal(daemon) == "the token was revoked"


async def test_figures_tell_what_came_in(hub: World) -> None:
    events = Writer().bfd(20)
    async with hub.daemon() as daemon:
        await daemon.deliver(events)
        await daemon.deliver(events)
        transport = httpx.AsyncHTTPTransport(uds=str(hub.run / "hub.sock"))
        async with httpx.AsyncClient(transport=transport) as http:
            text = (await http.get("http://hub/api/v1/metrics")).text
    assert 'lifeline_hub_events_total{kind="bfd"} 20.0' in text
    assert "lifeline_hub_events_known_total 20.0" in text
    assert "lifeline_hub_connections 1.0" in text
    assert "lifeline_hub_acknowledge_seconds_count 2.0" in text
