"""What counts as healthy: how the words of two ends, alarms and silence become one judgement. Pure functions.

Two rules run through all of it. Unknown is never healthy: an end that is not heard says nothing, and what nobody says
is `unknown`. The worst wins: of `critical`, `unknown`, `degraded` and `ok`, in this order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lifeline.alarms import Alarm
from lifeline.model.records import PerceivedSeverity

from .views import AgentState, AlarmCounts, Health, LinkState, Selection

Path = Mapping[str, Any]
"""One end's word on a link, as the fast path reports it."""
GroupEnd = Mapping[str, Any]
"""One end's word on a protection group, as the fast path reports it."""


def end_state(path: Path) -> LinkState:
    """Return what one end says of a link. `signal_fail` None means that it does not know yet."""
    if "AdminDown" in (path.get("bfd"), path.get("remote_bfd")):
        return LinkState.ADMIN_DOWN
    match path.get("signal_fail"):
        case True:
            return LinkState.DOWN
        case False:
            return LinkState.UP
        case _:
            return LinkState.UNKNOWN


def link_state(fresh: Iterable[Path]) -> LinkState:
    """Return whether a link carries, from the words of those ends that are heard.

    One end that says Down is enough. One end that says Up is enough too when the other is not heard: a BFD session
    comes up by a three-way handshake and is taken down from either side (RFC 5880 6.2), so Up at one end vouches for
    both directions.
    """
    words = {end_state(path) for path in fresh}
    order = (LinkState.DOWN, LinkState.ADMIN_DOWN, LinkState.UP)
    return next((state for state in order if state in words), LinkState.UNKNOWN)


def merged(words: Sequence[str | None]) -> str:
    """Return what all ends say: their common word, `mixed` where they differ, `unknown` where one is not heard."""
    if not words or None in words:
        return "unknown"
    return str(words[0]) if len(set(words)) == 1 else "mixed"


def selection(fresh: Sequence[GroupEnd | None]) -> Selection:
    """Return by which path a group carries, from both ends; None stands for an end that is not heard."""
    return Selection(merged([str(end["selector"]) if end else None for end in fresh]))


def group_health(fresh: Sequence[GroupEnd | None], alarms: Iterable[Alarm]) -> Health:
    """Judge a protection group.

    Args:
        fresh: both ends' words; None stands for an end that is not heard.
        alarms: active ones on the group and on its links.
    """
    alarms = list(alarms)
    fails = [[end[path].get("signal_fail") for path in ("working", "protection")] for end in fresh if end]
    if any(all(both) for both in fails) or worst_of(alarms) is Health.CRITICAL:
        return Health.CRITICAL
    if len(fails) < len(fresh) or any(None in both for both in fails):
        return Health.UNKNOWN
    sound = selection(fresh) is Selection.WORKING and not any(map(any, fails))
    return max(Health.OK if sound else Health.DEGRADED, worst_of(alarms), key=lambda health: health.rank)


def site_health(agent: AgentState, own: Iterable[Alarm], shared: Iterable[Alarm], *, cut_off: bool) -> Health:
    """Judge a site.

    Args:
        agent: whether its agent is heard; a site whose agent is not heard is unknown.
        own: active alarms on the site and its daemons.
        shared: active alarms on links and groups that end here. A station that is cut off does not make the core room
            critical that it hangs on, so they degrade at most ...
        cut_off: ... unless every group that ends here has failed.
    """
    words = [Health.OK if agent is AgentState.UP else Health.UNKNOWN, worst_of(own)]
    by_links = worst_of(shared)
    words.append(Health.DEGRADED if by_links is Health.CRITICAL and not cut_off else by_links)
    return worst(words)


def overall(sites: Iterable[tuple[AgentState, Health]], groups: Iterable[Health], alarms: Iterable[Alarm]) -> Health:
    """Judge the whole network: its worst site, group or alarm.

    A site where no agent is expected has nobody to tell how it is: it counts when an alarm speaks of it.
    """
    watched = [health for agent, health in sites if agent is not AgentState.NONE or health is not Health.UNKNOWN]
    words = [*watched, *groups]
    return worst([*words, worst_of(alarms)]) if words else max(Health.UNKNOWN, worst_of(alarms), key=_rank)


def worst(healths: Iterable[Health]) -> Health:
    """Return the worst of several."""
    return max(healths, key=_rank)


def worst_of(alarms: Iterable[Alarm]) -> Health:
    """Return what active alarms amount to: nothing, degraded, unknown for an indeterminate one, or critical."""
    return worst([Health.OK, *(_OF_SEVERITY[alarm.perceived_severity] for alarm in alarms)])


def counts(alarms: Iterable[Alarm]) -> AlarmCounts:
    """Count active alarms by severity."""
    found = {"critical": 0, "major": 0, "minor": 0, "warning": 0}
    for alarm in alarms:
        found[_COUNTED_AS.get(alarm.perceived_severity, alarm.perceived_severity.value)] += 1
    return AlarmCounts(**found)


def _rank(health: Health) -> int:
    return health.rank


_COUNTED_AS = {PerceivedSeverity.INDETERMINATE: "minor", PerceivedSeverity.CLEARED: "warning"}
_OF_SEVERITY = {
    PerceivedSeverity.CLEARED: Health.OK,
    PerceivedSeverity.WARNING: Health.DEGRADED,
    PerceivedSeverity.INDETERMINATE: Health.UNKNOWN,
    PerceivedSeverity.MINOR: Health.DEGRADED,
    PerceivedSeverity.MAJOR: Health.DEGRADED,
    PerceivedSeverity.CRITICAL: Health.CRITICAL,
}
