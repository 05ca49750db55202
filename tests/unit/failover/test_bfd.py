import itertools
from dataclasses import replace

import pytest

from failover.core.bfd import (
    DETECTION_EXPIRED,
    TRANSITIONS,
    Send,
    Session,
    SessionConfig,
    SignalFail,
    StateChanged,
)
from failover.core.packet import ControlPacket, Diagnostic, State
from failover.core.poll import POLL_TRANSITIONS, Poll, PollInput

LOCAL, REMOTE = 0x0A, 0x0B
CONFIG = SessionConfig(LOCAL, desired_min_tx_us=10_000, required_min_rx_us=10_000, detect_mult=3)
DOWN = ControlPacket(State.DOWN, REMOTE, 0, 1_000_000, 10_000, 3)
INIT = replace(DOWN, state=State.INIT, your_discriminator=LOCAL)
UP = replace(INIT, state=State.UP, desired_min_tx_us=10_000)
ADMIN_DOWN = replace(INIT, state=State.ADMIN_DOWN, diagnostic=Diagnostic.ADMINISTRATIVELY_DOWN)
BY_STATE = {State.DOWN: DOWN, State.INIT: INIT, State.UP: UP, State.ADMIN_DOWN: ADMIN_DOWN}


def session_in(state, now=0.0, config=CONFIG, jitter=lambda: 0.0):
    session = Session(config, now, jitter)
    if state is State.ADMIN_DOWN:
        session.admin_down(now)
    if state in (State.INIT, State.UP):
        session.receive(DOWN, now)
    if state is State.UP:
        session.receive(UP, now)
        session.receive(replace(UP, final=True), now)  # the far end answers our poll
        assert session.poll is Poll.IDLE
    assert session.state is state
    return session


def sent(effects):
    return [e.packet for e in effects if isinstance(e, Send)]


def only(kind, effects):
    found = [e for e in effects if isinstance(e, kind)]
    assert len(found) == 1, effects
    return found[0]


# ---- the tables ----


def test_the_tables_are_complete():
    assert set(TRANSITIONS) == set(itertools.product(State, State))
    assert set(DETECTION_EXPIRED) == set(State)
    assert set(POLL_TRANSITIONS) == set(itertools.product(Poll, PollInput))


@pytest.mark.parametrize(("own", "received"), itertools.product(State, State))
def test_every_state_and_received_state_follow_the_table(own, received):
    session = session_in(own)
    before = session.diagnostic
    state, diagnostic = TRANSITIONS[own, received]
    effects = session.receive(BY_STATE[received], 0.001)
    assert session.state is state
    assert session.diagnostic is (before if diagnostic is None else diagnostic)
    assert session.remote_state is received
    assert bool([e for e in effects if isinstance(e, StateChanged)]) is (state is not own)


@pytest.mark.parametrize("own", State)
def test_every_state_follows_the_table_when_the_far_end_falls_silent(own):
    session = session_in(own)
    session.receive(replace(DOWN if own is State.INIT else UP, final=False), 1.0)
    session.handle_timer(session.detection_deadline)
    assert session.state is DETECTION_EXPIRED[own][0]
    assert session.remote_discriminator == 0
    assert session.detection_deadline is None


# ---- coming up, going down ----


def test_a_session_starts_down_knowing_nothing():
    session = Session(CONFIG, 0.0, lambda: 0.0)
    assert (session.state, session.diagnostic) == (State.DOWN, Diagnostic.NO_DIAGNOSTIC)
    assert (session.remote_discriminator, session.detection_deadline, session.signal_fail) == (0, None, None)
    assert session.transmit_interval_us == 1_000_000


def test_the_first_packet_goes_out_at_once_and_says_down():
    session = Session(CONFIG, 5.0, lambda: 0.0)
    assert session.next_deadline() == 5.0
    (packet,) = sent(session.handle_timer(5.0))
    assert packet == ControlPacket(State.DOWN, LOCAL, 0, 1_000_000, 10_000, 3)


