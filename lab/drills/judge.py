"""From what was seen to tasks, timeline and verdict. Pure: the same sightings give the same rating."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lifeline.model.records import Json

from ..probe import INTERVAL_MS, Traffic
from .record import Moment, Target, Task

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Sighting:
    """An event as the hub showed it. All times on this machine's monotonic clock."""

    happened_ns: int
    """When its writer observed it."""
    seen_ns: int
    """When the hub's stream brought it: its journal had committed it by then."""
    event: Mapping[str, Json]

    @property
    def site(self) -> str:
        """The site of the daemon that wrote it."""
        return str(self.event["node"]).partition("/")[0]

    @property
    def body(self) -> Mapping[str, Json]:
        """The event's body."""
        body: Mapping[str, Json] = self.event["body"]
        return body

    def concerns(self, kind: str, subject: str) -> bool:
        """Whether it is an event of a kind about a subject."""
        return bool(self.event["kind"] == kind and self.event["subject"] == subject)


@dataclass(frozen=True, slots=True)
class Targets:
    """What a fibre cut must not exceed, in ms."""

    lost_ms: float = 50
    detect_ms: float = 40
    """Three intervals of 10 ms and one for the machine."""
    alarm_ms: float = 1000
    revert_ms: float = 3500
    """Wait to restore, up to a second for BFD to come Up (RFC 5880 6.8.3: slow while Down), and a margin."""


@dataclass(frozen=True, slots=True)
class Story:
    """A drill's facts: the target, what the hub showed, when the fibre was cut and repaired (monotonic)."""

    target: Target
    sightings: tuple[Sighting, ...]
    cut_ns: int
    repair_ns: int | None = None

    def detected(self) -> dict[str, Sighting]:
        """Return, by end, the first BFD session loss on the cut link."""
        link = f"link:{self.target.working}"
        return _first_by_site(s for s in self._after_cut() if s.concerns("bfd", link) and s.body["previous"] == "Up")

    def switched(self) -> dict[str, Sighting]:
        """Return, by end, the first selection of the protection path."""
        return _first_by_site(s for s in self._selections("protection") if s.happened_ns >= self.cut_ns)

    def reverted(self) -> dict[str, Sighting]:
        """Return, by end, the first selection of the working path after the repair."""
        if self.repair_ns is None:
            return {}
        repair_ns = self.repair_ns
        return _first_by_site(s for s in self._selections("working") if s.happened_ns >= repair_ns)

    def alarmed(self) -> dict[str, Sighting]:
        """Return, by reporting site, the first raised `path-down` of the cut link."""
        return self._conditions(self._after_cut(), raised=True)

    def cleared(self) -> dict[str, Sighting]:
        """Return, by reporting site, the first cleared `path-down` after the repair."""
        repair_ns = self.repair_ns
        if repair_ns is None:
            return {}
        return self._conditions((s for s in self.sightings if s.happened_ns >= repair_ns), raised=False)

    def _conditions(self, sightings: Iterable[Sighting], *, raised: bool) -> dict[str, Sighting]:
        link = f"link:{self.target.working}"
        return _first_by_site(
            s
            for s in sightings
            if s.concerns("condition", link)
            and s.body["name"] == "path-down"
            and (s.body["perceived_severity"] != "cleared") is raised
        )

    def _after_cut(self) -> Iterable[Sighting]:
        return (s for s in self.sightings if s.happened_ns >= self.cut_ns)

    def _selections(self, selector: str) -> Iterable[Sighting]:
        group = f"group:{self.target.group}"
        return (s for s in self.sightings if s.concerns("protection", group) and s.body["selector"] == selector)


def date(story: Story, first_lost_ns: Iterable[int | None], took_hold_ns: int) -> Story:
    """Return the story with the moment at which the cut took effect; see `effect_ns`."""
    noticed_ns = [sighting.happened_ns for sighting in story.detected().values()]
    return replace(story, cut_ns=effect_ns(story.cut_ns, first_lost_ns, took_hold_ns, noticed_ns))


