"""rtnetlink messages as bytes: builders and parsers, no socket.

Built ahead of time and kept, so that a switch is one send. Numbers from linux/{netlink,rtnetlink,if_link,nexthop}.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TypeVar

NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_GETNEXTHOP = 104, 105, 106

NLM_F_REQUEST, NLM_F_ACK, NLM_F_REPLACE, NLM_F_CREATE, NLM_F_DUMP = 0x1, 0x4, 0x100, 0x400, 0x300
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200

IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
IFLA_IFNAME = 3
IFA_ADDRESS, IFA_LOCAL = 1, 2
NHA_ID, NHA_OIF, NHA_GATEWAY = 1, 5, 6
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_VIA, RTA_NH_ID = 1, 4, 5, 6, 7, 18, 30
NLMSGERR_ATTR_MSG = 1
RT_TABLE_MAIN, RT_SCOPE_UNIVERSE, RTN_UNICAST = 254, 0, 1

PROTO_LIFELINE = 201
"""Owner mark of our routes and nexthops (rtm_protocol); everything with it is ours, nothing else is touched."""
METRIC_SELECTED = 10
METRIC_FLOATING = 20_000

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type
_U32 = struct.Struct("=I")
_ERROR = struct.Struct("=i")
_IFINFO = struct.Struct("=BxHiII")  # family, device type, index, flags, change
_IFADDR = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_RTMSG = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_NHMSG = struct.Struct("=BBBxI")  # family, scope, protocol, flags


@dataclass(frozen=True, slots=True)
class Link:
    """An interface as the kernel tells of it."""

    index: int
    name: str
    carrier: bool
    """Up and with light: IFF_UP and IFF_LOWER_UP."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address of an interface."""

    index: int
    address: str


