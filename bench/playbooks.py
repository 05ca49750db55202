"""Playbooks: killed at every journal point, a thousand triggers at once, and how soon the first effect follows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from lifeline.clock import monotonic_s
from lifeline.model.records import Condition, EventType, PerceivedSeverity, ProbableCause
from noc.client import HubClient

from .alarms import LIFELINE, Teller, inventory_text
from .figures import Figure
from .playbooks_world import RIGS

KILLS = int(os.environ.get("KILLS", "500"))
BURST = int(os.environ.get("BURST", "1000"))
EFFECTS = 50
_BURST_BOOK = """\
playbook: bench-burst
version: 1
summary: One of a thousand.
triggers: [{condition: bench-trouble, correlate: subject, debounce_s: 0}]
parameters: {site: {default: "{{ trigger.site }}"}}
locks: ["site:{{ site }}"]
limits: {site: 1, everywhere: 20, per_hour: 10000, freeze_share: 1.0}
steps: [{id: note, do: note, args: {text: "{{ trigger.subject }}"}}, {id: again, do: note, args: {text: done}}]
"""
_SOON_BOOK = """\
playbook: bench-soon
version: 1
summary: Its first effect is a request.
triggers: [{condition: bench-soon, correlate: subject, debounce_s: 0}]
limits: {site: 100, everywhere: 100, per_hour: 10000, freeze_share: 1.0}
steps: [{id: tell, do: http, args: {url: "http://127.0.0.1:PORT/", method: POST, json: {of: "{{ trigger.subject }}"}}}]
"""


def say(text: str) -> None:
    """Narrate."""
    print(text, file=sys.stderr, flush=True)


def measure() -> list[Figure]:
    """Return all figures."""
    with tempfile.TemporaryDirectory() as place:
        return [*_kills(), *asyncio.run(_at_a_hub(Path(place)))]


def _kills() -> list[Figure]:
    """Kill runs in a network namespace of their own (`bench.playbooks_world`)."""
    if os.geteuid() != 0:
        return [Figure("kills without an effect twice, lost, or a run stuck", None, "kills", KILLS, "higher",
                       note="needs root")]  # fmt: skip
    say(f"killing runs {KILLS} times, in {RIGS} worlds at once")
    worlds = [
        subprocess.Popen(
            ["unshare", "--net", sys.executable, "-m", "bench.playbooks_world", str(-(-KILLS // RIGS)), str(rig)],
            stdout=subprocess.PIPE, text=True,
        )
        for rig in range(RIGS)
    ]  # fmt: skip
    found, ended = Counter[str](), Counter[str]()
    for world in worlds:
        output, _none = world.communicate(timeout=430)
        if world.returncode:
            return [Figure("kills without an effect twice, lost, or a run stuck", None, "kills", KILLS, "higher",
                           note=f"a world ended with {world.returncode}")]  # fmt: skip
        told = json.loads(output.splitlines()[-1])
        ended.update(told.pop("ended"))
        points = told.pop("points")  # the same in all worlds
        found.update(told)
    note = (
        f"{found['runs']} runs of ten steps (netlink, Modbus), ended {dict(ended)}; of {points} journal points "
        f"{found['covered']}; {found['undone_kills']} kills of runs that were taken back"
    )
    return [
        Figure("kills -9 of a ten-step playbook", found["kills"], "kills", KILLS, "higher", note=note),
        Figure("journal points at which a run was killed", found["covered"], "points", points, "higher"),
        Figure("effects done twice", found["twice"], "effects", 0),
        Figure("effects lost", found["lost"], "effects", 0),
        Figure("runs stuck or ended without a reason", found["stuck"], "runs", 0),
    ]


async def _at_a_hub(place: Path) -> list[Figure]:
    times: dict[str, float] = {}

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        at_s = monotonic_s()
        length = next(
            int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        )
        times[json.loads(await reader.readexactly(length))["of"]] = at_s
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    books = place / "books"
    books.mkdir()
    (books / "burst.yml").write_text(_BURST_BOOK)
    (books / "soon.yml").write_text(_SOON_BOOK.replace("PORT", str(port)))
    (place / "inventory.yml").write_text(inventory_text(), encoding="utf-8")
    hub = subprocess.Popen(  # noqa: ASYNC220 - once, before anything is timed
        [LIFELINE, "hub", "run", "--inventory", str(place / "inventory.yml"), "--data", str(place / "data"), "--run",
         str(place / "run"), "--name", "core", "--playbooks", str(books), "--allow-host", "127.0.0.1"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with HubClient(f"unix://{place}/run/hub.sock") as client:
            async with asyncio.timeout(60):
                while True:
                    with contextlib.suppress(Exception):
                        if (await client.health())["status"] == "ok":
                            break
                    await asyncio.sleep(0.1)
            return [*await _soon(place, times), *await _burst(place, client)]
    finally:
        hub.terminate()
        hub.wait(30)
        server.close()


def _condition(subject: str, name: str) -> Condition:
    return Condition(subject, name, PerceivedSeverity.MAJOR, EventType.EQUIPMENT,
                     ProbableCause.EQUIPMENT_MALFUNCTION, "bench")  # fmt: skip


async def _soon(place: Path, times: dict[str, float]) -> list[Figure]:
    """Time from a daemon's sending of a condition to the first effect outside."""
    say("timing first effects")
    took_ms = []
    async with Teller(place, "core/netwatch") as teller:
        for number in range(EFFECTS):
            subject = f"device:s{number}/x"
            began_s = monotonic_s()
            await teller.tell([_condition(subject, "bench-soon")])
            async with asyncio.timeout(20):
                while subject not in times:  # noqa: ASYNC110 - that is what is waited for
                    await asyncio.sleep(0.002)
            took_ms.append((times[subject] - began_s) * 1000)
    return [Figure("condition at a daemon to first effect, median", statistics.median(took_ms), "ms", 200,
                   note=f"{EFFECTS} conditions, one after the other; worst {max(took_ms):.0f} ms")]  # fmt: skip


