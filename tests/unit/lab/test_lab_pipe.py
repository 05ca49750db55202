"""The satellite path's queue, on times of our own making."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lab.pipe import Pipe
from lab.topology import Impairment

FRAME = bytes(1000)


def outcomes(pipe: Pipe, until: float) -> list[tuple[float, bytes]]:
    """Take everything that comes out, at the moment it is due."""
    out = []
    while (due := pipe.next_deadline()) is not None and due <= until:
        frame = pipe.take(due)
        assert frame is not None
        out.append((due, frame))
    return out


def test_a_frame_comes_out_after_the_delay_and_not_before() -> None:
    pipe = Pipe(Impairment(delay_ms=270), 1)
    pipe.offer(FRAME, 10.0)
    assert pipe.take(10.2699) is None
    assert pipe.next_deadline() == 10.27
    assert pipe.take(10.27) == FRAME
    assert pipe.next_deadline() is None


def test_the_rate_spaces_frames_and_the_queue_is_bounded_in_time() -> None:
    pipe = Pipe(Impairment(rate_kbps=4000, queue_ms=99), 1)  # 2 ms a frame
    for _ in range(100):
        pipe.offer(FRAME, 0.0)
    times = [round(at, 6) for at, _frame in outcomes(pipe, 10.0)]
    assert times == [round(0.002 * n, 6) for n in range(1, 51)]
    assert pipe.counters.dropped == 50


def test_an_idle_transmitter_saves_nothing_up() -> None:
    pipe = Pipe(Impairment(rate_kbps=4000), 1)
    pipe.offer(FRAME, 0.0)
    pipe.offer(FRAME, 5.0)
    assert [at for at, _frame in outcomes(pipe, 10.0)] == [0.002, 5.002]


@given(
    st.lists(st.floats(0, 0.02), min_size=1, max_size=200),
    st.floats(0, 50),
    st.sampled_from([0.0, 500.0, 4000.0]),
    st.integers(0, 3),
)
def test_order_is_kept_and_every_frame_is_accounted_for(
    gaps: list[float], jitter_ms: float, rate_kbps: float, seed: int
) -> None:
    pipe = Pipe(Impairment(delay_ms=50, jitter_ms=jitter_ms, loss_pct=10, rate_kbps=rate_kbps), seed)
    now = 0.0
    for number, gap in enumerate(gaps):
        now += gap
        pipe.offer(number.to_bytes(4, "big") * 25, now)
    out = outcomes(pipe, float("inf"))
    numbers = [int.from_bytes(frame[:4], "big") for _at, frame in out]
    assert numbers == sorted(numbers)
    counters = pipe.counters
    assert counters.packets == len(gaps) == counters.delivered + counters.lost + counters.dropped
    assert counters.delivered == len(out)


def test_loss_follows_the_seed() -> None:
    def survivors(seed: int) -> list[int]:
        pipe = Pipe(Impairment(loss_pct=30), seed)
        for number in range(200):
            pipe.offer(bytes([number]), 0.0)
        return [frame[0] for _at, frame in outcomes(pipe, 1.0)]

    assert survivors(1) == survivors(1) != survivors(2)
    assert 100 < len(survivors(1)) < 180


def test_a_change_holds_from_the_next_frame_on_and_never_reorders() -> None:
    pipe = Pipe(Impairment(delay_ms=270), 1)
    pipe.offer(b"slow", 0.0)
    pipe.impairment = Impairment(delay_ms=1)
    pipe.offer(b"fast", 0.001)
    assert outcomes(pipe, 1.0) == [(0.27, b"slow"), (0.27, b"fast")]
