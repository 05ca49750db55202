"""Alarms: a duct cut that takes 200 of 1,000 sites, from random orders of arrival to the message that people get.

Real hub, real socket, real outbox wire; the receiver of the messages is a real HTTP server. `measure` is a benchmark of
its own; `duct_cut` and `paint` are for the network benchmark, which has them beside the figures of polling.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lifeline.alarms import Alarm, AlarmList, Topology, alarm_id, correlate, judge_ducts
from lifeline.clock import monotonic_s, wall_ns
from lifeline.config import parse_inventory
from lifeline.model.records import Condition, Event, EventKind, EventType, PerceivedSeverity, ProbableCause, StoredEvent
from lifeline.runtime import wire
from noc.client import HubClient
from noc.notify.config import Notifications, Receiver, Route, Webhook
from noc.notify.pipeline import Pipeline, Standing

from .figures import Figure

LIFELINE = Path(sys.executable).with_name("lifeline")
SITES, CUT, ORDERS = 1000, 200, 1000
DUCT = alarm_id("srg:duct-0", "duct-cut")
WITHIN_S = 2.0
EVENTS = 60
SIZE = (160, 45)
_S = 1_000_000_000


def measure() -> list[Figure]:
    """Return all figures."""
    print(f"{ORDERS} orders of arrival", file=sys.stderr)
    figures = random_orders()
    print("a duct cut through a hub, and a screen that follows it", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="lifeline-bench-alarms-") as directory:
        figures += asyncio.run(_with_hub(Path(directory)))
    return figures


# ---------------------------------------------------------------- the city


def inventory_text(sites: int = SITES, of_duct: int = CUT) -> str:
    """Return a city: five ducts of 200 fibres to one core; every second station has a satellite as well."""
    parts = ["lifeline: 1", "districts: {d: {name: District}}", "sites:", "  core: {kind: core-room-wired, name: Core}"]
    links = []
    for n in range(sites):
        parts.append(f"  s{n}: {{kind: super-base-station, name: Station {n}, district: d}}")
        links.append(_link(n, "fibre", f"10.{n // 250 + 1}.{n % 250}", f", srgs: [duct-{n // of_duct}]"))
        if n % 2:
            links.append(_link(n, "sat", f"10.{n // 250 + 101}.{n % 250}", "", "satellite"))
    groups = [
        f"  g{n}: {{working: fibre-{n}, protection: sat-{n}, prefixes: {{s{n}: [10.250.0.0/16], "
        f"core: [10.{n // 250 + 201}.{n % 250}.0/24]}}}}"
        for n in range(1, sites, 2)
    ]
    ducts = ", ".join(f"duct-{n}: {{name: Duct}}" for n in range(-(-sites // of_duct)))
    return "\n".join([*parts, f"srgs: {{{ducts}}}", "links:", *links, "protection_groups:", *groups, ""])


def _link(n: int, kind: str, net: str, srgs: str, media: str = "fibre") -> str:
    return (
        f"  {kind}-{n}: {{media: {media}, a: {{site: s{n}, interface: {kind}, address: {net}.2/30}}, "
        f"b: {{site: core, interface: {kind[0]}{n}, address: {net}.1/30}}{srgs}, bfd: {{interval_ms: 300}}}}"
    )


def consequences(cut: int = CUT) -> list[Condition]:
    """Return what daemons say of a cut of the first duct: lost links, switched groups, silent sites and devices."""
    told = []
    for n in range(cut):
        told.append(_condition(f"link:fibre-{n}", "path-down", PerceivedSeverity.MAJOR))
        if n % 2:
            told.append(_condition(f"group:g{n}", "on-protection", PerceivedSeverity.WARNING))
        else:
            told.append(_condition(f"site:s{n}", "agent-silent", PerceivedSeverity.MAJOR))
            told.append(_condition(f"device:s{n}/router", "unreachable", PerceivedSeverity.MAJOR))
    return told


def _condition(subject: str, name: str, severity: PerceivedSeverity) -> Condition:
    return Condition(
        subject, name, severity, EventType.COMMUNICATIONS, ProbableCause.LOSS_OF_SIGNAL, f"{name} of {subject}"
    )


# ---------------------------------------------------------------- every order


def random_orders(orders: int = ORDERS) -> list[Figure]:
    """Fold the cut in random orders, looking in between as a hub does; count roots and messages of each."""
    topology = Topology(parse_inventory(inventory_text()))
    dice = random.Random(200)
    told = [condition.to_body() for condition in consequences()]
    one_root, messages, took_s = 0, 0, []
    for order in range(orders):
        dice.shuffle(told)
        roots, sent, worst_s = _one_order(topology, told, dice)
        one_root += roots == {DUCT}
        messages += sent
        took_s.append(worst_s)
        if order % 100 == 99:
            print(f"  {order + 1}", file=sys.stderr)
    name = f"orders of {orders} in which a cut of {CUT} sites is exactly 1 root"
    return [
        Figure(name, one_root, "orders", orders, "higher"),
        Figure("messages on consequences, all orders", messages - orders, "messages", 0,
               note=f"{orders} on the root, one an order"),
        Figure("one look for roots and cut ducts, worst of all orders, median", statistics.median(took_s) * 1000, "ms",
               None, note=f"{len(told)} alarms"),
    ]  # fmt: skip


def _one_order(topology: Topology, told: list[dict[str, Any]], dice: random.Random) -> tuple[set[str], int, float]:
    alarms, now_ns, worst_s, sent = AlarmList(), 1_800_000_000 * _S, 0.0, 0
    pipeline = Pipeline(_notifications("http://nowhere"))
    looks = [0, *sorted(dice.sample(range(len(told)), 3)), len(told)]
    verdicts: dict[str, Any] = {}
    for start, end in itertools.pairwise(looks):
        now_ns += int(0.4 * _S)
        for body in told[start:end]:
            _fold(alarms, body, now_ns)
        began_s = time.perf_counter()
        cut = [alarm.resource.removeprefix("srg:") for alarm in alarms.active() if alarm.resource.startswith("srg:")]
        for condition in judge_ducts(alarms, cut, topology, now_ns).values():
            if condition is not None:
                _fold(alarms, condition.to_body(), now_ns)
        verdicts = correlate(alarms, topology, now_ns)
        worst_s = max(worst_s, time.perf_counter() - began_s)
        sent += len(pipeline.observe([_standing(alarm, verdicts) for alarm in alarms.active()], now_ns / _S))
    sent += len(pipeline.observe([_standing(alarm, verdicts) for alarm in alarms.active()], now_ns / _S + 60))
    return {verdict.id for verdict in verdicts.values() if verdict.is_root}, sent, worst_s


def _fold(alarms: AlarmList, body: dict[str, Any], at_ns: int) -> None:
    event = Event("core/netwatch", "b", 1, at_ns, EventKind.CONDITION, str(body["subject"]), body)
    alarms.apply(StoredEvent(alarms.cursor + 1, at_ns, event))


def _standing(alarm: Alarm, verdicts: dict[str, Any]) -> Standing:
    verdict = verdicts[alarm.id]
    return Standing(
        alarm.id, alarm.resource, alarm.alarm_type_id, alarm.perceived_severity.value, alarm.perceived_severity.rank,
        alarm.event_type.value, alarm.probable_cause.value, alarm.text, alarm.raised_at_ns, len(verdict.consequences),
        verdict.is_root, quiet=False, acknowledged=False,
    )  # fmt: skip


def _notifications(url: str) -> Notifications:
    route = Route("duty", least="warning", wait_s=1.5)
    return Notifications(lifeline_notifications=1, receivers={"duty": Receiver(webhook=Webhook(url))}, routes=[route])


# ---------------------------------------------------------------- a real hub


async def _with_hub(directory: Path) -> list[Figure]:
    async with _receiver() as (url, posted):
        hub = _start(directory, url)
        try:
            async with HubClient(f"unix://{directory}/run/hub.sock") as client:
                await _until(client.health, lambda answer: bool(answer["status"] == "ok"))
                return [*await duct_cut(directory, client, posted), *await paint(directory, client)]
        finally:
            hub.terminate()
            hub.wait(20)


async def duct_cut(directory: Path, client: HubClient, posted: list[dict[str, Any]]) -> list[Figure]:
    """Have one daemon tell of a cut, in random order, on the real socket; wait for the verdict and the messages.

    Args:
        directory: the hub's, with `run/hub.sock`.
        client: of a hub on `inventory_text`.
        posted: what the receiver of its messages has got.
    """
    told = consequences()
    random.Random(1).shuffle(told)
    began_s = monotonic_s()
    async with Teller(directory, "core/netwatch") as teller:
        await teller.tell(told)

        def right(alarms: list[dict[str, Any]]) -> bool:
            roots = [it["id"] for it in alarms if it["root"] == it["id"]]
            return roots == [DUCT] and len(alarms) == len(told) + 1

        await _until(lambda: client.alarms(active=True), right)
        took_s = monotonic_s() - began_s
        await asyncio.sleep(8)  # whatever is sent wrongly is sent by now
        on_root = sum(alarm["id"] == DUCT for message in posted for alarm in message["alarms"])
        of_others = sum(alarm["id"] != DUCT for message in posted for alarm in message["alarms"])
        await teller.tell([_cleared(condition) for condition in told])
        await _until(lambda: client.alarms(active=True), lambda alarms: not alarms)
    return [
        Figure(f"a cut of {CUT} sites, on the wire to 1 root", took_s, "s", WITHIN_S, note=f"{len(told)} alarms"),
        Figure("messages on the root, beyond the one or short of it", abs(on_root - 1), "messages", 0),
        Figure("messages on consequences", of_others, "messages", 0),
    ]  # fmt: skip


async def paint(directory: Path, client: HubClient) -> list[Figure]:
    """Raise alarms on one site after the other; measure until the overview of 1,000 sites has them on screen."""
    from tui.app import LifelineApp

    app, took_ms = LifelineApp(HubClient(client.url), client.url), []
    dice = random.Random(2)
    async with app.run_test(size=SIZE) as pilot, Teller(directory, "core/netwatch-2") as teller:
        await _screen(app, lambda text: "Station" in text)
        for number, site in enumerate(dice.sample(range(SITES), EVENTS)):
            name = f"trouble-{number}"
            condition = Condition(
                f"site:s{site}", "trouble", PerceivedSeverity.CRITICAL, EventType.EQUIPMENT,
                ProbableCause.EQUIPMENT_MALFUNCTION, name,
            )  # fmt: skip
            began_s = monotonic_s()
            await teller.tell([condition])
            await _screen(app, lambda text, name=name: name in text)
            took_ms.append((monotonic_s() - began_s) * 1000)
            await teller.tell([_cleared(condition)])
            await pilot.pause(0.05)
    await app.client.close()  # type: ignore[attr-defined]  # it is the real one
    note = f"{EVENTS} events, {SITES} sites, hub in a process of its own; worst {max(took_ms):.0f} ms"
    return [
        Figure("event at a daemon to paint on the overview, median", statistics.median(took_ms), "ms", 500, note=note)
    ]


def _cleared(condition: Condition) -> Condition:
    from dataclasses import replace

    return replace(condition, perceived_severity=PerceivedSeverity.CLEARED)


@dataclass
class Teller:
    """A daemon's connection: speaks the wire, waits for acknowledgements."""

    directory: Path
    node: str
    seq: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    connection: Any = None

    async def __aenter__(self) -> Self:
        from websockets.asyncio.client import unix_connect

        self.connection = await unix_connect(f"{self.directory}/run/hub.sock", f"ws://hub{wire.INGEST_PATH}")
        await self.connection.send(wire.encode(wire.Hello(self.node, self.node, "core")))
        await self.connection.recv()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.connection.close()

    async def tell(self, conditions: list[Condition]) -> None:
        """Have conditions committed."""
        events = [
            Event(self.node, "bench", next(self.seq), wall_ns(), EventKind.CONDITION, it.subject, it.to_body())
            for it in conditions
        ]
        for start in range(0, len(events), wire.MAX_EVENTS_PER_MESSAGE):
            await self.connection.send(
                wire.encode(wire.Events(tuple(events[start : start + wire.MAX_EVENTS_PER_MESSAGE])))
            )
        while wire.decode_server(await self.connection.recv()) != wire.Ack(events[-1].seq):
            pass