@dataclass(frozen=True, slots=True)
class Nexthop:
    """A nexthop object. `gateway` is None for kinds that are not ours (groups, blackholes)."""

    id: int
    index: int
    gateway: str | None
    protocol: int


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the main table."""

    prefix: str
    metric: int
    nexthop_id: int | None
    index: int | None
    gateway: str | None
    protocol: int
    source: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that the kernel refused: the request's sequence number, errno, and its own words where it has some."""

    sequence: int
    errno: int
    text: str

    def __str__(self) -> str:
        return self.text or os.strerror(self.errno)


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a dump."""


T = TypeVar("T")

Parsed = Link | Address | Nexthop | Route | Failure | Done


def message(kind: int, flags: int, body: bytes, sequence: int = 0) -> bytes:
    """Return a request with its header."""
    return _HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | flags, sequence, 0) + body


def attribute(kind: int, payload: bytes) -> bytes:
    """Return an attribute, padded to four bytes."""
    padding = -len(payload) % 4
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), kind) + payload + bytes(padding)


def _u32(kind: int, value: int) -> bytes:
    return attribute(kind, _U32.pack(value))


def _family(version: int) -> int:
    return socket.AF_INET6 if version == 6 else socket.AF_INET


def replace_nexthop(nexthop_id: int, index: int, gateway: str) -> bytes:
    """Return the message that makes nexthop object `nexthop_id` point to `gateway` through interface `index`."""
    address = ip_address(gateway)
    head = _NHMSG.pack(_family(address.version), 0, PROTO_LIFELINE, 0)
    attributes = _u32(NHA_ID, nexthop_id) + _u32(NHA_OIF, index) + attribute(NHA_GATEWAY, address.packed)
    return message(RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_REPLACE, head + attributes)


def delete_nexthop(nexthop_id: int) -> bytes:
    """Return the message that deletes a nexthop object, and with it the routes that use it."""
    return message(RTM_DELNEXTHOP, 0, _NHMSG.pack(socket.AF_UNSPEC, 0, 0, 0) + _u32(NHA_ID, nexthop_id))


def _route(kind: int, flags: int, prefix: str, metric: int, attributes: bytes) -> bytes:
    network = ip_network(prefix)
    head = _RTMSG.pack(
        _family(network.version), network.prefixlen, 0, 0,
        RT_TABLE_MAIN, PROTO_LIFELINE, RT_SCOPE_UNIVERSE, RTN_UNICAST, 0,
    )  # fmt: skip
    where = attribute(RTA_DST, network.network_address.packed) + _u32(RTA_PRIORITY, metric)
    return message(kind, flags, head + where + attributes)


def _source(prefix: str, sources: dict[int, str]) -> bytes:
    address = sources.get(ip_network(prefix).version)
    return attribute(RTA_PREFSRC, ip_address(address).packed) if address else b""


def replace_selected_route(prefix: str, nexthop_id: int, sources: dict[int, str]) -> bytes:
    """Return the message that sends `prefix` by a nexthop object.

    Args:
        prefix: network in CIDR form.
        nexthop_id: the object; it must exist when the kernel reads this.
        sources: preferred source address by IP version, where there is one.
    """
    attributes = _u32(RTA_NH_ID, nexthop_id) + _source(prefix, sources)
    return _route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, prefix, METRIC_SELECTED, attributes)


def replace_floating_route(
    prefix: str, index: int, gateway: str, sources: dict[int, str], metric: int = METRIC_FLOATING
) -> bytes:
    """Return the message for a floating route underneath: `prefix` by `gateway` at a metric that loses."""
    via = ip_address(gateway)
    if via.version == ip_network(prefix).version:
        hop = attribute(RTA_GATEWAY, via.packed)
    else:  # struct rtvia: the next hop's family, then its address
        hop = attribute(RTA_VIA, struct.pack("=H", _family(via.version)) + via.packed)
    attributes = _u32(RTA_OIF, index) + hop + _source(prefix, sources)
    return _route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, prefix, metric, attributes)


def delete_route(prefix: str, metric: int) -> bytes:
    """Return the message that deletes our route to `prefix` of that metric."""
    return _route(RTM_DELROUTE, 0, prefix, metric, b"")


def dump_links() -> bytes:
    """Return the request for all interfaces."""
    return message(RTM_GETLINK, NLM_F_DUMP, _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0))


def dump_addresses() -> bytes:
    """Return the request for all addresses."""
    return message(RTM_GETADDR, NLM_F_DUMP, _IFADDR.pack(socket.AF_UNSPEC, 0, 0, 0, 0))


def dump_nexthops() -> bytes:
    """Return the request for all nexthop objects."""
    return message(RTM_GETNEXTHOP, NLM_F_DUMP, _NHMSG.pack(socket.AF_UNSPEC, 0, 0, 0))


def dump_own_routes(version: int) -> bytes:
    """Return the request for our routes; the kernel filters by owner on a socket with strict checking."""
    head = _RTMSG.pack(_family(version), 0, 0, 0, 0, PROTO_LIFELINE, 0, 0, 0)
    return message(RTM_GETROUTE, NLM_F_DUMP, head)


def parse(data: bytes) -> Iterator[tuple[int, Parsed]]:
    """Yield (message type, content) for each message of a datagram that means something here.

    An acknowledgement without an error yields nothing. Truncated trailing bytes are ignored, and so is a message whose
    contents are of another form than we know: a machine may have addresses of other families than ours.
    """
    return parse_with(_PARSERS, data)


def parse_with(
    parsers: Mapping[int, Callable[[bytes], T | None]], data: bytes
) -> Iterator[tuple[int, T | Failure | Done]]:
    """Yield (message type, content) as `parse` does, with other readers of bodies by message type."""
    position = 0
    while position + _HEADER.size <= len(data):
        length, kind, flags, sequence, _port = _HEADER.unpack_from(data, position)
        if length < _HEADER.size or position + length > len(data):
            return
        body = data[position + _HEADER.size : position + length]
        position += (length + 3) & ~3
        if kind == NLMSG_DONE:
            yield kind, Done()
        elif kind == NLMSG_ERROR and len(body) >= _ERROR.size:
            if (failure := _parse_error(body, flags, sequence)).errno:
                yield kind, failure
        elif (parser := parsers.get(kind)) and (content := _parsed(parser, body)) is not None:
            yield kind, content


def _parsed(parser: Callable[[bytes], T | None], body: bytes) -> T | None:
    try:
        return parser(body)
    except (struct.error, ValueError, KeyError):
        return None


def split_attributes(body: bytes, position: int) -> dict[int, bytes]:
    """Return the attributes of a message's body from a position on, by kind; of a kind that comes twice, the last."""
    found: dict[int, bytes] = {}
    while position + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, position)
        if length < _ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = body[position + _ATTRIBUTE.size : position + length]  # without the NLA_F_* bits
        position += (length + 3) & ~3
    return found