def test_coming_up_the_next_packet_does_not_wait_for_the_slow_timer():
    session = Session(CONFIG, 0.0, lambda: 0.0)
    session.handle_timer(0.0)
    (answer,) = sent(session.receive(DOWN, 0.1))
    assert (answer.state, answer.your_discriminator) == (State.INIT, REMOTE)
    (packet,) = sent(session.receive(INIT, 0.2))
    assert (packet.state, packet.desired_min_tx_us, packet.poll) == (State.UP, 10_000, True)
    assert session.next_deadline() == pytest.approx(0.21)
    assert session.transmit_interval_us == 10_000


def test_up_is_told_with_the_path_working():
    session = session_in(State.INIT)
    effects = session.receive(INIT, 0.2)
    assert only(SignalFail, effects) == SignalFail(failed=False, reason="BFD session is Up", at=0.2)
    assert only(StateChanged, effects) == StateChanged(
        State.INIT, State.UP, Diagnostic.NO_DIAGNOSTIC, State.INIT, Diagnostic.NO_DIAGNOSTIC, 0.2
    )


def test_silence_takes_an_up_session_down_after_the_detection_time_and_not_before():
    session = session_in(State.UP)
    session.receive(UP, 1.0)
    assert session.detection_time_us == 30_000
    assert session.detection_deadline == pytest.approx(1.03)
    session.handle_timer(1.0299)
    assert session.state is State.UP
    effects = session.handle_timer(1.0301)
    assert only(SignalFail, effects) == SignalFail(failed=True, reason="BFD detection time expired", at=1.0301)
    assert isinstance(effects[0], SignalFail), "switching comes before everything else"
    assert only(StateChanged, effects).diagnostic is Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
    (packet,) = sent(effects)
    assert packet.state is State.DOWN
    assert packet.diagnostic is Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
    assert packet.your_discriminator == 0
    assert packet.desired_min_tx_us == 1_000_000


def test_the_far_ends_down_takes_us_down_at_once_and_is_answered():
    session = session_in(State.UP)
    told = replace(UP, state=State.DOWN, diagnostic=Diagnostic.CONTROL_DETECTION_TIME_EXPIRED)
    effects = session.receive(told, 1.0)
    assert only(SignalFail, effects).reason == "far end signalled Down: Control Detection Time Expired"
    assert only(StateChanged, effects) == StateChanged(
        State.UP,
        State.DOWN,
        Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN,
        State.DOWN,
        Diagnostic.CONTROL_DETECTION_TIME_EXPIRED,
        1.0,
    )
    assert sent(effects)[0].diagnostic is Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN


def test_a_session_that_went_down_stays_down_until_the_far_end_has_left_up():
    session = session_in(State.UP)
    session.path_failed(Diagnostic.PATH_DOWN, 1.0)
    for i in range(50):
        session.receive(UP, 1.0 + i / 100)
    assert session.state is State.DOWN
    session.receive(DOWN, 2.0)
    assert session.state is State.INIT


def test_carrier_loss_takes_the_session_down_at_once_and_tells_the_far_end():
    session = session_in(State.UP)
    effects = session.path_failed(Diagnostic.PATH_DOWN, 1.0)
    assert only(SignalFail, effects) == SignalFail(failed=True, reason="reported locally: Path Down", at=1.0)
    (packet,) = sent(effects)
    assert (packet.state, packet.diagnostic) == (State.DOWN, Diagnostic.PATH_DOWN)


# ---- time as it really passes ----


def test_the_detection_time_runs_from_the_arrival_not_from_the_reading():
    session = session_in(State.UP)
    session.receive(UP, 1.0)
    session.handle_timer(1.025)
    session.receive(UP, 1.011)  # read late, arrived before the last timer call
    assert session.detection_deadline == pytest.approx(1.041)