def _start(directory: Path, url: str) -> subprocess.Popen[bytes]:
    """Start a hub on the city, its messages going to `url`."""
    (directory / "inventory.yml").write_text(inventory_text(), encoding="utf-8")
    (directory / "notifications.yml").write_text(
        f"lifeline_notifications: 1\nreceivers: {{duty: {{webhook: {{url: '{url}'}}}}}}\n"
        "routes: [{receiver: duty, least: warning, wait_s: 1.5}]\n",
        encoding="utf-8",
    )
    return subprocess.Popen(
        [LIFELINE, "hub", "run", "--inventory", str(directory / "inventory.yml"), "--data", str(directory / "data"),
         "--run", str(directory / "run"), "--name", "core", "--notifications", str(directory / "notifications.yml")],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def _receiver() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """Run an HTTP server; yield its address and what is posted to it."""
    posted: list[dict[str, Any]] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(it.partition(":")[2]) for it in head.split("\r\n") if it.startswith("content-length"))
        posted.append(json.loads(await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 204 ok\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", posted


async def _until(ask: Any, holds: Any, within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while True:
            with contextlib.suppress(Exception):  # the hub is not there yet
                if holds(await ask()):
                    return
            await asyncio.sleep(0.01)


async def _screen(app: Any, holds: Any, within_s: float = 60.0) -> None:
    """Wait until what is painted satisfies a predicate."""
    async with asyncio.timeout(within_s):
        while not holds(_painted(app)):  # noqa: ASYNC110 - paint tells of no event
            await asyncio.sleep(0.005)


def _painted(app: Any) -> str:
    """Return what is on screen; Textual has no other door to it."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())  # noqa: SLF001 - see above
