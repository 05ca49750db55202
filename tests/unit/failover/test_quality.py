"""The measurement of a path against a simulated line, on a virtual clock."""

import heapq
import itertools
import random
from collections import Counter
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.core.quality import Quality, QualityConfig, Send, SignalDegrade, Threshold
from failover.core.stamp import FREE_RUNNING, ReflectedPacket, Reflector, SenderPacket, Timescale

START = 1000.0
LOSS = Threshold(3, 1)
FAR_CLOCK = Timescale(5.0, 1_600_000_000 * 10**9)  # years away from ours, as unsynchronised clocks are


def steady(_number):
    """A direction that delays every packet by 1 ms; a direction returns the delays of all copies that get through."""
    return (0.001,)


def lossy(chance, seed=1, delay_s=0.001):
    source = random.Random(seed)
    return lambda _number: () if source.random() < chance else (delay_s,)


def every(nth, fate, otherwise=(0.001,)):
    return lambda number: fate if number % nth == nth - 1 else otherwise


class Line:
    """A measured path. What happened to the packets is kept, to compare with what was measured."""

    def __init__(self, forward=steady, backward=steady, *, stateful=True, residence_s=0.0, **config):
        settings = {"interval_s": 0.01, "window_s": 1.0, "loss_pct": LOSS} | config
        self.config = QualityConfig(**settings, stateful=stateful)
        self.quality = Quality(self.config, Timescale(START, 1_700_000_000 * 10**9), START)
        self.reflector = Reflector(FAR_CLOCK, stateful=stateful)
        self.forward, self.backward, self.residence_s = forward, backward, residence_s
        self.far_clock_shift_s = 0.0
        self.now = START
        self.changes = []
        self.fates = Counter()
        self._flying = []
        self._order = itertools.count()

    def run(self, seconds):
        until = self.now + seconds
        while True:
            at = min(self.quality.next_deadline(), self._flying[0][0] if self._flying else inf)
            if at > until:
                self.now = until
                return self
            self.now = max(self.now, at)
            if self._flying and self._flying[0][0] <= self.now:
                self.quality.receive_reflection(heapq.heappop(self._flying)[2], self.now)
                continue
            for effect in self.quality.handle_timer(self.now):
                if isinstance(effect, Send):
                    self._carry(effect.packet)
                else:
                    self.changes.append(effect)

    def _carry(self, packet):
        self.fates["sent"] += 1
        arrivals = self.forward(packet.sequence)
        self.fates["lost forward"] += not arrivals
        for delay_s in arrivals:
            arrived = self.now + delay_s
            heapq.heappush(self._flying, (arrived, next(self._order), _Arrival(self, packet, arrived)))

    @property
    def figures(self):
        return self.quality.figures


class _Arrival:
    """A probe that reaches the reflector; the queue holds it as if it were an answer, so that order is that of time."""

    def __init__(self, line, packet, at):
        self.line, self.packet, self.at = line, packet, at


class _Quality(Quality):
    """Turns arrivals at the far end into answers on their way back."""

    __slots__ = ("line",)

    def receive_reflection(self, packet, now):
        if not isinstance(packet, _Arrival):
            super().receive_reflection(packet, now)
            return
        line, far = packet.line, packet.line.far_clock_shift_s
        answer = ReflectedPacket.decode(
            line.reflector.reflect(packet.packet.encode(), "us", 255, now + far, now + far + line.residence_s)
        )
        returns = line.backward(answer.sequence)
        line.fates["lost backward"] += not returns
        for delay_s in returns:
            back = now + line.residence_s + delay_s
            heapq.heappush(line._flying, (back, next(line._order), answer))


@pytest.fixture(autouse=True)
def _far_end(monkeypatch):
    monkeypatch.setitem(globals(), "Quality", _Quality)


# ---- loss


@pytest.mark.parametrize(("forward", "backward"), [(0.05, 0.0), (0.0, 0.05), (0.05, 0.02), (0.3, 0.3)])
def test_losses_are_told_apart_by_direction(forward, backward):
    line = Line(lossy(forward), lossy(backward, seed=2), window_s=100.0).run(100.5)
    assert line.figures.loss_forward_pct == pytest.approx(100 * forward, abs=1.2)
    assert line.figures.loss_backward_pct == pytest.approx(100 * backward, abs=1.2)


