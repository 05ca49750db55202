import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.core.stamp import (
    BASE_LENGTH,
    FREE_RUNNING,
    ErrorEstimate,
    ReflectedPacket,
    Reflector,
    SenderPacket,
    StampPacketError,
    Timescale,
    ntp_from_ptp,
    ntp_timestamp,
    seconds_between,
)

U8, U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
ESTIMATES = st.builds(ErrorEstimate, st.booleans(), st.booleans(), st.integers(0, 63), st.integers(1, 255))
FIELDS = ESTIMATES.map(ErrorEstimate.encode)
EXTRA = st.binary(max_size=60)
TEST_PACKETS = st.builds(SenderPacket, U32, U64, FIELDS, U16, EXTRA)
ANSWERS = st.builds(ReflectedPacket, U32, U64, FIELDS, U16, U64, U32, U64, FIELDS, U8, EXTRA)

# As Scapy 2.8 (scapy.contrib.stamp) writes them: 2023-11-14 22:13:20.5 UTC, S set, Scale 3, Multiplier 17.
PROBE = bytes.fromhex("00000007 e8fe6f80 80000000 8311 1234" + 28 * "00")
ANSWER = bytes.fromhex(
    "00000005 e8fe6f80 c0000000 2001 1234 e8fe6f80 a0000000 00000007 e8fe6f80 80000000 8311 0000 ff 000000"
)
HALF_PAST = 1_700_000_000_500_000_000


def test_a_test_packet_of_another_make_is_understood():
    packet = SenderPacket.decode(PROBE)
    assert packet == SenderPacket(7, ntp_timestamp(HALF_PAST), 0x8311, 0x1234)
    assert packet.encode() == PROBE
    assert ErrorEstimate.decode(packet.error_estimate) == ErrorEstimate(
        synchronized=True, ptp=False, scale=3, multiplier=17
    )


def test_an_answer_of_another_make_is_understood():
    packet = ReflectedPacket.decode(ANSWER)
    assert packet == ReflectedPacket(
        sequence=5,
        timestamp=ntp_timestamp(HALF_PAST + 250_000_000),
        error_estimate=FREE_RUNNING,
        ssid=0x1234,
        receive_timestamp=ntp_timestamp(HALF_PAST + 125_000_000),
        sender_sequence=7,
        sender_timestamp=ntp_timestamp(HALF_PAST),
        sender_error_estimate=0x8311,
        sender_ttl=255,
    )
    assert packet.encode() == ANSWER
    assert seconds_between(packet.receive_timestamp, packet.timestamp) == 0.125


@given(TEST_PACKETS)
def test_a_test_packet_survives_the_wire(packet):
    assert SenderPacket.decode(packet.encode()) == packet


@given(ANSWERS)
def test_an_answer_survives_the_wire(packet):
    assert ReflectedPacket.decode(packet.encode()) == packet


@given(ESTIMATES)
def test_an_error_estimate_survives_the_wire(estimate):
    assert ErrorEstimate.decode(estimate.encode()) == estimate


@given(st.binary(max_size=100), U8)
def test_anything_else_is_a_stamp_packet_error(data, ttl):
    for take in (
        SenderPacket.decode,
        ReflectedPacket.decode,
        lambda it: Reflector(Timescale(0.0, 0)).reflect(it, "x", ttl, 1.0, 2.0),
    ):
        try:
            take(data)
        except StampPacketError as error:
            assert str(error)  # noqa: PT017 - whichever of the two happens is right


@pytest.mark.parametrize(
    ("decode", "data", "reason"),
    [
        (SenderPacket.decode, PROBE[:13], "13 bytes, a test packet has 44"),
        (SenderPacket.decode, PROBE[:13] + b"\0" + PROBE[14:], "Multiplier 0"),
        (ReflectedPacket.decode, ANSWER[:43], "43 bytes, an answer has 44"),
        (ReflectedPacket.decode, ANSWER[:13] + b"\0" + ANSWER[14:], "Multiplier 0"),
    ],
)
def test_the_reason_of_a_refusal_is_told(decode, data, reason):
    with pytest.raises(StampPacketError, match=reason):
        decode(data)


@pytest.mark.parametrize(
    "packet",
    [SenderPacket(2**32, 0), SenderPacket(0, -1), ReflectedPacket(0, 0, 1, 0, 0, 0, 0, 1, 256)],
)
def test_a_field_that_does_not_fit_is_refused(packet):
    with pytest.raises(StampPacketError, match="field out of range"):
        packet.encode()


def test_an_error_estimate_that_does_not_fit_is_refused():
    with pytest.raises(StampPacketError, match="Multiplier"):
        ErrorEstimate(synchronized=False, ptp=False, scale=0, multiplier=0).encode()
    assert ErrorEstimate.decode(FREE_RUNNING).seconds == 1.0


