"""Our route messages as pyroute2 reads them (it knows no nexthop objects), and the kernel's as we read them."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from failover.io import rtnetlink, tcnetlink
from failover.io.rtnetlink import Done, Failure, Link, Nexthop


def split(batch: bytes) -> list[bytes]:
    messages = []
    while batch:
        (length,) = struct.unpack_from("=I", batch)
        messages.append(batch[:length])
        batch = batch[(length + 3) & ~3 :]
    return messages


def decoded(kind: type, data: bytes) -> tuple[object, dict[str, object]]:
    message = kind(data)
    message.decode()
    return message, dict(message["attrs"])


def test_a_nexthop_message_says_id_interface_gateway_and_owner() -> None:
    data = rtnetlink.replace_nexthop(1003, 7, "10.64.0.1")
    assert list(rtnetlink.parse(data)) == [(rtnetlink.RTM_NEWNEXTHOP, Nexthop(1003, 7, "10.64.0.1", protocol=201))]
    assert data[16:24] == bytes([2, 0, 201, 0, 0, 0, 0, 0])  # struct nhmsg: AF_INET, scope 0 as the kernel demands


def test_an_ipv6_route_by_a_nexthop_says_what_pyroute2_reads() -> None:
    sources = {4: "10.1.0.1", 6: "fd00:1::1"}
    message, attributes = decoded(rtmsg, rtnetlink.replace_selected_route("fd00:2::/64", 1003, sources))
    assert attributes.pop("UNKNOWN") == {"header": {"length": 8, "type": rtnetlink.RTA_NH_ID}}
    assert attributes == {"RTA_DST": "fd00:2::", "RTA_PRIORITY": 10, "RTA_PREFSRC": "fd00:1::1"}
    assert (message["dst_len"], message["proto"]) == (64, 201)  # type: ignore[index]  # pyroute2 messages are mappings


def test_a_floating_route_loses_to_the_selected_one() -> None:
    _message, attributes = decoded(rtmsg, rtnetlink.replace_floating_route("10.2.0.0/16", 3, "10.66.0.2", {}))
    assert attributes == {"RTA_DST": "10.2.0.0", "RTA_PRIORITY": 20_000, "RTA_OIF": 3, "RTA_GATEWAY": "10.66.0.2"}
    assert rtnetlink.METRIC_SELECTED < rtnetlink.METRIC_FLOATING


def test_an_ipv4_route_may_go_by_an_ipv6_next_hop() -> None:
    _message, attributes = decoded(rtmsg, rtnetlink.replace_floating_route("10.2.0.0/16", 3, "fd00:66::2", {}))
    assert attributes["RTA_VIA"] == {"family": 10, "addr": "fd00:66::2"}


def test_a_batch_is_whole_messages() -> None:
    batch = rtnetlink.replace_nexthop(1000, 2, "10.0.0.1") + rtnetlink.replace_selected_route("0.0.0.0/0", 1000, {})
    assert len(split(batch)) == 2


def link_news(family: int = 0, flags: int = rtnetlink.IFF_UP | rtnetlink.IFF_LOWER_UP) -> bytes:
    attributes = struct.pack("=HH8s", 12, rtnetlink.IFLA_IFNAME, b"fibre\0\0\0")
    body = struct.pack("=BxHiII", family, 1, 5, flags, 0) + attributes
    return struct.pack("=IHHII", 16 + len(body), rtnetlink.RTM_NEWLINK, 0, 0, 0) + body


@pytest.mark.parametrize(("flags", "carrier"), [(0x10001, True), (0x1, False), (0x10000, False), (0x10043, True)])
def test_light_is_up_and_lower_up(flags: int, carrier: bool) -> None:
    assert list(rtnetlink.parse(link_news(flags=flags))) == [(rtnetlink.RTM_NEWLINK, Link(5, "fibre", carrier))]


def test_a_bridge_port_s_news_are_not_the_interface_s() -> None:
    assert list(rtnetlink.parse(link_news(family=7))) == []


def test_a_refusal_carries_the_kernel_s_words() -> None:
    words = b"Carrier for nexthop device is down\0"
    attribute = struct.pack("=HH", 4 + len(words), rtnetlink.NLMSGERR_ATTR_MSG) + words
    body = struct.pack("=i", -100) + bytes(16) + attribute
    flags = rtnetlink.NLM_F_CAPPED | rtnetlink.NLM_F_ACK_TLVS
    data = struct.pack("=IHHII", 16 + len(body), rtnetlink.NLMSG_ERROR, flags, 9, 0) + body
    ((_kind, failure),) = rtnetlink.parse(data)
    assert failure == Failure(9, 100, "Carrier for nexthop device is down")
    assert str(Failure(0, 100, "")) == os.strerror(100)


def test_an_acknowledgement_is_no_news_and_the_end_is() -> None:
    acknowledged = struct.pack("=IHHIIi16x", 36, rtnetlink.NLMSG_ERROR, 0, 1, 0, 0)
    done = struct.pack("=IHHIIi", 20, rtnetlink.NLMSG_DONE, 0, 1, 0, 0)
    assert [content for _kind, content in rtnetlink.parse(acknowledged + done)] == [Done()]


@pytest.mark.parametrize("cut", [1, 15, 17, 30])
def test_truncated_news_are_ignored(cut: int) -> None:
    assert list(rtnetlink.parse(link_news()[:-cut])) == []


SEEDS = [
    rtnetlink.message(rtnetlink.RTM_NEWLINK, 0, bytes(16) + rtnetlink.attribute(rtnetlink.IFLA_IFNAME, b"fibre\0")),
    rtnetlink.replace_nexthop(1003, 7, "10.64.0.1"),
    rtnetlink.replace_selected_route("fd00:2::/64", 1003, {6: "fd00:1::1"}),
    rtnetlink.message(rtnetlink.NLMSG_ERROR, 0, bytes(20)),
]


@given(st.binary(max_size=120) | st.tuples(st.sampled_from(SEEDS), st.integers(0, 119), st.binary(max_size=8)))
def test_messages_of_a_form_that_we_do_not_know_are_passed_over(
    data: bytes | tuple[bytes, int, bytes],
) -> None:
    if isinstance(data, tuple):
        seed, at, spoilt = data
        data = seed[:at] + spoilt + seed[at + len(spoilt) :]
    for parse in (rtnetlink.parse, tcnetlink.parse):
        list(parse(data))


def test_an_address_of_another_family_does_not_keep_the_next_from_us() -> None:
    mctp = rtnetlink.message(rtnetlink.RTM_NEWADDR, 0, bytes([45]) + bytes(7) + rtnetlink.attribute(2, b"\x08"))
    ipv4 = rtnetlink.message(
        rtnetlink.RTM_NEWADDR, 0, bytes(4) + struct.pack("=I", 7) + rtnetlink.attribute(2, bytes(4))
    )
    assert list(rtnetlink.parse(mctp + ipv4)) == [(rtnetlink.RTM_NEWADDR, rtnetlink.Address(7, "0.0.0.0"))]