@given(
    st.lists(st.sampled_from(["there and back", "lost forward", "lost backward"]), min_size=60, max_size=60),
    st.sampled_from([0.001, 0.3]),
)
def test_every_loss_is_booked_once_and_to_its_direction(drawn, delay_s):
    fates = ["there and back", *drawn] + ["there and back"] * 200
    answers = [fate for fate in fates if fate != "lost forward"]
    line = Line(
        lambda number: () if fates[number] == "lost forward" else (delay_s,),
        lambda number: () if answers[number] == "lost backward" else (delay_s,),
        window_s=2.0,
    ).run(2.1)
    lost = Counter(drawn)
    figures = line.figures
    there = figures.probes - lost["lost forward"]
    assert figures.loss_forward_pct * figures.probes == pytest.approx(100 * lost["lost forward"])
    assert figures.loss_backward_pct * there == pytest.approx(100 * lost["lost backward"])
    assert figures.probes - figures.answered == lost["lost forward"] + lost["lost backward"]


@pytest.mark.parametrize("seed", range(10))
def test_reordering_duplicates_and_jitter_are_no_losses(seed):
    source = random.Random(seed)

    def wild(_number):
        copies = 2 if source.random() < 0.1 else 1
        return tuple(0.001 + source.random() * 0.015 for _ in range(copies))

    line = Line(wild, wild).run(5)
    assert line.figures.probes == pytest.approx(100, abs=3)
    assert line.figures.loss_pct == 0
    assert line.quality.strange == 0


def test_reordering_and_duplicates_are_counted():
    line = Line(every(10, (0.025,)), every(10, (0.001, 0.001))).run(2.05)
    assert line.figures.reordered == 10
    assert line.figures.duplicates == 10


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_loss_beside_reordering_goes_to_its_direction(direction):
    both = {"forward": every(20, ()), "backward": every(20, (0.018,))}
    if direction == "backward":
        both = {"forward": every(20, (0.018,)), "backward": every(20, ())}
    line = Line(**both, window_s=10.0).run(11)
    assert line.figures.loss_pct == pytest.approx(5, abs=0.3)
    assert getattr(line.figures, f"loss_{direction}_pct") == pytest.approx(5, abs=0.6)


def test_an_answer_after_its_probe_was_given_up_is_late_and_stays_lost():
    line = Line(backward=every(20, (0.1,))).run(3.05)
    assert line.figures.late == 5
    assert line.figures.loss_pct == pytest.approx(5)
    assert line.figures.duplicates == 0


def test_a_burst_is_as_long_as_it_was():
    line = Line(lambda number: () if number % 100 in {10, 11, 12, 13} else (0.001,)).run(2.05)
    assert line.figures.burst == 4
    assert line.figures.loss_forward_pct == pytest.approx(4, abs=0.1)


def test_a_stateless_reflector_tells_losses_but_no_direction():
    line = Line(lossy(0.1), stateful=False, window_s=20).run(21)
    assert line.figures.loss_pct == pytest.approx(10, abs=2)
    assert (line.figures.loss_forward_pct, line.figures.loss_backward_pct) == (None, None)
    assert line.quality.reasons[0].startswith("loss ")


def test_numbers_may_wrap():
    line = Line(every(20, ()), window_s=10)
    line.quality._first = 2**32 - 300
    line.reflector._sessions["us", 0] = 2**32 - 200
    line.run(11)
    assert line.figures.loss_forward_pct == pytest.approx(5, abs=0.3)
    assert line.quality.strange == 0


def test_a_reflector_that_starts_anew_is_no_loss():
    line = Line().run(2)
    line.reflector = Reflector(FAR_CLOCK)
    line.run(1.5)
    assert line.figures.loss_pct == 0
    assert line.changes == []


# ---- delay and jitter


def test_delay_leaves_out_the_time_in_the_reflector():
    line = Line(lambda _n: (0.004,), lambda _n: (0.003,), residence_s=0.05).run(2)
    assert line.figures.delay_ms == pytest.approx(7, abs=0.01)
    assert line.figures.jitter_forward_ms == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_jitter_is_told_apart_by_direction_whatever_the_far_clock_says(direction):
    source = random.Random(3)
    line = Line(**{direction: lambda _n: (0.002 + source.random() * 0.02,)}, window_s=10).run(11)
    other = "backward" if direction == "forward" else "forward"
    assert getattr(line.figures, f"jitter_{direction}_ms") == pytest.approx(19, abs=0.6)
    assert getattr(line.figures, f"jitter_{other}_ms") == pytest.approx(0, abs=0.01)


def test_a_far_clock_that_jumps_or_drifts_is_no_jitter():
    line = Line(jitter_ms=Threshold(5, 2), window_s=2).run(1)
    line.far_clock_shift_s = 3600
    line.run(1.5)
    for _ in range(1000):
        line.far_clock_shift_s += 1e-5
        line.run(0.01)
    assert line.figures.jitter_forward_ms == pytest.approx(0, abs=0.05)
    assert line.changes == []


