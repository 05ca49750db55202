"""Notifications on real sockets: a hub with a cut duct, receivers that listen, fail and come back."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hubworld import INVENTORY, World, Writer, reachable
from test_notify_pipeline import alarm

from lifeline.config.problems import ConfigError
from lifeline.model.inventory import SecretRef
from lifeline.model.records import PerceivedSeverity
from noc.client import HubClient
from noc.notify import notifier as notifier_module
from noc.notify.config import Email, Heartbeat, Notifications, Receiver, Route, Syslog, Webhook, load
from noc.notify.pipeline import Message
from noc.notify.senders import EmailSender, SendError, SyslogSender, sender_of
from noc.serve import serve

MESSAGE = Message("duty", "raised", (alarm(),))


@dataclass
class Web:
    """An HTTP server that keeps what is posted, and answers as it is told."""

    status: int = 204
    posted: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (it.partition(": ") for it in head[1:] if it)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if self.status == 204:
            self.posted.append((headers | {"request": head[0]}, body))
        writer.write(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % self.status)
        await writer.drain()
        writer.close()
        self.news.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.posted) < count:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    web = Web()
    server = await asyncio.start_server(web.take, "127.0.0.1", 0)
    web.port = server.sockets[0].getsockname()[1]
    async with server:
        yield web


@contextlib.asynccontextmanager
async def telling(world: World, config: Notifications) -> AsyncIterator[HubClient]:
    """Run a hub that tells people."""
    stopping = asyncio.Event()
    task = asyncio.create_task(serve(INVENTORY, world.data, world.run, "noc-a", [], stopping, config))
    try:
        await reachable(world.run / "hub.sock", task.done)
        async with HubClient(world.url) as client:
            yield client
    finally:
        stopping.set()
        await task


async def cut(world: World) -> None:
    for site in ("sbs-a", "sbs-b"):
        writer = Writer(f"{site}/agent")
        async with world.daemon(f"{site}/agent") as daemon:
            await daemon.deliver([
                writer.condition(f"link:fibre-{site[-1]}", severity=PerceivedSeverity.MAJOR),
                writer.condition(f"group:pg-{site[-1]}", "on-protection", PerceivedSeverity.MAJOR),
            ])  # fmt: skip


def config(web: Web, **more: Any) -> Notifications:
    receivers = {"duty": Receiver(webhook=Webhook(f"http://127.0.0.1:{web.port}/hook"))}
    routes = [Route("duty", resources=["srg:", "link:", "group:"], wait_s=1.0)]
    return Notifications(lifeline_notifications=1, receivers=receivers, routes=routes, **more)


async def test_a_cut_duct_is_one_message(world: World, web: Web) -> None:
    async with telling(world, config(web)):
        await cut(world)
        await web.until(1)
        await asyncio.sleep(1.5)  # what must not come would come now
    (posted,) = web.posted
    told = json.loads(posted[1])
    assert (told["schema"], told["why"]) == ("lifeline.notification/1", "raised")
    assert [it["id"] for it in told["alarms"]] == ["duct-cut.srg.duct"]
    assert told["alarms"][0]["consequences"] >= 2


async def test_a_receiver_that_fails_is_told_when_it_is_back_and_an_alarm_says_so(
    world: World, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier_module, "RETRY_S", (0.05,))
    monkeypatch.setattr(notifier_module, "STUCK_S", 0.2)
    web.status = 500
    async with telling(world, config(web)) as client:
        await cut(world)
        async with asyncio.timeout(30):
            while not (found := [it for it in await client.alarms() if it["alarm_type_id"] == "notifications-failing"]):  # noqa: ASYNC110 - polled
                await asyncio.sleep(0.05)
        assert "duty" in found[0]["text"]
        web.status = 204
        await web.until(1)
    assert "duct-cut" in web.posted[0][1].decode()


async def test_the_heart_beats_outward(world: World, web: Web) -> None:
    beat = Heartbeat(f"http://127.0.0.1:{web.port}/beat", every_s=5)
    async with telling(world, config(web, heartbeat=beat)):
        await web.until(1)
    assert json.loads(web.posted[0][1])["hub"] == "noc-a/hub"


async def test_a_webhook_is_signed(web: Web, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    (tmp_path / "key").chmod(0o600)
    sender = sender_of(
        Receiver(webhook=Webhook(f"http://127.0.0.1:{web.port}/", secret=SecretRef(file=str(tmp_path / "key"))))
    )
    await sender.send(MESSAGE, "noc-a/hub")
    headers, body = web.posted[0]
    assert headers["x-lifeline-signature"] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()


async def test_mail_is_sent_by_smtp(mail_server: Any) -> None:
    async with mail_server() as (port, lines):
        await EmailSender(Email("127.0.0.1", "lifeline@noc.example", ["duty@noc.example"], port, "none")).send(
            MESSAGE, "noc-a/hub"
        )
    assert "Subject: [major] a is lost" in lines
    assert any("rcpt to:<duty@noc.example>" in it.lower() for it in lines)
    assert "Auto-Submitted: auto-generated" in lines


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
async def test_syslog_reaches_its_collector(protocol: str) -> None:
    if protocol == "udp":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
            collector.bind(("127.0.0.1", 0))
            collector.setblocking(False)
            await SyslogSender(Syslog("127.0.0.1", collector.getsockname()[1])).send(MESSAGE, "noc-a/hub")
            async with asyncio.timeout(10):
                got = await asyncio.get_running_loop().sock_recv(collector, 4096)
        assert got.startswith(b"<131>1 ")
        return
    taken: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.put_nowait(await reader.read())
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server, asyncio.timeout(10):
        port = server.sockets[0].getsockname()[1]
        await SyslogSender(Syslog("127.0.0.1", port, "tcp")).send(MESSAGE, "noc-a/hub")
        got = await taken.get()
    length, _, rest = got.partition(b" ")
    assert int(length) == len(rest)


async def test_nobody_there_is_an_error_that_can_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for receiver in (
        Receiver(webhook=Webhook(f"http://127.0.0.1:{port}/")),
        Receiver(email=Email("127.0.0.1", "a@b", ["c@d"], port, "none")),
        Receiver(syslog=Syslog("127.0.0.1", port, "tcp")),
    ):
        with pytest.raises(SendError):
            await sender_of(receiver).send(MESSAGE, "noc-a/hub")


# ---------------------------------------------------------------- the file

GOOD = """
lifeline_notifications: 1
receivers:
  duty: {webhook: {url: "https://pager.example/hook"}}
routes:
  - {receiver: duty, least: major, escalate: [{after_s: 900, receiver: duty}]}
heartbeat: {url: "https://watch.example/ping", every_s: 30}
"""


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "notifications.yml"
    path.write_text(GOOD)
    found = load(path)
    assert (found.routes[0].wait_s, found.routes[0].escalate[0].receiver) == (3.0, "duty")


@pytest.mark.parametrize(
    ("old", "new", "place", "text"),
    [
        ("receiver: duty, least", "receiver: dutty, least", ":6:16:", "did you mean 'duty'"),
        ("least: major", "leest: major", ":6:", "did you mean 'least'"),
        ("webhook: {url", "webhok: {url", ":4:", "did you mean 'webhook'"),
        ("https://pager", "ftp://pager", ":4:", "url"),
        ('hook"}', 'hook", secret: {env: LIFELINE_NOT_SET}}', ":4:", "LIFELINE_NOT_SET is not set"),
        ("every_s: 30", "every_s: 1", ":7:", "every_s"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, old: str, new: str, place: str, text: str) -> None:
    path = tmp_path / "notifications.yml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as found:
        load(path)
    assert place in str(found.value)
    assert text in str(found.value)
