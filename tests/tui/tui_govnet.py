"""The lab's network as a hub shows it, and a client that stands in for `noc.client.HubClient`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from noc.client import HubRefusedError, HubUnreachableError, StreamMessage

NOW_NS = 1_795_500_000_000_000_000  # 2026-11-24T06:00:00Z
SECOND = 1_000_000_000
STATIONS = {
    "dongcheng": ("东城", "duct-east"), "xicheng": ("西城", "duct-west"), "chaoyang": ("朝阳", "duct-east"),
    "haidian": ("海淀", "duct-west"), "fengtai": ("丰台", "duct-east"), "shijingshan": ("石景山", "duct-west"),
}  # fmt: skip
OTHERS = {
    "core-wired": ("core-room-wired", "Wired network core room", "有线政务专网核心层主机房"),
    "core-800m": ("core-room-800m", "800 MHz network core room", "800兆无线政务网核心层主机房"),
    "noc-a": ("command-centre", "Operations centre A", "指挥中心甲"),
    "noc-b": ("command-centre", "Operations centre B", "指挥中心乙"),
    "sathub": ("satellite-hub", "Satellite hub", "卫星主站"),
}


def site(name: str, **changes: Any) -> dict[str, Any]:
    """A healthy site."""
    if name in OTHERS:
        kind, text, text_zh = OTHERS[name]
        district: str | None = None
    else:
        district = name.removeprefix("sbs-")
        kind, text, text_zh = "super-base-station", district.title(), STATIONS[district][0]
    return {
        "id": name, "kind": kind, "name": text, "name_zh": text_zh, "district": district,
        "district_name": (district or "").title(),
        "district_name_zh": f"{STATIONS[district][0]}区" if district else "",
        "health": "ok", "agent": "up",
        "last_heard_at_ns": NOW_NS, "alarms": {"critical": 0, "major": 0, "minor": 0, "warning": 0}, "text": "",
    } | changes  # fmt: skip


def path(link: str, **changes: Any) -> dict[str, Any]:
    """A healthy path as one end sees it."""
    fibre = link.startswith("fibre")
    return {
        "link": link, "bfd": "Up", "diag": "No Diagnostic", "signal_fail": False, "carrier": True,
        "since_ns": NOW_NS - 7200 * SECOND, "interval_ms": 10 if fibre else 300, "detect_ms": 30 if fibre else 900,
    } | changes  # fmt: skip


def end(name: str, at: str, **changes: Any) -> dict[str, Any]:
    """One end of a healthy group."""
    return {
        "group": f"pg-{name}", "site": at, "state": "Normal", "selector": "working",
        "working": path(f"fibre-{name}"), "protection": path(f"sat-{name}"),
        "why": f"Both paths are healthy; carrying on fibre-{name}.", "request": "NR", "wtr_ends_at_ns": None,
        "switch_count": 0, "last_switch_at_ns": None, "revertive": True, "hold_off_ms": 0, "wtr_ms": 2000,
        "fresh": True, "heard_at_ns": NOW_NS,
    } | changes  # fmt: skip


def group(name: str, **changes: Any) -> dict[str, Any]:
    """A healthy group."""
    return {
        "id": f"pg-{name}", "working": f"fibre-{name}", "protection": f"sat-{name}", "revertive": True,
        "wtr_ms": 2000, "hold_off_ms": 0, "selector": "working", "state": "Normal", "health": "ok",
        "ends": {at: end(name, at) for at in (f"sbs-{name}", "core-wired")},
    } | changes  # fmt: skip


def link(name: str, media: str, station: str, n: int, **changes: Any) -> dict[str, Any]:
    """A healthy link between a station and the core."""
    net = "10.64" if media == "fibre" else "10.66"
    return {
        "id": name, "media": media, "srgs": [STATIONS[station][1]] if media == "fibre" else [],
        "a": {"site": f"sbs-{station}", "interface": media[:5], "address": f"{net}.{n}.2/30"},
        "b": {"site": "core-wired", "interface": f"f-{station}"[:15], "address": f"{net}.{n}.1/30"},
        "state": "up", "ends": {at: path(name) for at in (f"sbs-{station}", "core-wired")}, "groups": [f"pg-{station}"],
    } | changes  # fmt: skip


def alarm(resource: str, kind: str, severity: str, text: str, **changes: Any) -> dict[str, Any]:
    """An active alarm, twelve seconds old."""
    return {
        "id": f"{resource}/{kind}", "resource": resource, "alarm_type_id": kind, "perceived_severity": severity,
        "event_type": "communicationsAlarm", "probable_cause": "lossOfSignal", "text": text,
        "raised_at_ns": NOW_NS - 12 * SECOND, "changed_at_ns": NOW_NS - 12 * SECOND, "cleared_at_ns": None,
        "reporters": ["sbs-dongcheng/agent"], "acknowledged_by": None, "acknowledged_at_ns": None,
    } | changes  # fmt: skip


def event(cursor: int, kind: str, subject: str, body: dict[str, Any], seconds_ago: float = 0) -> dict[str, Any]:
    """An event of the journal."""
    at = NOW_NS - int(seconds_ago * SECOND)
    return {
        "cursor": cursor, "recorded_at_ns": at, "node": "sbs-dongcheng/agent", "boot_id": "b1", "seq": cursor,
        "observed_at_ns": at, "kind": kind, "subject": subject, "body": body,
    }  # fmt: skip


def healthy() -> dict[str, Any]:
    """The whole network in good health, 14 daemons just started."""
    names = [*OTHERS, *(f"sbs-{name}" for name in STATIONS)]
    links = [
        link(f"{prefix}-{name}", media, name, n)
        for n, name in enumerate(STATIONS, 11)
        for prefix, media in (("fibre", "fibre"), ("sat", "satellite"))
    ]
    backbone = link("bb-core-noc-a", "fibre", "dongcheng", 1) | {
        "srgs": [], "groups": [], "ends": {},  "state": "unknown",
        "a": {"site": "core-wired", "interface": "eth1", "address": "10.0.255.1/30"},
        "b": {"site": "noc-a", "interface": "eth1", "address": "10.0.255.2/30"},
    }  # fmt: skip
    return {
        "schema": "lifeline.state/1", "cursor": 14, "generated_at_ns": NOW_NS, "overall": "ok",
        "sites": [site(name) for name in names], "links": [*links, backbone],
        "groups": [group(name) for name in STATIONS], "alarms": [],
    }  # fmt: skip


def started_events() -> list[dict[str, Any]]:
    """The journal of a network that has just come up."""
    nodes = ["noc-a/hub", *(f"{name}/agent" for name in (*OTHERS, *(f"sbs-{name}" for name in STATIONS)))]
    return [
        event(n, "daemon", f"daemon:{node}", {"state": "started", "pid": 100 + n}, 3600 - n)
        for n, node in enumerate(nodes, 1)
    ]


def cut(state: dict[str, Any], name: str = "dongcheng") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The same network 12 seconds after a station's fibre was cut, and the events of it."""
    fibre, why = (
        f"fibre-{name}",
        f"Working path fibre-{name} failed (BFD detection time expired); carrying on sat-{name}.",
    )
    lost = f"sbs-{name} has lost {fibre}: BFD is Down (Control Detection Time Expired)"
    switched_at = NOW_NS - 12 * SECOND
    down = {
        f"sbs-{name}": path(fibre, bfd="Down", signal_fail=True, since_ns=switched_at,
                            diag="Control Detection Time Expired", interval_ms=1000, detect_ms=3000),
        "core-wired": path(fibre, bfd="Down", signal_fail=True, since_ns=switched_at,
                           diag="Neighbor Signaled Session Down", interval_ms=1000, detect_ms=3000),
    }  # fmt: skip
    ends = {
        at: end(name, at, state="Protecting failure", selector="protection", request="SF-W", why=why, working=down[at],
                switch_count=1, last_switch_at_ns=switched_at)
        for at in down
    }  # fmt: skip
    cut_group = group(name, selector="protection", state="Protecting failure", health="degraded", ends=ends)
    alarms = [
        alarm(f"link:{fibre}", "path-down", "major", lost),
        alarm(f"group:pg-{name}", "on-protection", "warning", f"sbs-{name} has pg-{name} on protection: {why}"),
    ]
    sites = [
        s | {"health": "degraded", "alarms": s["alarms"] | {"major": 1, "warning": 1}}
        if s["id"] == f"sbs-{name}" else s
        for s in state["sites"]
    ]  # fmt: skip
    links = [x | {"state": "down", "ends": down} if x["id"] == fibre else x for x in state["links"]]
    groups = [cut_group if g["id"] == f"pg-{name}" else g for g in state["groups"]]
    events = [
        event(15, "bfd", f"link:{fibre}", {
            "site": f"sbs-{name}", "state": "Down", "previous": "Up", "diag": "Control Detection Time Expired",
            "remote_state": "Up", "remote_diag": "No Diagnostic"}, 12),
        event(16, "protection", f"group:pg-{name}", ends[f"sbs-{name}"], 12),
        event(17, "condition", f"link:{fibre}", {
            "subject": f"link:{fibre}", "name": "path-down", "perceived_severity": "major",
            "event_type": "communicationsAlarm", "probable_cause": "lossOfSignal",
            "text": lost, "detail": {}}, 12),
    ]  # fmt: skip
    now = {**state, "cursor": 17, "sites": sites, "links": links, "groups": groups, "alarms": alarms}
    return now | {"overall": "degraded"}, events


