"""How an interface's links are divided among traffic classes: a tree of HTB classes, queues and filters as data.

Each link over the interface is a class of its own with the link's rate; below it stand the traffic classes, each with a
guarantee, a ceiling and a priority for what the guarantees leave over, and `control`, which keeps the link alive. Where
several links share the interface, packets find their link by destination, and what fits none goes to `OTHERS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from math import ceil

from .classify import EVERYTHING, EtherType, Match, Rule, by_destination, by_mark, by_match, control

CONTROL = "control"
REST = "rest"
OTHERS = ""
"""The link that stands for packets to nobody's destination."""

LEAST_BPS = 8_000
"""HTB knows no class without a rate: one that has nothing guaranteed has this, and its conversations survive."""
FRAME_BYTES = 1600
_BURST_S = 0.001
_CONTROL_SHARE = 0.25
"""Control may take at most this share of a link, or its guarantee if that is more: a mark must not be a way around."""
_CONTROL_QUEUE_MS = 200
_QUANTUM_S = 0.01
_MOST_QUANTUM_BYTES = 60_000
_STRIDE = 32
_MOST_LINKS = 0xFFFF // _STRIDE - 1


class ShapingError(ValueError):
    """What is asked for does not fit into a tree."""


@dataclass(frozen=True, slots=True)
class ClassTraffic:
    """A traffic class and its share of a link."""

    id: str
    priority: int
    """1 to 7; who takes first what the guarantees leave over."""
    guaranteed_bps: int
    ceiling_bps: int
    queue_ms: int
    marks: tuple[int, ...] = ()
    """DSCP code points."""
    matches: tuple[Match, ...] = ()
    """With no marks and no matches, the class takes the rest."""

    @property
    def takes_the_rest(self) -> bool:
        """Whether this class takes what no other takes."""
        return not self.marks and not self.matches


