"""Traffic control messages as bytes: builders and parsers, no socket.

Numbers from linux/{rtnetlink,pkt_sched,pkt_cls}.h.

Rates, bursts and u32 words come back from the kernel exactly as they went in, so that what stands can be compared with
what should; tools that print them for people round.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from ..core.shaping import Filter, HtbClass, Queue
from ..core.traffic_report import Counters
from .rtnetlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_REPLACE,
    Done,
    Failure,
    attribute,
    message,
    parse_with,
    split_attributes,
)

RTM_NEWQDISC, RTM_DELQDISC, RTM_GETQDISC = 36, 37, 38
RTM_NEWTCLASS, RTM_GETTCLASS = 40, 42
RTM_NEWTFILTER, RTM_GETTFILTER = 44, 46
NLM_F_EXCL = 0x200

ROOT = 0xFFFFFFFF
CUTTER, SHAPER = 0x11FE0000, 0x11FF0000
"""Handles of our two queueing disciplines. The root's handle marks what is ours; other trees are never touched."""
CUTTER_CLASS = CUTTER | 1

_TCA_KIND, _TCA_OPTIONS, _TCA_STATS2 = 1, 2, 7
_TCA_STATS_BASIC, _TCA_STATS_QUEUE = 1, 3
_TCA_TBF_PARMS = 1
_TCA_HTB_PARMS, _TCA_HTB_INIT, _TCA_HTB_RATE64, _TCA_HTB_CEIL64 = 1, 2, 6, 7
_TCA_U32_CLASSID, _TCA_U32_SEL = 1, 5
_TC_U32_TERMINAL = 1
_FQ_CODEL_OPTIONS = (1, 2, 3, 4)  # target, limit, interval, ECN
_LINKLAYER_ETHERNET = 1

_TCMSG = struct.Struct("=BxxxiIII")  # family, interface index, handle, parent, info
_RATE = struct.Struct("=BBHhHI")  # tc_ratespec: cell log, link layer, overhead, cell align, minimum, bytes/s
_TBF = struct.Struct("=12s12sIII")  # tc_tbf_qopt: rate, peak rate, limit, buffer, mtu
_HTB = struct.Struct("=12s12sIIIII")  # tc_htb_opt: rate, ceiling, buffer, ceiling buffer, quantum, level, priority
_HTB_GLOBAL = struct.Struct("=IIIII")  # tc_htb_glob: version, rate2quantum, default class, debug, direct packets
_U32_SELECTOR = struct.Struct("=BBBxHHhhI")  # tc_u32_sel: flags, shift, number of words, then unused offsets
_U32_WORD = struct.Struct(">II")  # tc_u32_key in network order: mask, value; then in the host's: offset, offset mask
_U32_OFFSETS = struct.Struct("=ii")
_BASIC = struct.Struct("=QI")  # gnet_stats_basic: bytes, packets
_QUEUE = struct.Struct("=IIIII")  # gnet_stats_queue: length, backlog, drops, requeues, overlimits

_TICK_NS = 64
_CUTTER_BYTES_PER_S = 1_250_000_000
"""10 Gbit/s: far beyond what is divided below it, so that it only cuts and never holds back."""
_CUTTER_LIMIT_BYTES = 1 << 20
"""Of the queue that the kernel puts below it until the shaper takes its place."""
_U32_MAX = 0xFFFFFFFF


Meaning = tuple[int, ...]
"""The numbers of an object's options that were asked for, without those that the kernel adds or counts."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A queueing discipline, class or filter as the kernel tells of it."""

    index: int
    kind: str
    handle: int
    parent: int
    info: int
    meaning: Meaning
    counters: Counters


# ---------------------------------------------------------------- building


def add_cutter(index: int, packet_bytes: int) -> bytes:
    """Return the request for the root: a token bucket so fast that all it does is to cut.

    Network cards and the kernel join segments of a conversation into packets of up to 64 KiB; at 4 Mbit/s one of them
    would be in everybody's way for 130 ms. The bucket cuts what is larger than it into the packets of the wire.

    Args:
        index: the interface.
        packet_bytes: the longest packet of the wire; what is longer and cannot be cut is dropped.
    """
    return _qdisc(index, CUTTER, ROOT, "tbf", cutter_settings(packet_bytes), NLM_F_CREATE | NLM_F_REPLACE)


def add_shaper(index: int, parent: int, default: int) -> bytes:
    """Return the request for the HTB discipline; what no filter knows goes to minor class `default`."""
    return _qdisc(index, SHAPER, parent, "htb", shaper_settings(default), NLM_F_CREATE | NLM_F_REPLACE)


def add_class(index: int, wanted: HtbClass) -> bytes:
    """Return the request for a class."""
    body = _TCMSG.pack(socket.AF_UNSPEC, index, SHAPER | wanted.minor, SHAPER | wanted.parent, 0)
    return message(RTM_NEWTCLASS, NLM_F_CREATE | NLM_F_EXCL, body + _options("htb", class_settings(wanted)))


