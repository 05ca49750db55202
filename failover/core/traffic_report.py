"""What is told of a divided link: what each class has, uses, and lost; and the condition when it is not divided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lifeline.model.judgement import Judgement, Key
from lifeline.model.records import Condition, EventType, PerceivedSeverity, ProbableCause

from .shaping import LEAST_BPS, OTHERS, HtbClass, LinkTraffic, Tree

NOT_DIVIDED = "not-divided"
CAPACITY_REDUCED = "capacity-reduced"
SCHEMA = "lifeline.traffic-state/1"


@dataclass(frozen=True, slots=True)
class Counters:
    """What has gone through a queue and what stands in it."""

    sent_bytes: int = 0
    sent_packets: int = 0
    dropped: int = 0
    backlog_bytes: int = 0
    backlog_packets: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """The counters of an interface's leaves, by minor class number, at a time (monotonic seconds)."""

    at: float
    counters: Mapping[int, Counters]


def class_bodies(tree: Tree, link: str, before: Sample | None, now: Sample) -> list[dict[str, Any]]:
    """Return what is told of each class of a link, the built-in `control` first.

    Args:
        tree: what stands on the interface.
        link: the link.
        before: the sample before; without one, or after the queues were put there anew, rates are unknown (None).
        now: the present sample.
    """
    return [_class_body(leaf, before, now) for leaf in tree.leaves if leaf.link == link and leaf.minor in now.counters]


def _class_body(leaf: HtbClass, before: Sample | None, now: Sample) -> dict[str, Any]:
    counters = now.counters[leaf.minor]
    earlier = before.counters.get(leaf.minor) if before else None
    kbps = None
    if before and earlier and now.at > before.at and counters.sent_bytes >= earlier.sent_bytes:
        kbps = round((counters.sent_bytes - earlier.sent_bytes) * 8 / 1000 / (now.at - before.at), 1)
    return {
        "class": leaf.traffic_class,
        "guaranteed_kbps": leaf.rate_bps // 1000 if leaf.rate_bps > LEAST_BPS else 0,
        "ceiling_kbps": leaf.ceiling_bps // 1000,
        "kbps": kbps,
        "sent_bytes": counters.sent_bytes,
        "sent_packets": counters.sent_packets,
        "dropped": counters.dropped,
        "backlog_bytes": counters.backlog_bytes,
        "backlog_packets": counters.backlog_packets,
    }


def link_body(
    site: str, planned: LinkTraffic, now: LinkTraffic, told_by: str, trouble: str, lacking: Sequence[str],
    classes: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """Return what is told of a divided link.

    Args:
        site: whose end it is.
        planned: how it is divided in fair weather.
        now: how it is divided at present.
        told_by: who says that it carries less than planned, empty when nobody does.
        trouble: why it is not divided, empty when it is.
        lacking: what the kernel lacks.
        classes: its class bodies.
    """
    return {
        "schema": SCHEMA,
        "link": planned.link,
        "site": site,
        "divided": not trouble,
        "trouble": trouble,
        "rate_kbps": now.rate_bps // 1000,
        "planned_rate_kbps": planned.rate_bps // 1000,
        "told_by": told_by,
        "lacking": list(lacking),
        "classes": list(classes),
    }


def judge(site: str, links: Sequence[LinkTraffic], trouble: str) -> Judgement:
    """Judge whether the links over an interface are divided as planned; `trouble` is empty when they are."""
    judged: Judgement = {}
    for link in links:
        if link.link == OTHERS:
            continue
        key: Key = (f"link:{link.link}", NOT_DIVIDED)
        judged[key] = _not_divided(key, site, link.link, trouble) if trouble else None
    return judged


def judge_capacity(site: str, planned: LinkTraffic, now: LinkTraffic, told_by: str) -> Judgement:
    """Judge whether a link carries less than planned; it is worse where a guarantee had to be cut."""
    key: Key = (f"link:{planned.link}", CAPACITY_REDUCED)
    if now.rate_bps >= planned.rate_bps:
        return {key: None}
    before = {c.id: c.guaranteed_bps for c in planned.classes}
    cut = [c.id for c in now.classes if c.guaranteed_bps < before[c.id]]
    less = f"{', '.join(cut)} cannot have what they are guaranteed" if cut else "every guarantee still holds"
    rates = f"{now.rate_bps // 1000} of {planned.rate_bps // 1000} kbit/s"
    text = f"{site} uses {rates} of {planned.link}, which carries less by the word of {told_by}: {less}"
    severity = PerceivedSeverity.MINOR if cut else PerceivedSeverity.WARNING
    detail = {"site": site, "rate_kbps": now.rate_bps // 1000, "told_by": told_by, "cut": cut}
    condition = Condition(*key, severity, EventType.QUALITY_OF_SERVICE, ProbableCause.BANDWIDTH_REDUCED, text, detail)
    return {key: condition}


def _not_divided(key: Key, site: str, link: str, trouble: str) -> Condition:
    subject, name = key
    text = f"{site} does not divide {link} among the traffic classes: {trouble}"
    cause = ProbableCause.CONFIGURATION_OR_CUSTOMIZATION_ERROR
    return Condition(subject, name, PerceivedSeverity.MINOR, EventType.QUALITY_OF_SERVICE, cause, text, {"site": site})
