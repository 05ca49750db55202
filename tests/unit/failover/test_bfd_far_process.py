"""The far end's process goes or begins anew while the path works; and what was recorded is played back."""

import itertools
from dataclasses import replace

import pytest

from failover.core.auth import Authenticator, AuthType, KeyRing
from failover.core.bfd import VACANT_S, Send, Session, SessionConfig, SignalFail, State
from failover.core.packet import ControlPacket, Diagnostic

REMOTE = 0x0B
CONFIG = SessionConfig(1, desired_min_tx_us=10_000, required_min_rx_us=10_000, detect_mult=3)
DOWN = ControlPacket(State.DOWN, REMOTE, 0, 1_000_000, 10_000, 3)


def up(**more):
    session = Session(CONFIG, 0.0, lambda: 0.0, **more)
    session.receive(DOWN, 0.0)
    session.receive(says(session, State.UP), 0.0)
    session.receive(says(session, State.UP, final=True), 0.0)
    assert (session.state, session.signal_fail) == (State.UP, False)
    return session


def says(session, state, **more):
    return replace(DOWN, state=state, your_discriminator=session.local_discriminator, desired_min_tx_us=10_000, **more)


def verdicts(effects):
    return [effect.failed for effect in effects if isinstance(effect, SignalFail)]


def test_silence_with_refusals_takes_the_session_down_and_not_the_path():
    session = up()
    session.far_end_refuses(0.01)
    effects = session.handle_timer(session.detection_deadline)
    assert (session.state, session.diagnostic) == (State.DOWN, Diagnostic.CONTROL_DETECTION_TIME_EXPIRED)
    assert verdicts(effects) == []


def test_refusals_that_go_on_keep_the_path_and_their_end_fails_it():
    session = up()
    session.far_end_refuses(0.01)
    session.handle_timer(session.detection_deadline)
    for second in range(1, 60):
        assert verdicts(session.handle_timer(float(second))) == []
        session.far_end_refuses(float(second))
    assert verdicts(session.handle_timer(59 + VACANT_S - 0.1)) == []
    effects = session.handle_timer(59 + VACANT_S)
    assert verdicts(effects) == [True]
    assert "process had gone" in next(effect.reason for effect in effects if isinstance(effect, SignalFail))


def test_a_refusal_before_the_last_packet_proves_nothing():
    session = up()
    session.far_end_refuses(0.005)
    session.receive(says(session, State.UP), 0.010)
    assert verdicts(session.handle_timer(session.detection_deadline)) == [True]


def test_with_authentication_a_refusal_is_nobodys_word():
    ring = KeyRing(AuthType.KEYED_SHA1, {1: b"secret"}, 1)
    signed = Authenticator(ring, 7)
    session = Session(CONFIG, 0.0, lambda: 0.0, Authenticator(ring, 99))
    session.receive(signed.sign(DOWN), 0.0)
    session.receive(signed.sign(says(session, State.UP)), 0.0)
    session.far_end_refuses(0.01)
    assert verdicts(session.handle_timer(session.detection_deadline)) == [True]


def test_a_far_end_that_begins_anew_is_no_failure_and_comes_up_again():
    session = up()
    assert verdicts(session.receive(DOWN, 0.02)) == []
    assert session.state is State.DOWN
    session.receive(DOWN, 0.03)
    session.receive(says(session, State.INIT), 0.04)
    assert (session.state, session.signal_fail) == (State.UP, False)


def test_a_far_end_that_begins_anew_and_gets_no_further_is_one():
    session = up()
    session.receive(DOWN, 0.02)
    assert verdicts(session.handle_timer(0.02 + CONFIG.establish_s)) == [True]


@pytest.mark.parametrize("diagnostic", [d for d in Diagnostic if d is not Diagnostic.NO_DIAGNOSTIC])
def test_a_far_end_that_says_why_it_is_down_has_lost_the_path(diagnostic):
    session = up()
    assert verdicts(session.receive(replace(DOWN, diagnostic=diagnostic), 0.02)) == [True]


def test_a_far_end_that_is_down_and_knows_us_has_lost_the_path():
    session = up()
    assert verdicts(session.receive(says(session, State.DOWN), 0.02)) == [True]


@pytest.mark.parametrize("ending", ["silence", "signalled", "path"])
def test_what_was_recorded_brings_nothing_up(ending):
    session = up(draw=itertools.count(100).__next__)
    recorded = [DOWN, says(session, State.INIT), says(session, State.UP), says(session, State.UP, final=True)]
    if ending == "silence":
        session.handle_timer(session.detection_deadline)
    elif ending == "signalled":
        session.receive(says(session, State.DOWN, diagnostic=Diagnostic.CONTROL_DETECTION_TIME_EXPIRED), 0.02)
    else:
        session.path_failed(Diagnostic.PATH_DOWN, 0.02)
    at = 0.1
    for packet in itertools.islice(itertools.cycle(recorded), 400):
        at += 0.001
        session.receive(packet, at)
        assert session.state is not State.UP
    assert session.signal_fail
    assert session.discarded == 300


def test_the_discriminator_in_use_is_the_one_that_is_sent():
    session = up(draw=itertools.count(100).__next__)
    before = session.local_discriminator
    sent = [e.packet for e in session.handle_timer(session.detection_deadline) if isinstance(e, Send)]
    assert {packet.my_discriminator for packet in sent} == {session.local_discriminator} != {before}
