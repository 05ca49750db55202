"""Every figure of protection switching, beside BIRD, FRR and keepalived in the same run.

First what needs the machine for itself but no peer: the state machine's walk, then sessions by the hundred. Then all
engines at once, cut in turn (`failover_cuts`); then all of them uncut under load (`failover_load`).

With SOAK=1: 1,000 cuts more of our own, and thirty minutes under load instead of three.
"""

from __future__ import annotations

import os
import statistics
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack

from lifeline.clock import monotonic_s

from . import failover_cuts, failover_load, failover_scale, failover_walk
from .failover_cuts import CARRIER, KINDS, SILENT, TO_HUB, TO_SITE, Cut, Felt, Kind, Lane
from .failover_pair import SATELLITE_MS, LifelinePair
from .figures import Figure
from .kernel import describe, say
from .peers.bird import Bird
from .peers.engine import Engine
from .peers.frr import Frr
from .peers.keepalived import Keepalived
from .peers.span import FLOWS, Span

PEERS: tuple[type[Engine], ...] = (Bird, Frr, Keepalived)
TOTAL_MS, TRANSFER_MS, FAST_TOTAL_MS, CARRIER_MS = 50, 10, 20, 5
_CUTS, _SOAK_CUTS = 20, 1000
_CUTTING_S, _LOAD_S, _SOAK_LOAD_S = 215.0, 180.0, 1800.0
_LONG = 1e9


def measure() -> list[Figure]:
    """Measure all and return the figures; a part that breaks off yields what it had and the reason."""
    soak = bool(os.environ.get("SOAK"))
    quick = bool(os.environ.get("BENCH_QUICK"))
    parts: list[Callable[[], Iterable[Figure]]] = [
        lambda: failover_walk.measure(say),
        lambda: failover_scale.measure(say),
        lambda: _engines(soak=soak, each=2 if quick else _CUTS, load_s=20.0 if quick else _LOAD_S),
    ]
    figures: list[Figure] = []
    for part in parts:
        try:
            for figure in part():
                figures.append(figure)
                say(f"  {describe(figure)}")
        except Exception as error:  # noqa: BLE001 - a benchmark reports what it could not measure, and goes on
            traceback.print_exc()
            figures.append(
                Figure(f"part {len(figures)} broke off", None, "", 0, note=f"{type(error).__name__}: {error}")
            )
    return figures


