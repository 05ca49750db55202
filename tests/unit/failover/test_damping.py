import pytest

from failover.core.protection import Damping, DampingConfig, Protection, ProtectionConfig, Select, Selector, State

CONFIG = DampingConfig(half_life_s=10.0, suppress=2500.0, reuse=1000.0, maximum=4000.0)


def test_a_penalty_halves_in_its_half_life():
    damping = Damping(CONFIG)
    assert damping.penalty(5.0) == 0.0
    damping.failed(5.0)
    assert damping.penalty(5.0) == 1000.0
    assert damping.penalty(15.0) == pytest.approx(500.0)
    assert not damping.suppressed(5.0)
    assert damping.reuse_in_s(5.0) == 0.0


def test_a_path_is_suppressed_from_one_threshold_until_the_other():
    damping = Damping(CONFIG)
    for at in (0.0, 0.1, 0.2):
        assert not damping.suppressed(at)
        damping.failed(at)
    assert damping.suppressed(0.2)
    reuse_at = damping.reuse_at
    assert damping.penalty(reuse_at) == pytest.approx(1000.0)
    assert damping.reuse_in_s(reuse_at - 1.0) == pytest.approx(1.0)
    assert damping.suppressed(reuse_at - 0.001)
    assert not damping.suppressed(reuse_at)


def test_no_path_is_suppressed_for_ever():
    damping = Damping(CONFIG)
    for _ in range(1000):
        damping.failed(0.0)
    assert damping.penalty(0.0) == 4000.0
    assert damping.reuse_at == pytest.approx(20.0), "two half-lives"


@pytest.mark.parametrize(
    "fields",
    [{"half_life_s": 0}, {"reuse": 0}, {"reuse": 3000.0}, {"suppress": 9000.0}, {"half_life_s": float("nan")}],
)
def test_thresholds_out_of_order_are_refused(fields):
    with pytest.raises(ValueError, match="must be"):
        DampingConfig(**fields)


def flapping(times=3):
    end = Protection(ProtectionConfig(wtr_s=1.0, working="fibre", protection="sat", damping=CONFIG), 0.0)
    for path in Selector:
        end.signal_fail(path, False, 0.0)
    for i in range(times):
        end.signal_fail("working", True, i + 0.0)
        end.signal_fail("working", False, i + 0.5)
    return end


def test_traffic_does_not_return_to_a_path_that_flaps_until_it_has_settled():
    end = flapping()
    assert end.state is State.WAIT_TO_RESTORE
    reuse_at = end.damping("working").reuse_at
    assert end.wtr_ends_at == end.next_deadline() == reuse_at > 10.0
    assert end.why == "Working path fibre is healthy but failed too often; carrying on sat until it has settled."
    assert end.handle_timer(3.5) == ()
    assert Select(Selector.WORKING) in end.handle_timer(reuse_at)


def test_a_suppressed_path_carries_at_once_when_it_is_the_only_one_left():
    end = flapping()
    assert end.signal_fail("protection", True, 3.0)[0] == Select(Selector.WORKING)


def test_a_flapping_path_is_left_at_once_however_suppressed():
    end = flapping()
    end.signal_fail("protection", True, 3.0)
    end.signal_fail("protection", False, 3.1)
    assert end.selector is Selector.WORKING
    assert end.signal_fail("working", True, 3.2)[0] == Select(Selector.PROTECTION)


def test_an_operator_may_clear_the_wait():
    from failover.core.protection import Command

    end = flapping()
    assert end.command(Command.CLEAR, 3.0).accepted
    assert end.selector is Selector.WORKING


def test_without_damping_there_is_no_penalty():
    assert Protection(ProtectionConfig(), 0.0).damping("working") is None
