"""Root causes: which alarm follows from which, over the inventory's dependencies and shared risks. Pure.

The verdict is a function of the alarms that stand and of the time, not of how they came: whatever the order of
arrival, the same alarms have the same root. Each kind of fault has a list of rules; the first one that finds causes
explains the alarm, and all causes that it finds together are its parents:

- What has no power is silent, and so is every link that ends there or passes it.
- A site whose links fail together although they share no risk has failed itself: its links follow from it.
- A link follows from the modem, radio or router in which it ends, when that is dead by the word of its own site.
- Links in a cut duct follow from the duct.
- A site behind failed links only follows from those at the edge of its island, be it one or several.
- A group off its working path follows from that path; one without any path from all of its paths.
- What needs time follows from the time source.
- A base station on its own follows from its controller, when that does not work; what either end tells of their lost
  contact follows from that. A device's summary of its alarms follows from these.
- A daemon that knows its cause says so (`because`), and is believed first.

A cause that has just cleared explains for `LINGER_S` longer: silence ends a few seconds after the link is back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from .alarm import Alarm
from .faults import Fault, fault_of, part_of, place_of, seen_on_site, site_told_of
from .topology import Topology

LINGER_S: Final = 15.0
DRIFTS_ALONE: Final = "time-offset"
FAIL_TOGETHER_S: Final = 10.0
"""Faults of one cause begin within this time of one another, by the clocks of those who report them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an alarm is: a root, or a consequence."""

    id: str
    root: str
    """The root's id; the alarm's own when it is a root."""
    parents: tuple[str, ...] = ()
    """The alarms that it follows from directly."""
    because: str = ""
    """Why it follows from them, as a clause; empty for a root."""
    consequences: tuple[str, ...] = ()
    """Of a root: all that follow from it, near and far."""

    @property
    def is_root(self) -> bool:
        """Whether nothing explains it."""
        return self.root == self.id


@dataclass(slots=True)
class _Facts:
    """The alarms that may explain, indexed."""

    topology: Topology
    paths: dict[str, Alarm] = field(default_factory=dict)
    quality: dict[str, Alarm] = field(default_factory=dict)
    ducts: dict[str, Alarm] = field(default_factory=dict)
    dark: dict[str, list[Alarm]] = field(default_factory=dict)
    silent: dict[str, Alarm] = field(default_factory=dict)
    time: dict[str, list[Alarm]] = field(default_factory=dict)
    crashes: dict[str, Alarm] = field(default_factory=dict)
    dead: dict[str, list[Alarm]] = field(default_factory=dict)
    isolated: dict[str, Alarm] = field(default_factory=dict)
    controllers: list[Alarm] = field(default_factory=list)
    of_device: dict[str, list[Alarm]] = field(default_factory=dict)
    by_id: dict[str, Alarm] = field(default_factory=dict)
    failed_sites: dict[str, Alarm] = field(default_factory=dict)
    islands: dict[str, tuple[str, ...]] = field(default_factory=dict)


Rule = Callable[[_Facts, Alarm], tuple[Sequence[Alarm], str]]
"""Returns the causes that explain an alarm, none if it does not apply, and the reason as a clause."""


def correlate(alarms: Iterable[Alarm], topology: Topology, now_ns: int) -> dict[str, Verdict]:
    """Return the verdict on each alarm that stands, by id.

    Args:
        alarms: all alarms, those that have cleared too.
        topology: what hangs on what.
        now_ns: wall time.
    """
    standing, facts = _gather(alarms, topology, now_ns)
    causes: dict[str, tuple[tuple[Alarm, ...], str]] = {}
    for alarm in facts.by_id.values():
        found, reason = _explain(facts, alarm)
        causes[alarm.id] = tuple(sorted(found, key=_age)), reason
    roots = _Roots({name: [it.id for it in found] for name, (found, _) in causes.items()})
    folded: dict[str, list[str]] = {}
    for alarm in standing:
        root = roots.of(alarm.id)
        if root != alarm.id:
            folded.setdefault(root, []).append(alarm.id)
    return {
        alarm.id: Verdict(
            alarm.id, roots.of(alarm.id), tuple(roots.parents(alarm.id)),
            causes[alarm.id][1] if roots.parents(alarm.id) else "", tuple(folded.get(alarm.id, ())),
        )
        for alarm in standing
    }  # fmt: skip


def unexplained_paths(alarms: Iterable[Alarm], topology: Topology, now_ns: int) -> list[Alarm]:
    """Return the standing alarms on failed links that neither power nor the site at an end explains."""
    _, facts = _gather((alarm for alarm in alarms if fault_of(alarm) is not Fault.DUCT), topology, now_ns)
    found = facts.paths.values()
    return [alarm for alarm in found if not alarm.is_cleared and not _explain(facts, alarm)[0]]


def next_deadline_ns(alarms: Iterable[Alarm], now_ns: int) -> int | None:
    """Return the wall time at which the verdicts may change by themselves: a cause stops to explain."""
    ends = (alarm.cleared_at_ns + _LINGER_NS for alarm in alarms if alarm.cleared_at_ns is not None)
    return min((end for end in ends if end > now_ns), default=None)


# -------------------------------------------------------------------- gathering

_NOT_WORKING: Final = frozenset({"device-status", "unreachable"})
_LINGER_NS: Final = int(LINGER_S * 1e9)
_TOGETHER_NS: Final = int(FAIL_TOGETHER_S * 1e9)


def _age(alarm: Alarm) -> tuple[int, str]:
    """Sort key: the earliest first, by who reported it and not by arrival."""
    return alarm.raised_at_ns, alarm.id


def _gather(alarms: Iterable[Alarm], topology: Topology, now_ns: int) -> tuple[list[Alarm], _Facts]:
    facts = _Facts(topology)
    standing = []
    lingering = []
    for alarm in alarms:
        if alarm.cleared_at_ns is None:
            standing.append(alarm)
        elif now_ns - alarm.cleared_at_ns < _LINGER_NS:
            lingering.append(alarm)
    standing.sort(key=_age)
    for alarm in (*standing, *sorted(lingering, key=_age)):
        facts.by_id[alarm.id] = alarm
        _index(facts, alarm)
    facts.failed_sites = dict(_failed_sites(facts))
    facts.islands = topology.cut_off(facts.paths)
    return standing, facts


def _index(facts: _Facts, alarm: Alarm) -> None:
    place, fault = place_of(alarm), fault_of(alarm)
    if alarm.resource.startswith("device:"):
        facts.of_device.setdefault(alarm.resource, []).append(alarm)
        if alarm.alarm_type_id in _NOT_WORKING and alarm.resource.partition(":")[2] in facts.topology.controllers:
            facts.controllers.append(alarm)
    match fault:
        case Fault.PATH:
            facts.paths.setdefault(place, alarm)
        case Fault.QUALITY:
            facts.quality.setdefault(place, alarm)
        case Fault.DUCT:
            facts.ducts.setdefault(place, alarm)
        case Fault.DARK:
            facts.dark.setdefault(place, []).append(alarm)
        case Fault.SILENCE if alarm.resource.startswith("site:"):
            facts.silent.setdefault(place, alarm)
        case Fault.BROKEN:
            facts.dead.setdefault(place, []).append(alarm)
        case Fault.SILENCE if alarm.resource.startswith("device:") and seen_on_site(alarm):
            facts.dead.setdefault(place, []).append(alarm)
        case Fault.TIME:
            facts.time.setdefault(place, []).append(alarm)
        case Fault.ISOLATED:
            facts.isolated.setdefault(place, alarm)
        case Fault.CRASH:
            facts.crashes.setdefault(alarm.resource.partition(":")[2], alarm)
        case _:
            pass


def _failed_sites(facts: _Facts) -> Iterator[tuple[str, Alarm]]:
    """Yield silent sites all of whose links, two or more that share no risk, have failed together."""
    for site, silence in facts.silent.items():
        links = facts.topology.links_at.get(site, ())
        paths = [facts.paths[link] for link in links if link in facts.paths]
        if len(links) < 2 or len(paths) < len(links) or site in facts.dark:
            continue
        cables = [facts.topology.cables[link] for link in links]
        shared = set(cables[0].srgs).intersection(*(cable.srgs for cable in cables))
        begun = [alarm.raised_at_ns for alarm in paths]
        elsewhere = any(_dark(facts, cable.places) for cable in cables) or any(
            srg in facts.ducts for cable in cables for srg in cable.srgs
        )
        if not shared and not elsewhere and max(begun) - min(begun) <= _TOGETHER_NS:
            yield site, silence


# -------------------------------------------------------------------- rules


def _explain(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    for rule in (_told, *_RULES.get(fault_of(alarm), ())):
        causes, reason = rule(facts, alarm)
        before_clear = [it for it in causes if it.cleared_at_ns is None or it.cleared_at_ns >= alarm.raised_at_ns]
        if before_clear and len(before_clear) == len(causes):
            return causes, reason
    return (), ""


def _told(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    named = sorted({cause for report in alarm.reports.values() for cause in report.because})
    causes = [facts.by_id[cause] for cause in named if cause in facts.by_id and cause != alarm.id]
    return causes, "who reports it knows its cause"


def _dark(facts: _Facts, places: Iterable[str]) -> list[Alarm]:
    """Return why places have no power as a whole."""
    return [alarm for place in places for alarm in facts.dark.get(place, ()) if not part_of(alarm)]


def _link_without_power(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    cable = facts.topology.cables.get(place_of(alarm))
    return (_dark(facts, cable.places) if cable else []), "it ends at, or passes, a site without power"


def _link_of_failed_site(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    cable = facts.topology.cables.get(place_of(alarm))
    ends = [facts.failed_sites[end] for end in (cable.ends if cable else ()) if end in facts.failed_sites]
    return ends, "all links of that site, which share no risk, have failed together: the site itself has failed"


def _link_of_dead_device(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    link, topology = place_of(alarm), facts.topology
    cable = topology.cables.get(link)
    for end in cable.ends if cable else ():
        for device in facts.dead.get(end, ()):
            alike = [it for it in topology.links_at[end] if topology.carries(end, part_of(device), it)]
            if link in alike and all(it in facts.paths for it in alike):
                return [device], "it ends there"
    return [], ""


def _link_in_cut_duct(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    cable = facts.topology.cables.get(place_of(alarm))
    return [facts.ducts[srg] for srg in (cable.srgs if cable else ()) if srg in facts.ducts], "it runs through it"


def _thing_without_power(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    site, device = place_of(alarm), part_of(alarm)
    dark = [
        cause
        for cause in facts.dark.get(site, ())
        if not (unit := part_of(cause))
        or (alarm.resource.startswith("device:") and facts.topology.feeds(site, unit, device))
    ]
    return dark, "it has no power"


def _daemon_crashed(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    name = alarm.resource.partition(":")[2]
    daemon = name if "/" in name else f"{name}/agent"
    return ([facts.crashes[daemon]] if daemon in facts.crashes else []), "its daemon keeps ending"


def _cut_off(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    site = place_of(alarm)
    if site in facts.failed_sites:
        failed = facts.failed_sites[site]
        return ([failed] if failed.id != alarm.id else []), "its site has failed"
    if alarm.resource.startswith("device:") and seen_on_site(alarm):
        return [], ""
    edge = [facts.paths[link] for link in facts.islands.get(site, ())]
    return edge, "no other path leads to its site"


def _any_link_at(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    links = facts.topology.links_at.get(place_of(alarm), ())
    return [facts.paths[link] for link in links if link in facts.paths], "its way to the core is lost"


def _controller(facts: _Facts, _alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    return facts.controllers[:1], "its controller does not work"


def _contact(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    """Explain lost contact, told by a station (of itself) or by a controller (of a site)."""
    site = site_told_of(alarm) or place_of(alarm)
    if site in facts.isolated:
        return [facts.isolated[site]], "the base station serves on its own"
    if edge := [facts.paths[link] for link in facts.islands.get(site, ())]:
        return edge, "no other path leads to the station"
    return [facts.silent[site]] if site in facts.silent else [], "nothing is heard from the station's site"


def _own_alarms(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    others = [it for it in facts.of_device[alarm.resource] if fault_of(it) is not Fault.SUMMARY]
    return others, "it is the device's summary of its alarms"


def _same_link(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    path = facts.paths.get(place_of(alarm))
    return ([path] if path is not None else []), "the link is lost"


def _working_path(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    links = facts.topology.links_of_group.get(place_of(alarm), ())
    for found in (facts.paths, facts.quality):
        for link in links:
            if link in found:
                return [found[link]], "a path of the group is lost" if found is facts.paths else "a path is degraded"
    return [], ""


def _all_paths(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    links = facts.topology.links_of_group.get(place_of(alarm), ())
    lost = [facts.paths[link] for link in links if link in facts.paths]
    return (lost if lost and len(lost) == len(links) else []), "all paths of the group are lost"


def _time_source(facts: _Facts, alarm: Alarm) -> tuple[Sequence[Alarm], str]:
    site = place_of(alarm)
    if alarm.alarm_type_id == DRIFTS_ALONE:  # measured against a trusted time that stood: no source explains it
        return [], ""
    if own := facts.time.get(site):
        return own, "its time source is at fault"
    if site not in facts.topology.timed_by_core:
        return [], ""
    cores = sorted(facts.topology.centres)
    return [alarm for core in cores for alarm in facts.time.get(core, ())], "it takes its time from the core"


_RULES: Final[Mapping[Fault, tuple[Rule, ...]]] = {
    Fault.PATH: (_link_without_power, _link_of_failed_site, _link_of_dead_device, _link_in_cut_duct),
    Fault.QUALITY: (_same_link,),
    Fault.DIVERTED: (_working_path,),
    Fault.NO_PATH: (_all_paths,),
    Fault.BROKEN: (_thing_without_power,),
    Fault.SILENCE: (_thing_without_power, _daemon_crashed, _cut_off),
    Fault.ISOLATED: (_thing_without_power, _controller, _cut_off, _any_link_at),
    Fault.CONTACT: (_thing_without_power, _controller, _contact),
    Fault.SUMMARY: (_own_alarms,),
    Fault.SYNC: (_time_source,),
}


# -------------------------------------------------------------------- roots


class _Roots:
    """Follows causes up to their roots. What a `because` ties into a ring has no cause within the ring."""

    def __init__(self, parents: Mapping[str, Sequence[str]]) -> None:
        self._parents = parents
        self._known: dict[str, str] = {}

    def parents(self, name: str) -> Sequence[str]:
        """Return an alarm's causes, unless it is its own root."""
        return () if self.of(name) == name else self._parents[name]

    def of(self, name: str) -> str:
        """Return the root of an alarm: by its first cause, the earliest."""
        way: list[str] = []
        while name not in self._known:
            if name in way:  # a ring: its first member by name is its root, wherever it was entered
                ring = way[way.index(name) :]
                self._known.update(dict.fromkeys(ring, min(ring)))
                break
            way.append(name)
            above = self._parents.get(name, ())
            if not above:
                self._known[name] = name
                break
            name = above[0]
        root = self._known[name]
        for passed in way:
            self._known.setdefault(passed, root)
        return root
