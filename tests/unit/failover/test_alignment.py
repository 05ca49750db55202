"""Alignment proved over the tables: from any two states, whatever stands at each end, in whatever order they speak.

Every pair of (state, what stands locally) is settled: the ends exchange their requests until nothing changes. What
stands does not change meanwhile and no timer runs out, so this is what holds between any two events.
"""

import itertools

import pytest

from failover.core.protection import (
    COMMANDS,
    NON_REVERTIVE,
    REQUESTS,
    REVERTIVE,
    FarRequest,
    Input,
    Request,
    Selector,
    State,
    resting_request,
    winner,
)

W, P = Selector.WORKING, Selector.PROTECTION
TABLES = {True: REVERTIVE, False: NON_REVERTIVE}
BOTH_DEGRADED = "SD-W and SD-P"
LOCALS = (
    Input.NR, Input.EXER, Input.MS_W, Input.MS_P, Input.SD_W, Input.SD_P, BOTH_DEGRADED, Input.SF_W, Input.FS,
    Input.SF_P, Input.SF_WP, Input.LO,
)  # fmt: skip
DEAF = (Input.SF_P, Input.SF_WP)
"""Nothing is heard over a protection path that has failed."""
HOPELESS = (State.NO_PATH, State.NO_COMMON_PATH, State.FAR_NO_PATH)
ROUNDS = 8


def step(revertive, state, selector, local, far):
    """What one end becomes of it: (state, selector, what stands locally); as the machine does, on the tables alone."""
    table = TABLES[revertive]
    far = None if local in DEAF else far
    while True:
        own = (Input.SD_P if selector is W else Input.SD_W) if local == BOTH_DEGRADED else local
        if own is Input.SF_W and far is not None and far.request is Request.SF_P:
            own = Input.SF_W_FAR_SF_P
        resting = resting_request(table, state) if own in {Input.NR, Input.EXER} else Request.NR
        if own is Input.EXER and (state, own) not in table:
            own = Input.NR  # refused
        what = winner(own, resting, state, selector, far)
        if local in COMMANDS.values() and what is not local:
            local = Input.NR
        after, on = table[state, what]
        on = on or selector
        if (after, on) == (state, selector):
            return state, selector, local
        state, selector = after, on


class Numbered:
    """Ends and what they tell, by number, so that millions of steps are looked up and not taken."""

    def __init__(self):
        self.numbers = {}
        self.ends = []
        self.steps = {}

    def number(self, end):
        if end not in self.numbers:
            self.numbers[end] = len(self.ends)
            self.ends.append(end)
        return self.numbers[end]

    def hears(self, here, there):
        """The number of an end after it heard another."""
        if (here, there) not in self.steps:
            _, state, selector, _ = self.ends[there]
            revertive, *situation = self.ends[here]
            far = FarRequest(REQUESTS[state], selector)
            self.steps[here, there] = self.number((revertive, *step(revertive, *situation, far)))
        return self.steps[here, there]

    def settled(self, a, b, together):
        """Let two ends speak until nothing changes: both at once, or in turn."""
        for _ in range(ROUNDS):
            after_a = self.hears(a, b)
            after_b = self.hears(b, a if together else after_a)
            if (after_a, after_b) == (a, b):
                return a, b
            a, b = after_a, after_b
        pytest.fail(f"{self.ends[a]} and {self.ends[b]} never come to rest")


def situations(revertive):
    """Every (revertive, state, selector, what stands locally) of one end."""
    table = TABLES[revertive]
    states = {state for state, _ in table} - {State.START_WORKING, State.START_PROTECTION}
    where = {state: {on for after, on in table.values() if after is state and on} for state in states}
    for state in sorted(states, key=lambda it: it.value):
        for selector in where[state] or Selector:
            for local in LOCALS:
                yield revertive, state, selector, local


@pytest.mark.parametrize(("one", "other"), [(True, True), (False, False), (True, False)])
def test_two_ends_always_come_to_rest_with_their_selectors_aligned(one, other):
    ends = Numbered()
    ours = [ends.number(end) for end in situations(one)]
    theirs = [ends.number(end) for end in situations(other)]
    # Ends that differ in R are a mismatch of provisioning: an alarm, but no reason to part.
    pairs = itertools.combinations_with_replacement(ours, 2) if one is other else itertools.product(ours, theirs)
    hopeless = {end for end in ours + theirs if ends.ends[end][1] in HOPELESS}
    failed = {end for end in ours + theirs if ends.ends[end][3] in {Input.SF_W, *DEAF}}
    for a, b in pairs:
        for first, second, together in ((a, b, True), (a, b, False), (b, a, False)):
            rest = ends.settled(first, second, together)
            if not hopeless.isdisjoint(rest):
                assert a in failed or b in failed, f"{ends.ends[a]} and {ends.ends[b]} lose hope without a failure"
            elif ends.ends[rest[0]][2] is not ends.ends[rest[1]][2]:
                pytest.fail(f"{ends.ends[a]} and {ends.ends[b]} part: {[ends.ends[end] for end in rest]}")
