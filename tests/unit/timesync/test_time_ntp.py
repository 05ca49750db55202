"""The NTP client against a server of the test's own: keys, eras, kisses of death, forged answers."""

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesync.io.ntp import NtpError, NtpKey, answer, ask, question

HEADER = struct.Struct("!BBbbII4sQQQQ")
NOW = 1_795_000_000_000_000_000
KEY = NtpKey.parse(7, "AES128 HEX:000102030405060708090a0b0c0d0e0f")


def stamp(ns):
    return ((ns // 10**9 + 2_208_988_800) % 2**32 << 32) + (ns % 10**9 * 2**32 // 10**9)


def reply(asked, *, offset=0, leap=0, stratum=1, mode=4, key=None, refid=b"GPS\0", receive=None, transmit=None):
    origin = HEADER.unpack(asked[:48])[-1]
    receive = NOW + offset + 1000 if receive is None else receive
    transmit = receive + 500 if transmit is None else transmit
    body = HEADER.pack(leap << 6 | 4 << 3 | mode, stratum, 0, -20, 65536 // 100, 65536 // 1000, refid, 0, origin,
                       stamp(receive), stamp(transmit))  # fmt: skip
    return body + (struct.pack("!I", key.number) + key.mac(body) if key else b"")


@pytest.mark.parametrize("offset", [0, 1_000, -50_000_000, 3_600 * 10**9])
def test_offset_and_round_trip(offset):
    asked = question()
    got = answer(asked, reply(asked, offset=offset), NOW, NOW + 2500)
    assert got.offset_ns == pytest.approx(offset, abs=2)
    assert got.round_trip_ns == pytest.approx(2000, abs=2)
    assert got.bound_ns == pytest.approx(1000 + 5e6 + 1e6, rel=0.02)
    assert got.synchronised


def test_the_next_era_is_understood():
    late = 2_090_000_000 * 10**9  # after February 2036
    asked = question()
    got = answer(asked, reply(asked, receive=late, transmit=late), late, late)
    assert abs(got.offset_ns) < 10


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"stratum": 0, "refid": b"RATE"}, "RATE"),
        ({"mode": 3}, "mode 3"),
        ({"transmit": NOW - 10**9}, "backwards"),
    ],
)
def test_what_is_no_answer_is_refused(change, says):
    asked = question()
    with pytest.raises(NtpError, match=says):
        answer(asked, reply(asked, **change), NOW, NOW)


@pytest.mark.parametrize(("leap", "stratum"), [(3, 1), (0, 16), (3, 0)])
def test_a_server_without_time_says_so(leap, stratum):
    asked = question()
    assert not answer(asked, reply(asked, leap=leap, stratum=stratum), NOW, NOW).synchronised


@pytest.mark.parametrize(
    "text", ["AES128 HEX:000102030405060708090a0b0c0d0e0f", "SHA1 HEX:0011", "MD5 ASCII:abc", "abc"]
)
def test_only_the_key_proves_who_answers(text):
    key = NtpKey.parse(7, text)
    asked = question(key)
    assert answer(asked, reply(asked, key=key), NOW, NOW, key)
    other = NtpKey(
        7, key.algorithm, bytes(reversed(key.secret)) if len(set(key.secret)) > 1 else b"\1" * len(key.secret)
    )
    for forged in (reply(asked), reply(asked, key=other), reply(asked, key=NtpKey(8, key.algorithm, key.secret))):
        with pytest.raises(NtpError, match="signed"):
            answer(asked, forged, NOW, NOW, key)


@pytest.mark.parametrize("text", ["AES128 HEX:00", "ROT13 HEX:00", "SHA1 HEX:xy"])
def test_a_bad_key_is_told(text):
    with pytest.raises(ValueError):
        NtpKey.parse(1, text)


@given(st.binary(max_size=120))
def test_garbage_is_refused_and_crashes_nothing(data):
    asked = question(KEY)
    with pytest.raises(NtpError):
        answer(asked, data, NOW, NOW, KEY)


async def test_asking_a_server_that_is_not_there_ends():
    with pytest.raises(NtpError):
        await ask("127.0.0.1", 1, timeout_s=0.2)


async def test_asking_a_server_over_the_wire_and_an_answer_to_somebody_else_is_passed_over():
    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            self.transport.sendto(reply(question(), key=KEY), addr)
            self.transport.sendto(reply(data, offset=5_000_000_000, key=KEY), addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    try:
        got = await ask("127.0.0.1", transport.get_extra_info("sockname")[1], KEY, timeout_s=5)
        assert got.stratum == 1
    finally:
        transport.close()
