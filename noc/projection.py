"""The hub's truth: the inventory, a fold of the journal, and what is heard live. Pure: it is told the time.

Three layers, kept apart.

1. `Record`: the fold of the journal. The same events give the same record, from the start or from a snapshot, whatever
   the inventory says today.
2. What is heard live: who spoke when, and the live states they tell. It is never kept; after a restart it is empty.
   A live state that has not been told again for `STALE_S` is stale, and what is stale counts as not said.
3. Views: both, judged by `noc.health`. Only a live word is fresh; the record tells what was last known.

`take_dirty` tells which views have changed since it was last asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lifeline.alarms import Alarm, AlarmChange, AlarmList, alarm_id
from lifeline.model.inventory import Inventory, LinkEnd, ProtectionGroup
from lifeline.model.records import (
    Condition,
    Event,
    EventType,
    PerceivedSeverity,
    ProbableCause,
    StoredEvent,
)

from . import health
from .correlation import Correlation
from .live import OURS, LiveStates
from .ports import Ports
from .record import Record, group_end
from .subjects import Subjects
from .views import AgentState, GroupView, Health, LinkEndView, LinkView, SiteView, StateView

STALE_S: Final = 5.0
"""A daemon, or a live state, not heard of for this long is stale."""
GRACE_S: Final = 10.0
"""After the hub's start daemons get this long to come back before silence is held against them: the longest pause
between two attempts to connect (5 s) and the staleness limit."""
AGENT_SILENT: Final = "agent-silent"


@dataclass(slots=True)
class _Heard:
    """When a daemon was last heard."""

    at_s: float
    at_ns: int
    fresh: bool = True


@dataclass(slots=True)
class _Live(_Heard):
    """A group's end as last told live."""

    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Active:
    """The active alarms, worst first, and where they are."""

    alarms: list[Alarm]
    by_resource: dict[str, list[Alarm]] = field(default_factory=dict)
    by_site: dict[str, list[Alarm]] = field(default_factory=dict)

    def on(self, *resources: str) -> list[Alarm]:
        """Return the alarms on these resources."""
        return [alarm for resource in resources for alarm in self.by_resource.get(resource, ())]