# ---- time


@given(st.integers(0, 2**33 * 10**9), st.integers(-(2**30) * 10**9, 2**30 * 10**9))
def test_differences_hold_over_a_change_of_era(start_ns, step_ns):
    start, end = ntp_timestamp(start_ns), ntp_timestamp(start_ns + step_ns)
    assert seconds_between(start, end) == pytest.approx(step_ns / 1e9, abs=1e-9, rel=1e-12)


@given(st.integers(0, 2**32 - 2), st.integers(0, 10**9 - 1), st.integers(0, 10**9))
def test_differences_of_ptp_timestamps_are_seconds_too(seconds, nanoseconds, step_ns):
    later_s, later_ns = divmod(nanoseconds + step_ns, 10**9)
    start, end = seconds << 32 | nanoseconds, seconds + later_s << 32 | later_ns
    assert seconds_between(ntp_from_ptp(start), ntp_from_ptp(end)) == pytest.approx(step_ns / 1e9, abs=1e-8)


@given(st.floats(0, 1e7), st.floats(0, 100))
def test_timestamps_run_with_the_monotonic_clock(start, step):
    scale = Timescale(start, 1_700_000_000 * 10**9)
    assert seconds_between(ntp_timestamp(1_700_000_000 * 10**9), scale.stamp(start)) == pytest.approx(0, abs=1e-8)
    assert seconds_between(scale.stamp(start), scale.stamp(start + step)) == pytest.approx(step, abs=1e-7)


# ---- the reflector


def reflector(**options):
    return Reflector(Timescale(100.0, HALF_PAST), **options)


def answer(device, number, sender="a", *, ssid=0, extra=b"", ttl=255):
    payload = SenderPacket(number, 42, FREE_RUNNING, ssid, extra).encode()
    return ReflectedPacket.decode(device.reflect(payload, sender, ttl, 100.125, 100.25))


def test_an_answer_hands_back_what_was_sent_and_adds_two_times():
    got = answer(reflector(), 9, ssid=77, ttl=254)
    assert (got.sender_sequence, got.sender_timestamp, got.sender_error_estimate) == (9, 42, FREE_RUNNING)
    assert (got.ssid, got.sender_ttl) == (77, 254)
    assert got.receive_timestamp == ntp_timestamp(HALF_PAST + 125_000_000)
    assert seconds_between(got.receive_timestamp, got.timestamp) == 0.125


def test_a_stateful_reflector_numbers_its_answers_by_session():
    device = reflector()
    assert [answer(device, number).sequence for number in (0, 5, 6)] == [0, 1, 2]
    assert answer(device, 7, sender="b").sequence == 0
    assert answer(device, 7, ssid=9).sequence == 0
    assert answer(device, 8).sequence == 3


def test_a_stateless_reflector_repeats_the_number():
    device = reflector(stateful=False)
    assert [answer(device, number).sequence for number in (0, 5, 6)] == [0, 5, 6]


def test_a_reflector_forgets_the_oldest_session_first():
    device = reflector()
    for sender in range(65):
        answer(device, 0, sender=sender)
    assert answer(device, 1, sender=64).sequence == 1
    assert answer(device, 1, sender=0).sequence == 0


def test_a_short_packet_of_twamp_light_is_answered_with_a_base_packet():
    data = reflector().reflect(PROBE[:41], "a", 255, 100.0, 100.0)
    assert len(data) == BASE_LENGTH
    assert ReflectedPacket.decode(data).sender_sequence == 7


@given(EXTRA)
def test_an_answer_is_as_long_as_the_probe(extra):
    assert len(answer(reflector(), 0, extra=extra).extra) == len(extra)


def tlv(flags, kind, value, length=None):
    return struct.pack(">BBH", flags, kind, len(value) if length is None else length) + value


@pytest.mark.parametrize(
    ("sent", "handed_back"),
    [
        (bytes(27), bytes(27)),  # padding of TWAMP Light
        (b"\x01\x02\x03", b"\x01\x02\x03"),  # too short to be anything
        (tlv(0x80, 1, b"pad") + tlv(0x80, 1, b""), tlv(0, 1, b"pad") + tlv(0, 1, b"")),  # understood
        (tlv(0x80, 4, b"cos!") + tlv(0x80, 1, b"pad"), tlv(0x80, 4, b"cos!") + tlv(0, 1, b"pad")),  # not understood
        (tlv(0x80, 1, b"pad", length=4), tlv(0x40, 1, b"pad", length=4)),  # longer than what is left: malformed
        (tlv(0x80, 9, b"", length=1) + b"", tlv(0xC0, 9, b"", length=1)),
    ],
)
def test_extensions_come_back_with_the_flags_of_rfc_8972(sent, handed_back):
    assert answer(reflector(), 0, extra=sent).extra == handed_back
