"""Each (state, outcome) of a transaction, and whole transactions on devices that fail wherever they can."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.core.actuation import (
    DIALECTS,
    GUARDED,
    PLAIN,
    RESULTS,
    Confirm,
    Done,
    Failed,
    Finish,
    Goal,
    GuardPolicy,
    GuardRefused,
    IllegalOutcomeError,
    Input,
    Lost,
    Passed,
    Policy,
    Probe,
    Read,
    Rejected,
    Result,
    Revert,
    Shown,
    State,
    StaticRoute,
    Transaction,
    Unreadable,
    Wait,
    Waited,
    Write,
)

IOS, FRR, COMWARE, VRPV8 = (DIALECTS[name] for name in ("cisco_ios", "linux", "hp_comware", "huawei_vrpv8"))
HOP = ip_address("10.0.0.2")
PREFIXES = [ip_network(f"10.{n}.0.0/16") for n in (50, 51)]
GOALS = [Goal(StaticRoute(prefix, HOP, distance=10)) for prefix in PREFIXES]
BEFORE = "ip route 10.50.0.0 255.255.0.0 10.0.0.2 200\n"
HALF = "ip route 10.50.0.0 255.255.0.0 10.0.0.2 10\n"
WANTED = HALF + "ip route 10.51.0.0 255.255.0.0 10.0.0.2 10\n"

OUTCOMES = {
    Input.AS_WANTED: Shown(WANTED),
    Input.AS_BEFORE: Shown(BEFORE),
    Input.OTHERWISE: Shown(HALF),
    Input.UNREADABLE: Unreadable("no route to host"),
    Input.DONE: Done(),
    Input.REJECTED: Rejected("it answers no"),
    Input.GUARD_REFUSED: GuardRefused("no archive"),
    Input.LOST: Lost("the connection broke"),
    Input.PASSED: Passed(),
    Input.FAILED: Failed("5 of 5 pings lost"),
    Input.WAITED: Waited(),
}
EFFECTS = {
    **dict.fromkeys((State.READING, State.VERIFYING, State.LOOKING, State.CHECKING), Read),
    **dict.fromkeys((State.WRITING, State.RESTORING), Write),
    **dict.fromkeys((State.CONFIRMING, State.DISARMING), Confirm),
    **dict.fromkeys((State.PAUSING, State.RESTING, State.EXPIRING), Wait),
    **dict.fromkeys(RESULTS, Finish),
    State.PROBING: Probe,
    State.REVERTING: Revert,
}


def shortest_ways(table):
    """Return, for each state, inputs that lead there from the start."""
    ways = {State.READING: ()}
    queue = [State.READING]
    while queue:
        state = queue.pop(0)
        for (before, what), after in table.items():
            if before is state and after not in ways and what is not Input.EXHAUSTED:
                ways[after] = (*ways[state], what)
                queue.append(after)
    return ways


def brought(guard, inputs, attempts=9):
    """Return a transaction after these inputs."""
    transaction = Transaction(IOS, GOALS, Policy(guard, attempts=attempts))
    transaction.start(0)
    for what in inputs:
        transaction.handle(OUTCOMES[what], 1.0)
    return transaction


MODES = [(GuardPolicy.OFF, PLAIN), (GuardPolicy.REQUIRE, GUARDED)]
CELLS = [
    (guard, table, state, what)
    for guard, table in MODES
    for state in shortest_ways(table)
    for what in Input
    if (state, what) in table or what is not Input.EXHAUSTED  # which no outcome means by itself
    if (state, what) != (State.READING, Input.OTHERWISE)  # whatever is read first is how it stood before
]


@pytest.mark.parametrize(
    ("guard", "table", "state", "what"), CELLS, ids=[f"{g.value}-{s.name}-{w.name}" for g, _, s, w in CELLS]
)
def test_every_state_and_input(guard, table, state, what):
    transaction = brought(guard, shortest_ways(table)[state], attempts=1 if what is Input.EXHAUSTED else 9)
    assert transaction.state is state
    outcome = OUTCOMES[Input.UNREADABLE if what is Input.EXHAUSTED else what]
    after = table.get((state, what))
    if after is None:
        with pytest.raises(IllegalOutcomeError):
            transaction.handle(outcome, 2.0)
        assert transaction.state is state
        return
    effect = transaction.handle(outcome, 2.0)
    assert transaction.state is after
    assert type(effect) is EFFECTS[after]
    if isinstance(effect, Finish):
        assert effect.record.result is RESULTS[after]
        assert bool(effect.record.reason) is (after not in {State.CHANGED, State.UNCHANGED})


@pytest.mark.parametrize("table", [PLAIN, GUARDED])
def test_every_state_can_be_reached_and_left(table):
    ends = set(RESULTS)
    mentioned = set(itertools.chain.from_iterable((before, after) for (before, _), after in table.items()))
    reached = set(shortest_ways(table)) | {after for (_, what), after in table.items() if what is Input.EXHAUSTED}
    assert mentioned <= reached
    assert {before for before, _ in table} == mentioned - ends
    assert mentioned >= ends - ({State.NEEDS_HUMAN} if table is GUARDED else set())


def test_a_change_that_is_there_already_is_not_written():
    effect = brought(GuardPolicy.PREFER, []).handle(Shown(WANTED), 0.5)
    assert isinstance(effect, Finish)
    assert effect.record.result is Result.UNCHANGED
    assert effect.record.commands == ()
    assert effect.record.before == effect.record.after


def test_a_device_that_refuses_the_guard_is_changed_without_where_that_is_allowed():
    transaction = brought(GuardPolicy.PREFER, [Input.AS_BEFORE])
    effect = transaction.handle(GuardRefused("no archive"), 1.0)
    assert isinstance(effect, Write)
    assert effect.script[0].line == "configure terminal"
    assert isinstance(transaction.handle(Done(), 2.0), Read)
    assert isinstance(transaction.handle(Shown(WANTED), 2.0), Probe)
    effect = transaction.handle(Passed(), 3.0)
    assert isinstance(effect, Finish)
    assert effect.record.result is Result.CHANGED
    assert not effect.record.guarded
    assert any(step.detail == "no archive" for step in effect.record.steps)


def test_a_required_guard_that_the_platform_lacks_leaves_the_device_untouched():
    effect = Transaction(FRR, GOALS, Policy(GuardPolicy.REQUIRE)).start(0)
    assert isinstance(effect, Finish)
    assert effect.record.result is Result.UNTOUCHED
    assert "commit-confirm" in effect.record.reason


def test_a_lost_confirmation_waits_for_what_is_left_of_the_devices_timer():
    transaction = Transaction(IOS, GOALS, Policy(guard_s=90))
    transaction.start(100.0)
    transaction.handle(Shown(BEFORE), 101.0)
    transaction.handle(Done(), 103.0)
    transaction.handle(Shown(WANTED), 104.0)
    transaction.handle(Passed(), 113.0)
    effect = transaction.handle(Lost("silence"), 123.0)
    assert isinstance(effect, Wait)
    assert effect.seconds == pytest.approx(103 + 120 + 5 - 123), "90 s are two of the device's minutes"


@pytest.mark.parametrize(
    ("dialect", "first", "last"),
    [
        (IOS, "configure terminal revert timer 2", "end"),
        (COMWARE, "system-view", "return"),
        (VRPV8, "system-view", "return"),
    ],
)
def test_a_guarded_script_arms_the_device(dialect, first, last):
    transaction = Transaction(dialect, GOALS, Policy(guard_s=61))
    transaction.start(0)
    effect = transaction.handle(Shown(""), 0)
    assert isinstance(effect, Write)
    lines = [step.line for step in effect.script]
    assert (lines[0], lines[-1]) == (first, last)
    [armed] = [step.line for step in effect.script if step.arms]
    assert armed in {"configure terminal revert timer 2", "configuration commit delay 2", "commit trial 61"}


def test_contradicting_goals_are_refused():
    with pytest.raises(ValueError, match="one goal for each setting"):
        Transaction(IOS, [GOALS[0], replace(GOALS[0], present=False)])
    with pytest.raises(ValueError, match="needs goals"):
        Transaction(IOS, [])


class Router:
    """A device that fails in every way a seed can think of, on a clock of its own."""

    def __init__(self, seed, dialect):
        self.random = random.Random(seed)
        self.dialect = dialect
        self.routes = {PREFIXES[0]: 200}
        self.trouble = self.random.choice([0.0, 0.2, 0.5, 0.9])
        self.saved, self.reverts_at = None, None
        self.late, self.late_at = None, 0.0
        self.now = 0.0

    def trips(self):
        return self.random.random() < self.trouble

    def elapse(self, seconds):
        self.now += seconds
        if self.late and self.now >= self.late_at:
            step, self.late = self.late, None
            self.type(step)
        if self.reverts_at is not None and self.now >= self.reverts_at:
            self.routes, self.reverts_at = dict(self.saved), None

    def shown(self):
        mask = "255.255.0.0" if self.dialect is IOS else "16"
        word, distance = ("ip route", "") if self.dialect is IOS else ("ip route-static", "preference ")
        return "".join(f"{word} {p.network_address} {mask} {HOP} {distance}{d}\n" for p, d in self.routes.items())

    def write(self, script):
        for step in script:
            if self.trips():
                if self.trips() and not step.arms:
                    self.late, self.late_at = step, self.now + self.random.uniform(0, 9)
                    return Lost("no answer in time")
                return self.random.choice([Lost("broke"), GuardRefused("no") if step.arms else Rejected("no")])
            self.type(step)
        return Lost("broke at the end") if self.trips() else Done()

    def type(self, step):
        words = step.line.split()
        if step.arms:
            self.saved, self.reverts_at = dict(self.routes), self.now + 60
        elif words[0] in {"no", "undo"}:
            self.routes.pop(ip_network(f"{words[3]}/{words[4]}"), None)
        elif words[0] == "ip" and not self.trips():  # or it says nothing and does nothing
            self.routes[ip_network(f"{words[2]}/{words[3]}")] = int(words[-1])

    def answer(self, effect):
        self.elapse(self.random.choice([0.1, 0.1, 0.1, 40.0]))
        match effect:
            case Read():
                return Unreadable("silent") if self.trips() else Shown(self.shown())
            case Write(script):
                return self.write(script)
            case Confirm():
                if self.trips():
                    return Lost("before")
                pending, self.reverts_at = self.reverts_at, None
                return Lost("after") if self.trips() else Done() if pending else Rejected("nothing to confirm")
            case Revert(script):
                if self.trips():
                    return Lost("before")
                if script and self.reverts_at is None:
                    return Rejected("nothing to revert")
                if script:
                    self.routes, self.reverts_at = dict(self.saved), None
                return Done()
            case Probe():
                return Failed("no use") if self.trips() else Passed()
            case Wait(seconds):
                self.elapse(seconds)
                return Waited()


@given(st.integers(0, 2**32), st.sampled_from([IOS, COMWARE]), st.sampled_from(GuardPolicy))
def test_whatever_goes_wrong_the_result_tells_how_the_device_stands(seed, dialect, guard):
    router = Router(seed, dialect)
    before = dict(router.routes)
    transaction = Transaction(dialect, GOALS, Policy(guard))
    effect = transaction.start(router.now)
    for _ in range(100):
        if isinstance(effect, Finish):
            break
        effect = transaction.handle(router.answer(effect), router.now)
    assert isinstance(effect, Finish), "it ends"
    stands = {
        Result.CHANGED: router.routes == dict.fromkeys(PREFIXES, 10),
        Result.RESTORED: router.routes == before,
        Result.UNTOUCHED: router.routes == before,
        Result.UNCHANGED: False,
        Result.NEEDS_HUMAN: True,
    }
    assert stands[effect.record.result], (effect.record, router.routes)
    if effect.record.result is Result.CHANGED:
        router.elapse(1000)
        assert router.routes == dict.fromkeys(PREFIXES, 10), "and no timer takes it back"