@dataclass
class FakeHub:
    """A hub without sockets: what it says is what the test tells it to."""

    now: dict[str, Any] = field(default_factory=healthy)
    journal: list[dict[str, Any]] = field(default_factory=started_events)
    shown: list[dict[str, Any]] = field(default_factory=list)
    series: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    away: bool = False
    queue: asyncio.Queue[StreamMessage] = field(default_factory=asyncio.Queue)
    states_asked: int = 0
    orders: list[dict[str, Any]] = field(default_factory=list)
    answer: dict[str, Any] | Exception = field(default_factory=lambda: {"phase": "planned"})

    async def state(self) -> dict[str, Any]:
        self.states_asked += 1
        if self.away:
            raise HubUnreachableError("no hub at unix:///tmp/hub.sock: connection refused")
        return self.now

    async def live(self, subject: str = "") -> list[dict[str, Any]]:
        return [view for view in self.shown if str(view["subject"]).startswith(subject)]

    async def events(self, after: int = 0, limit: int = 200) -> list[dict[str, Any]]:
        if self.away:
            raise HubUnreachableError("no hub at unix:///tmp/hub.sock: connection refused")
        return [e for e in self.journal if e["cursor"] > after][:limit]

    async def history(self, subject: str, metric: str, *_span: Any, **_more: Any) -> dict[str, Any]:
        if (values := self.series.get((subject, metric))) is None:
            raise HubRefusedError(404, f"there is no metric {metric!r}")
        points = [[NOW_NS - n * 60 * SECOND, value, value, value, 1] for n, value in enumerate(values[::-1])][::-1]
        return {"unit": "", "step_s": 60, "points": points}

    async def command(self, command: str, target: str, text: str = "", **more: Any) -> dict[str, Any]:
        """Answer as told: a dry run as planned unless the answer says that it would be refused."""
        self.orders.append({"command": command, "target": target, **more})
        if isinstance(self.answer, Exception):
            raise self.answer
        return {
            "command": command, "target": target, "text": text, "at": "sbs-dongcheng", "detail": "",
            "plan": ["Order: force to protection, group pg-dongcheng, at sbs-dongcheng (the station's end).",
                     "Traffic would move from fibre-dongcheng to sat-dongcheng."],
        } | self.answer  # fmt: skip

    async def stream(self, after: int | None = None) -> AsyncIterator[StreamMessage]:
        self.say("connected", {"hub": "noc-a", "journal": "j1", "cursor": after, "rewound": False})
        while True:
            yield await self.queue.get()

    def say(self, kind: str, data: dict[str, Any]) -> None:
        """Put a message on the stream."""
        self.queue.put_nowait(StreamMessage(kind, data, data.get("cursor", 0)))

    def say_event(self, entry: dict[str, Any]) -> None:
        """Journal an event and stream it."""
        self.journal.append(entry)
        self.say("event", entry)

    def say_state(self, subject: str, body: dict[str, Any]) -> None:
        """Stream a live object."""
        self.say("state", {"subject": subject, "body": body})
