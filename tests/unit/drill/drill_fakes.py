"""A hub and a lab that play a fibre cut on loopback: real probes, no namespaces, no outage unless told."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from lab.drills.fibre_cut import Pace
from lab.drills.record import Target
from lifeline.clock import monotonic_ns, wall_ns
from lifeline.model.inventory import Inventory

TARGET = Target("sbs-dongcheng", "core-wired", "pg-dongcheng", "fibre-dongcheng", "sat-dongcheng")
PACE = Pace(
    steady_within=0.3,
    baseline=0.02,
    on_protection=0.05,
    observe_within=1.0,
    revert_beyond_wtr=1.0,
    tail=0.02,
    drain=0.05,
)
MS = 1_000_000


def make_inventory() -> Inventory:
    def link(media: str, net: str, interface: str) -> dict[str, Any]:
        return {
            "media": media,
            "a": {"site": "sbs-dongcheng", "interface": interface, "address": f"{net}.2/30"},
            "b": {"site": "core-wired", "interface": f"{interface}-d", "address": f"{net}.1/30"},
            "bfd": {"interval_ms": 10, "detect_mult": 3},
        }

    return Inventory(
        lifeline=1,
        sites={  # loopback answers to all of 127/8
            "core-wired": {"kind": "core-room-wired", "name": "Core", "prefixes": ["127.0.1.0/24"]},
            "sbs-dongcheng": {"kind": "super-base-station", "name": "Dongcheng", "prefixes": ["127.1.11.0/24"]},
        },
        links={
            "fibre-dongcheng": link("fibre", "10.64.11", "fibre"),
            "sat-dongcheng": link("satellite", "10.66.0", "sat"),
        },
        protection_groups={
            "pg-dongcheng": {
                "working": "fibre-dongcheng",
                "protection": "sat-dongcheng",
                "prefixes": {"sbs-dongcheng": ["127.0.0.0/16"], "core-wired": ["127.1.11.0/24"]},
                "wtr_ms": 100,
            }
        },
    )


def end_state(selector: str = "working", working: str = "Up", protection: str = "Up") -> dict[str, Any]:
    return {
        "selector": selector,
        "why": "no request stands",
        "fresh": True,
        "working": {"link": "fibre-dongcheng", "bfd": working},
        "protection": {"link": "sat-dongcheng", "bfd": protection},
    }


def make_state(**ends: dict[str, Any]) -> dict[str, Any]:
    both = {"sbs-dongcheng": end_state(), "core-wired": end_state()} | ends
    return {"cursor": 7, "groups": [{"id": "pg-dongcheng", "ends": both}], "alarms": []}


def event(writer: str, kind: str, subject: str, at_ns: int, **body: Any) -> dict[str, Any]:
    return {"node": f"{writer}/agent", "kind": kind, "subject": subject, "observed_at_ns": at_ns, "body": body}


def events_of(what: str, site: str, at_ns: int) -> list[dict[str, Any]]:
    """Return the events that one end writes about a cut or a revert."""
    link, group = f"link:{TARGET.working}", f"group:{TARGET.group}"
    if what == "cut":
        down = {"site": site, "state": "Down", "previous": "Up", "diag": "Control Detection Time Expired"}
        return [
            event(site, "bfd", link, at_ns, **down),
            event(site, "protection", group, at_ns, site=site, selector="protection", request="SF-W"),
            event(site, "condition", link, at_ns, name="path-down", perceived_severity="major"),
        ]
    up = {"site": site, "state": "Up", "previous": "Init", "diag": "No Diagnostic"}
    return [
        event(site, "bfd", link, at_ns, **up),
        event(site, "condition", link, at_ns, name="path-down", perceived_severity="cleared"),
        event(site, "protection", group, at_ns, site=site, selector="working", request="NR"),
    ]


@dataclass
class FakeNetwork:
    """Plays lab and hub at once: what is injected appears in the stream after `delay_ms`."""

    state_json: dict[str, Any] = field(default_factory=make_state)
    answers: tuple[str, ...] = ("cut", "revert")
    """What both ends do of: switch at the cut, revert at the repair."""
    delay_ms: int = 5
    injected: list[dict[str, Any]] = field(default_factory=list)
    standing: list[SimpleNamespace] = field(default_factory=list)
    heals: int = 0
    break_on_inject: BaseException | None = None
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    _queue: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    inventory = make_inventory()

    @property
    def faults(self) -> FakeNetwork:
        return self

    def popen(self, _node: str, argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(argv, **options)

    def kill(self, _node: str, _daemon: str) -> None:
        raise NotImplementedError

    def inject(self, name: str, **options: Any) -> SimpleNamespace:
        began_ns = monotonic_ns()
        self.standing.append(SimpleNamespace(id="001", name=name))
        self.injected.append({"name": name, **options})
        self.cut.set()
        if self.break_on_inject is not None:
            raise self.break_on_inject
        self._play("cut")
        return SimpleNamespace(id="001", began_ns=began_ns, took_hold_ns=monotonic_ns())

    def heal(self, _fault_id: str | None = None) -> None:
        if self.standing:
            self._play("revert")
        self.standing.clear()
        self.heals += 1

    def active(self) -> list[SimpleNamespace]:
        return self.standing

    def _play(self, what: str) -> None:
        if what in self.answers:
            for site in TARGET.ends:
                for one in events_of(what, site, wall_ns() + self.delay_ms * MS):
                    self._queue.put_nowait(one)

    async def state(self) -> dict[str, Any]:
        return self.state_json

    async def stream(self, after: int) -> AsyncIterator[Any]:
        assert after == 7
        yield SimpleNamespace(kind="connected", data=None)
        while True:
            data = await self._queue.get()
            await asyncio.sleep(self.delay_ms / 1000)
            yield SimpleNamespace(kind="event", data=data)
