"""The analysis of probe logs, from synthetic logs."""

from hypothesis import given
from hypothesis import strategies as st

from lab.probe import ProbeLog, Traffic, traffic

MS = 1_000_000
DELAY_NS = 270 * MS


def sent(count: int, start_ns: int = 0) -> list[tuple[int, int]]:
    return [(seq, start_ns + seq * MS) for seq in range(count)]


def test_a_quiet_network_loses_nothing() -> None:
    log = sent(100)
    assert traffic(log, log, (0, 100 * MS)) == Traffic(100, 0, 0, 0, 0, 0)


def test_delay_is_no_outage() -> None:
    late = [(seq, at + DELAY_NS) for seq, at in sent(100)]
    assert traffic(sent(100), late, (0, 100 * MS)).lost_ms == 0


def test_the_window_is_by_send_time_and_excludes_its_end() -> None:
    result = traffic(sent(100), [], (10 * MS, 20 * MS))
    assert (result.sent, result.lost, result.longest_gap_ms) == (10, 10, 10)


def test_the_longest_gap_is_the_longest_run_of_lost_probes() -> None:
    lost = {10, 11, 12, 40, 41, 60}
    received = [r for r in sent(100) if r[0] not in lost]
    result = traffic(sent(100), received, (0, 100 * MS))
    assert (result.lost_ms, result.longest_gap_ms) == (6, 3)


def test_a_second_arrival_is_a_duplicate_and_neither_lost_nor_reordered() -> None:
    received = [*sent(10), (3, 11 * MS)]
    assert traffic(sent(10), received, (0, 10 * MS)) == Traffic(10, 0, 0, 0, 1, 0)


def test_probes_overtaken_at_the_revert_are_reordered() -> None:
    over_satellite = [(seq, at + DELAY_NS) for seq, at in sent(500)]
    over_fibre = [(seq, seq * MS) for seq in range(500, 900)]
    received = sorted([*over_satellite, *over_fibre], key=lambda r: r[1])
    result = traffic(sent(900), received, (0, 900 * MS))
    # Probes 231..499 were still above the earth when 500 arrived.
    assert (result.lost, result.reordered) == (0, 269)


def test_the_first_lost_probe_dates_the_cut() -> None:
    log = ProbeLog(tuple(sent(100)), tuple(r for r in sent(100) if not 42 <= r[0] < 70))
    assert log.first_lost_ns((0, 100 * MS)) == 42 * MS
    assert log.first_lost_ns((70 * MS, 100 * MS)) is None


def test_a_log_survives_its_file(tmp_path) -> None:
    log = ProbeLog(tuple(sent(10)), tuple(sent(9)))
    log.save(tmp_path / "site-to-hub")
    assert ProbeLog.load(tmp_path / "site-to-hub") == log


arrivals = st.lists(st.integers(min_value=0, max_value=49), max_size=120)


@given(arrivals, st.integers(0, 50), st.integers(0, 50))
def test_the_numbers_add_up_whatever_arrives(seqs: list[int], start: int, end: int) -> None:
    log = sent(50)
    received = [(seq, index) for index, seq in enumerate(seqs)]
    result = traffic(log, received, (start * MS, end * MS))
    inside = [seq for seq in seqs if start <= seq < end]
    assert result.sent == max(0, end - start)
    assert result.lost == result.sent - len(set(inside)) == result.lost_ms
    assert result.duplicated == len(inside) - len(set(inside))
    assert result.longest_gap_ms <= result.lost_ms
    assert result.reordered <= len(set(inside))


@given(arrivals, st.integers(0, 50))
def test_two_windows_side_by_side_add_up_to_one(seqs: list[int], middle: int) -> None:
    log = sent(50)
    received = [(seq, index) for index, seq in enumerate(seqs)]
    whole = traffic(log, received, (0, 50 * MS))
    left = traffic(log, received, (0, middle * MS))
    right = traffic(log, received, (middle * MS, 50 * MS))
    for name in ("sent", "lost", "lost_ms", "duplicated", "reordered"):
        assert getattr(whole, name) == getattr(left, name) + getattr(right, name)
    assert max(left.longest_gap_ms, right.longest_gap_ms) <= whole.longest_gap_ms
    assert whole.longest_gap_ms <= left.longest_gap_ms + right.longest_gap_ms


@given(st.permutations(range(20)))
def test_order_alone_loses_and_duplicates_nothing(order: list[int]) -> None:
    result = traffic(sent(20), [(seq, i) for i, seq in enumerate(order)], (0, 20 * MS))
    assert (result.lost, result.duplicated) == (0, 0)
    assert (result.reordered == 0) == (order == sorted(order))
