from dataclasses import replace
from hashlib import sha1

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.core.auth import Authenticator, AuthType, KeyRing
from failover.core.bfd import Send, Session, SessionConfig
from failover.core.packet import ControlPacket, State

KEYED, METICULOUS = AuthType
PACKET = ControlPacket(State.UP, 0x0B, 0x0A, 10_000, 10_000, 3)
TYPES = pytest.mark.parametrize("auth_type", AuthType)


def ring(auth_type=KEYED, signing=1, **keys):
    return KeyRing(auth_type, {int(k[1:]): v for k, v in (keys or {"k1": b"secret"}).items()}, signing)


def sender(auth_type=KEYED, sequence=100, **settings):
    return Authenticator(ring(auth_type, **settings), sequence)


def numbered(sequence, auth_type=KEYED):
    """A good packet with this Sequence Number."""
    return sender(auth_type, sequence - (auth_type is METICULOUS)).sign(PACKET)


@TYPES
def test_the_section_is_laid_out_as_rfc_5880_4_4_says(auth_type):
    data = sender(auth_type, sequence=0x01020304).sign(PACKET).encode()
    number = 0x01020304 + (auth_type is METICULOUS)
    assert len(data) == data[3] == 52
    assert data[1] & 0x04, "the A bit"
    assert data[24:32] == bytes([auth_type, 28, 1, 0]) + number.to_bytes(4, "big")
    assert data[32:] == sha1(data[:32] + b"secret".ljust(20, b"\0")).digest()


@TYPES
def test_what_one_end_signs_the_other_accepts(auth_type):
    ours, theirs = sender(auth_type), sender(auth_type, sequence=7)
    for _ in range(5):
        assert theirs.refusal(ControlPacket.decode(ours.sign(PACKET).encode())) == ""


@TYPES
@given(data=st.data())
def test_a_packet_changed_anywhere_is_refused(auth_type, data):
    good = bytearray(sender(auth_type).sign(PACKET).encode())
    position = data.draw(st.integers(4, len(good) - 1))
    good[position] ^= data.draw(st.integers(1, 255))
    try:
        packet = ControlPacket.decode(bytes(good))
    except ValueError:
        return
    assert sender(auth_type).refusal(packet)


def test_a_replayed_packet_is_refused():
    receiver = sender(METICULOUS)
    first, second = numbered(10, METICULOUS), numbered(11, METICULOUS)
    assert [receiver.refusal(p) for p in (first, second)] == ["", ""]
    assert "not within the window after 11" in receiver.refusal(second)
    assert "not within the window after 11" in receiver.refusal(first)