def _engines(*, soak: bool, each: int, load_s: float) -> Iterator[Figure]:
    with ExitStack() as stack:
        pair = LifelinePair(Span(split_backup=True))
        ours = failover_cuts.lane(stack, pair, failover_cuts.queue(each), watch_reverts=True)
        # We wait for our WTR, which others do not have: a second pair makes up for the cuts that this costs.
        second = failover_cuts.lane(
            stack, LifelinePair(Span(split_backup=True)), failover_cuts.queue(each), watch_reverts=True
        )
        fast = failover_cuts.lane(
            stack, LifelinePair(Span(split_backup=True), interval_ms=5), failover_cuts.queue(each), watch_reverts=True
        )
        peers = []
        for kind in PEERS:
            if (version := kind.version()) is None:
                yield Figure(f"{kind.title}: installed", 0, "", 1, "higher", note="packaging/debian/packages.txt")
                continue
            say(f"{version}")
            peers.append(failover_cuts.lane(stack, kind(Span()), failover_cuts.queue(2 * each)))
        lanes = [ours, second, fast, *peers]
        for lane in lanes:
            lane.engine.settle()
        failover_cuts.run(lanes, monotonic_s() + _CUTTING_S, say)
        yield from _beside_peers([*ours.done, *second.done], peers)
        for lane in lanes:
            if lane.trouble:
                name = f"{lane.engine.title}: back on the fibre after every cut"
                must = 1 if isinstance(lane.engine, LifelinePair) else None
                yield Figure(name, 0, "", must, "higher", note=lane.trouble)
        yield from _fast(fast.done)
        yield from _consecutive(ours.done, "")
        if soak:
            more = Lane(pair, ours.probe, failover_cuts.queue(_SOAK_CUTS // len(KINDS)), watch_reverts=True)
            failover_cuts.run([more], monotonic_s() + _LONG, say)
            yield from _consecutive(more.done, "soak: ")
        standing = [lane.engine for lane in peers if not lane.trouble or lane.engine.at_rest()]
        yield from failover_load.measure(
            pair, standing, [*ours.done, *second.done], _SOAK_LOAD_S if soak else load_s, say
        )


def _beside_peers(ours: Sequence[Cut], peers: Sequence[Lane]) -> Iterator[Figure]:
    """Medians at 10 ms x 3, and how many times the best peer's they are."""
    for kind, flow in _felt():
        own = failover_cuts.felt(ours, kind, flow)
        others = {lane.engine.title: found for lane in peers if (found := failover_cuts.felt(lane.done, kind, flow))}
        best = min(others, key=lambda title: others[title].median_ms, default=None)
        name = f"10 ms x 3, {kind}, {flow}"
        note = f"median/max ms (cuts): ours {own}, " + ", ".join(f"{title} {of}" for title, of in others.items())
        absolute = (kind, flow) == (CARRIER, FLOWS[0])
        yield Figure(
            f"{name}: median outage",
            own.median_ms if own else None,
            "ms",
            CARRIER_MS if absolute else None,
            peer=best,
            peer_value=others[best].median_ms if best else None,
            note=note,
        )
        if not absolute:
            ratio = _ratio(own, others[best]) if own and best else None
            yield Figure(f"{name}: times the best peer's", ratio, "x", 1.0, peer=best, peer_value=1.0, note=note)


def _ratio(own: Felt, best: Felt) -> float:
    return own.median_ms / max(best.median_ms, 1.0)  # a probe is a millisecond, less is nothing


def _fast(cuts: Sequence[Cut]) -> Iterator[Figure]:
    worst = _worst(cut.outage_ms for cut in cuts)
    medians = ", ".join(f"{kind} {flow} {failover_cuts.felt(cuts, kind, flow)}" for kind, flow in _felt())
    note = f"{len(cuts)} cuts of all kinds; median/max ms (cuts): {medians}"
    yield Figure("5 ms x 3: longest outage", worst, "ms", FAST_TOTAL_MS, note=note)


def _consecutive(cuts: Sequence[Cut], prefix: str) -> Iterator[Figure]:
    """One pair, cut again and again: nothing may be long, ever."""
    name = f"{prefix}{len(cuts)} consecutive cuts at 10 ms x 3"
    wrong = [cut.note for cut in cuts if cut.note]
    transfers = [(ms, f"{cut.kind}, {flow}") for cut in cuts for flow, ms in cut.transfer_ms.items()]
    note = f"all kinds; second path {SATELLITE_MS} ms"
    yield Figure(f"{name}: longest outage", _worst(cut.outage_ms for cut in cuts), "ms", TOTAL_MS, note=note)
    yield Figure(
        f"{name}: longest transfer, from an end's declaration to its first probe that arrives",
        None if wrong or not transfers else max(transfers)[0],
        "ms",
        TRANSFER_MS,
        note=" | ".join(wrong[:3]) or _transfer_note(transfers),
    )
    reverts = [lost for cut in cuts for lost in cut.revert_lost.values()]
    note = f"{len(reverts)} directions, from repair to 0.35 s after the return"
    yield Figure(f"{name}: probes lost in reverts", sum(reverts) if reverts else None, "", 0, note=note)


def _transfer_note(transfers: Sequence[tuple[float, str]]) -> str:
    if not transfers:
        return "no transfers"
    longest = ", ".join(f"{ms:.1f} ms ({what})" for ms, what in sorted(transfers, reverse=True)[:3])
    return (
        f"{len(transfers)} transfers, median {statistics.median(ms for ms, _ in transfers):.1f} ms; longest {longest}"
    )


def _worst(outages: Iterable[dict[str, int]]) -> int | None:
    return max((lost for by_flow in outages for lost in by_flow.values()), default=None)


def _felt() -> Iterator[tuple[Kind, str]]:
    for kind in (SILENT, TO_HUB, TO_SITE, CARRIER):
        for flow in kind.felt:
            yield kind, flow
