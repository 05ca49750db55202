"""Probes through real interfaces: nothing is lost by the probes themselves, and a cut is counted to the millisecond."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from functools import partial

import pytest

from bench.peers.span import CORE, FIBRE_CORE, FIBRE_SITE, SITE, Span, spawn_in
from lab.probe import Flow, ProbeError, Probes
from lifeline.clock import monotonic_ns

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root: run the tests as root"),
]
EVER = (0, 2**63)


@pytest.fixture(scope="module")
def span() -> Iterator[Span]:
    with Span() as built:
        for node, to, gateway in (("site", CORE, FIBRE_CORE), ("core", SITE, FIBRE_SITE)):
            subprocess.run(["ip", "-n", built.netns[node], "route", "add", to, "via", gateway], check=True)
        yield built


def test_an_unhurt_fibre_loses_duplicates_and_reorders_nothing(span: Span) -> None:
    with Probes(span.flows()) as probes:
        probes.start()
        time.sleep(0.3)
        logs = probes.collect(drain_s=0.1)
    for log in logs.values():
        felt = log.within(EVER)
        assert felt.sent >= 200
        assert (felt.lost, felt.duplicated, felt.reordered) == (0, 0, 0)
        arrived = dict(log.received)
        assert all(arrived[seq] >= sent_ns for seq, sent_ns in log.sent), "kernel time stamps are on the same clock"


@pytest.mark.parametrize(("mode", "hit"), [("silent", (True, True)), ("oneway", (True, False))])
def test_a_cut_is_counted_where_it_happened(span: Span, mode: str, hit: tuple[bool, bool]) -> None:
    with Probes(span.flows()) as probes:
        probes.start()
        time.sleep(0.1)
        cut_ns = monotonic_ns()
        span.cut(mode)
        after_ns = monotonic_ns()
        time.sleep(0.1)
        repair_ns = monotonic_ns()
        span.repair()
        time.sleep(0.1)
        logs = probes.collect(drain_s=0.1)
    for direction, was_hit in zip(("site_to_hub", "hub_to_site"), hit, strict=True):
        felt = logs[direction].within((cut_ns, repair_ns))
        assert (felt.lost > 50) == was_hit
        assert felt.lost == felt.longest_gap_ms
        lost_ns = logs[direction].first_lost_ns((cut_ns, repair_ns))
        assert (lost_ns is not None) == was_hit
        assert lost_ns is None or lost_ns <= after_ns + 20_000_000


def test_a_probe_without_its_address_says_so(span: Span) -> None:
    site = partial(spawn_in, span.netns["site"])
    with Probes([Flow("x", site, site, "192.0.2.1", SITE)]) as probes, pytest.raises(ProbeError, match="assign"):
        probes.start()
