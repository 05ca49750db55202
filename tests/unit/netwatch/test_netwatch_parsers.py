"""What devices send unasked, well-formed and not: reading it ends in a value or in MalformedError."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.simulators.netwatch_agent import integer, oid, tlv
from netwatch.core import ber, syslog, trap
from netwatch.core.ber import MalformedError

OID = "1.3.6.1.4.1.3570.0.7"


def v2(bindings: bytes = b"", ticks: int = 1234, pdu: int = 0xA7) -> bytes:
    bound = tlv(0x30, oid("1.3.6.1.2.1.1.3.0") + integer(ticks, ber.TIME_TICKS))
    bound += tlv(0x30, oid("1.3.6.1.6.3.1.1.4.1.0") + oid(OID)) + bindings
    body = integer(7) + integer(0) + integer(0) + tlv(0x30, bound)
    return tlv(0x30, integer(1) + tlv(4, b"public") + tlv(pdu, body))


def v1(generic: int, specific: int) -> bytes:
    body = oid("1.3.6.1.4.1.3570") + tlv(0x40, bytes([10, 0, 0, 9])) + integer(generic) + integer(specific)
    return tlv(0x30, integer(0) + tlv(4, b"public") + tlv(0xA4, body + integer(99, ber.TIME_TICKS) + tlv(0x30, b"")))


def test_v2c():
    told = trap.parse(v2(tlv(0x30, oid("1.3.6.1.2.1.2.2.1.1.4") + integer(4))))
    assert told.trap == OID
    assert told.uptime_s == 12.34
    assert told.bindings == {"1.3.6.1.2.1.2.2.1.1.4": 4}


def test_v1_is_named_as_rfc_3584_says():
    assert trap.parse(v1(6, 7)).trap == OID
    assert trap.parse(v1(2, 0)).trap == "1.3.6.1.6.3.1.1.5.3"
    assert trap.parse(v1(2, 0)).agent == "10.0.0.9"


def test_an_inform_is_answered_by_itself_as_a_response():
    told = trap.parse(v2(pdu=0xA6))
    assert told.trap == OID
    assert told.reply == v2(pdu=0xA2)
    assert trap.parse(v2()).reply == b""


def test_v3_takes_keys_and_names_its_engine():
    security = tlv(0x30, tlv(4, b"engine-7") + integer(1) + integer(2) + tlv(4, b"") * 3)
    message = tlv(0x30, integer(3) + tlv(0x30, b"") + tlv(4, security) + tlv(4, b"sealed"))
    assert trap.parse(message) is None
    assert trap.engine_of(message) == b"engine-7"
    assert trap.engine_of(v2()) is None


@given(st.binary(max_size=200), st.booleans())
def test_an_engine_is_named_or_the_message_malformed(data, headed):
    with contextlib.suppress(MalformedError):
        trap.engine_of(tlv(0x30, integer(3) + tlv(0x30, b"") + tlv(4, data)) if headed else data)


def test_a_long_value_is_cut():
    told = trap.parse(v2(tlv(0x30, oid("1.3.6.1.4.1.1.1") + tlv(4, b"x" * 60_000))))
    assert told.bindings["1.3.6.1.4.1.1.1"] == "x" * 4096


@given(st.binary(max_size=300))
def test_noise_is_malformed(data):
    with contextlib.suppress(MalformedError):
        trap.parse(data)


@given(st.integers(0, 200), st.binary(min_size=1, max_size=4), st.booleans())
def test_a_damaged_trap_is_read_or_malformed(at, damage, cut):
    whole = v2(tlv(0x30, oid("1.3.6.1.2.1.2.2.1.1.4") + integer(4)))
    at %= len(whole)
    with contextlib.suppress(MalformedError):
        trap.parse(whole[:at] + damage + (b"" if cut else whole[at + len(damage) :]))


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20))
def test_identifiers_come_back(arcs):
    text = ".".join(map(str, [1, 3, *arcs]))
    encoded = oid(text)
    _tag, start, stop = ber.element(encoded, 0, len(encoded))
    assert ber.identifier(encoded, start, stop) == text


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_come_back(value):
    encoded = integer(value)
    _tag, start, stop = ber.element(encoded, 0, len(encoded))
    assert ber.number(encoded, start, stop) == value


def test_rfc_5424():
    told = syslog.parse(
        b"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 "
        b'[exampleSDID@32473 iut="3" eventSource="App\\]lication"][x a="b"] \xef\xbb\xbfAn application event'
    )  # RFC 5424 6.5, example 3, with an escape
    assert (told.facility, told.severity, told.host, told.application) == (20, 5, "mymachine.example.com", "evntslog")
    assert told.text == "An application event"
    assert told.data == {"exampleSDID@32473": {"iut": "3", "eventSource": "App]lication"}, "x": {"a": "b"}}
    assert told.at.isoformat() == "2003-10-11T22:14:15.003000+00:00"


def test_rfc_3164():
    told = syslog.parse(b"<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed")
    assert (told.facility, told.severity, told.host, told.application) == (4, 2, "mymachine", "su")
    assert told.text == "'su root' failed"
    assert told.at is None


def test_what_is_no_header_is_text():
    assert syslog.parse(b"<13>link lost\x07\n").text == "link lost"
    for bad in (b"", b"hello", b"<999>x", b"<>x"):
        with pytest.raises(MalformedError):
            syslog.parse(bad)


@given(st.binary(max_size=400))
def test_any_line_is_read_or_malformed(data):
    with contextlib.suppress(MalformedError):
        syslog.parse(data)
    told = syslog.parse(b"<13>" + data)
    assert all(c.isprintable() for c in told.text)


@given(st.text(max_size=100))
def test_any_structure_is_read(text):
    told = syslog.parse(b"<165>1 - - - - - " + f'[a b="{text}"] end'.encode("utf-8", "surrogatepass"))
    assert told.facility == 20