def effect_ns(began_ns: int, first_lost_ns: Iterable[int | None], took_hold_ns: int, noticed_ns: Iterable[int]) -> int:
    """Return when a fault took effect on the traffic.

    The command that cuts takes milliseconds; the last probe that came through dates its effect to one. An end that
    loses its carrier may have noticed within that one: then it dates the cut, for nothing is noticed before it happens.

    Args:
        began_ns: the moment before the command.
        first_lost_ns: by direction, when the first lost probe was sent; None where none was lost.
        took_hold_ns: when the fault was seen to hold; what was lost well after that dates nothing.
        noticed_ns: when ends noticed.
    """
    spacing_ns = INTERVAL_MS * NS_PER_MS
    shown_ns = [ns - spacing_ns for ns in first_lost_ns if ns is not None and ns <= took_hold_ns + 2 * spacing_ns]
    return min([max(began_ns, min(shown_ns, default=began_ns)), *noticed_ns])


def _first_by_site(sightings: Iterable[Sighting]) -> dict[str, Sighting]:
    first: dict[str, Sighting] = {}
    for sighting in sorted(sightings, key=lambda s: s.happened_ns):
        first.setdefault(sighting.site, sighting)
    return first


def rate(story: Story, targets: Targets) -> tuple[Task, ...]:
    """Return the timed tasks. Detecting, switching and reverting are done when *both* ends have done it."""
    ends = story.target.ends

    def both(sightings: Mapping[str, Sighting], since_ns: int | None) -> float | None:
        if since_ns is None or not all(end in sightings for end in ends):
            return None
        return max((sightings[end].happened_ns - since_ns) / NS_PER_MS for end in ends)

    alarms_ms = {site: (s.seen_ns - story.cut_ns) / NS_PER_MS for site, s in story.alarmed().items()}
    return (
        Task("detect", targets.detect_ms, both(story.detected(), story.cut_ns)),
        Task("switch", targets.lost_ms, both(story.switched(), story.cut_ns)),
        Task("alarm raised", targets.alarm_ms, min(alarms_ms.values(), default=None)),
        Task("site's own report", targets.alarm_ms, alarms_ms.get(story.target.site)),
        Task("revert", targets.revert_ms, both(story.reverted(), story.repair_ns)),
    )


def shortcomings(tasks: Iterable[Task], traffic: Mapping[str, Mapping[str, Traffic]], targets: Targets) -> list[str]:
    """Return every way in which a drill fell short of its targets; empty means pass."""
    reasons = [text for task in tasks if (text := task.shortcoming())]
    for direction, windows in traffic.items():
        cut, revert = windows["cut"], windows["revert"]
        if cut.lost_ms > targets.lost_ms:
            reasons.append(f"{direction}: {cut.lost_ms} ms lost in the cut, target {targets.lost_ms:.0f} ms")
        if revert.lost:
            reasons.append(f"{direction}: {revert.lost} probes lost in the revert, target 0")
        reasons += [f"{direction}: no probe was sent in the {name}" for name, t in windows.items() if not t.sent]
    return reasons


def timeline(story: Story) -> tuple[Moment, ...]:
    """Return what happened, in order, in ms since the cut."""
    link = {"link": story.target.working}
    moments = [Moment(0.0, "cut", link)]
    if story.repair_ns is not None:
        moments.append(Moment((story.repair_ns - story.cut_ns) / NS_PER_MS, "repair", link))
    moments += filter(None, (moment(sighting, story.target, story.cut_ns) for sighting in story.sightings))
    return tuple(sorted(moments, key=lambda m: m.at_ms))


def moment(sighting: Sighting, target: Target, since_ns: int) -> Moment | None:
    """Return what a sighting tells about a target as a line of the timeline; None where it tells nothing of it."""
    body, site, kind = sighting.body, sighting.site, sighting.event["kind"]
    subject = str(sighting.event["subject"])
    happened_ms = (sighting.happened_ns - since_ns) / NS_PER_MS
    seen_ms = (sighting.seen_ns - since_ns) / NS_PER_MS
    if site not in target.ends or subject not in target.subjects:
        return None
    if kind == "bfd":
        facts = {"site": site, "link": subject.partition(":")[2]}
        return Moment(happened_ms, "bfd", {**facts, "state": str(body["state"]), "diag": str(body["diag"])})
    if kind == "protection":
        facts = {"site": site, "selector": str(body["selector"]), "request": str(body["request"])}
        return Moment(happened_ms, "protection", facts)
    if kind == "condition" and body["name"] in ("path-down", "no-path"):
        what = "clear" if body["perceived_severity"] == "cleared" else "alarm"
        return Moment(seen_ms, what, {"site": site, "name": str(body["name"])})
    return None
