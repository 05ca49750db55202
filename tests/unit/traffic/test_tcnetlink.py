"""Our traffic control messages as pyroute2 reads them; it misreads u32 words, so those are held against the header."""

from __future__ import annotations

import dataclasses
import struct

from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from failover.core.classify import EtherType, Rule, Word
from failover.core.shaping import Filter, HtbClass, Queue
from failover.io import tcnetlink as tc
from failover.io.rtnetlink import split_attributes

VOICE = HtbClass(
    0x22, 0x20, "sat-x", "voice", 1_536_000, 3_800_000, 1600, 1600, 1920, 1, 8, Queue(28_500, True, 600_000, 30_000)
)


def read(data: bytes):
    message = tcmsg(data)
    message.decode()
    return message


def test_a_class_says_what_pyroute2_reads():
    message = read(tc.add_class(7, VOICE))
    parameters = message.get_nested("TCA_OPTIONS", "TCA_HTB_PARMS")
    assert (message["index"], message["handle"], message["parent"]) == (7, 0x11FF0022, 0x11FF0020)
    assert (parameters["rate"], parameters["ceil"]) == (192_000, 475_000)
    assert (parameters["rate_overhead"], parameters["prio"], parameters["quantum"]) == (8, 1, 1920)
    assert parameters["buffer"] == 1600 * 10**9 // 192_000 // 64 + 1


def test_a_rate_beyond_32_bits_is_told_in_64():
    fast = dataclasses.replace(VOICE, rate_bps=80 * 10**9, ceiling_bps=100 * 10**9)
    options = read(tc.add_class(7, fast)).get_attr("TCA_OPTIONS")
    assert options.get_attr("TCA_HTB_RATE64") == 10 * 10**9
    assert options.get_attr("TCA_HTB_CEIL64") == 12_500_000_000
    assert options.get_attr("TCA_HTB_PARMS")["rate"] == 2**32 - 1


def test_disciplines_and_queues_say_what_pyroute2_reads():
    cutter = read(tc.add_cutter(7, 1522))
    assert (cutter.get_attr("TCA_KIND"), cutter["parent"]) == ("tbf", 0xFFFFFFFF)
    shaper = read(tc.add_shaper(7, tc.CUTTER_CLASS, 0x24))
    assert shaper.get_nested("TCA_OPTIONS", "TCA_HTB_INIT")["defcls"] == 0x24
    assert VOICE.queue is not None
    fair = read(tc.add_queue(7, 0x22, "fq_codel", VOICE.queue)).get_attr("TCA_OPTIONS")
    assert fair.get_attr("TCA_FQ_CODEL_LIMIT") == 142
    assert abs(fair.get_attr("TCA_FQ_CODEL_INTERVAL") - 600_000) < 128
    assert abs(fair.get_attr("TCA_FQ_CODEL_TARGET") - 30_000) < 128


def test_a_filter_has_its_words_in_network_order_and_its_target():
    wanted = Filter(0x20, Rule(EtherType.IPV4, (Word(0, 0x00FC0000, 0x00B80000), Word(20, 0xFFFF, 5060))), 0x22)
    data = tc.add_filter(7, wanted)
    message = read(data)
    assert message["parent"] == 0x11FF0020
    assert message["info"] == wanted.preference << 16 | 0x0008
    options = split_attributes(split_attributes(data, 16 + 20)[2], 0)
    assert struct.unpack("=I", options[1]) == (0x11FF0022,)
    selector = options[5]
    assert (selector[0], selector[2], len(selector)) == (1, 2, 16 + 2 * 16)
    assert struct.unpack_from(">II", selector, 16) == (0x00FC0000, 0x00B80000)
    assert struct.unpack_from(">II", selector, 32) == (0xFFFF, 5060)
    assert struct.unpack_from("=ii", selector, 40) == (20, 0)


@given(st.integers(0, 10**7))
def test_codel_times_survive_the_kernels_units(microseconds):
    sent = tc.codel_us(microseconds)
    stored = (sent * 1000) >> 10  # net/sched/sch_fq_codel.c: fq_codel_change
    assert (stored << 10) // 1000 == sent  # include/net/codel.h: codel_time_to_us
    assert abs(sent - microseconds) < 128 or microseconds < 128


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_fail_otherwise_than_by_saying_nothing(data):
    for kind, content in tc.parse(data):
        assert isinstance(kind, int)
        assert content is not None