def test_a_packet_that_arrived_earlier_never_shortens_the_detection_time():
    session = session_in(State.UP)
    session.receive(UP, 1.010)
    session.receive(UP, 1.005)
    session.receive(replace(UP, demand=True), 1.006)
    assert session.detection_deadline == pytest.approx(1.040)


def test_grace_postpones_detection_once_per_silence():
    session = session_in(State.UP)
    session.receive(UP, 1.0)
    assert session.grace(0.01, 1.5)
    session.handle_timer(1.509)
    assert session.state is State.UP
    assert not session.grace(0.01, 1.509)
    session.handle_timer(1.51)
    assert session.state is State.DOWN


def test_grace_is_renewed_by_a_packet():
    session = session_in(State.UP)
    session.receive(UP, 1.0)
    assert session.grace(0.01, 1.5)
    session.receive(UP, 1.505)
    assert session.grace(0.01, 2.0)
    assert session.detection_deadline == pytest.approx(2.01)


def test_grace_never_shortens_the_detection_time():
    session = session_in(State.UP)
    session.receive(UP, 1.0)
    session.grace(0.01, 1.0)
    assert session.detection_deadline == pytest.approx(1.03)


def test_there_is_no_grace_where_no_silence_is_measured():
    assert not Session(CONFIG, 0.0, lambda: 0.0).grace(0.01, 1.0)


def test_an_early_timer_does_nothing():
    session = session_in(State.UP)
    session.handle_timer(session.next_deadline())
    assert session.handle_timer(session.next_deadline() - 1e-6) == ()


def test_a_packet_and_silence_due_together_are_both_seen_to():
    session = session_in(State.UP)
    packets = sent(session.handle_timer(10.0))
    assert [p.state for p in packets] == [State.DOWN]
    assert session.next_deadline() > 10.0


# ---- intervals ----


@pytest.mark.parametrize(
    ("detect_mult", "jitter", "gap"), [(3, 0.0, 0.010), (3, 0.999999, 0.0075), (1, 0.0, 0.009), (1, 0.999999, 0.0075)]
)
def test_jitter_spans_75_to_100_percent_and_to_90_when_a_single_loss_counts(detect_mult, jitter, gap):
    session = session_in(State.UP, config=replace(CONFIG, detect_mult=detect_mult), jitter=lambda: jitter)
    start = session.next_deadline()
    session.handle_timer(start)
    assert session.next_deadline() - start == pytest.approx(gap, abs=1e-7)


def test_we_send_no_faster_than_the_far_end_can_bear_and_expect_no_more_than_it_desires():
    session = session_in(State.UP)
    session.receive(replace(UP, required_min_rx_us=50_000, desired_min_tx_us=20_000, detect_mult=5), 1.0)
    assert session.transmit_interval_us == 50_000
    assert session.detection_time_us == 100_000


def test_a_faster_rate_is_honoured_from_the_last_packet_on():
    patient = replace(UP, desired_min_tx_us=1_000_000)
    slow = replace(patient, required_min_rx_us=500_000)
    session = session_in(State.UP)
    session.receive(slow, 1.0)
    session.handle_timer(1.5)
    assert session.next_deadline() == pytest.approx(2.0)
    session.receive(patient, 1.502)
    assert session.next_deadline() == pytest.approx(1.51)
    session.handle_timer(1.51)
    session.receive(slow, 1.512)
    session.receive(patient, 1.9)
    assert session.next_deadline() == pytest.approx(1.9), "the new interval is over already: now"


def test_a_far_end_that_bears_no_packets_gets_none_but_changes_and_answers():
    session = session_in(State.UP)
    session.receive(replace(UP, required_min_rx_us=0), 1.0)
    assert session.transmit_interval_us == 0
    assert session.next_deadline() == session.detection_deadline
    assert sent(session.receive(replace(UP, required_min_rx_us=0, poll=True), 1.01))[0].final
    assert sent(session.handle_timer(2.0))[0].state is State.DOWN


