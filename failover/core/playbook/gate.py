"""Whether an approved run may begin now: locks, limits, freeze, guards. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from .facts import Facts, judge
from .model import Playbook
from .plan import Kind, Plan, PlanError, resolve
from .run import Run
from .tables import ACTIVE

HOUR_NS: Final = 3600 * 1_000_000_000


class Answer(Enum):
    """What the gate says."""

    BEGIN = auto()
    WAIT = auto()
    """Something else must end first."""
    REFUSE = auto()
    """It must not begin, and waiting would not help."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The gate's answer, and why, as a sentence."""

    answer: Answer
    why: str = ""


def site_of(run: Run) -> str:
    """Return the site that a run is about, empty where it is about none."""
    return str(run.plan["parameters"].get("site") or run.plan["trigger"].get("site") or "")


class Occupancy:
    """What is under way: who holds which lock, and how many runs there are of each playbook."""

    def __init__(self, runs: Iterable[Run], now_ns: int) -> None:
        self.locks: dict[str, Run] = {}
        self.everywhere: Counter[str] = Counter()
        self.at_site: Counter[tuple[str, str]] = Counter()
        self.recent: Counter[str] = Counter()
        for run in runs:
            if run.state in ACTIVE:
                self._take(run)
            if run.began_ns is not None and now_ns - run.began_ns < HOUR_NS:
                self.recent[run.plan["playbook"]] += 1

    def begin(self, run: Run) -> None:
        """Take note that a run begins."""
        self._take(run)
        self.recent[run.plan["playbook"]] += 1

    def _take(self, run: Run) -> None:
        for lock in run.plan["locks"]:  # sorted in the plan, and taken all at once: no two runs wait for each other
            self.locks[lock] = run
        name = run.plan["playbook"]
        self.everywhere[name] += 1
        self.at_site[name, site_of(run)] += 1


def admit(run: Run, under_way: Occupancy, facts: Facts, failing_share: float, *, freed: bool = False) -> Admission:
    """Return whether a run may begin.

    Args:
        run: the run.
        under_way: what else goes on.
        facts: what is known.
        failing_share: of the sites, how many fail at once, 0 to 1.
        freed: whether a person has said that it shall begin although too much fails at once.
    """
    for lock in run.plan["locks"]:
        if (holder := under_way.locks.get(lock)) is not None:
            return Admission(Answer.WAIT, f"{lock} is locked by run {holder.id} ({holder.plan['playbook']})")
    limits, name, site = run.plan["limits"], run.plan["playbook"], site_of(run)
    for count, most, where in (
        (under_way.everywhere[name], limits["everywhere"], "under way"),
        (under_way.at_site[name, site] if site else 0, limits["site"], f"under way at {site}"),
        (under_way.recent[name], limits["per_hour"], "of this hour"),
    ):
        if count >= most:
            return Admission(Answer.WAIT, f"{count} runs of {name} {where}, at most {most}")
    if failing_share > limits["freeze_share"] and not freed:
        return Admission(
            Answer.WAIT, f"frozen: {failing_share:.0%} of the sites fail at once; a person must release it"
        )
    for subject in run.plan["not_in_maintenance"]:
        if facts.in_maintenance(subject):
            return Admission(Answer.REFUSE, f"{subject} is under maintenance")
    for guard in run.plan["guards"]:
        verdict = judge(guard, facts, run.names())
        if not verdict.holds:
            return Admission(Answer.REFUSE, f"guard: {verdict.why}")
    return Admission(Answer.BEGIN)


def changed_since(plan: Plan, playbooks: Mapping[str, Playbook], kinds: Mapping[str, Kind]) -> str:
    """Return why a plan that was approved is not what its playbook says any more, empty where it is."""
    if plan["approval"] is None:
        return ""
    book = playbooks.get(plan["playbook"])
    if book is None:
        return "the playbook is gone since the approval"
    try:
        given = {name: plan["parameters"][name] for name in book.parameters if name in plan["parameters"]}
        same = resolve(book, given, plan["trigger"], kinds) == plan
    except PlanError as error:
        return f"the playbook has changed since the approval: {error}"
    return "" if same else "the playbook has changed since the approval"
