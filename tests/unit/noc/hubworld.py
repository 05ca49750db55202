"""A small network, a hub on real sockets, and daemons that speak to it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect, unix_connect

from lifeline.config import parse_inventory
from lifeline.model.records import (
    Condition,
    Event,
    EventKind,
    EventType,
    PerceivedSeverity,
    ProbableCause,
    StoredEvent,
)
from lifeline.runtime import wire
from lifeline.runtime.tls import pinned_context
from noc.listen import Listener
from noc.serve import serve
from noc.tls import ensure_certificate

LIFELINE = Path(sys.executable).parent / "lifeline"
INVENTORY_TEXT = """
lifeline: 1
districts:
  east: {name: East}
sites:
  core: {kind: core-room-wired, name: Core room, prefixes: [10.0.1.0/24], agent: true}
  sbs-a: {kind: super-base-station, name: Station A, name_zh: 甲, district: east, prefixes: [10.1.1.0/24], agent: true}
  sbs-b: {kind: super-base-station, name: Station B, district: east, prefixes: [10.1.2.0/24], agent: true}
  mast: {kind: radio-base-station, name: Mast}
srgs:
  duct: {name: Duct}
links:
  fibre-a: &fibre
    media: fibre
    a: {site: sbs-a, interface: fibre, address: 10.64.1.2/30}
    b: {site: core, interface: f-a, address: 10.64.1.1/30}
    srgs: [duct]
    bfd: {interval_ms: 10}
  sat-a: &sat
    media: satellite
    a: {site: sbs-a, interface: sat, address: 10.66.0.11/24}
    b: {site: core, interface: sat0, address: 10.66.0.1/24}
    bfd: {interval_ms: 300}
  fibre-b:
    <<: *fibre
    a: {site: sbs-b, interface: fibre, address: 10.64.2.2/30}
    b: {site: core, interface: f-b, address: 10.64.2.1/30}
  sat-b:
    <<: *sat
    a: {site: sbs-b, interface: sat, address: 10.66.0.12/24}
protection_groups:
  pg-a: {working: fibre-a, protection: sat-a, prefixes: {sbs-a: [10.0.0.0/16], core: [10.1.1.0/24]}}
  pg-b: {working: fibre-b, protection: sat-b, prefixes: {sbs-b: [10.0.0.0/16], core: [10.1.2.0/24]}}
"""
INVENTORY = parse_inventory(INVENTORY_TEXT)
AGENT = "sbs-a/agent"


def path(link: str, fails: bool | None = False, bfd: str | None = None) -> dict[str, Any]:
    up = "Up" if fails is False else "Down"
    return {
        "link": link,
        "bfd": bfd or up,
        "diag": "No Diagnostic",
        "signal_fail": fails,
        "since_ns": 1,
        "detect_ms": 30,
    }


def end(
    site: str = "sbs-a",
    selector: str = "working",
    fibre: bool | None = False,
    sat: bool | None = False,
    group: str = "a",
) -> dict[str, Any]:
    """Return the state of a group's end, as the fast path reports it."""
    return {
        "group": f"pg-{group}", "site": site, "state": "Normal", "selector": selector, "why": "both paths work",
        "working": path(f"fibre-{group}", fibre), "protection": path(f"sat-{group}", sat), "request": "NR",
    }  # fmt: skip


def condition(
    subject: str = "link:fibre-a",
    name: str = "path-down",
    severity: PerceivedSeverity = PerceivedSeverity.MAJOR,
    text: str = "sbs-a has lost fibre-a",
) -> Condition:
    return Condition(
        subject, name, severity, EventType.COMMUNICATIONS, ProbableCause.LOSS_OF_SIGNAL, text
    )  # fmt: skip


class Writer:
    """Numbers events as one daemon's outbox does."""

    def __init__(self, node: str = AGENT, boot_id: str = "b1") -> None:
        self.node = node
        self.boot_id = boot_id
        self._seq = itertools.count(1)

    def event(self, kind: EventKind, subject: str, body: dict[str, Any]) -> Event:
        seq = next(self._seq)
        return Event(self.node, self.boot_id, seq, 1_000 + seq, kind, subject, body)

    def condition(self, *args: Any, **kwargs: Any) -> Event:
        one = condition(*args, **kwargs)
        return self.event(EventKind.CONDITION, one.subject, one.to_body())

    def bfd(self, n: int = 1) -> list[Event]:
        body = {"site": "sbs-a", "state": "Up", "previous": "Down", "diag": "No Diagnostic"}
        return [self.event(EventKind.BFD, "link:fibre-a", body) for _ in range(n)]