def change_class(index: int, wanted: HtbClass) -> bytes:
    """Return the request that gives a standing class other rates; what waits in it stays."""
    body = _TCMSG.pack(socket.AF_UNSPEC, index, SHAPER | wanted.minor, SHAPER | wanted.parent, 0)
    return message(RTM_NEWTCLASS, 0, body + _options("htb", class_settings(wanted)))


def add_queue(index: int, minor: int, kind: str, queue: Queue) -> bytes:
    """Return the request for a leaf's queue, of kind `fq_codel` or `bfifo`."""
    return _qdisc(index, 0, SHAPER | minor, kind, queue_settings(kind, queue), NLM_F_CREATE | NLM_F_EXCL)


def change_queue(index: int, minor: int, handle: int, kind: str, queue: Queue) -> bytes:
    """Return the request that gives a leaf's standing queue another limit; what waits in it stays."""
    return _qdisc(index, handle, SHAPER | minor, kind, queue_settings(kind, queue), 0)


def add_filter(index: int, wanted: Filter) -> bytes:
    """Return the request for a filter; those of one parent and preference are asked in the order of their coming."""
    info = filter_info(wanted)
    body = _TCMSG.pack(socket.AF_UNSPEC, index, 0, SHAPER | wanted.parent, info)
    return message(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, body + _options("u32", filter_settings(wanted)))


def delete_root(index: int, handle: int) -> bytes:
    """Return the request that takes the root of that handle off an interface; the kernel's default takes its place."""
    return message(RTM_DELQDISC, 0, _TCMSG.pack(socket.AF_UNSPEC, index, handle, ROOT, 0))


def dump_qdiscs() -> bytes:
    """Return the request for the queueing disciplines of all interfaces."""
    return message(RTM_GETQDISC, NLM_F_DUMP, _TCMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0))


def dump_classes(index: int) -> bytes:
    """Return the request for the classes of an interface."""
    return message(RTM_GETTCLASS, NLM_F_DUMP, _TCMSG.pack(socket.AF_UNSPEC, index, 0, 0, 0))


def dump_filters(index: int, parent: int) -> bytes:
    """Return the request for the filters that minor class `parent` asks (0: the top)."""
    return message(RTM_GETTFILTER, NLM_F_DUMP, _TCMSG.pack(socket.AF_UNSPEC, index, 0, SHAPER | parent, 0))


def _qdisc(index: int, handle: int, parent: int, kind: str, settings: bytes, flags: int) -> bytes:
    body = _TCMSG.pack(socket.AF_UNSPEC, index, handle, parent, 0)
    return message(RTM_NEWQDISC, flags, body + _options(kind, settings))


def _options(kind: str, settings: bytes) -> bytes:
    return attribute(_TCA_KIND, kind.encode() + b"\0") + attribute(_TCA_OPTIONS, settings)


# ---------------------------------------------------------------- settings, as sent and as compared


def _rate(bytes_per_s: int, overhead: int = 0) -> bytes:
    return _RATE.pack(0, _LINKLAYER_ETHERNET, overhead, 0, 0, min(bytes_per_s, _U32_MAX))