@dataclass(frozen=True, slots=True)
class LinkTraffic:
    """A link and what is asked of it."""

    link: str
    rate_bps: int
    control_bps: int
    destinations: tuple[str, ...]
    """Networks reached over this link; asked only where several links share the interface."""
    classes: tuple[ClassTraffic, ...]
    overhead_bytes: int = 0
    round_trip_ms: int = 100
    capacity_bps: int = 0
    """What the link carries in fair weather; `rate_bps` is the part of it that is used. 0: what is used."""

    def at_capacity(self, capacity_bps: int) -> LinkTraffic:
        """Return how the link is divided while it carries less, such as a satellite in rain.

        The same share of it is used. Guarantees are kept in the order of priority as far as they fit, the least
        important is cut first: a class that were guaranteed more than there is would make the others wait in the modem.
        """
        usual = self.capacity_bps or self.rate_bps
        if capacity_bps >= usual:
            return self
        rate = max(self.rate_bps * capacity_bps // usual, LEAST_BPS * (len(self.classes) + 1))
        control = min(self.control_bps, rate - LEAST_BPS * len(self.classes))
        left = rate - control
        kept: dict[str, int] = {}
        ranked = sorted(self.classes, key=lambda c: c.priority)
        for behind, wanted in zip(reversed(range(len(ranked))), ranked, strict=True):
            kept[wanted.id] = max(LEAST_BPS, min(wanted.guaranteed_bps, left - LEAST_BPS * behind))
            left -= kept[wanted.id]
        classes = tuple(
            replace(c, guaranteed_bps=min(kept[c.id], c.guaranteed_bps), ceiling_bps=min(c.ceiling_bps, rate))
            for c in self.classes
        )
        return replace(self, rate_bps=rate, control_bps=control, classes=classes)


@dataclass(frozen=True, slots=True)
class Queue:
    """Where packets of a class wait."""

    limit_bytes: int
    fair: bool
    """Whether conversations should share it evenly (fq_codel, RFC 8290) where the kernel can."""
    interval_us: int
    target_us: int


@dataclass(frozen=True, slots=True)
class HtbClass:
    """A class of the tree. Classes with a queue are leaves."""

    minor: int
    parent: int
    """Minor number of the class above, 0 for none."""
    link: str
    traffic_class: str
    """Empty for a link's own class."""
    rate_bps: int
    ceiling_bps: int
    burst_bytes: int
    ceiling_burst_bytes: int
    quantum_bytes: int
    priority: int
    overhead_bytes: int
    queue: Queue | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """A packet that fits `rule` below class `parent` (0: at the top) belongs to class `target`."""

    parent: int
    rule: Rule
    target: int

    @property
    def preference(self) -> int:
        """When it is asked: types in their order, `ALL` last. No two classes share one: u32 lists those together."""
        return self.parent // _STRIDE * 2 * len(EtherType) + list(EtherType).index(self.rule.ether_type) + 1


@dataclass(frozen=True, slots=True)
class Tree:
    """Everything that stands on an interface, parents before children, filters in the order in which they are asked."""

    default: int
    classes: tuple[HtbClass, ...]
    filters: tuple[Filter, ...]

    @property
    def leaves(self) -> tuple[HtbClass, ...]:
        """The classes with a queue."""
        return tuple(c for c in self.classes if c.queue)


def build_tree(links: Sequence[LinkTraffic]) -> Tree:
    """Return the tree for the links that leave by one interface.

    Raises:
        ShapingError: no link, too many, or a link without exactly one class for the rest.
    """
    if not links:
        raise ShapingError("no link to divide")
    if len(links) > _MOST_LINKS:
        raise ShapingError(f"{len(links)} links on one interface; {_MOST_LINKS} have room")
    planned = list(links) if len(links) == 1 else [*links, _others(links)]
    classes: list[HtbClass] = []
    filters: list[Filter] = []
    for number, link in enumerate(planned, start=1):
        found = tuple(_classes(link, number * _STRIDE))
        classes += found
        filters += _filters(link, found)
    tops = {c.link: c.minor for c in classes if not c.parent}
    last = planned[-1]
    default = next(c.minor for c in classes if c.link == last.link and c.traffic_class == _rest(last).id)
    if len(links) == 1:
        top = [Filter(0, EVERYTHING, tops[links[0].link])]
    else:
        top = [Filter(0, by_destination(prefix), tops[link]) for prefix, link in _destinations(links)]
        top.append(Filter(0, EVERYTHING, tops[OTHERS]))
    return Tree(default, tuple(classes), tuple(_in_order(top + filters)))


def _others(links: Sequence[LinkTraffic]) -> LinkTraffic:
    least = min(links, key=lambda link: link.rate_bps)
    rest = ClassTraffic(REST, 7, 0, least.rate_bps, 300)
    return LinkTraffic(OTHERS, least.rate_bps, least.control_bps, (), (rest,), least.overhead_bytes)


def _rest(link: LinkTraffic) -> ClassTraffic:
    rest = [c for c in link.classes if c.takes_the_rest]
    if len(rest) != 1:
        raise ShapingError(f"link {link.link}: {len(rest)} classes take the rest; exactly one must")
    return rest[0]


def _classes(link: LinkTraffic, minor: int) -> Iterator[HtbClass]:
    if len(link.classes) > _STRIDE - 2:
        raise ShapingError(f"link {link.link}: {len(link.classes)} classes; {_STRIDE - 2} have room")
    yield _class(link, minor, 0, "", link.rate_bps, link.rate_bps, 0)
    most = max(link.control_bps, int(link.rate_bps * _CONTROL_SHARE))
    queue = Queue(_queue_bytes(most, _CONTROL_QUEUE_MS), fair=False, interval_us=0, target_us=0)
    yield _class(link, minor + 1, minor, CONTROL, link.control_bps, most, 0, queue)
    for number, wanted in enumerate(link.classes, start=minor + 2):
        queue = _queue(link, wanted)
        rate, most = max(wanted.guaranteed_bps, LEAST_BPS), max(wanted.ceiling_bps, LEAST_BPS)
        yield _class(link, number, minor, wanted.id, rate, most, wanted.priority, queue)


def _class(
    link: LinkTraffic, minor: int, parent: int, name: str, rate: int, most: int, priority: int,
    queue: Queue | None = None,
) -> HtbClass:  # fmt: skip
    quantum = min(max(FRAME_BYTES, int(rate / 8 * _QUANTUM_S)), _MOST_QUANTUM_BYTES)
    return HtbClass(minor, parent, link.link, name, rate, most, _burst_bytes(rate), _burst_bytes(most), quantum,
                    priority, link.overhead_bytes, queue)  # fmt: skip


def _burst_bytes(rate_bps: int) -> int:
    """Return how much may leave at once: no more than the timer's grain asks for, or the burst waits in the modem."""
    return max(FRAME_BYTES, ceil(rate_bps / 8 * _BURST_S))


def _queue_bytes(rate_bps: int, queue_ms: int) -> int:
    return max(4 * FRAME_BYTES, rate_bps * queue_ms // 8000)


def _queue(link: LinkTraffic, wanted: ClassTraffic) -> Queue:
    interval_us = max(100, link.round_trip_ms) * 1000
    frame_us = ceil(FRAME_BYTES * 8e6 / max(wanted.guaranteed_bps, link.rate_bps // 8))
    return Queue(
        limit_bytes=_queue_bytes(wanted.ceiling_bps, wanted.queue_ms),
        fair=True,
        interval_us=interval_us,
        target_us=max(interval_us // 20, frame_us * 3 // 2),  # RFC 8289 4.2: 5 % of the interval, and a frame's time
    )


def _filters(link: LinkTraffic, classes: Iterable[HtbClass]) -> Iterator[Filter]:
    minors = {c.traffic_class: c.minor for c in classes}
    top = minors[""]
    for rule in control():
        yield Filter(top, rule, minors[CONTROL])
    for wanted in sorted(link.classes, key=lambda c: c.priority):
        rules = [rule for mark in wanted.marks for rule in by_mark(mark)]
        rules += [rule for match in wanted.matches for rule in by_match(match)]
        for rule in rules:
            yield Filter(top, rule, minors[wanted.id])
    yield Filter(top, EVERYTHING, minors[_rest(link).id])


def _destinations(links: Iterable[LinkTraffic]) -> list[tuple[str, str]]:
    """Return (network, link), the longest network first, so that an exception comes before its rule."""
    pairs = [(prefix, link.link) for link in links for prefix in link.destinations]
    return sorted(pairs, key=lambda pair: -ip_network(pair[0]).prefixlen)


def _in_order(filters: Iterable[Filter]) -> list[Filter]:
    """Return the filters by parent and preference; among equals the order stays, which is the classes' priority."""
    return sorted(dict.fromkeys(filters), key=lambda f: (f.parent, f.preference))