class Projection:
    """What the hub knows, and how it judges it.

    Attributes:
        inventory: what exists.
        record: the fold of the journal.
        subjects: which sites a subject belongs to.
        live: what daemons show, ends of protection groups apart.
        correlation: which alarm follows from which.
        malformed: live states refused because they make no sense.
    """

    def __init__(self, inventory: Inventory, hub_node: str, record: Record | None = None, began_s: float = 0.0) -> None:
        """Begin with an inventory and, after a restart, a record.

        Args:
            inventory: what exists.
            hub_node: the hub's own name as a writer of events.
            record: the fold so far.
            began_s: monotonic time of the hub's start.
        """
        self.inventory = inventory
        self.record = record or Record()
        self.subjects = Subjects(inventory)
        self.live = LiveStates(self.subjects)
        self._ports = Ports(inventory)
        self.malformed = 0
        self._hub_node = hub_node
        self._began_s = began_s
        self._heard: dict[str, _Heard] = {}
        self._ends: dict[tuple[str, str], _Live] = {}
        self._unkept = AlarmList()
        self.correlation = Correlation(
            inventory, lambda: (*self.record.alarms, *self._unkept), self.alarm, lambda: self.record.windows
        )
        self._active: _Active | None = None
        self._dirty: set[str] = set()
        self._groups_of_link: dict[str, list[str]] = {}
        self._groups_of_site: dict[str, list[str]] = {}
        for name, group in inventory.protection_groups.items():
            for link in inventory.links_of_path(name):
                self._groups_of_link.setdefault(link, []).append(name)
            for site in self._sites_of_group(group):
                self._groups_of_site.setdefault(site, []).append(name)

    # ---------------------------------------------------------------- what comes in

    def apply(self, stored: StoredEvent) -> tuple[AlarmChange, ...]:
        """Fold in an event of the journal and return what it did to the alarms."""
        changes = self.record.apply(stored)
        if changes:
            self._alarms_changed()
        for change in changes:
            self._touch(change.alarm.resource)
        return changes

    def hear(self, node: str, now_s: float, now_ns: int) -> None:
        """Note that a daemon was heard."""
        heard = self._heard.get(node)
        if heard is None or not heard.fresh:
            self._heard[node] = _Heard(now_s, now_ns)
            self._touch(f"daemon:{node}")
        else:
            heard.at_s, heard.at_ns = now_s, now_ns

    def set_state(self, node: str, subject: str, body: Mapping[str, Any], now_s: float, now_ns: int) -> bool:
        """Take a daemon's live state; return whether it makes sense and there is room for it."""
        kind = subject.partition(":")[0]
        if kind not in OURS:
            taken = self.live.put(node, subject, body, now_s, now_ns)
            if kind == "device" and (view := self.live.get((subject, node))) is not None:
                self._dirty.update(f"link:{link}" for link in self._ports.take(view))
            return taken
        end = group_end(body) if kind == "group" else None
        group = self.inventory.protection_groups.get(subject.removeprefix("group:"))
        if end is None or group is None or end["site"] not in self._sites_of_group(group):
            self.malformed += 1
            return False
        key = (subject.removeprefix("group:"), str(end["site"]))
        before = self._ends.get(key)
        self._ends[key] = _Live(now_s, now_ns, body=end)
        if before is None or not before.fresh or before.body != end:
            self._touch(subject)
        return True

    def age(self, now_s: float) -> None:
        """Let what has not been heard of for `STALE_S` become stale."""
        for node, heard in self._heard.items():
            if heard.fresh and now_s - heard.at_s >= STALE_S:
                heard.fresh = False
                self._touch(f"daemon:{node}")
        self.live.age(now_s, frozenset(node for node, heard in self._heard.items() if not heard.fresh))
        self._dirty.update(f"link:{link}" for link in self._ports.age(self.live))
        for (group, _site), live in self._ends.items():
            if live.fresh and now_s - live.at_s >= STALE_S:
                live.fresh = False
                self._touch(f"group:{group}")

    def show_unkept(self, event: Event | None) -> None:
        """Show the alarm of an event that the journal cannot take; None once it has taken everything."""
        self._alarms_changed()
        touched = [alarm.resource for alarm in self._unkept.active()]
        if event is None:
            self._unkept = AlarmList()
        else:
            self._unkept.apply(StoredEvent(self._unkept.cursor + 1, event.observed_at_ns, event))
            touched.append(event.subject)
        for resource in touched:
            self._touch(resource)

    def silence(self, now_s: float) -> Iterator[Condition]:
        """Yield the `agent-silent` conditions that the record does not tell rightly yet, raised or cleared."""
        expected = {name for name, site in self.inventory.sites.items() if site.agent}
        for site in sorted(expected):
            agent = self._agent(site)
            if agent is AgentState.UP:
                condition = _agent_silent(site, f"the agent of {site} is heard again", raised=False)
            elif now_s - self._began_s >= GRACE_S:
                condition = _agent_silent(site, f"the agent of {site} is silent: how it is there is not known")
            else:
                continue
            if self.reports_otherwise(condition):
                yield condition
        for alarm in self.record.alarms.active():
            site = alarm.resource.removeprefix("site:")
            if alarm.alarm_type_id == AGENT_SILENT and site not in expected and self._hub_node in alarm.reporters:
                yield _agent_silent(site, f"no agent is expected at {site} any more", raised=False)

    def reports_otherwise(self, condition: Condition) -> bool:
        """Tell whether the hub's own last report of a condition, as the record has it, differs from this one."""
        alarm = self.record.alarms.get(alarm_id(condition.subject, condition.name))
        report = alarm.reports.get(self._hub_node) if alarm else None
        return (report is not None and report.text) != (condition.raised and condition.text)

    def take_dirty(self) -> set[str]:
        """Return the subjects (`site:`, `link:`, `group:`) whose views may have changed, and begin anew."""
        dirty, self._dirty = self._dirty, set()
        return dirty

    # ---------------------------------------------------------------- what it shows

    def state(self, journal: str, now_ns: int) -> StateView:
        """Return everything at once."""
        return StateView(
            schema="lifeline.state/1",
            journal=journal,
            cursor=self.record.cursor,
            generated_at_ns=now_ns,
            overall=self.overall(),
            sites=self.sites(),
            links=self.links(),
            groups=self.groups(),
            alarms=[self.correlation.view(alarm, now_ns) for alarm in self.active_alarms()],
        )

    def overall(self) -> Health:
        """Judge the whole network."""
        return health.overall(
            ((view.agent, view.health) for view in self.sites()),
            (view.health for view in self.groups()),
            self.active_alarms(),
        )

    def view(self, subject: str) -> SiteView | LinkView | GroupView | None:
        """Return the view of a subject; None when there is no such thing."""
        kind, _, name = subject.partition(":")
        match kind:
            case "site" if name in self.inventory.sites:
                return self.site(name)
            case "link" if name in self.inventory.links:
                return self.link(name)
            case "group" if name in self.inventory.protection_groups:
                return self.group(name)
            case _:
                return None

    def sites(self) -> list[SiteView]:
        """Return all sites, worst first, of equals by name."""
        return sorted(map(self.site, self.inventory.sites), key=lambda view: (-view.health.rank, view.id))

    def links(self) -> list[LinkView]:
        """Return all links in the inventory's order."""
        return [self.link(name) for name in self.inventory.links]

    def groups(self) -> list[GroupView]:
        """Return all protection groups in the inventory's order."""
        return [self.group(name) for name in self.inventory.protection_groups]

    def site(self, name: str) -> SiteView:
        """Return a site's view."""
        site = self.inventory.sites[name]
        district = self.inventory.districts.get(site.district or "")
        alarms = self._index().by_site.get(name, [])
        own = [alarm for alarm in alarms if not alarm.resource.startswith(_SHARED)]
        shared = [alarm for alarm in alarms if alarm.resource.startswith(_SHARED)]
        agent = self._agent(name)
        judged = health.site_health(agent, own, shared, cut_off=self._cut_off(name))
        return SiteView(
            id=name,
            kind=site.kind.value,
            name=site.name,
            name_zh=site.name_zh,
            district=site.district,
            district_name=district.name if district else "",
            district_name_zh=district.name_zh if district else "",
            health=judged,
            agent=agent,
            last_heard_at_ns=self._last_heard_ns(name),
            alarms=health.counts(alarms),
            text=alarms[0].text if alarms else "",
        )

    def link(self, name: str) -> LinkView:
        """Return a link's view."""
        link = self.inventory.links[name]
        told = {end.site: told for end in (link.a, link.b) if (told := self._link_end(name, end.site))}
        return LinkView(
            id=name,
            media=link.media.value,
            srgs=list(link.srgs),
            a=_end_view(link.a),
            b=_end_view(link.b),
            state=health.link_state(path for path in told.values() if path["fresh"]),
            ends=told,
            groups=self._groups_of_link.get(name, []),
        )

    def group(self, name: str) -> GroupView:
        """Return a protection group's view."""
        group = self.inventory.protection_groups[name]
        told = {site: self._group_end(name, site) for site in self._sites_of_group(group)}
        fresh = [end if end and end["fresh"] else None for end in told.values()]
        resources = (f"group:{name}", *(f"link:{link}" for link in self.inventory.links_of_path(name)))
        return GroupView(
            id=name,
            working=group.working,
            protection=group.protection,
            revertive=group.revertive,
            wtr_ms=group.wtr_ms,
            hold_off_ms=group.hold_off_ms,
            selector=health.selection(fresh),
            state=health.merged([str(end["state"]) if end else None for end in fresh]),
            ends={site: end for site, end in told.items() if end},
            health=health.group_health(fresh, self._index().on(*resources)),
        )

    def alarms(self) -> list[Alarm]:
        """Return all alarms: the active ones worst first, then the cleared ones, the latest first."""
        shown = {alarm.id: alarm for alarm in (*self.record.alarms, *self._unkept)}
        return sorted(shown.values(), key=_alarm_order)

    def active_alarms(self) -> list[Alarm]:
        """Return the alarms that are not cleared, worst first."""
        return self._index().alarms

    def alarm(self, identifier: str) -> Alarm | None:
        """Return an alarm by its id."""
        return self._unkept.get(identifier) or self.record.alarms.get(identifier)

    def alarms_on(self, resource: str) -> list[Alarm]:
        """Return all alarms on a resource, cleared ones too."""
        return [alarm for alarm in self.alarms() if alarm.resource == resource]

    def hears(self, site: str) -> bool:
        """Tell whether a site's agent has been heard of late."""
        heard = self._heard.get(agent_of(site))
        return heard is not None and heard.fresh

    def told_ends(self, group: str) -> dict[str, Mapping[str, Any]]:
        """Return what each end last said of a group."""
        sites = self._sites_of_group(self.inventory.protection_groups[group])
        return {site: end for site in sites if (end := self._group_end(group, site))}

    def heard_end(self, group: str, site: str) -> Mapping[str, Any] | None:
        """Return what an end says of a group now, None when it is not heard."""
        live = self._ends.get((group, site))
        return {**live.body, "heard_at_ns": live.at_ns} if live is not None and live.fresh else None

    # ---------------------------------------------------------------- how it is worked out

    def _sites_of_group(self, group: ProtectionGroup) -> tuple[str, str]:
        link = self.inventory.links[group.working]
        return link.a.site, link.b.site

    def _touch(self, resource: str) -> None:
        """Mark the views in which a resource shows."""
        kind, _, name = resource.partition(":")
        groups = [name] if kind == "group" else self._groups_of_link.get(name, []) if kind == "link" else []
        self._dirty.update(f"group:{group}" for group in groups)
        self._dirty.update(f"site:{site}" for site in self.subjects.sites(resource))
        if kind == "link":
            self._dirty.add(resource)
        for group in groups:
            if group in self.inventory.protection_groups:
                self._dirty.update(f"link:{link}" for link in self.inventory.links_of_path(group))

    def _alarms_changed(self) -> None:
        self._active = None
        self.correlation.forget()

    def _index(self) -> _Active:
        """Return the active alarms, sorted and indexed once after each change."""
        if self._active is None:
            shown = {alarm.id: alarm for alarm in (*self.record.alarms, *self._unkept) if not alarm.is_cleared}
            self._active = _Active(sorted(shown.values(), key=_alarm_order))
            for alarm in self._active.alarms:
                self._active.by_resource.setdefault(alarm.resource, []).append(alarm)
                for site in self.subjects.sites(alarm.resource):
                    self._active.by_site.setdefault(site, []).append(alarm)
        return self._active

    def _cut_off(self, site: str) -> bool:
        """Tell whether every group that ends at a site has a critical alarm."""
        groups = self._groups_of_site.get(site, [])
        active = self._index()
        return bool(groups) and all(health.worst_of(active.on(f"group:{g}")) is Health.CRITICAL for g in groups)

    def _agent(self, site: str) -> AgentState:
        heard = self._heard.get(agent_of(site))
        if heard is not None and heard.fresh:
            return AgentState.UP
        if not self.inventory.sites[site].agent:
            return AgentState.NONE
        return AgentState.SILENT if self._last_heard_ns(site) else AgentState.NEVER

    def _last_heard_ns(self, site: str) -> int | None:
        heard = self._heard.get(agent_of(site))
        return heard.at_ns if heard is not None else self.record.last_heard_ns.get(agent_of(site))

    def _group_end(self, group: str, site: str) -> dict[str, Any] | None:
        """Return what an end last said of a group, live or on record, and whether it may still be relied on."""
        live = self._ends.get((group, site))
        if live is not None:
            return {**live.body, "fresh": live.fresh, "heard_at_ns": live.at_ns}
        kept = self.record.ends.get((group, site))
        return {**kept.body, "fresh": False, "heard_at_ns": kept.at_ns} if kept else None

    def _link_end(self, link: str, site: str) -> dict[str, Any] | None:
        """Return what an end last said of a link, live through one of its groups or on record."""
        for group in self._groups_of_link.get(link, []):
            live = self._ends.get((group, site))
            if live is not None:
                told = [path for path in (live.body["working"], live.body["protection"]) if path["link"] == link]
                if not told:  # the group goes by another link now
                    continue
                return {**told[0], "fresh": live.fresh, "heard_at_ns": live.at_ns}
        kept = self.record.paths.get((link, site))
        if kept is None:
            end = self.inventory.links[link].end_at(site)
            return self._ports.told(site, end.interface) if end else None
        return {**kept.body, "fresh": False, "heard_at_ns": kept.at_ns}


_SHARED: Final = ("link:", "group:", "traffic:")
"""Resources that belong to two sites."""


def agent_of(site: str) -> str:
    """Return the name under which a site's agent writes events."""
    return f"{site}/agent"


def _alarm_order(alarm: Alarm) -> tuple[bool, int, int, str]:
    return (alarm.is_cleared, -alarm.perceived_severity.rank, -alarm.changed_at_ns, alarm.id)


def _end_view(end: LinkEnd) -> LinkEndView:
    return LinkEndView(end.site, end.interface, str(end.address))


def _agent_silent(site: str, text: str, *, raised: bool = True) -> Condition:
    return Condition(
        subject=f"site:{site}",
        name=AGENT_SILENT,
        perceived_severity=PerceivedSeverity.MAJOR if raised else PerceivedSeverity.CLEARED,
        event_type=EventType.COMMUNICATIONS,
        probable_cause=ProbableCause.COMMUNICATIONS_SUBSYSTEM_FAILURE,
        text=text,
    )
