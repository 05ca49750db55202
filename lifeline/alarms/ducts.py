"""Infers that a duct is cut: links of one shared-risk group fail together, and nothing else explains them.

Nobody sees a duct. The hub raises the condition `duct-cut` on `srg:<id>` so that one cut is one alarm, and holds it
until the last of the duct's links that nothing else explains is back. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ..model.judgement import Judgement
from ..model.records import Condition, EventType, PerceivedSeverity, ProbableCause
from .alarm import Alarm
from .correlate import FAIL_TOGETHER_S, unexplained_paths
from .faults import DUCT_CUT, place_of
from .topology import Topology

LEAST_LINKS: Final = 2
LEAST_SHARE: Final = 0.5
"""Of a duct's links this share must fail together: two of two hundred are two faults, not a cut."""


def judge_ducts(alarms: Iterable[Alarm], standing: Iterable[str], topology: Topology, now_ns: int) -> Judgement:
    """Return which ducts are known to be cut, and which that were are not any more.

    Args:
        alarms: all alarms.
        standing: shared-risk groups on which the condition stands.
        topology: what runs through what.
        now_ns: wall time.
    """
    failed = {place_of(alarm): alarm for alarm in unexplained_paths(alarms, topology, now_ns)}
    judged: Judgement = {}
    for srg in standing:
        still = [link for link in topology.links_of_srg.get(srg, ()) if link in failed]
        if not still:
            judged[f"srg:{srg}", DUCT_CUT] = None
        for link in still:
            del failed[link]
    while (best := _best(failed, topology)) is not None:
        srg, links = best
        judged[f"srg:{srg}", DUCT_CUT] = _condition(srg, sorted(links))
        for link in links:
            del failed[link]
    return judged


def _best(failed: Mapping[str, Alarm], topology: Topology) -> tuple[str, list[str]] | None:
    """Return the duct that best explains failed links, with those that failed together."""
    candidates = []
    for srg in {srg for link in failed if link in topology.cables for srg in topology.cables[link].srgs}:
        through = topology.links_of_srg[srg]
        together = _together([failed[link] for link in through if link in failed])
        share = len(together) / len(through)
        if len(together) >= LEAST_LINKS and share >= LEAST_SHARE:
            candidates.append((-share, -len(together), srg, [place_of(alarm) for alarm in together]))
    if not candidates:
        return None
    _share, _count, srg, links = min(candidates)
    return srg, links


def _together(alarms: list[Alarm]) -> list[Alarm]:
    """Return the most alarms that began within `FAIL_TOGETHER_S` of one another; of equals the earliest."""
    alarms = sorted(alarms, key=lambda alarm: (alarm.raised_at_ns, alarm.id))
    best: list[Alarm] = []
    first = 0
    for last, alarm in enumerate(alarms):
        while alarm.raised_at_ns - alarms[first].raised_at_ns > FAIL_TOGETHER_S * 1e9:
            first += 1
        if last + 1 - first > len(best):
            best = alarms[first : last + 1]
    return best


def _condition(srg: str, links: list[str]) -> Condition:
    return Condition(
        subject=f"srg:{srg}",
        name=DUCT_CUT,
        perceived_severity=PerceivedSeverity.CRITICAL,
        event_type=EventType.COMMUNICATIONS,
        probable_cause=ProbableCause.LINK_FAILURE,
        text=f"{srg} is cut: its links failed together",
        detail={"links": links},
    )
