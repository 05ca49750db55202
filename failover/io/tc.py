"""Puts a tree of traffic classes on an interface, compares it with what stands there, and reads what went through.

Two queueing disciplines stand one below the other: a token bucket that only cuts what offloads have joined, and HTB,
which divides. What the kernel lacks is done without where that is possible, and told in `Applied.lacking`.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.shaping import HtbClass, Tree
from ..core.traffic_report import Counters
from . import tcnetlink as tc
from .netlink import RouteSocket
from .rtnetlink import Failure
from .tcnetlink import Standing

_SIOCGIFMTU = 0x8921
_ETHERNET_BYTES = 22
"""Header with two VLAN tags."""
_BATCH = 64
_FAIR, _PLAIN = "fq_codel", "bfifo"


class TrafficControlError(OSError):
    """The interface is not divided: what the kernel refused, in its own words."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What stands on an interface now."""

    changed: bool
    """Whether it did not stand there before."""
    cuts: bool
    """Whether what offloads have joined is cut."""
    queues: str
    """Kind of the queues that should be fair."""
    kept: bool = False
    """Whether what stood was given other rates only, with its counters and what it holds."""

    @property
    def lacking(self) -> tuple[str, ...]:
        """What this kernel does not have, each with what follows."""
        lacks = []
        if not self.cuts:
            lacks.append("tbf: what offloads have joined is not cut; switch off GRO where traffic comes in")
        if self.queues != _FAIR:
            lacks.append(f"{_FAIR}: conversations of one class share one queue")
        return tuple(lacks)


class TrafficControl:
    """The kernel's traffic control in this network namespace."""

    def __init__(self) -> None:
        """Open the socket.

        Raises:
            OSError: no netlink.
        """
        self._socket = RouteSocket()

    def close(self) -> None:
        """Release the socket; what stands in the kernel stays."""
        self._socket.close()

    def apply(self, interface: str, tree: Tree) -> Applied:
        """Make a tree stand on an interface; one that stands is left alone, with its counters and what it holds.

        One that differs in rates only is given the new rates, and keeps its counters and what it holds as well.

        Raises:
            TrafficControlError: there is no such interface, or the kernel cannot divide it; then nothing is left.
        """
        index = _index(interface)
        mtu = _mtu(interface)
        if (standing := self._standing(index, tree, mtu)) is not None:
            return standing
        if (retuned := self._retune(index, tree, mtu)) is not None:
            return retuned
        try:
            return self._build(index, tree, mtu)
        except TrafficControlError:
            self._remove(index)
            raise

    def stands(self, interface: str, tree: Tree) -> bool:
        """Tell whether exactly this tree stands on an interface.

        Raises:
            TrafficControlError: there is no such interface.
        """
        return self._standing(_index(interface), tree, _mtu(interface)) is not None

    def remove(self, interface: str) -> None:
        """Take our tree off an interface; another's stays."""
        try:
            self._remove(_index(interface))
        except TrafficControlError:
            return

    def ours(self) -> list[str]:
        """Return the interfaces that carry a tree of ours."""
        return [socket.if_indextoname(root.index) for root in self._qdiscs() if _is_ours(root)]

    def counters(self, interface: str, tree: Tree) -> dict[int, Counters]:
        """Return what went through each leaf since the tree was put there, by minor class number.

        Raises:
            TrafficControlError: there is no such interface.
        """
        index = _index(interface)
        by_parent = {q.parent: q.counters for q in self._qdiscs() if q.index == index}
        return {c.minor: by_parent[tc.SHAPER | c.minor] for c in tree.leaves if tc.SHAPER | c.minor in by_parent}

    # ------------------------------------------------------------ building

    def _build(self, index: int, tree: Tree, mtu: int) -> Applied:
        self._remove(index)
        failures = self._socket.request(tc.add_cutter(index, mtu + _ETHERNET_BYTES))
        if failures and failures[0].errno != errno.ENOENT:
            raise _refusal(failures)
        self._must([tc.add_shaper(index, tc.ROOT if failures else tc.CUTTER_CLASS, tree.default)])
        self._must([tc.add_class(index, c) for c in tree.classes])
        kind = self._add_queues(index, tree)
        self._must([tc.add_filter(index, f) for f in tree.filters])
        return Applied(changed=True, cuts=not failures, queues=kind)

    def _add_queues(self, index: int, tree: Tree) -> str:
        """Put the leaves' queues in place, fair ones where the kernel has them; return the kind of those."""
        kind = _FAIR
        for leaf in tree.leaves:
            assert leaf.queue is not None
            wanted = kind if leaf.queue.fair else _PLAIN
            failures = self._socket.request(tc.add_queue(index, leaf.minor, wanted, leaf.queue))
            if failures and failures[0].errno == errno.ENOENT and wanted == _FAIR:
                kind = _PLAIN
                failures = self._socket.request(tc.add_queue(index, leaf.minor, kind, leaf.queue))
            if failures:
                raise _refusal(failures)
        return kind

    def _must(self, requests: Sequence[bytes]) -> None:
        for first in range(0, len(requests), _BATCH):
            if failures := self._socket.request(b"".join(requests[first : first + _BATCH])):
                raise _refusal(failures)

    def _remove(self, index: int) -> None:
        for root in self._qdiscs():
            if root.index == index and _is_ours(root):
                self._socket.request(tc.delete_root(index, root.handle))

    def _retune(self, index: int, tree: Tree, mtu: int) -> Applied | None:
        """Change rates and limits in place; return None where more than these differs, or the kernel refuses."""
        qdiscs = self._qdiscs_of(index)
        cuts = _roots_stand(qdiscs, tree, mtu)
        classes = self._classes(index)
        wanted = {_place(c): c for c in tree.classes}
        queues = {leaf.minor: qdiscs.get(tc.SHAPER | leaf.minor) for leaf in tree.leaves}
        kinds = {minor: queue.kind for minor, queue in queues.items() if queue is not None}
        if cuts is None or classes.keys() != wanted.keys() or not self._filters_stand(index, tree):
            return None
        if any(kinds.get(leaf.minor) not in _kinds(leaf) for leaf in tree.leaves):
            return None
        requests = [tc.change_class(index, c) for place, c in wanted.items() if classes[place] != tc.class_meaning(c)]
        for leaf in tree.leaves:
            queue = queues[leaf.minor]
            assert queue is not None
            assert leaf.queue is not None
            if not _queue_kind(queue, leaf):
                requests.append(tc.change_queue(index, leaf.minor, queue.handle, queue.kind, leaf.queue))
        try:
            self._must(requests)
        except TrafficControlError:
            return None
        standing = self._standing(index, tree, mtu)
        return replace(standing, changed=True, kept=True) if standing else None

    # ------------------------------------------------------------ comparing

    def _standing(self, index: int, tree: Tree, mtu: int) -> Applied | None:
        """Return what stands, None when it is not exactly this tree."""
        qdiscs = self._qdiscs_of(index)
        cuts = _roots_stand(qdiscs, tree, mtu)
        if cuts is None:
            return None
        kinds = {_queue_kind(qdiscs.get(tc.SHAPER | leaf.minor), leaf) for leaf in tree.leaves}
        wanted = {_place(c): tc.class_meaning(c) for c in tree.classes}
        if "" in kinds or self._classes(index) != wanted or not self._filters_stand(index, tree):
            return None
        return Applied(changed=False, cuts=cuts, queues=_FAIR if _FAIR in kinds else _PLAIN)

    def _qdiscs_of(self, index: int) -> dict[int, Standing]:
        """Return an interface's queueing disciplines by what is above them."""
        return {q.parent: q for q in self._qdiscs() if q.index == index}

    def _classes(self, index: int) -> dict[tuple[int, int], tc.Meaning]:
        """Return what our classes mean, by handle and parent."""
        dumped = self._socket.dump_with(tc.parse, tc.dump_classes(index))
        return {(c.handle, c.parent): c.meaning for c in dumped if c.kind == "htb" and _is_below_shaper(c.handle)}

    def _filters_stand(self, index: int, tree: Tree) -> bool:
        for parent in {0, *(c.minor for c in tree.classes if not c.queue)}:
            dumped = self._socket.dump_with(tc.parse, tc.dump_filters(index, parent))
            standing = [(f.info, f.meaning) for f in dumped if f.kind == "u32" and len(f.meaning) > 1]
            wanted = [
                (tc.filter_info(f), tc.meaning("u32", tc.filter_settings(f)))
                for f in tree.filters
                if f.parent == parent
            ]
            if standing != wanted:
                return False
        return True

    def _qdiscs(self) -> list[Standing]:
        return self._socket.dump_with(tc.parse, tc.dump_qdiscs())


