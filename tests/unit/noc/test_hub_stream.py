"""The live stream: gapless from any cursor, gentle to slow readers, mended by the client."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from hubworld import World, Writer, end, eventually, serving

from lifeline.runtime import wire
from noc import broadcast, tokens
from noc.client import HubClient, HubRefusedError, StreamMessage

STARTED = 2
"""What a hub writes as it starts: that it has, and the epoch of its playbooks."""


class Heard(list[StreamMessage]):
    """What a client's stream has brought so far, and the task that follows it."""

    def __init__(self, client: HubClient, after: int | None) -> None:
        super().__init__()
        self.task = asyncio.create_task(self._follow(client, after))

    async def _follow(self, client: HubClient, after: int | None) -> None:
        async for message in client.stream(after):
            self.append(message)


@contextlib.asynccontextmanager
async def following(client: HubClient, after: int | None) -> AsyncIterator[Heard]:
    """Follow a client's stream, from when it is connected."""
    heard = Heard(client, after)
    try:
        await eventually(lambda: any(m.kind == "connected" for m in heard) or heard.task.done())
        yield heard
    finally:
        heard.task.cancel()
        await asyncio.gather(heard.task, return_exceptions=True)


def cursors(heard: list[StreamMessage]) -> list[int]:
    return [message.cursor for message in heard if message.kind == "event"]


def bodies(heard: list[StreamMessage], subject: str) -> list[dict[str, object]]:
    return [m.data["body"] for m in heard if m.kind == "state" and m.data["subject"] == subject]


async def test_a_stream_resumes_behind_any_cursor_without_gap_or_repetition(hub: World, client: HubClient) -> None:
    events = Writer().bfd(2000)
    async with hub.daemon() as daemon:
        await daemon.deliver(events[:1200])
        delivering = asyncio.create_task(daemon.deliver(events[1200:]))
        async with following(client, 100) as heard:
            await delivering
            head = (await client.state())["cursor"]
            await eventually(lambda: cursors(heard)[-1:] == [head])
    assert cursors(heard) == list(range(101, head + 1))


async def test_an_event_is_heard_as_the_api_shows_it_and_says_where_to_go_on(hub: World, client: HubClient) -> None:
    async with following(client, None) as heard, hub.daemon() as daemon:
        await daemon.deliver([Writer().condition()])
        await eventually(lambda: cursors(heard) != [])
    assert heard[0].data["hub"] == "noc-a/hub"
    event = next(message for message in heard if message.kind == "event")
    assert [event.data] == await client.events(after=event.cursor - 1)


async def test_without_a_cursor_only_what_is_new_is_heard(hub: World, client: HubClient) -> None:
    writer = Writer()
    async with hub.daemon() as daemon:
        await daemon.deliver(writer.bfd(5))
        head = (await client.state())["cursor"]
        async with following(client, None) as heard:
            await daemon.deliver(writer.bfd(1))
            await eventually(lambda: cursors(heard) == [head + 1])


async def test_views_are_heard_when_they_change(hub: World, client: HubClient) -> None:
    async with following(client, None) as heard, hub.daemon() as daemon:
        await daemon.say(wire.State("group:pg-a", end("sbs-a", "protection", fibre=True)))
        await daemon.deliver([Writer().condition()])
        await eventually(
            lambda: bool(told := bodies(heard, "site:core")) and told[-1]["alarms"]["major"] == 1
            and bodies(heard, "alarm:path-down.link.fibre-a") != []
        )  # fmt: skip
    assert bodies(heard, "group:pg-a")[-1] == await client.group("pg-a")
    assert bodies(heard, "link:fibre-a")[-1]["state"] == "down"
    assert bodies(heard, "site:core")[-1]["alarms"] == {"critical": 0, "major": 1, "minor": 0, "warning": 0}
    assert bodies(heard, "alarm:path-down.link.fibre-a") == [await client.alarm("path-down.link.fibre-a")]