def test_one_outlier_is_no_jitter_and_no_delay():
    line = Line(every(100, (0.015,)), jitter_ms=Threshold(5, 2), delay_ms=Threshold(10, 5)).run(5)
    assert line.changes == []


def test_contradictory_timestamps_are_no_measurement():
    line = Line(residence_s=-0.5).run(2)
    assert line.quality.strange > 100
    assert line.figures.delay_ms is None
    assert line.figures.loss_pct == 0


def test_the_kernel_s_transmit_time_counts():
    line = Line()
    (sent,) = line.quality.handle_timer(START)
    line.quality.sent(sent.packet.sequence, START + 0.005)
    line.quality.sent(sent.packet.sequence, START + 7)  # cannot be
    line.quality.sent(99, START)  # never was
    answer = line.reflector.reflect(sent.packet.encode(), "us", 255, START + 0.006, START + 0.006)
    line.quality.receive_reflection(ReflectedPacket.decode(answer), START + 0.007)
    line.run(2)
    assert line.quality._window._steps[0].delays[-1] == pytest.approx(0.002, abs=1e-6)


def test_ptp_timestamps_are_understood():
    quality = Quality(QualityConfig(0.01, 1.0), Timescale(START, 0), START)
    for number in range(200):
        at = quality.next_deadline()
        while not quality.handle_timer(at):
            at = quality.next_deadline()
        seconds, hundredths = divmod(number, 100)
        arrived = (5 + seconds) << 32 | hundredths * 10_000_000
        left = arrived + 1_000_000
        packet = ReflectedPacket(number, left, FREE_RUNNING | 0x4000, 0, arrived, number, 0, FREE_RUNNING, 255)
        quality.receive_reflection(packet, at + 0.003)
    assert quality.figures.delay_ms == pytest.approx(2, abs=0.001)


# ---- judgement


def test_degradation_is_raised_within_a_window_and_cleared_within_two():
    line = Line(window_s=2.0).run(5)
    assert (line.changes, line.quality.known) == ([], True)
    line.forward = every(20, ())
    began = line.now
    line.run(3)
    (raised,) = line.changes
    assert isinstance(raised, SignalDegrade)
    assert raised.raised
    assert raised.at - began <= 2.0
    assert raised.reasons == line.changes[0].reasons
    assert raised.reasons[0].startswith("forward loss 3")
    assert len(raised.reasons) == 1
    line.forward = steady
    healed = line.now
    line.run(5)
    assert [change.raised for change in line.changes] == [True, False]
    assert line.changes[-1].at - healed <= 2.2
    assert line.quality.reasons == ()


def test_between_the_thresholds_nothing_changes():
    line = Line(every(50, ()), window_s=10).run(30)  # 2 %: above clear, below raise
    assert line.changes == []
    line.forward = every(10, ())
    line.run(15)
    line.forward = every(50, ())
    line.run(30)
    assert [change.raised for change in line.changes] == [True]
    assert line.quality.reasons == ("forward loss 2 %, clears at 1",)


@pytest.mark.parametrize(
    ("limits", "direction", "reason"),
    [
        ({"delay_ms": Threshold(20, 10)}, lambda _n: (0.03,), "two-way delay 31 ms, raised at 20"),
        ({"jitter_ms": Threshold(20, 10)}, every(5, (0.025,)), "forward jitter 24 ms, raised at 20"),
    ],
)
def test_delay_and_jitter_degrade_too(limits, direction, reason):
    line = Line(**limits).run(2)
    line.forward = direction
    line.run(2)
    assert [change.raised for change in line.changes] == [True]
    assert line.changes[0].reasons == (reason,)


def test_one_lost_probe_degrades_nothing():
    lost = iter([True] + [False] * 10_000)
    line = Line(loss_pct=Threshold(2, 0.5))
    line.run(0.1)
    line.forward = lambda _n: () if next(lost) else (0.001,)
    line.run(5)
    assert line.changes == []


def test_nothing_is_judged_before_half_a_window_is_known():
    line = Line(every(5, ())).run(0.49)
    assert (line.quality.known, line.changes) == (False, [])
    line.run(0.2)
    assert [change.raised for change in line.changes] == [True]


# ---- silence


def test_a_dead_path_is_silent_and_not_degraded():
    line = Line().run(3)
    line.forward = lambda _n: ()
    line.run(1)
    assert line.quality.silent_s(line.now) == 0
    line.run(9)
    assert line.changes == []
    assert line.quality.silent_s(line.now) == pytest.approx(10, abs=0.1)
    assert not line.quality.known
    line.forward = steady
    line.run(3)
    assert line.changes == []
    assert (line.quality.outages, line.figures.loss_pct) == (1, 0)