def _parse_error(body: bytes, flags: int, sequence: int) -> Failure:
    (code,) = _ERROR.unpack_from(body)
    text = ""
    if flags & NLM_F_ACK_TLVS:
        offset = _ERROR.size + _HEADER.size  # NETLINK_CAP_ACK: of the request only its header comes back
        raw = split_attributes(body, offset).get(NLMSGERR_ATTR_MSG, b"")
        text = raw.rstrip(b"\0").decode(errors="replace")
    return Failure(sequence, -code, text)


def _parse_link(body: bytes) -> Link | None:
    family, _type, index, flags, _change = _IFINFO.unpack_from(body)
    if family != socket.AF_UNSPEC:  # AF_BRIDGE: a port left its bridge, which is no loss of the interface
        return None
    name = split_attributes(body, _IFINFO.size).get(IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
    return Link(index, name, carrier=bool(flags & IFF_UP and flags & IFF_LOWER_UP))


def _parse_address(body: bytes) -> Address:
    *_head, index = _IFADDR.unpack_from(body)
    attributes = split_attributes(body, _IFADDR.size)
    raw = attributes.get(IFA_LOCAL) or attributes.get(IFA_ADDRESS, b"")
    return Address(index, str(ip_address(raw)))


def _parse_nexthop(body: bytes) -> Nexthop:
    _ip, _scope, protocol, _flags = _NHMSG.unpack_from(body)
    attributes = split_attributes(body, _NHMSG.size)
    gateway = attributes.get(NHA_GATEWAY)
    return Nexthop(
        id=_number(attributes, NHA_ID) or 0,
        index=_number(attributes, NHA_OIF) or 0,
        gateway=str(ip_address(gateway)) if gateway else None,
        protocol=protocol,
    )


def _parse_route(body: bytes) -> Route:
    family, length, _src, _tos, _table, protocol, *_rest = _RTMSG.unpack_from(body)
    attributes = split_attributes(body, _RTMSG.size)
    destination = attributes.get(RTA_DST, bytes(16 if family == socket.AF_INET6 else 4))
    gateway = attributes.get(RTA_GATEWAY) or attributes.get(RTA_VIA, b"")[2:]
    source = attributes.get(RTA_PREFSRC)
    return Route(
        prefix=f"{ip_address(destination)}/{length}",
        metric=_number(attributes, RTA_PRIORITY) or 0,
        nexthop_id=_number(attributes, RTA_NH_ID),
        index=_number(attributes, RTA_OIF),
        gateway=str(ip_address(gateway)) if gateway else None,
        protocol=protocol,
        source=str(ip_address(source)) if source else None,
    )


def _number(attributes: dict[int, bytes], kind: int) -> int | None:
    raw = attributes.get(kind)
    return _U32.unpack(raw)[0] if raw else None


_PARSERS: dict[int, Callable[[bytes], Link | Address | Nexthop | Route | None]] = {
    RTM_NEWLINK: _parse_link,
    RTM_DELLINK: _parse_link,
    RTM_NEWADDR: _parse_address,
    RTM_DELADDR: _parse_address,
    RTM_NEWNEXTHOP: _parse_nexthop,
    RTM_DELNEXTHOP: _parse_nexthop,
    RTM_NEWROUTE: _parse_route,
}