def test_a_far_end_in_demand_mode_hears_from_us_only_while_we_poll():
    session = session_in(State.UP)
    session.receive(replace(UP, demand=True), 1.0)
    assert session.transmit_interval_us == 0
    session.reconfigure(1.001, desired_min_tx_us=20_000)
    assert session.transmit_interval_us > 0
    session.receive(replace(UP, demand=True, final=True), 1.002)
    assert session.transmit_interval_us == 0
    session.receive(replace(UP, demand=True, state=State.DOWN), 1.003)
    assert session.transmit_interval_us == 1_000_000


# ---- the Poll Sequence ----


def test_a_poll_is_answered_at_once_without_moving_our_own_timer():
    session = session_in(State.UP)
    due = session.next_deadline()
    (answer,) = sent(session.receive(replace(UP, poll=True), 0.001))
    assert answer.final
    assert not answer.poll
    assert session.next_deadline() == due


def test_a_longer_transmit_interval_waits_for_the_final():
    session = session_in(State.UP)
    (packet,) = sent(session.reconfigure(1.0, desired_min_tx_us=50_000))
    assert (packet.poll, packet.desired_min_tx_us) == (True, 50_000)
    assert session.transmit_interval_us == 10_000
    session.receive(UP, 1.001)
    assert session.transmit_interval_us == 10_000
    session.receive(replace(UP, final=True), 1.002)
    assert session.transmit_interval_us == 50_000
    assert session.poll is Poll.IDLE


def test_a_shorter_transmit_interval_is_immediate():
    session = session_in(State.UP)
    session.reconfigure(1.0, desired_min_tx_us=5_000)
    session.receive(replace(UP, required_min_rx_us=5_000), 1.001)
    assert session.transmit_interval_us == 5_000


def test_a_shorter_detection_time_waits_for_the_final_and_a_longer_one_does_not():
    session = session_in(State.UP)
    session.receive(replace(UP, desired_min_tx_us=5_000), 0.9)
    session.reconfigure(1.0, required_min_rx_us=5_000)
    assert session.detection_time_us == 30_000
    session.receive(replace(UP, desired_min_tx_us=5_000, final=True), 1.002)
    assert session.detection_time_us == 15_000
    session.reconfigure(1.003, required_min_rx_us=50_000)
    assert session.detection_time_us == 150_000
    assert session.detection_deadline == pytest.approx(1.152)


def test_a_second_change_makes_the_running_poll_stale():
    session = session_in(State.UP)
    session.reconfigure(1.0, desired_min_tx_us=50_000)
    session.reconfigure(1.001, desired_min_tx_us=60_000)
    session.receive(replace(UP, final=True), 1.002)  # may answer the first change only
    assert (session.poll, session.transmit_interval_us) == (Poll.SPENT, 10_000)
    session.receive(UP, 1.003)
    assert session.poll is Poll.ACTIVE
    assert sent(session.handle_timer(session.next_deadline()))[0].poll
    session.receive(replace(UP, final=True), 1.02)
    assert session.transmit_interval_us == 60_000


def test_both_intervals_changed_together_are_one_change():
    session = session_in(State.UP)
    session.reconfigure(1.0, desired_min_tx_us=50_000, required_min_rx_us=5_000)
    assert session.poll is Poll.ACTIVE


def test_periodic_packets_carry_the_poll_until_the_final():
    session = session_in(State.INIT)
    session.receive(INIT, 0.2)
    assert all(sent(session.handle_timer(session.next_deadline()))[0].poll for _ in range(2))
    session.receive(replace(UP, final=True), 0.221)
    assert not sent(session.handle_timer(session.next_deadline()))[0].poll


def test_a_detect_mult_change_is_told_at_once_without_a_poll():
    session = session_in(State.UP)
    (packet,) = sent(session.reconfigure(1.0, detect_mult=5))
    assert (packet.detect_mult, packet.poll) == (5, False)