async def _burst(place: Path, client: HubClient) -> list[Figure]:
    """Raise a thousand conditions at once, and ask the API all the while."""
    say(f"{BURST} triggers at once")
    told = [_condition(f"site:s{number % 1000}", "bench-trouble") for number in range(BURST)]
    answers_ms: list[float] = []
    done = asyncio.Event()

    async def asking() -> None:
        async with HubClient(client.url) as asker:
            while not done.is_set():
                began_s = monotonic_s()
                await asker.site(f"s{random.randrange(1000)}")
                answers_ms.append((monotonic_s() - began_s) * 1000)
                await asyncio.sleep(0.02)

    asker = asyncio.create_task(asking())
    began_s = monotonic_s()
    async with Teller(place, "core/netwatch-burst") as teller:
        await teller.tell(told)
        async with asyncio.timeout(180):
            while True:
                await asyncio.sleep(1.0)
                if await _ended(client) >= BURST:
                    break
    took_s = monotonic_s() - began_s
    done.set()
    await asker
    runs, most, broken = await _fold(client)
    answers_ms.sort()
    p99 = answers_ms[int(len(answers_ms) * 0.99) - 1]
    return [
        Figure("triggers of a burst that became a run that is done", runs, "runs", BURST, "higher",
               note=f"all done after {took_s:.1f} s"),
        Figure("runs at once beyond the limit of 20", max(0, most - 20), "runs", 0, note=f"{most} at most"),
        Figure("runs at once under one lock, beyond one", broken, "runs", 0),
        Figure("API answer during the burst, p99", p99, "ms", 100,
               note=f"{len(answers_ms)} answers; worst {answers_ms[-1]:.0f} ms"),
    ]  # fmt: skip


async def _ended(client: HubClient) -> float:
    import httpx

    transport = httpx.AsyncHTTPTransport(uds=client.url.removeprefix("unix://"))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        text = (await http.get("/api/v1/runs", params={"playbook": "bench-burst", "limit": 1})).json()
        del text
        metrics = (await http.get("/api/v1/metrics")).text
    lines = [line for line in metrics.splitlines() if line.startswith('lifeline_playbook_ended{state="done"}')]
    return float(lines[0].split()[-1]) - EFFECTS if lines else 0.0


async def _fold(client: HubClient) -> tuple[int, int, int]:
    """Return from the journal: runs done, most at once, and how often a lock was held twice."""
    active: set[str] = set()
    site_of: dict[str, str] = {}
    held: Counter[str] = Counter()
    done = most = broken = after = 0
    while page := await client.events(after, 1000, kind="playbook"):
        after = page[-1]["cursor"]
        for event in page:
            run, body = event["subject"].partition(":")[2], event["body"]
            if body["type"] == "planned" and body["plan"]["playbook"] == "bench-burst":
                site_of[run] = body["plan"]["parameters"]["site"]
            if run not in site_of or body["type"] != "run":
                continue
            if body["input"] == "begin":
                active.add(run)
                held[site_of[run]] += 1
                broken += held[site_of[run]] > 1
                most = max(most, len(active))
            elif body["input"] in {"verified", "undone"}:
                active.discard(run)
                held[site_of[run]] -= 1
                done += body["input"] == "verified"
    return done, most, broken
