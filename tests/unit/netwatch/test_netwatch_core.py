"""The judgement core: rates, thresholds, soft and hard states, pace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwatch.core.limits import LEARN, Usual, beyond
from netwatch.core.pace import Pace, phase
from netwatch.core.rates import Sample, rate, restarted
from netwatch.core.reach import Patience, Reach, Standing


@given(
    start=st.integers(0, 2**32 - 1),
    per_s=st.integers(0, 100_000_000),
    elapsed_s=st.floats(0.5, 20),
    bits=st.sampled_from([32, 64]),
)
def test_a_counter_that_wraps_grows_on(start, per_s, elapsed_s, bits):
    grown = int(per_s * elapsed_s)
    if grown >= 2 ** (bits - 1):
        return
    before = Sample(start, 100.0, 50.0)
    now = Sample((start + grown) % 2**bits, 100.0 + elapsed_s, 50.0 + elapsed_s)
    assert rate(before, now, bits) == pytest.approx(grown / elapsed_s, rel=1e-6, abs=1e-6)


@given(
    uptime_s=st.floats(30, 1e7), elapsed_s=st.floats(1, 600), since_s=st.floats(0, 600), value=st.integers(0, 10**12)
)
def test_a_restart_gives_no_rate(uptime_s, elapsed_s, since_s, value):
    since_s = min(since_s, elapsed_s)
    expected_s = uptime_s + elapsed_s
    if expected_s - since_s <= 3 + 0.02 * elapsed_s + 1:
        return
    assert restarted(uptime_s, since_s, elapsed_s)
    assert rate(Sample(value, 0, uptime_s), Sample(10**13, elapsed_s, since_s), 64) is None


def test_an_uptime_that_wraps_is_no_restart():
    wrap_s = 2**32 / 100
    assert not restarted(wrap_s - 2, 3.0, 5.0)
    assert restarted(wrap_s / 2, 3.0, 5.0)


def test_a_counter_set_back_is_unknown_not_a_peak():
    assert rate(Sample(1000, 0), Sample(10, 5)) is None
    assert rate(Sample(2**40, 0), Sample(5, 5), 64) is None
    assert rate(Sample(1000, 5), Sample(2000, 5)) is None


@given(st.lists(st.floats(0, 100), max_size=60))
def test_hysteresis_never_clears_between(values):
    raised = False
    for value in values:
        was, raised = raised, beyond(value, above=60, below=None, clear=50, raised=raised)
        assert raised is (value > 60 or (was and value > 50))


@given(st.lists(st.floats(0, 100), max_size=60))
def test_below_is_above_in_a_mirror(values):
    one = other = False
    for value in values:
        one = beyond(value, above=60, below=None, clear=50, raised=one)
        other = beyond(-value, above=None, below=-60, clear=-50, raised=other)
        assert one is other


def test_what_is_unusual_teaches_nothing_and_ends():
    usual = Usual()
    for n in range(LEARN * 2):
        assert not usual.unusual(20 + (n % 3) * 0.1, 6)
    assert all(usual.unusual(40, 6) for _ in range(500))
    assert not usual.unusual(20.1, 6)


@given(st.lists(st.booleans(), max_size=80))
def test_a_fact_needs_silences_in_a_row(answers):
    reach = Reach(Patience(silences=3, answers=2, flaps=1000))
    silences = 0
    for n, answered in enumerate(answers):
        was_down = reach.down
        (reach.answer if answered else reach.silence)(float(n))
        silences = 0 if answered else silences + 1
        if reach.down and not was_down:
            assert silences == 3
        if was_down and not reach.down:
            assert answers[n - 1 : n + 1] == [True, True]
    if silences >= 3:
        assert reach.standing is Standing.DOWN


def test_unknown_before_the_first_fact():
    reach = Reach()
    assert not reach.known
    reach.silence(0)
    assert not reach.known
    assert not reach.down
    reach.answer(1)
    assert reach.known


def test_one_that_flaps_counts_until_it_has_kept_still():
    reach = Reach(Patience(silences=1, answers=1, flaps=4, window_s=600, calm_s=300))
    now_s = 0.0
    reach.answer(now_s)
    for _ in range(4):
        now_s += 20
        reach.silence(now_s)
        now_s += 20
        reach.answer(now_s)
        reach.answer(now_s + 1)
    assert reach.flapping(now_s)
    assert not reach.down
    assert reach.flapping(reach.next_deadline() - 1)
    assert not reach.flapping(reach.next_deadline())


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_pace_never_storms_and_never_sleeps(turns):
    pace = Pace("device:a/b", 5.0, most_s=60.0)
    for soft, down in turns:
        wait_s = pace.after(soft=soft, down=down)
        assert 2.0 <= wait_s <= 63.0
        if not soft and not down:
            assert wait_s == 5.0


def test_turns_are_spread():
    slots = [0] * 10
    for n in range(1000):
        slots[int(phase(f"device:site-{n}/router") * 10)] += 1
    assert max(slots) < 150