@pytest.mark.parametrize(
    ("auth_type", "ahead", "accepted"),
    [
        (KEYED, -1, False), (KEYED, 0, True), (KEYED, 9, True), (KEYED, 10, False),
        (METICULOUS, 0, False), (METICULOUS, 1, True), (METICULOUS, 9, True), (METICULOUS, 10, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("last", [1000, 0xFFFFFFFE])
def test_the_window_is_three_detect_mults_and_wraps(auth_type, ahead, accepted, last):
    receiver = sender(auth_type)
    assert receiver.refusal(numbered(last, auth_type)) == ""
    assert (receiver.refusal(numbered((last + ahead) % 2**32, auth_type)) == "") is accepted


def test_a_forgery_teaches_no_number():
    receiver = sender()
    forged = Authenticator(ring(k1=b"guess"), 5_000_000).sign(PACKET)
    assert receiver.refusal(forged) == "hash is wrong for key 1"
    assert receiver.refusal(numbered(10)) == ""
    assert "window" in receiver.refusal(forged)
    assert receiver.refusal(numbered(11)) == ""


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (PACKET, "not authenticated"),
        (sender(METICULOUS).sign(PACKET), "Auth Type 5, must be 4"),
        (replace(PACKET, auth=bytes([4, 27]) + bytes(26)), "Auth Len 27 in 28 bytes"),
        (replace(PACKET, auth=bytes([4, 28]) + bytes(25)), "Auth Len 28 in 27 bytes"),
        (replace(PACKET, auth=bytes([4, 2])), "Auth Len 2 in 2 bytes"),
        (sender(k9=b"other", signing=9).sign(PACKET), "unknown Key ID 9"),
        (sender(k1=b"other").sign(PACKET), "hash is wrong"),
    ],
)
def test_each_reason_to_discard_is_named(packet, reason):
    assert reason in sender().refusal(packet)


def test_keyed_numbers_change_with_contents_and_meticulous_ones_with_each_packet():
    for auth_type, same in ((KEYED, True), (METICULOUS, False)):
        signer = sender(auth_type)
        first, second = signer.sign(PACKET), signer.sign(PACKET)
        assert (first == second) is same
        signer.contents_changed()
        assert signer.sign(PACKET) != second


@pytest.mark.parametrize(
    ("keys", "signing", "error"),
    [
        ({256: b"x"}, 256, "Key ID 256"),
        ({1: b""}, 1, "key 1 has 0 bytes"),
        ({1: b"x" * 21}, 1, "key 1 has 21 bytes, must have 1 to 20"),
        ({1: b"x"}, 2, "signing key 2 is none of the keys"),
    ],
)
def test_a_wrong_key_ring_is_refused(keys, signing, error):
    with pytest.raises(ValueError, match=error):
        KeyRing(KEYED, keys, signing)


def test_a_key_ring_never_shows_its_keys():
    assert "secret" not in repr(ring())


# ---- in a session ----

CONFIG = SessionConfig(0x0A, 10_000, 10_000, 3)


class Pair:
    """Two authenticated sessions with nothing lost between them; `carry` plays one direction's packets."""

    def __init__(self, ours, theirs):
        self.a = Session(CONFIG, 0.0, lambda: 0.0, ours)
        self.b = Session(replace(CONFIG, local_discriminator=0x0B), 0.0, lambda: 0.0, theirs)
        self.now = 0.0

    def carry(self, sender, receiver, effects):
        for effect in effects:
            if isinstance(effect, Send):
                packet = ControlPacket.decode(effect.packet.encode())
                self.carry(receiver, sender, receiver.receive(packet, self.now))

    def run(self, seconds):
        end_at = self.now + seconds
        while (at := min(self.a.next_deadline(), self.b.next_deadline())) <= end_at:
            self.now = max(self.now, at)
            self.carry(self.a, self.b, self.a.handle_timer(self.now))
            self.carry(self.b, self.a, self.b.handle_timer(self.now))
        self.now = end_at

    def states(self):
        return (self.a.state, self.b.state)


UP = (State.UP, State.UP)


@TYPES
def test_authenticated_sessions_come_up_and_stay_up(auth_type):
    pair = Pair(sender(auth_type, 0xFFFFFFF0), sender(auth_type, 5))
    pair.run(5.0)
    assert pair.states() == UP
    assert (pair.a.discarded, pair.b.discarded) == (0, 0)


def test_sessions_with_different_keys_or_none_never_come_up():
    for theirs in (sender(k1=b"other"), None):
        pair = Pair(sender(), theirs)
        pair.run(6.0)
        assert pair.states() == (State.DOWN, State.DOWN)
        assert pair.a.discarded
        assert pair.a.signal_fail is True


@TYPES
def test_a_key_rolls_over_without_losing_a_packet(auth_type):
    pair = Pair(sender(auth_type), sender(auth_type))
    pair.run(2.0)
    old, new = {"k1": b"secret"}, {"k2": b"fresh"}
    for keys, signing in ((old | new, 1), (old | new, 2), (new, 2)):
        for session in (pair.a, pair.b):
            session.rekey(ring(auth_type, signing, **keys))
            pair.run(0.5)
    assert pair.states() == UP
    assert (pair.a.discarded, pair.b.discarded) == (0, 0)


def test_a_replayed_meticulous_packet_does_not_keep_a_session_up():
    pair = Pair(sender(METICULOUS), sender(METICULOUS))
    pair.run(2.0)
    (last,) = [e.packet for e in pair.b.handle_timer(pair.b.next_deadline())]
    heard = ControlPacket.decode(last.encode())
    pair.a.receive(heard, pair.now)
    deadline = pair.a.detection_deadline
    for i in range(1, 6):
        pair.a.receive(heard, pair.now + i / 100)
    assert pair.a.detection_deadline == deadline
    assert pair.a.discarded == 5


@TYPES
def test_a_restarted_far_end_with_another_number_is_learned_anew(auth_type):
    pair = Pair(sender(auth_type, 1000), sender(auth_type, 1000))
    pair.run(2.0)
    pair.b = Session(pair.b.config, pair.now, lambda: 0.0, sender(auth_type, 77))
    pair.run(10.0)
    assert pair.states() == UP


def test_changing_the_type_or_rekeying_an_open_session_is_refused():
    session = Pair(sender(), sender()).a
    with pytest.raises(ValueError, match="authentication type is fixed"):
        session.rekey(ring(METICULOUS))
    with pytest.raises(ValueError, match="not authenticated"):
        Session(CONFIG, 0.0, lambda: 0.0).rekey(ring())
