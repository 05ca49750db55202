import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.core.packet import BfdPacketError, ControlPacket, Diagnostic, State

U32 = st.integers(0, 0xFFFFFFFF)
PACKETS = st.builds(
    ControlPacket,
    state=st.sampled_from(State),
    my_discriminator=st.integers(1, 0xFFFFFFFF),
    your_discriminator=st.integers(1, 0xFFFFFFFF),
    desired_min_tx_us=U32,
    required_min_rx_us=U32,
    detect_mult=st.integers(1, 255),
    diagnostic=st.integers(0, 31).map(Diagnostic),
    poll=st.booleans(),
    final=st.booleans(),
    demand=st.booleans(),
    control_plane_independent=st.booleans(),
    required_min_echo_rx_us=U32,
    auth=st.just(b"") | st.binary(min_size=2, max_size=231),
)
# As tcpdump shows a session that is Up at 10 ms x 3: version 1, Up, my 0x11223344, your 0x55667788.
UP = bytes.fromhex("20c00318 11223344 55667788 00002710 00002710 00000000")


def spoilt(offset: int, value: int) -> bytes:
    data = bytearray(UP)
    data[offset] = value
    return bytes(data)


def test_decodes_a_packet_of_an_up_session():
    assert ControlPacket.decode(UP) == ControlPacket(
        state=State.UP,
        my_discriminator=0x11223344,
        your_discriminator=0x55667788,
        desired_min_tx_us=10_000,
        required_min_rx_us=10_000,
        detect_mult=3,
    )


@given(PACKETS)
def test_what_is_encoded_is_decoded(packet):
    assert ControlPacket.decode(packet.encode()) == packet


@given(PACKETS, st.binary(max_size=40))
def test_bytes_after_the_length_are_ignored(packet, padding):
    assert ControlPacket.decode(packet.encode() + padding) == packet


@given(st.binary(max_size=80) | PACKETS.map(ControlPacket.encode).flatmap(
    lambda data: st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)).map(
        lambda change: data[: change[0]] + bytes([change[1]]) + data[change[0] + 1 :]
    )
))  # fmt: skip
def test_decoding_anything_raises_nothing_but_bfd_packet_error(data):
    try:
        packet = ControlPacket.decode(data)
    except BfdPacketError:
        return
    assert packet.encode()[:1] == data[:1]
    assert packet.detect_mult
    assert packet.my_discriminator
    assert packet.your_discriminator or packet.state <= State.DOWN


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (UP[:23], "23 bytes"),
        (b"", "0 bytes"),
        (spoilt(0, 0x00), "version 0"),
        (spoilt(0, 0x40), "version 2"),
        (spoilt(3, 23), "Length 23, must be at least 24"),
        (spoilt(3, 25), "Length 25, but only 24 bytes came"),
        (spoilt(1, 0xC4), "Length 24, must be at least 26"),
        (spoilt(2, 0), "Detect Mult is 0"),
        (spoilt(1, 0xC1), "Multipoint bit is set"),
        (UP[:4] + bytes(4) + UP[8:], "My Discriminator is 0"),
        (UP[:8] + bytes(4) + UP[12:], "Your Discriminator is 0 in state Up"),
        (spoilt(1, 0x80)[:8] + bytes(4) + UP[12:], "Your Discriminator is 0 in state Init"),
    ],
)
def test_each_check_of_rfc_5880_6_8_6_names_what_is_wrong(data, error):
    with pytest.raises(BfdPacketError, match=error):
        ControlPacket.decode(data)


@pytest.mark.parametrize("state", [State.DOWN, State.ADMIN_DOWN])
def test_your_discriminator_may_be_zero_while_down(state):
    packet = ControlPacket(state, 7, 0, 1_000_000, 10_000, 3)
    assert ControlPacket.decode(packet.encode()) == packet


def test_a_reserved_diagnostic_passes_and_keeps_its_number():
    packet = ControlPacket.decode(spoilt(0, 0x20 | 9))
    assert packet.diagnostic == 9
    assert packet.diagnostic.text == "Reserved 9"
    assert packet.encode() == spoilt(0, 0x20 | 9)


def test_texts_are_the_rfcs():
    assert [s.text for s in State] == ["AdminDown", "Down", "Init", "Up"]
    assert Diagnostic.CONTROL_DETECTION_TIME_EXPIRED.text == "Control Detection Time Expired"
    assert Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN.text == "Neighbor Signaled Session Down"


@pytest.mark.parametrize(
    "packet",
    [
        ControlPacket(State.UP, 1 << 32, 1, 1, 1, 1),
        ControlPacket(State.UP, 1, 1, -1, 1, 1),
        ControlPacket(State.UP, 1, 1, 1, 1, 256),
        ControlPacket(State.UP, 1, 1, 1, 1, 1, auth=bytes(240)),
    ],
)
def test_a_field_that_does_not_fit_is_not_encoded(packet):
    with pytest.raises(BfdPacketError, match="out of range"):
        packet.encode()


def test_equal_bytes_give_the_same_object():
    assert ControlPacket.decode(bytes(UP)) is ControlPacket.decode(bytes(bytearray(UP)))