async def test_a_flood_of_states_is_coalesced(hub: World, client: HubClient) -> None:
    async with following(client, None) as heard, hub.daemon() as daemon:
        for n in range(500):
            await daemon.say(wire.State("group:pg-a", {**end(), "switch_count": n}))
        await eventually(
            lambda: bool(last := bodies(heard, "group:pg-a")) and last[-1]["ends"]["sbs-a"]["switch_count"] == 499
        )  # type: ignore[index]  # JSON
    assert len(bodies(heard, "group:pg-a")) < 50


async def test_a_reader_that_does_not_read_holds_up_nobody_and_misses_nothing(
    hub: World, client: HubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "EVENTS_WAITING", 50)
    reader, writer = await asyncio.open_unix_connection(hub.run / "hub.sock", limit=1 << 24)
    writer.write(b"GET /api/v1/stream?after=0 HTTP/1.1\r\nHost: hub\r\n\r\n")
    await reader.readuntil(b"event: hello")
    events = Writer().bfd(5000)
    async with hub.daemon() as daemon, asyncio.timeout(30):
        await daemon.deliver(events)
    head = (await client.state())["cursor"]
    heard: list[int] = []
    while not heard or heard[-1] < head:
        line = await reader.readline()
        if line.startswith(b"id: "):
            heard.append(int(line[4:]))
    writer.close()
    await writer.wait_closed()
    assert heard == list(range(1, head + 1))


async def test_the_client_mends_the_stream_across_a_restart_of_the_hub(world: World) -> None:
    writer = Writer()
    async with HubClient(world.url) as client, contextlib.AsyncExitStack() as stack:
        async with serving(world):
            heard = await stack.enter_async_context(following(client, 0))
            async with world.daemon() as daemon:
                await daemon.deliver(writer.bfd(3))
            await eventually(lambda: len(cursors(heard)) == STARTED + 3)
        await eventually(lambda: heard[-1].kind == "disconnected")
        assert "the hub stops" in [m.data["reason"] for m in heard if m.kind == "disconnected"]
        async with serving(world):
            async with world.daemon() as daemon:
                await daemon.deliver(writer.bfd(2))
            await eventually(lambda: len(cursors(heard)) == 2 * STARTED + 5, 10)
    assert cursors(heard) == list(range(1, 2 * STARTED + 6))
    assert [m.data["rewound"] for m in heard if m.kind == "connected"] == [False, False]


async def test_a_cursor_of_another_journal_means_beginning_anew(world: World) -> None:
    async with HubClient(world.url) as client, contextlib.AsyncExitStack() as stack:
        async with serving(world):
            heard = await stack.enter_async_context(following(client, 0))
            async with world.daemon() as daemon:
                await daemon.deliver(Writer().bfd(3))
            await eventually(lambda: len(cursors(heard)) == STARTED + 3)
        (world.data / "journal.db").rename(world.data / "elsewhere.db")
        async with serving(world):
            await eventually(lambda: cursors(heard)[STARTED + 3 :] == list(range(1, STARTED + 1)), 10)
    assert [m.data["rewound"] for m in heard if m.kind == "connected"] == [False, True]


async def test_a_revoked_token_ends_the_stream_for_good(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noc.api.stream.PING_S", 0.05)
    token = tokens.create(hub.data, "guest", "viewer")
    async with HubClient(hub.tls_url, token, hub.ca) as remote, following(remote, None) as heard:
        assert heard[0].kind == "connected"
        tokens.TokenStore(hub.data).revoke("guest")
        with pytest.raises(HubRefusedError):
            await heard.task


async def test_silence_is_filled_with_pings_and_plain_readers_resume_by_last_event_id(
    hub: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noc.api.stream.PING_S", 0.05)
    async with hub.daemon() as daemon:
        await daemon.deliver(Writer().bfd(3))
    transport = httpx.AsyncHTTPTransport(uds=str(hub.run / "hub.sock"))
    async with (
        httpx.AsyncClient(transport=transport) as http,
        http.stream("GET", "http://hub/api/v1/stream", headers={"Last-Event-ID": str(STARTED + 1)}) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        lines: list[str] = []
        async for line in response.aiter_lines():
            lines.append(line)
            if line == "event: ping":
                break
    assert [line for line in lines if line.startswith("id: ")] == [f"id: {STARTED + n}" for n in (2, 3)]
    assert json.loads(lines[1].removeprefix("data: "))["after"] == STARTED + 1