def _is_ours(root: Standing) -> bool:
    return root.parent == tc.ROOT and root.handle in {tc.CUTTER, tc.SHAPER}


def _is_below_shaper(handle: int) -> bool:
    return handle & 0xFFFF0000 == tc.SHAPER


def _roots_stand(qdiscs: Mapping[int, Standing], tree: Tree, mtu: int) -> bool | None:
    """Tell whether our disciplines stand and cut (True) or do without cutting (False); None when they do not stand."""
    root = qdiscs.get(tc.ROOT)
    cuts = root is not None and root.handle == tc.CUTTER
    if root is None or (cuts and root.meaning != tc.meaning("tbf", tc.cutter_settings(mtu + _ETHERNET_BYTES))):
        return None
    shaper = qdiscs.get(tc.CUTTER_CLASS) if cuts else root
    if shaper is None or shaper.handle != tc.SHAPER:
        return None
    return cuts if shaper.meaning == tc.meaning("htb", tc.shaper_settings(tree.default)) else None


def _place(wanted: HtbClass) -> tuple[int, int]:
    return tc.SHAPER | wanted.minor, tc.SHAPER | wanted.parent if wanted.parent else tc.ROOT


def _kinds(leaf: HtbClass) -> tuple[str, ...]:
    assert leaf.queue is not None
    return (_FAIR, _PLAIN) if leaf.queue.fair else (_PLAIN,)


def _queue_kind(standing: Standing | None, leaf: HtbClass) -> str:
    """Return the kind of a leaf's queue when it is one that was wanted, else nothing."""
    assert leaf.queue is not None
    if standing is None or standing.kind not in _kinds(leaf):
        return ""
    wanted = tc.meaning(standing.kind, tc.queue_settings(standing.kind, leaf.queue))
    return standing.kind if standing.meaning == wanted else ""


def _refusal(failures: Sequence[Failure]) -> TrafficControlError:
    return TrafficControlError(failures[0].errno, str(failures[0]))


def _index(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError as error:
        raise TrafficControlError(error.errno, f"there is no interface {interface}") from None


def _mtu(interface: str) -> int:
    request = struct.pack("16si12x", interface.encode(), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            answer = fcntl.ioctl(sock, _SIOCGIFMTU, request)
        except OSError as error:
            raise TrafficControlError(error.errno, f"there is no interface {interface}") from None
    return int(struct.unpack("16si12x", answer)[1])
