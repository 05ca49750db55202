"""What the hub knows, by the names that playbooks use. Facts are worked out when they are asked for, never kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from failover.core.playbook import Fact
from lifeline.clock import wall_ns
from lifeline.model.inventory import DeviceKind
from lifeline.model.records import Json, PerceivedSeverity

from .hub import Hub
from .repair import Broken, repair_order
from .telling import encoded
from .views import AgentState, Health, LinkState


class HubFacts:
    """What the hub knows, by the names that playbooks use.

    `live:SUBJECT`, `site:ID`, `link:ID`, `group:ID`: views. `alarm:SUBJECT NAME`: the active alarm, or null.
    `daemon:NODE`: whether it is connected. `sites`: how many there are, and who is not heard. `repair`, `repair:SRG`:
    the links that are down, in the order in which to repair them. `around:SITE`: the routers that a site's router
    speaks to. `fuel:SITE`: what fits into its tanks, and by when it must be there.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._kinds: dict[str, Callable[[str], Fact]] = {
            "live": self._live, "site": self._site, "link": self._link, "group": self._group, "alarm": self._alarm,
            "daemon": lambda node: Fact({"connected": node in hub.agents}, 0.0),
            "sites": lambda _none: self._sites(), "repair": self._repair, "around": self._around,
            "fuel": self._fuel,
        }  # fmt: skip

    def get(self, name: str) -> Fact:
        """Return a fact; unknown when nobody has told it."""
        kind, _, identifier = name.partition(":")
        tell = self._kinds.get(kind)
        return Fact() if tell is None else tell(identifier)

    def in_maintenance(self, subject: str) -> bool:
        """Tell whether a window is open on a subject or on its site."""
        now_ns = wall_ns()
        covered = {subject, *(f"site:{site}" for site in self._hub.projection.subjects.sites(subject))}
        return any(
            it.from_ns <= now_ns < it.until_ns and it.subject in covered for it in self._hub.projection.record.windows
        )

    def failing_share(self) -> float:
        """Return the share of sites with a critical alarm on themselves, their power or a daemon of theirs."""
        sites = self._hub.inventory.sites
        critical = [
            it for it in self._hub.projection.active_alarms() if it.perceived_severity is PerceivedSeverity.CRITICAL
        ]
        failing = {site for it in critical for site in self._hub.projection.subjects.sites(it.resource)[:1]}
        return len(failing & sites.keys()) / len(sites) if sites else 0.0

    # ---------------------------------------------------------------- one kind each

    def _live(self, subject: str) -> Fact:
        views = [it for it in self._hub.projection.live.find(subject) if it.fresh]
        latest = max(views, key=lambda it: it.heard_at_ns, default=None)
        if latest is None:
            return Fact()
        return Fact(dict(latest.body), max(0.0, (wall_ns() - latest.heard_at_ns) / 1e9))

    def _site(self, name: str) -> Fact:
        known = name in self._hub.inventory.sites
        return Fact(_document(self._hub.projection.site(name)), 0.0) if known else Fact()

    def _link(self, name: str) -> Fact:
        known = name in self._hub.inventory.links
        return Fact(_document(self._hub.projection.link(name)), 0.0) if known else Fact()

    def _group(self, name: str) -> Fact:
        if name not in self._hub.inventory.protection_groups:
            return Fact()
        view = _document(self._hub.projection.group(name))
        return Fact(view, 0.0) if all(end["fresh"] for end in view["ends"].values()) else Fact()

    def _alarm(self, identifier: str) -> Fact:
        subject, _, condition = identifier.rpartition(" ")
        for it in self._hub.projection.active_alarms():
            if (it.resource, it.alarm_type_id) == (subject, condition):
                verdict = self._hub.projection.correlation.verdicts(wall_ns()).get(it.id)
                return Fact({"id": it.id, "severity": it.perceived_severity.value, "text": it.text,
                             "root": verdict.root if verdict else it.id,
                             "consequences": list(verdict.consequences) if verdict else []}, 0.0)  # fmt: skip
        return Fact(None, 0.0)

    def _sites(self) -> Fact:
        views = self._hub.projection.sites()
        expected = [it for it in views if it.agent is not AgentState.NONE]
        silent = sorted(it.id for it in expected if it.agent is not AgentState.UP)
        critical = sorted(it.id for it in views if it.health is Health.CRITICAL)
        return Fact({"count": len(views), "heard": len(expected) - len(silent), "silent": silent,
                     "critical": critical}, 0.0)  # fmt: skip

    def _repair(self, srg: str) -> Fact:
        projection, inventory = self._hub.projection, self._hub.inventory
        if srg and srg not in inventory.srgs:
            return Fact()
        broken = []
        for name, link in inventory.links.items():
            view = projection.link(name)
            if view.state is LinkState.DOWN and (not srg or srg in link.srgs):
                sites = projection.subjects.sites(f"link:{name}")
                stations = [it for it in sites if inventory.sites[it].kind.value == "super-base-station"]
                groups = [projection.group(it).ends for it in view.groups]
                site = (stations or list(sites))[0]
                broken.append(Broken(name, site, groups, self._lasts_h(site)))
        turns = repair_order(broken)
        return Fact({"links": [it.link for it in turns], "turns": {it.link: it.to_json() for it in turns}}, 0.0)

    def _lasts_h(self, site: str) -> float | None:
        """Return how long a site lasts without utility, at the least; None where nobody says."""
        told = self._live(f"power:{site}").value or {}
        lows = [it["low_h"] for it in told.get("figures", ()) if it["kind"] == "system" and it["low_h"] is not None]
        return min(lows, default=None)

    def _fuel(self, site: str) -> Fact:
        from power.core.body import situation_from_json
        from power.core.needs import fuel_need
        from power.core.network import Network

        known, told = self._hub.inventory.sites.get(site), self._live(f"power:{site}")
        if known is None or known.power is None or told.age_s is None:
            return Fact()
        situation = situation_from_json(told.value["situation"], told.age_s)
        need = fuel_need(site, Network(known.power), situation, 0.0)
        if need is None or not math.isfinite(need.out_h):
            return Fact()
        now = datetime.fromtimestamp(wall_ns() / 1e9, UTC)
        need_by, leave_by = now + timedelta(hours=need.out_h), now + timedelta(hours=need.out_h - need.trip_h)
        return Fact({"litres": round(need.room_l), "burn_l_per_h": round(need.burn_l_per_h, 1),
                     "out_h": round(need.out_h, 2), "need_by": need_by.isoformat(timespec="minutes"),
                     "leave_by": leave_by.isoformat(timespec="minutes")}, told.age_s)  # fmt: skip

    def _around(self, site: str) -> Fact:
        inventory = self._hub.inventory
        if site not in inventory.sites:
            return Fact()
        routers: list[Mapping[str, Any]] = []
        for name, link in inventory.links.items():
            if site not in (link.a.site, link.b.site) or self._hub.projection.link(name).groups:
                continue  # what belongs to a protection group is lifeline's own to switch
            there = link.far_end(site)
            devices = inventory.sites[there.site].devices.items()
            router = next((it for it, one in devices if one.kind is DeviceKind.ROUTER and one.address), None)
            if router is not None:
                routers.append({"site": there.site, "device": f"{there.site}/{router}", "interface": there.interface,
                                "link": name})  # fmt: skip
        return Fact(routers, 0.0)


def _document(view: Any) -> Json:
    return json.loads(encoded(view))