class Journal:
    """Gives events the cursors that a journal would."""

    def __init__(self) -> None:
        self._cursor = itertools.count(1)

    def store(self, event: Event) -> StoredEvent:
        return StoredEvent(next(self._cursor), event.observed_at_ns + 5, event)


class Daemon:
    """A daemon's connection, message by message."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, message: wire.ClientMessage) -> None:
        await self.connection.send(wire.encode(message))

    async def hear(self) -> wire.ServerMessage | None:
        async with asyncio.timeout(5):
            return wire.decode_server(await self.connection.recv())

    async def hello(self, node: str = AGENT) -> Self:
        await self.say(wire.Hello(node, "b1", node.partition("/")[0]))
        assert isinstance(await self.hear(), wire.Welcome)
        return self

    async def deliver(self, events: list[Event]) -> None:
        """Send events and wait until all are acknowledged."""
        for start in range(0, len(events), wire.MAX_EVENTS_PER_MESSAGE):
            await self.say(wire.Events(tuple(events[start : start + wire.MAX_EVENTS_PER_MESSAGE])))
        while (answer := await self.hear()) != wire.Ack(events[-1].seq):
            assert isinstance(answer, wire.Ack)


class World:
    """Where a hub lives: its directories, its addresses, and how to reach it."""

    def __init__(self, root: Path, port: int | None = None) -> None:
        self.data = root / "data"
        self.run = root / "run"
        self.port = port
        self.url = f"unix://{self.run}/hub.sock"
        self.tls_url = f"https://127.0.0.1:{port}"
        self.inventory_file = root / "inventory.yml"
        self.inventory_file.write_text(INVENTORY_TEXT)

    @property
    def ca(self) -> Path:
        return self.data / "tls" / "hub.crt"

    @contextlib.asynccontextmanager
    async def daemon(self, node: str | None = AGENT, token: str | None = None) -> AsyncIterator[Daemon]:
        """Connect a daemon: by the local socket, or with a token by TLS; None says no hello."""
        address = f"ws://hub{wire.INGEST_PATH}"
        if token is None:
            opening = unix_connect(str(self.run / "hub.sock"), address, compression=None)
        else:
            headers = {"Authorization": f"Bearer {token}"}
            context = pinned_context(self.ca)
            opening = connect(f"wss://127.0.0.1:{self.port}{wire.INGEST_PATH}", additional_headers=headers, ssl=context)
        async with opening as connection:
            daemon = Daemon(connection)
            yield await daemon.hello(node) if node else daemon


@contextlib.asynccontextmanager
async def serving(world: World) -> AsyncIterator[asyncio.Task[None]]:
    """Run a hub in this loop, on real sockets."""
    listeners = []
    if world.port is not None:
        listeners = [Listener("127.0.0.1", world.port, ensure_certificate(world.data, ["127.0.0.1"]))]
    stopping = asyncio.Event()
    task = asyncio.create_task(serve(INVENTORY, world.data, world.run, "noc-a", listeners, stopping))
    try:
        await reachable(world.run / "hub.sock", task.done)
        if world.port is not None:
            _reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.close()
            await writer.wait_closed()
        yield task
    finally:
        stopping.set()
        await task


class HubProcess:
    """`lifeline hub run` as a process of its own."""

    def __init__(self, world: World, *args: str) -> None:
        self.world = world
        self._args = args
        self.log = world.inventory_file.with_name("hub.log")
        self.process: subprocess.Popen[bytes]

    async def start(self) -> Self:
        self.launch()
        await reachable(self.world.run / "hub.sock", lambda: self.process.poll() is not None)
        return self

    def launch(self) -> None:
        argv = [LIFELINE, "hub", "run", "--inventory", self.world.inventory_file, "--name", "noc-a"]
        argv += ["--data", self.world.data, "--run", self.world.run, *self._args]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(list(map(str, argv)), stderr=log, env={**os.environ, "LIFELINE_LANG": "en"})

    async def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, 10)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        if self.process.poll() is None:
            await self.end(signal.SIGKILL)


async def reachable(socket: Path, failed: Callable[[], bool]) -> None:
    """Wait until something listens on a Unix socket."""
    async with asyncio.timeout(20):
        while not failed():
            try:
                _reader, writer = await asyncio.open_unix_connection(socket)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                return


async def eventually(holds: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Wait until something holds that nothing tells of."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110 - what is watched here has no event to await
            await asyncio.sleep(0.005)
