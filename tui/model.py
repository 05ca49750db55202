"""What the terminal interface knows: a pure fold of the hub's state and its stream. No widget, no clock, no socket.

The hub's views (sites, links, groups, alarms) are kept as the JSON they came as; the shapes are those of the API.
`apply` returns what a message touched, so that a screen rebuilds those rows and no other. When the hub is away the
model says `stale`, and nothing that it returns counts as healthy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from lifeline.model.records import Json, PerceivedSeverity

from .shapes import View, group_view, link_view

LIVE_EVENTS_KEPT: Final = 2000
SEVERITIES: Final = tuple(sorted((s for s in PerceivedSeverity if s.rank), key=lambda s: -s.rank))
_AT_SITE: Final = frozenset({"daemon", "device", "power", "time"})
"""Kinds of objects whose names begin with their site."""
_HEALTH_OF_SEVERITY: Final = {"critical": "critical", "indeterminate": "unknown"}
_HEALTH_RANK: Final = {"critical": 0, "unknown": 1, "degraded": 2, "ok": 3}


class HubLink(StrEnum):
    """How the connection to the hub stands."""

    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Connection:
    """The connection to the hub. Times are this machine's monotonic nanoseconds."""

    link: HubLink = HubLink.CONNECTING
    retry_at_ns: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What a message touched, by id. `at_once` is news that must not wait for the next repaint."""

    sites: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    live: frozenset[str] = frozenset()
    alarms: frozenset[str] = frozenset()
    events: tuple[View, ...] = ()
    at_once: bool = False
    everything: bool = False


EVERYTHING: Final = Change(at_once=True, everything=True)


@dataclass(slots=True)
class NetworkModel:
    """The network as the hub last showed it."""

    sites: dict[str, View] = field(default_factory=dict)
    links: dict[str, View] = field(default_factory=dict)
    groups: dict[str, View] = field(default_factory=dict)
    alarms: dict[str, View] = field(default_factory=dict)
    """Active alarms by id."""
    live: dict[str, View] = field(default_factory=dict)
    """What daemons show live, by subject (`power:sbs-dongcheng`): the latest word of whoever spoke last."""
    _live_of: dict[str, dict[str, View]] = field(default_factory=dict)
    events: deque[View] = field(default_factory=lambda: deque(maxlen=LIVE_EVENTS_KEPT))
    """The latest events, oldest first."""
    cursor: int = 0
    """Everything up to this event is folded in."""
    loaded: bool = False
    connection: Connection = Connection()
    stale_since_ns: int | None = None
    """Hub's wall time of the last word heard from it, while the connection is lost."""
    _clock_offset_ns: int = 0
    _groups_of_link: dict[str, set[str]] = field(default_factory=dict)
    _groups_at: dict[str, list[str]] = field(default_factory=dict)
    _links_at: dict[str, list[str]] = field(default_factory=dict)
    _alarms_on: dict[str, set[str]] = field(default_factory=dict)
    """Identifiers of the active alarms, by resource and by site: with a thousand sites nobody looks through all."""
    _alarms_at: dict[str, set[str]] = field(default_factory=dict)

    # ---- time ----

    def now_ns(self, monotonic_ns: int) -> int:
        """Return the hub's wall time: ages and countdowns refer to its clock, not to this machine's."""
        return monotonic_ns + self._clock_offset_ns

    def set_clock(self, wall_ns: int, monotonic_ns: int) -> None:
        """Note that the hub's wall clock said this at that moment of ours."""
        self._clock_offset_ns = wall_ns - monotonic_ns

    # ---- what comes in ----

    def load(self, state: View, monotonic_ns: int) -> Change:
        """Take the hub's whole state (`GET /state`) in place of all views."""
        self.set_clock(int(state["generated_at_ns"]), monotonic_ns)
        self.sites = {view["id"]: view for view in state["sites"]}
        self.links = {view["id"]: link_view(view) for view in state["links"]}
        self.groups = {view["id"]: group_view(view) for view in state["groups"]}
        self.alarms = {alarm["id"]: alarm for alarm in state["alarms"] if is_active(alarm)}
        self._index()
        self.cursor = max(self.cursor, int(state["cursor"]))
        self.loaded = True
        return EVERYTHING

    def _index(self) -> None:
        """Work out which objects are where."""
        self._groups_of_link, self._groups_at, self._links_at = {}, {}, {}
        for group in self.groups.values():
            for name in ("working", "protection"):
                self._groups_of_link.setdefault(group[name], set()).add(group["id"])
            for site in dict.fromkeys(self.end_sites(group)):
                self._groups_at.setdefault(site, []).append(group["id"])
        for link in self.links.values():
            for site in dict.fromkeys((link["a"]["site"], link["b"]["site"])):
                self._links_at.setdefault(site, []).append(link["id"])
        self._alarms_on, self._alarms_at = {}, {}
        for name, alarm in self.alarms.items():
            self._index_alarm(name, alarm)

    def _index_alarm(self, name: str, alarm: View) -> None:
        self._alarms_on.setdefault(alarm["resource"], set()).add(name)
        for site in self.sites_of(alarm["resource"]):
            self._alarms_at.setdefault(site, set()).add(name)

    def load_live(self, views: Iterable[View]) -> Change:
        """Take all that daemons show live (`GET /live`) in place of what was known."""
        self.live, self._live_of = {}, {}
        for view in sorted(views, key=lambda view: int(view["heard_at_ns"])):
            self._put_live(view)
        return EVERYTHING

    def live_of(self, subject: str) -> list[View]:
        """Return what each daemon that speaks for a subject shows of it, such as both ends of a link."""
        return [view for _node, view in sorted(self._live_of.get(subject, {}).items())]

    def _put_live(self, view: View) -> Change:
        subject = str(view["subject"])
        self.live[subject] = view
        self._live_of.setdefault(subject, {})[str(view["node"])] = view
        return Change(live=frozenset({subject}))

    def add_event(self, event: View) -> Change:
        """Take an event from the stream; one that is known already changes nothing."""
        if self.events and event["cursor"] <= self.events[-1]["cursor"]:
            return Change()
        self.events.append(event)
        self.cursor = max(self.cursor, event["cursor"])
        return Change(events=(event,), at_once=event["kind"] in ("condition", "protection", "alarm", "command"))

    def add_history(self, events: Iterable[View]) -> Change:
        """Take older events than those at hand, oldest first."""
        first = self.events[0]["cursor"] if self.events else None
        older = [e for e in events if first is None or e["cursor"] < first]
        self.events = deque([*older, *self.events], maxlen=max(LIVE_EVENTS_KEPT, len(older) + len(self.events)))
        return Change(events=tuple(older))

    def forget_events(self) -> None:
        """Drop all events: the hub has begun another journal, and cursors known so far mean nothing."""
        self.events.clear()
        self.cursor = 0

    def put(self, subject: str, body: View) -> Change:
        """Take a live object's new view from the stream."""
        kind, _, name = subject.partition(":")
        if kind == "alarm":
            return self._put_alarm(name, body)
        views = {"site": self.sites, "link": self.links, "group": self.groups}.get(kind)
        if views is None:
            return self._put_live(body) if "node" in body and "body" in body else Change()
        before = views.get(name, {})
        views[name] = {"link": link_view, "group": group_view}.get(kind, dict)(body)
        if not before:
            self._index()
        watched = {"site": ("health", "agent"), "link": ("state",), "group": ("health", "selector", "state")}[kind]
        return self._touching(subject, at_once=any(before.get(key) != body.get(key) for key in watched))

    def _put_alarm(self, name: str, alarm: View) -> Change:
        """Take an alarm; those that follow from it show otherwise when it comes or goes."""
        below = {*self.alarms.get(name, {}).get("consequences", ()), *alarm.get("consequences", ())}
        if is_active(alarm):
            self.alarms[name] = alarm
            self._index_alarm(name, alarm)
        else:
            self.alarms.pop(name, None)
            for index, keys in (
                (self._alarms_on, (alarm["resource"],)),
                (self._alarms_at, self.sites_of(alarm["resource"])),
            ):
                for key in keys:
                    index.get(key, set()).discard(name)
        return replace(self._touching(str(alarm["resource"]), at_once=True), alarms=frozenset({name, *below}))

    def connected(self, connection: Connection, monotonic_ns: int) -> Change:
        """Note how the connection to the hub stands."""
        self.connection = connection
        if connection.link is HubLink.LIVE:
            self.stale_since_ns = None
        elif self.loaded and self.stale_since_ns is None:
            self.stale_since_ns = self.now_ns(monotonic_ns)
        return EVERYTHING

    def _touching(self, subject: str, *, at_once: bool) -> Change:
        """Return the rows in which an object shows."""
        kind, _, name = subject.partition(":")
        groups = {name} if kind == "group" else self._groups_of_link.get(name, set()) if kind == "link" else set()
        links = {name} if kind == "link" else set()
        links |= {self.groups[g][path] for g in groups if g in self.groups for path in ("working", "protection")}
        return Change(
            sites=frozenset(self.sites_of(subject)),
            links=frozenset(links),
            groups=frozenset(groups),
            at_once=at_once,
        )

    def copy(self) -> NetworkModel:
        """Return the model as it stands; views are never changed in place, so they are shared."""
        return replace(
            self,
            sites=dict(self.sites),
            links=dict(self.links),
            groups=dict(self.groups),
            alarms=dict(self.alarms),
            live=dict(self.live),
            _live_of={subject: dict(views) for subject, views in self._live_of.items()},
            _alarms_on={resource: set(names) for resource, names in self._alarms_on.items()},
            _alarms_at={site: set(names) for site, names in self._alarms_at.items()},
            events=self.events.copy(),
        )

    # ---- what may be asked ----

    @property
    def stale(self) -> bool:
        """Whether what is known may no longer be so."""
        return self.connection.link is not HubLink.LIVE

    @property
    def overall(self) -> str:
        """How the network stands as a whole: its worst site, group or alarm; `unknown` when stale or empty.

        The stream sends what changed, not the whole; this is the hub's own rule, worked out again.
        """
        if self.stale:
            return "unknown"
        sites = [
            site["health"] for site in self.sites.values() if site["agent"] != "none" or site["health"] != "unknown"
        ]
        groups = [group["health"] for group in self.groups.values()]
        alarms = [_HEALTH_OF_SEVERITY.get(a["perceived_severity"], "degraded") for a in self.alarms.values()]
        return min([*sites, *groups, *alarms], key=health_rank, default="unknown")

    def counts(self) -> dict[str, int]:
        """Return how many alarms are active, by severity, worst first."""
        counts = dict.fromkeys(map(str, SEVERITIES), 0)
        for alarm in self.alarms.values():
            counts[alarm["perceived_severity"]] = counts.get(alarm["perceived_severity"], 0) + 1
        return counts

    def groups_at(self, site: str) -> list[View]:
        """Return the protection groups with an end at a site."""
        return [self.groups[name] for name in self._groups_at.get(site, ())]

    def links_at(self, site: str) -> list[View]:
        """Return the links with an end at a site."""
        return [self.links[name] for name in self._links_at.get(site, ())]

    def end_sites(self, group: View) -> tuple[str, ...]:
        """Return a group's two sites, the outlying one first when the hub lists it so."""
        link = self.links.get(group["working"])
        return (link["a"]["site"], link["b"]["site"]) if link else tuple(group.get("ends", {}))

    def sites_of(self, subject: str) -> set[str]:
        """Return the sites that an object is part of."""
        kind, _, name = subject.partition(":")
        if kind == "site":
            return {name}
        if kind in _AT_SITE:
            return {name.partition("/")[0]}
        if kind == "group" and (group := self.groups.get(name)):
            return set(self.end_sites(group))
        if kind == "link" and (link := self.links.get(name)):
            return {link["a"]["site"], link["b"]["site"]}
        return set()

    def alarms_of(self, *subjects: str) -> list[View]:
        """Return the active alarms on these objects, worst and then oldest first."""
        return self._worst_first({name for subject in subjects for name in self._alarms_on.get(subject, ())})

    def alarms_at(self, site: str) -> list[View]:
        """Return the active alarms that concern a site, worst and then oldest first."""
        return self._worst_first(self._alarms_at.get(site, set()))

    def _worst_first(self, names: Iterable[str]) -> list[View]:
        found = [self.alarms[name] for name in names if name in self.alarms]
        return sorted(found, key=lambda a: (-severity_rank(a["perceived_severity"]), a["raised_at_ns"], a["id"]))

    def media(self, link: str) -> str:
        """Return what carries a link, or its id when it is not known."""
        return str(self.links[link]["media"]) if link in self.links else link

    def shares_risk_with(self, link: str) -> dict[str, list[str]]:
        """Return the other links in each of a link's shared-risk groups."""
        return {
            srg: [other["id"] for other in self.links.values() if srg in other["srgs"] and other["id"] != link]
            for srg in self.links[link]["srgs"]
        }


def is_active(alarm: View) -> bool:
    """Tell whether an alarm stands."""
    return alarm.get("cleared_at_ns") is None and alarm["perceived_severity"] != "cleared"


def health_rank(health: str) -> int:
    """Order healths, worst first. What is unknown comes before what is degraded: it may be worse."""
    return _HEALTH_RANK.get(health, 1)


def severity_rank(severity: Json) -> int:
    """Order severities, worst highest; one that is not known counts as indeterminate."""
    try:
        return PerceivedSeverity(severity).rank
    except ValueError:
        return PerceivedSeverity.INDETERMINATE.rank
