"""Who gets fuel when: deliveries to all sites by so many tankers, none late if that can be, by integer programming.

Each site's tanks are filled by jobs: the first has to arrive before the fuel of now is out, the next before what the
first brought is out, and so on to the horizon. A job may not arrive before its litres fit into the tank. Tankers are
alike; a job keeps one busy for the trip. Time is cut into slots, and HiGHS (https://highs.dev) chooses a slot for each:
least lateness first, weighted by how much the site matters, then early departures.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, floor

from lifeline.i18n import _

from .core.needs import Need

SLOTS = 96
TIME_LIMIT_S = 20.0
_FILL = 0.75
"""Share of a tank that a delivery brings: what is brought only when it all fits comes too late."""


class DeliveryError(ValueError):
    """No plan can be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A tanker's trip."""

    site: str
    tanker: int
    """From 1."""
    leave_h: float
    arrive_h: float
    need_by_h: float
    litres: float

    @property
    def late_h(self) -> float:
        """How long the site has been without fuel when it arrives."""
        return max(0.0, self.arrive_h - self.need_by_h)


@dataclass(frozen=True, slots=True)
class _Job:
    need: Need
    litres: float
    fits_h: float
    need_by_h: float


def plan_deliveries(needs: Sequence[Need], tankers: int, tanker_l: float, horizon_h: float) -> list[Delivery]:
    """Return the trips in the order of departure.

    Raises:
        DeliveryError: tankers too few to serve the horizon at all, or the solver gives no plan in time.
    """
    jobs = [job for need in needs for job in _jobs(need, tanker_l, horizon_h)]
    if not jobs:
        return []
    slot_h = horizon_h / SLOTS
    starts = _solve(jobs, tankers, slot_h)
    free_h = [0.0] * tankers
    trips = []
    for job, slot in sorted(zip(jobs, starts, strict=True), key=lambda it: it[1]):
        tanker = min(range(tankers), key=free_h.__getitem__)
        leave_h = slot * slot_h
        free_h[tanker] = leave_h + ceil(job.need.trip_h / slot_h - 1e-9) * slot_h
        trips.append(Delivery(job.need.site, tanker + 1, leave_h, leave_h + job.need.trip_h, job.need_by_h, job.litres))
    return trips


def _jobs(need: Need, tanker_l: float, horizon_h: float) -> list[_Job]:
    """Return the deliveries that keep a site going to the horizon."""
    jobs: list[_Job] = []
    out_h, room_l = need.out_h, need.room_l
    if need.burn_l_per_h <= 0:
        return jobs
    while out_h < horizon_h and len(jobs) < SLOTS:
        litres = min(tanker_l, _FILL * need.usable_l)
        fits_h = max(0.0, (litres - room_l) / need.burn_l_per_h)
        if fits_h > out_h:  # less fits before it is out; what fits then has to do
            litres, fits_h = room_l + out_h * need.burn_l_per_h, out_h
        jobs.append(_Job(need, litres, fits_h, out_h))
        room_l -= litres
        out_h += litres / need.burn_l_per_h
    return jobs


@contextmanager
def _narrated() -> Iterator[None]:
    """Let what goes to stdout go to stderr: the solver greets where data belongs, before it can be told not to."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _solve(jobs: Sequence[_Job], tankers: int, slot_h: float) -> list[int]:
    """Return each job's departure slot."""
    import highspy

    with _narrated():
        solver = highspy.Highs()  # type: ignore[no-untyped-call] # it ships types, but none for its constructor
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("time_limit", TIME_LIMIT_S)
    solver.setOptionValue("mip_rel_gap", 0.005)
    lengths = [max(1, ceil(job.need.trip_h / slot_h - 1e-9)) for job in jobs]
    choices: list[dict[int, highspy.highs.highs_var]] = []
    busy: dict[int, list[highspy.highs.highs_var]] = {}
    for job, length in zip(jobs, lengths, strict=True):
        first = max(0, ceil((job.fits_h - job.need.trip_h) / slot_h - 1e-9))
        last = max(first, floor((job.need_by_h - job.need.trip_h) / slot_h)) + SLOTS
        slots: dict[int, highspy.highs.highs_var] = {}
        for slot in range(first, min(last, 2 * SLOTS) + 1):
            late_h = max(0.0, slot * slot_h + job.need.trip_h - job.need_by_h)
            cost = job.need.weight * late_h * 1000 + slot / (SLOTS * len(jobs))
            variable = solver.addBinary(obj=cost)
            slots[slot] = variable
            for at in range(slot, slot + length):
                busy.setdefault(at, []).append(variable)
        solver.addConstr(solver.qsum(slots.values()) == 1)
        choices.append(slots)
    for variables in busy.values():
        if len(variables) > tankers:
            solver.addConstr(solver.qsum(variables) <= tankers)
    solver.run()
    if solver.getInfo().primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        raise DeliveryError(_("no plan of deliveries was found; more tankers or a nearer horizon may help"))
    values = solver.getSolution().col_value
    return [max((values[it.index], slot) for slot, it in slots.items())[1] for slots in choices]
