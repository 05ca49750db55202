"""A run that is killed at any journal point: no effect twice, none lost, never stuck."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from failover.core.playbook import (
    Do,
    Enter,
    Fact,
    Kind,
    LegState,
    Outcome,
    Playbook,
    Probe,
    Recovery,
    Run,
    RunInput,
    RunState,
    Sight,
    Wait,
    planned,
    resolve,
)
from failover.core.playbook.tables import FINAL, LEGS, OVER, RUNS, LegInput

KINDS = {
    "probed": Kind(Recovery.PROBE, changes=True),
    "blind": Kind(Recovery.HUMAN, changes=True),
    "harmless": Kind(Recovery.REPEAT, changes=False),
}


class NoFacts:
    def get(self, name):
        return Fact(True, 0.0)

    def in_maintenance(self, subject):
        return False

    def failing_share(self):
        return 0.0


class KilledError(Exception):
    pass


class World:
    """A journal, effects that can be counted, and a process that dies when it is told to."""

    def __init__(self, plan, behaviours, kills):
        self.journal = [planned("r1", plan, "tester", "", "k", 1)]
        self.journal.append(Run(self.journal[0], 0).entry(RunInput.AGREED, ""))
        self.journal.append(Run(self.journal[0], 0).entry(RunInput.BEGIN, ""))
        self.behaviours, self.kills = behaviours, list(kills)
        self.applied = {}
        self.standing = []
        self.now = 0.0
        self.points = 0

    def point(self):
        """A point at which the process may be killed."""
        self.points += 1
        if self.kills and self.points >= self.kills[0]:
            self.kills.pop(0)
            self.points = 0
            raise KilledError

    def fold(self):
        run = Run(json.loads(json.dumps(self.journal[0])), 0)
        for entry in self.journal[1:]:
            run.apply(json.loads(json.dumps(entry)), 0)
        run.resume()
        return run

    def enter(self, run, entries):
        self.point()
        self.journal.extend(entries)
        self.point()
        for entry in entries:
            run.apply(entry, 0)

    def do(self, action):
        name = (action.leg, action.step)
        behaviour = self.behaviours.get(name, ["did"])
        what = behaviour.pop(0) if len(behaviour) > 1 else behaviour[0]
        if what == "did":
            self.applied[name] = self.applied.get(name, 0) + 1
            if action.leg == "do":
                assert action.step not in self.standing, "an effect twice"
                self.standing.append(action.step)
            else:
                assert self.applied[name] == 1 or action.step in self.standing, "taken back twice"
                if action.step in self.standing:  # of a step that broke, perhaps nothing stands
                    self.standing.remove(action.step)
        return Outcome(what)

    def sight(self, action):
        stands = action.step in self.standing
        return Sight("achieved" if stands is (action.leg == "do") else "untouched")

    def live(self):
        run = self.fold()
        for _ in range(2000):
            action = run.next(self.now, NoFacts())
            match action:
                case Enter(entries):
                    self.enter(run, entries)
                case Do():
                    run.asked(action)
                    self.point()
                    outcome = self.do(action)
                    self.point()
                    self.enter(run, [run.outcome(action, outcome)])
                case Probe():
                    entry = run.probed(action, self.sight(action), self.now)
                    if entry is not None:
                        self.enter(run, [entry])
                    self.now += 0.1
                case Wait(until):
                    if until is None:
                        return run
                    self.now = max(self.now + 0.01, until)
        raise AssertionError("the run is stuck")

    def finish(self):
        while True:
            try:
                return self.live()
            except KilledError:
                continue


def plan_of(kinds, undone):
    steps = [
        {"id": f"s{n}", "do": kind, "args": {"n": n}, "retry": {"max": 2},
         **({"compensate": {"do": kind}} if undo else {})}
        for n, (kind, undo) in enumerate(zip(kinds, undone, strict=True))
    ]  # fmt: skip
    book = TypeAdapter(Playbook).validate_python({"playbook": "p", "version": 1, "summary": "x", "steps": steps})
    return resolve(book, {}, {"kind": "person"}, KINDS)


@st.composite
def incidents(draw):
    size = draw(st.integers(1, 6))
    kinds = draw(st.lists(st.sampled_from(["probed", "probed", "blind"]), min_size=size, max_size=size))
    undone = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    behaviours = {}
    for n in range(size):
        for leg in ("do", "undo"):
            behaviours[leg, f"s{n}"] = draw(
                st.sampled_from([["did"], ["did"], ["did"], ["failed", "did"], ["failed"], ["refused"], ["lost"]])
            )
    return plan_of(kinds, undone), behaviours, draw(st.lists(st.integers(1, 25), max_size=8))


@settings(max_examples=100, deadline=None)
@given(incidents())
def test_killed_anywhere_it_ends_and_nothing_is_done_twice(incident):
    plan, behaviours, kills = incident
    world = World(plan, behaviours, kills)
    run = world.finish()
    assert run.state in FINAL | {RunState.NEEDS_HUMAN}
    if run.state is RunState.DONE:
        assert world.standing == list(run.steps), "an effect was lost"
    if run.state is RunState.COMPENSATED:
        left = [name for name in world.standing if run.steps[name]["compensate"] is not None]
        assert not left, "a step was not taken back"
        for name in world.standing:
            assert name in run.reason, "what is left standing is told"
    if run.state is RunState.NEEDS_HUMAN:
        assert run.reason
        assert run.troubled()


def test_every_journal_point_of_ten_steps_that_can_be_read():
    plan = plan_of(["probed"] * 10, [True] * 10)
    points = 0
    for kill in range(1, 200):
        world = World(plan, {}, [kill])
        run = world.finish()
        assert run.state is RunState.DONE
        assert world.standing == [f"s{n}" for n in range(10)]
        assert set(world.applied.values()) == {1}
        if world.kills:
            points = kill
            break
    assert points > 60


def test_a_blind_step_killed_under_way_needs_a_human_and_goes_on_by_their_word():
    world = World(plan_of(["probed", "blind", "probed"], [True] * 3), {("do", "s1"): ["lost"]}, [])
    run = world.finish()
    assert run.state is RunState.NEEDS_HUMAN
    assert run.troubled() == ("do", "s1")
    world.standing.append("s1")
    world.journal.extend(run.decide("handled", "ann"))
    run = world.finish()
    assert run.state is RunState.DONE
    assert world.standing == ["s0", "s1", "s2"]


@pytest.mark.parametrize(("verdict", "ends"), [("again", RunState.DONE), ("back", RunState.COMPENSATED)])
def test_decisions(verdict, ends):
    world = World(plan_of(["probed", "blind"], [True] * 2), {("do", "s1"): ["lost", "did"]}, [])
    run = world.finish()
    if verdict == "back":
        world.standing.append("s1")
    world.journal.extend(run.decide(verdict, "ann"))
    assert world.finish().state is ends


def test_an_abort_takes_back_what_stands():
    world = World(plan_of(["probed"] * 3, [True] * 3), {}, [14])
    with pytest.raises(KilledError):
        world.live()
    stood = list(world.standing)
    assert stood
    world.journal.append({"type": "abort", "by": "ann"})
    run = world.finish()
    assert run.state is RunState.COMPENSATED
    assert run.reason.startswith("aborted by ann")
    assert not world.standing


def test_a_harmless_step_is_simply_done_again():
    plan = plan_of(["harmless"], [False])
    world = World(plan, {("do", "s0"): ["failed", "failed", "failed", "failed"]}, [])
    world.do = lambda action: Outcome("failed", "no answer")
    run = world.finish()
    assert run.state is RunState.COMPENSATED
    assert "s0 failed: no answer" in run.reason
    assert run.legs["do", "s0"].attempt == 3


def test_the_tables_are_complete():
    for state in LegState:
        ways = {what for at, what in LEGS if at is state}
        assert ways or state in OVER
    for state in RunState:
        ways = {what for at, what in RUNS if at is state}
        assert bool(ways) is (state not in FINAL)
    assert {what for _at, what in LEGS} == set(LegInput)
    assert {what for _at, what in RUNS} == set(RunInput)