def test_a_degraded_path_that_falls_silent_stays_degraded_until_it_is_known_to_be_sound():
    line = Line(every(10, ())).run(3)
    line.forward = lambda _n: ()
    line.run(10)
    assert [change.raised for change in line.changes] == [True]
    line.forward = steady
    line.run(3)
    assert [change.raised for change in line.changes] == [True, False]


def test_a_far_end_that_never_answers_is_unknown():
    line = Line(lambda _n: ()).run(20)
    assert (line.changes, line.quality.known, line.figures.probes) == ([], False, 0)
    assert len(line.quality._pending) <= 220


def test_a_suspended_measurement_sends_nothing_and_starts_afresh():
    line = Line(every(10, ())).run(3)
    line.quality.suspend(line.now)
    sent = line.fates["sent"]
    line.run(3)
    assert (line.fates["sent"], line.quality.next_deadline(), line.quality.suspended) == (sent, inf, True)
    assert line.quality.raised
    line.forward = steady
    line.quality.resume(line.now)
    line.run(2)
    line.quality.resume(line.now)  # runs already
    line.run(1)
    assert [change.raised for change in line.changes] == [True, False]
    assert line.figures.loss_pct == 0


def test_an_answer_from_before_a_suspension_is_late():
    line = Line(backward=lambda _n: (0.3,)).run(1)
    line.quality.suspend(line.now)
    line.quality.resume(line.now)
    line.run(3)
    assert (line.changes, line.quality.strange, line.figures.loss_pct) == ([], 0, 0)


# ---- our own lateness, and what nobody asked for


def test_a_late_wake_up_sends_one_probe_and_no_burst():
    line = Line().run(1)
    line.now += 0.5
    sent = line.fates["sent"]
    line.run(0.05)
    assert line.fates["sent"] - sent <= 6
    line.run(2)
    assert line.figures.loss_pct == 0


def test_a_probe_that_the_kernel_refused_is_no_loss():
    line = Line()
    for tick in range(400):
        at = START + tick * 0.005
        for effect in line.quality.handle_timer(at):
            if isinstance(effect, Send):
                if tick % 10 == 0:
                    line.quality.unsent()
                    continue
                answer = line.reflector.reflect(effect.packet.encode(), "us", 255, at, at)
                line.quality.receive_reflection(ReflectedPacket.decode(answer), at + 0.001)
    assert line.figures.loss_pct == 0
    assert line.quality.known


def test_an_answer_to_nothing_is_strange():
    line = Line().run(1)
    before = line.figures
    for sequence in (500, 2**31, 2**32 - 1):
        packet = ReflectedPacket.decode(
            Reflector(FAR_CLOCK).reflect(SenderPacket(sequence, 0).encode(), "us", 255, 1.0, 1.0)
        )
        line.quality.receive_reflection(packet, line.now)
    assert line.quality.strange == 3
    assert line.figures == before


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)), max_size=50)
)
def test_no_answer_can_break_the_measurement(answers):
    line = Line(loss_pct=None).run(0.5)
    for sequence, sender_sequence, stamp in answers:
        packet = ReflectedPacket(sequence, stamp, FREE_RUNNING, 0, stamp, sender_sequence % 80, 0, FREE_RUNNING, 255)
        line.quality.receive_reflection(packet, line.now)
    line.run(3)
    figures = line.figures
    assert figures.loss_pct == 0
    assert figures.probes > 50


def test_an_early_call_does_nothing():
    line = Line()
    line.quality.handle_timer(START)
    assert line.quality.handle_timer(START) == ()
    assert line.quality.next_deadline() == START + 0.01


# ---- configuration


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"interval_s": 0}, "more than 0"),
        ({"timeout_s": 0}, "more than 0"),
        ({"window_s": 0.1}, "10 probes in a window, must be 20 to 10000"),
        ({"window_s": 101}, "10100 probes in a window"),
        ({"loss_pct": Threshold(1.5, 0)}, "less than two probes"),
        ({"delay_ms": Threshold(2000, 0)}, "beyond timeout_s"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(settings, reason):
    with pytest.raises(ValueError, match=reason):
        QualityConfig(**{"interval_s": 0.01, "window_s": 1.0} | settings)


@pytest.mark.parametrize(("raise_at", "clear_at"), [(1, 1), (1, 2), (1, -1)])
def test_thresholds_are_apart(raise_at, clear_at):
    with pytest.raises(ValueError, match="clear_at"):
        Threshold(raise_at, clear_at)