def _ticks(size: int, bytes_per_s: int) -> int:
    """Return the time that so many bytes take, as the kernel counts it."""
    return min(size * 1_000_000_000 // bytes_per_s // _TICK_NS + 1, _U32_MAX)


def cutter_settings(packet_bytes: int) -> bytes:
    """Return the options of the cutting token bucket."""
    ticks = _ticks(packet_bytes, _CUTTER_BYTES_PER_S)
    parameters = _TBF.pack(_rate(_CUTTER_BYTES_PER_S), bytes(_RATE.size), _CUTTER_LIMIT_BYTES, ticks, 0)
    return attribute(_TCA_TBF_PARMS, parameters)


def shaper_settings(default: int) -> bytes:
    """Return the options of the HTB discipline."""
    return attribute(_TCA_HTB_INIT, _HTB_GLOBAL.pack(3, 10, default, 0, 0))


def class_settings(wanted: HtbClass) -> bytes:
    """Return the options of a class."""
    rate, ceiling = wanted.rate_bps // 8, wanted.ceiling_bps // 8
    parameters = _HTB.pack(
        _rate(rate, wanted.overhead_bytes), _rate(ceiling, wanted.overhead_bytes),
        _ticks(wanted.burst_bytes, rate), _ticks(wanted.ceiling_burst_bytes, ceiling),
        wanted.quantum_bytes, 0, wanted.priority,
    )  # fmt: skip
    settings = attribute(_TCA_HTB_PARMS, parameters)
    for kind, value in ((_TCA_HTB_RATE64, rate), (_TCA_HTB_CEIL64, ceiling)):
        if value > _U32_MAX:
            settings += attribute(kind, struct.pack("=Q", value))
    return settings


def queue_settings(kind: str, queue: Queue) -> bytes:
    """Return the options of a queue."""
    if kind == "bfifo":
        return struct.pack("=I", queue.limit_bytes)
    packets = max(64, queue.limit_bytes // 200)  # small ones too
    values = (codel_us(queue.target_us), packets, codel_us(queue.interval_us), 1)
    return b"".join(
        attribute(kind, struct.pack("=I", value)) for kind, value in zip(_FQ_CODEL_OPTIONS, values, strict=True)
    )


def codel_us(microseconds: int) -> int:
    """Return a time that comes back from the kernel as it went in: it counts in 1024 ns, 128 us are 125 of them."""
    return max(128, microseconds // 128 * 128)


def filter_settings(wanted: Filter) -> bytes:
    """Return the options of a filter."""
    words = wanted.rule.words
    selector = _U32_SELECTOR.pack(_TC_U32_TERMINAL, 0, len(words), 0, 0, 0, 0, 0)
    selector += b"".join(_U32_WORD.pack(word.mask, word.value) + _U32_OFFSETS.pack(word.offset, 0) for word in words)
    classid = struct.pack("=I", SHAPER | wanted.target)
    return attribute(_TCA_U32_CLASSID, classid) + attribute(_TCA_U32_SEL, selector)


def filter_info(wanted: Filter) -> int:
    """Return a filter's preference and packet type as one number."""
    return wanted.preference << 16 | socket.htons(wanted.rule.ether_type)


# ---------------------------------------------------------------- reading


def parse(data: bytes) -> Iterator[tuple[int, Standing | Failure | Done]]:
    """Yield (message type, content) for each message of a datagram that means something here."""
    return parse_with(_PARSERS, data)


def meaning(kind: str, options: bytes) -> Meaning:
    """Return what options of a kind ask for; the same for a request and for what the kernel makes of it."""
    if kind == "bfifo":
        return struct.unpack("=I", options)
    reader = _READERS.get(kind)
    return reader(split_attributes(options, 0)) if reader else ()


def _tbf(found: dict[int, bytes]) -> Meaning:
    rate, _peak, limit, ticks, _mtu = _TBF.unpack_from(found[_TCA_TBF_PARMS])
    return (*_speed(rate), limit, ticks)


def class_meaning(wanted: HtbClass) -> Meaning:
    """Return what a class asks for; quantum and priority mean something for a leaf only."""
    asked = meaning("htb", class_settings(wanted))
    return asked if wanted.queue else (*asked[:-2], 0, 0)


def _htb(found: dict[int, bytes]) -> Meaning:
    if raw := found.get(_TCA_HTB_INIT):
        _version, quantum, default, _debug, _direct = _HTB_GLOBAL.unpack_from(raw)
        return quantum, default
    rate, ceiling, ticks, ceiling_ticks, quantum, level, priority = _HTB.unpack_from(found[_TCA_HTB_PARMS])
    wide = (_number(found.get(kind, b"")) for kind in (_TCA_HTB_RATE64, _TCA_HTB_CEIL64))
    leaf = (0, 0) if level else (quantum, priority)
    return (*_speed(rate), *_speed(ceiling), *wide, ticks, ceiling_ticks, *leaf)


def _u32(found: dict[int, bytes]) -> Meaning:
    raw = found.get(_TCA_U32_SEL, b"")
    return (_number(found.get(_TCA_U32_CLASSID, b"")), *(_number(raw[at : at + 4]) for at in range(0, len(raw), 4)))


def _fq_codel(found: dict[int, bytes]) -> Meaning:
    return tuple(_number(found.get(kind, b"")) for kind in _FQ_CODEL_OPTIONS)


def _speed(raw: bytes) -> tuple[int, int]:
    _cell, _layer, overhead, _align, _minimum, bytes_per_s = _RATE.unpack(raw)
    return overhead, bytes_per_s


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, sys.byteorder)


_READERS = {"tbf": _tbf, "htb": _htb, "u32": _u32, "fq_codel": _fq_codel}


def _parse(body: bytes) -> Standing:
    _family, index, handle, parent, info = _TCMSG.unpack_from(body)
    found = split_attributes(body, _TCMSG.size)
    kind = found.get(_TCA_KIND, b"").rstrip(b"\0").decode(errors="replace")
    options = found.get(_TCA_OPTIONS, b"")
    meant = meaning(kind, options) if options else ()
    return Standing(index, kind, handle, parent, info, meant, _counters(found.get(_TCA_STATS2, b"")))


def _counters(raw: bytes) -> Counters:
    stats = split_attributes(raw, 0)
    sent_bytes, sent_packets = _BASIC.unpack_from(stats.get(_TCA_STATS_BASIC, bytes(_BASIC.size)))
    length, backlog, drops, _requeues, _over = _QUEUE.unpack_from(stats.get(_TCA_STATS_QUEUE, bytes(_QUEUE.size)))
    return Counters(sent_bytes, sent_packets, drops, backlog, length)


_PARSERS = dict.fromkeys((RTM_NEWQDISC, RTM_NEWTCLASS, RTM_NEWTFILTER), _parse)
