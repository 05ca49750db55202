"""Finds and resets tracked flows that a switch strands, through ctnetlink (pyroute2); the judgement is the core's.

Where nothing is tracked or translated this costs two system calls: a routed network pays nothing for what it lacks.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.stranded import DESTINATION_TRANSLATED, SOURCE_TRANSLATED, Flow, PathPin, stranded

_COUNT = Path("/proc/sys/net/netfilter/nf_conntrack_count")


@dataclass(frozen=True, slots=True)
class Reset:
    """What was reset, for the record."""

    flows: tuple[str, ...]
    """The flows, each as `protocol source -> destination`."""
    refused: str = ""
    """Why the kernel refused one or more, empty when it did not."""


def reset_stranded(old: PathPin) -> Reset:
    """Reset the flows that stay behind when a group's traffic leaves a path, and no others.

    A flow's entry is deleted: its next packet is tracked, translated and routed anew, so that its ends find out at
    once instead of after their timeouts.

    Args:
        old: the path that the traffic left; the new one must carry already.
    """
    if not tracked():
        return Reset(())
    # Imported here: a site whose kernel tracks nothing never pays for it.
    from pyroute2.conntrack import Conntrack, NFCTAttrTuple
    from pyroute2.netlink.exceptions import NetlinkError

    gone: list[str] = []
    refused = ""
    for family in {socket.AF_INET6 if ":" in address else socket.AF_INET for address in old.addresses}:
        with closing(Conntrack(nfgen_family=family)) as table:
            entries = {_flow(entry): entry for entry in _candidates(table, old)}
            for flow in stranded(entries, old):
                entry = entries[flow]
                first = NFCTAttrTuple.from_netlink(family, entry.get_attr("CTA_TUPLE_ORIG"))
                try:
                    # With its number: a flow that began anew meanwhile has the same addresses and must live.
                    table.entry("del", tuple_orig=first, id=flow.number, zone=entry.get_attr("CTA_ZONE"))
                except NetlinkError as error:
                    if error.code != errno.ENOENT:  # it ended by itself
                        refused = str(error)
                    continue
                gone.append(_text(first, flow))
    return Reset(tuple(gone), refused)


def tracked() -> int:
    """Return how many flows this network namespace tracks, 0 where the kernel tracks none."""
    try:
        return int(_COUNT.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _candidates(table: Any, old: PathPin) -> Iterator[Any]:
    """Yield the entries that could be pinned; the kernel selects, so that a hundred thousand others are not copied."""
    for bit in (SOURCE_TRANSLATED, DESTINATION_TRANSLATED):
        yield from table.dump(status=bit, status_mask=bit)
    if old.mark is not None:
        yield from table.dump(mark=old.mark)


def _flow(entry: Any) -> Flow:
    first, answer = entry.get_attr("CTA_TUPLE_ORIG"), entry.get_attr("CTA_TUPLE_REPLY")
    status, mark = entry.get_attr("CTA_STATUS"), entry.get_attr("CTA_MARK") or 0
    return Flow(entry.get_attr("CTA_ID"), *_addresses(first), *_addresses(answer), status, mark)


def _addresses(tuple_: Any) -> tuple[str, str]:
    addresses = tuple_.get_attr("CTA_TUPLE_IP")
    version = "V6" if addresses.get_attr("CTA_IP_V6_SRC") else "V4"
    return addresses.get_attr(f"CTA_IP_{version}_SRC"), addresses.get_attr(f"CTA_IP_{version}_DST")


def _text(first: Any, flow: Flow) -> str:
    ends = [f"{flow.source}", f"{flow.destination}"]
    if first.sport is not None:
        ends = [f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
                for address, port in zip(ends, (first.sport, first.dport), strict=True)]  # fmt: skip
    return f"{str(first.proto_name() or first.proto).lower()} {ends[0]} -> {ends[1]}"