def test_a_change_that_changes_nothing_is_silent():
    session = session_in(State.UP)
    assert session.reconfigure(1.0, desired_min_tx_us=10_000, required_min_rx_us=10_000) == ()
    assert session.poll is Poll.IDLE


def test_a_wrong_value_is_refused_and_nothing_changes():
    session = session_in(State.UP)
    with pytest.raises(ValueError, match="detect_mult is 0, must be 1 to 255"):
        session.reconfigure(1.0, desired_min_tx_us=50_000, detect_mult=0)
    assert session.config == CONFIG
    assert session.poll is Poll.IDLE


# ---- AdminDown ----


def test_admin_down_is_told_and_kept_up_and_is_no_path_failure():
    session = session_in(State.UP)
    effects = session.admin_down(1.0)
    assert not [e for e in effects if isinstance(e, SignalFail)]
    (packet,) = sent(effects)
    assert (packet.state, packet.diagnostic) == (State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN)
    assert sent(session.handle_timer(2.0))[0].state is State.ADMIN_DOWN
    session.receive(DOWN, 2.1)
    session.handle_timer(60.0)
    assert session.state is State.ADMIN_DOWN
    assert session.signal_fail is False


def test_the_far_ends_admin_down_is_no_path_failure_either():
    session = session_in(State.UP)
    effects = session.receive(ADMIN_DOWN, 1.0)
    assert not [e for e in effects if isinstance(e, SignalFail)]
    change = only(StateChanged, effects)
    assert (change.state, change.remote_state) == (State.DOWN, State.ADMIN_DOWN)
    assert change.remote_diagnostic is Diagnostic.ADMINISTRATIVELY_DOWN
    session.handle_timer(60.0)
    assert session.signal_fail is False


def test_a_poll_is_not_answered_in_admin_down():
    effects = session_in(State.ADMIN_DOWN).receive(replace(DOWN, poll=True), 1.0)
    assert not [p for p in sent(effects) if p.final]


def test_admin_up_starts_again_from_down_and_comes_up_without_a_failure():
    session = session_in(State.UP)
    session.admin_down(1.0)
    assert session.admin_up(2.0)
    assert (session.state, session.diagnostic) == (State.DOWN, Diagnostic.NO_DIAGNOSTIC)
    effects = session.receive(DOWN, 2.1) + session.receive(UP, 2.2)
    assert session.state is State.UP
    assert not [e for e in effects if isinstance(e, SignalFail)]


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_a_session_that_does_not_come_up_after_admin_down_fails_its_path(whose):
    session = session_in(State.UP)
    if whose == "ours":
        session.admin_down(1.0)
        session.admin_up(2.0)
    else:
        session.receive(ADMIN_DOWN, 1.0)
        session.receive(DOWN, 2.0)
    session.handle_timer(6.9)
    assert session.signal_fail is False
    session.handle_timer(7.0)
    assert session.signal_fail is True


def test_a_far_end_known_to_be_back_is_missed_where_it_stays_silent_after_its_farewell():
    session = session_in(State.UP)
    session.receive(ADMIN_DOWN, 1.0)
    session.far_end_is_back(10.0)
    session.handle_timer(14.9)
    assert session.signal_fail is False
    session.handle_timer(15.0)
    assert session.signal_fail is True


def test_a_far_end_that_goes_on_saying_admin_down_is_not_missed():
    session = session_in(State.UP)
    for at in (1.0, 2.0, 3.0):
        session.receive(ADMIN_DOWN, at)
    session.far_end_is_back(3.1)
    session.receive(ADMIN_DOWN, 4.0)
    session.handle_timer(60.0)
    assert session.signal_fail is False


def test_news_from_another_path_moves_nothing_where_no_admin_down_was_heard():
    session = session_in(State.UP)
    deadline = session.next_deadline()
    session.far_end_is_back(0.001)
    assert session.next_deadline() == deadline


