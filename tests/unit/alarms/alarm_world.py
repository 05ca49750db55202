"""A core room, stations on fibre in a duct, a relay with a hut behind it; alarms on them, folded as the hub does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lifeline.alarms import AlarmList, Topology, Verdict, alarm_id, correlate, judge_ducts
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

S = 1_000_000_000
NOW = 1_000 * S
HUB = "core/hub"


def inventory_text(stations: int) -> str:
    """Return a city of stations in one duct; each odd one has a satellite as well."""
    sites = ["  core: {kind: core-room-wired, name: Core}", "  relay: {kind: relay, name: R}"]
    sites.append("  hut: {kind: relay, name: Hut, devices: {router: {kind: router}, base: {kind: base-station}}}")
    links = [
        _link("to-relay", "relay", "core", "bridge"), _link("to-hut", "hut", "relay", ""),
        _link("lone-a", "relay", "core", "bridge"),
    ]  # fmt: skip
    groups = []
    for number in range(stations):
        name = f"s{number}"
        sites.append(f"  {name}: {{kind: super-base-station, name: S, devices: {{router: {{kind: router}}}}}}")
        links.append(_link(f"fibre-{name}", name, "core", "duct"))
        if number % 2:
            links.append(_link(f"sat-{name}", name, "core", "", media="satellite"))
            groups.append(
                f"  pg-{name}: {{working: fibre-{name}, protection: sat-{name}, "
                f"prefixes: {{{name}: [10.0.0.0/16], core: [10.{100 + number // 250}.{number % 250}.0/24]}}}}"
            )
    parts = ["lifeline: 1", "sites:", *sites, "srgs: {duct: {name: Duct}, bridge: {name: Bridge}}", "links:", *links]
    return "\n".join([*parts, *(["protection_groups:", *groups] if groups else [])])


_SERIAL = [0]


def _link(name: str, a: str, b: str, srg: str, media: str = "fibre") -> str:
    _SERIAL[0] += 1
    net = f"10.{200 + _SERIAL[0] // 16000}.{_SERIAL[0] // 64 % 250}.{_SERIAL[0] % 64 * 4}"
    base, last = net.rsplit(".", 1)
    ends = [
        f"{end}: {{site: {site}, interface: {end}{_SERIAL[0]}, address: {base}.{int(last) + host}/30}}"
        for end, site, host in (("a", a, 1), ("b", b, 2))
    ]
    srgs = f", srgs: [{srg}]" if srg else ""
    return f"  {name}: {{media: {media}, {', '.join(ends)}{srgs}, bfd: {{interval_ms: 300}}}}"


@dataclass(frozen=True, slots=True)
class Fact:
    """A condition as a daemon tells it."""

    subject: str
    name: str
    at_s: float = 0.0
    severity: PerceivedSeverity = PerceivedSeverity.MAJOR
    cause: ProbableCause = ProbableCause.LOSS_OF_SIGNAL
    node: str = HUB
    because: tuple[tuple[str, str], ...] = ()
    type: EventType = EventType.COMMUNICATIONS

    @property
    def id(self) -> str:
        return alarm_id(self.subject, self.name)

    def event(self, *, cleared: bool = False, at_s: float | None = None) -> Event:
        severity = PerceivedSeverity.CLEARED if cleared else self.severity
        detail = {"because": [list(pair) for pair in self.because]} if self.because else {}
        body = Condition(self.subject, self.name, severity, self.type, self.cause, self.id, detail).to_body()
        at_ns = NOW + int((self.at_s if at_s is None else at_s) * S)
        return Event(self.node, "b", 1, at_ns, EventKind.CONDITION, self.subject, body)


def path_down(link: str, at_s: float = 0.0) -> Fact:
    return Fact(f"link:{link}", "path-down", at_s)


def silent(site: str, at_s: float = 5.0) -> Fact:
    return Fact(f"site:{site}", "agent-silent", at_s)


def dark(site: str, at_s: float = 0.0) -> Fact:
    return Fact(f"power:{site}", "site-dark", at_s, PerceivedSeverity.CRITICAL, ProbableCause.POWER_PROBLEM)


class Watch:
    """A hub's part in it: folds events, and infers cut ducts as often as it is asked to."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.alarms = AlarmList()
        self.now_ns = NOW
        self.raised: list[str] = []

    def tell(self, *events: Event) -> None:
        for event in events:
            for change in self.alarms.apply(StoredEvent(self.alarms.cursor + 1, event.observed_at_ns, event)):
                if change.act == "raise":
                    self.raised.append(change.alarm.id)

    def tick(self, now_s: float = 10.0) -> None:
        """Let the hub look for cut ducts."""
        self.now_ns = NOW + int(now_s * S)
        standing = [a.resource.removeprefix("srg:") for a in self.alarms.active() if a.resource.startswith("srg:")]
        for (subject, name), condition in judge_ducts(self.alarms, standing, self.topology, self.now_ns).items():
            fact = Fact(subject, name, now_s, PerceivedSeverity.CRITICAL, ProbableCause.LINK_FAILURE)
            self.tell(fact.event(cleared=condition is None))

    def verdicts(self) -> dict[str, Verdict]:
        return correlate(self.alarms, self.topology, self.now_ns)

    def roots(self) -> set[str]:
        return {verdict.id for verdict in self.verdicts().values() if verdict.is_root}


def topology_of(stations: int) -> Topology:
    return Topology(parse_inventory(inventory_text(stations)))


def duct_cut(stations: int) -> list[Fact]:
    """Return everything that a city's daemons say when its duct is cut."""
    facts: list[Fact] = []
    for number in range(stations):
        name, late = f"s{number}", number % 7 / 10
        facts.append(path_down(f"fibre-{name}", late))
        if number % 2:
            facts.append(Fact(f"group:pg-{name}", "on-protection", late, PerceivedSeverity.WARNING))
        else:
            facts.append(silent(name, 5 + late))
            facts.append(Fact(f"device:{name}/router", "unreachable", 3 + late))
    return facts


def cleared(facts: Iterable[Fact], at_s: float) -> list[Event]:
    return [fact.event(cleared=True, at_s=at_s) for fact in facts]