def test_admin_up_and_path_failed_do_nothing_where_they_do_not_apply():
    assert session_in(State.UP).admin_up(1.0) == ()
    assert session_in(State.ADMIN_DOWN).path_failed(Diagnostic.PATH_DOWN, 1.0) == ()


# ---- what is known of the path ----


def test_a_session_that_never_comes_up_fails_its_path_in_time():
    session = Session(CONFIG, 0.0, lambda: 0.0)
    effects = session.handle_timer(5.0)
    assert only(SignalFail, effects) == SignalFail(failed=True, reason="BFD session did not come Up within 5 s", at=5.0)
    assert session.state is State.DOWN
    assert sent(effects), "the slow packet that was due goes out as well"


def test_a_failure_is_told_once():
    session = session_in(State.UP)
    session.path_failed(Diagnostic.PATH_DOWN, 1.0)
    effects = session.handle_timer(30.0) + session.path_failed(Diagnostic.PATH_DOWN, 31.0)
    assert not [e for e in effects if isinstance(e, SignalFail)]


# ---- what is discarded ----


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (replace(UP, your_discriminator=99, state=State.DOWN), "Your Discriminator 0x00000063 is not this session's"),
        (replace(UP, auth=b"\x01\x04\x01x", state=State.DOWN), "authentication is not in use"),
    ],
)
def test_a_discarded_packet_changes_nothing_and_is_counted(packet, reason):
    session = session_in(State.UP)
    deadline = session.detection_deadline
    assert session.receive(packet, 0.02) == ()
    assert session.state is State.UP
    assert session.detection_deadline == deadline
    assert session.discarded == 1
    assert reason in session.last_discard


def test_a_passive_session_is_silent_until_it_has_heard_the_far_end():
    session = Session(replace(CONFIG, passive=True), 0.0, lambda: 0.0)
    assert session.handle_timer(4.9) == ()
    assert sent(session.receive(DOWN, 4.95))[0].state is State.INIT
    assert session.next_deadline() < 6.0


def test_a_new_discriminator_of_the_far_end_is_learned():
    session = session_in(State.UP)
    (packet,) = sent(session.receive(replace(UP, my_discriminator=0xC0), 1.0))
    assert packet.your_discriminator == session.remote_discriminator == 0xC0


def test_a_forgotten_far_end_that_bore_no_packets_is_called_again():
    session = session_in(State.UP)
    session.receive(replace(UP, required_min_rx_us=0), 1.0)
    session.handle_timer(2.0)
    assert session.transmit_interval_us == 1_000_000


# ---- the steady state costs nothing ----


def test_a_repeated_packet_only_moves_the_detection_deadline():
    session = session_in(State.UP)
    steady = ControlPacket.decode(UP.encode())
    session.receive(steady, 1.0)
    for i in range(1, 4):
        assert session.receive(steady, 1.0 + i / 100) == ()
        assert session.detection_deadline == pytest.approx(1.03 + i / 100)


@pytest.mark.parametrize(("own", "received"), itertools.product(State, State))
def test_the_shortcut_for_repeated_packets_changes_no_outcome(own, received):
    fast, full = session_in(own), session_in(own)
    packet = BY_STATE[received]
    for i in range(4):
        full._heard = None
        assert fast.receive(packet, 1 + i / 100) == full.receive(packet, 1 + i / 100)
    assert (fast.state, fast.diagnostic, fast.next_deadline()) == (full.state, full.diagnostic, full.next_deadline())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"local_discriminator": 0}, "local_discriminator is 0"),
        ({"desired_min_tx_us": 0}, "desired_min_tx_us is 0"),
        ({"required_min_rx_us": 1 << 32}, "required_min_rx_us is 4294967296"),
        ({"detect_mult": 256}, "detect_mult is 256"),
    ],
)
def test_a_configuration_out_of_range_names_what_is_wrong(change, error):
    with pytest.raises(ValueError, match=error):
        replace(CONFIG, **change)
