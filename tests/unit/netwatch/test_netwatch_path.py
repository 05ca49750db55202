"""Where a path breaks, and how the network differs from the inventory."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifeline.config import load_inventory
from netwatch.core.drift import ARP, IF_NAME, IP_IF_INDEX, LLDP_NAME, LLDP_PORT, Kind, differences, seen
from netwatch.core.path import End, Hop, Places, Trace, locate, loops

GOVNET = Path(__file__).parents[3] / "containerlab" / "govnet.inventory.yml"


@pytest.fixture(scope="module")
def govnet():
    return load_inventory(GOVNET)


def traced(end, *hops):
    return Trace("10.1.11.1", tuple(Hop(n, address, 1.0) for n, address in enumerate(hops, start=1)), end)


def test_a_whole_path_has_no_break(govnet):
    whole = traced(End.REACHED, "10.0.255.5", "10.1.11.1")
    assert locate(whole, None, Places(govnet), "noc-a", "sbs-dongcheng") is None


def test_one_end_tells_beyond_what(govnet):
    near = traced(End.SILENT, "10.0.255.5")
    found = locate(near, None, Places(govnet), "noc-a", "sbs-dongcheng")
    assert found.last_seen == "core-wired"
    assert "fibre-dongcheng" in found.links


def test_both_ends_tell_between_which(govnet):
    near, far = traced(End.SILENT, "10.0.255.5"), traced(End.SILENT)
    found = locate(near, far, Places(govnet), "noc-a", "sbs-dongcheng")
    assert "fibre-dongcheng" in found.links
    assert "between core-wired and sbs-dongcheng" in found.text


def test_one_way_only_is_told(govnet):
    near, far = traced(End.REACHED, "10.0.255.5", "10.1.11.1"), traced(End.SILENT)
    found = locate(near, far, Places(govnet), "noc-a", "sbs-dongcheng")
    assert "does not reach noc-a" in found.text


def test_a_loop_is_seen():
    assert loops(traced(End.SILENT, "10.0.0.1", "10.0.0.2", "10.0.0.1")) == ["10.0.0.1"]


def router(govnet, site, lldp="", arp=True):
    answers, index = {}, 0
    for link in govnet.links.values():
        if (end := link.end_at(site)) is None:
            continue
        index += 1
        answers[f"{IF_NAME}.{index}"] = end.interface
        answers[f"{IP_IF_INDEX}.{end.address.ip}"] = index
        far = link.far_end(site)
        if arp:
            answers[f"{ARP}.{index}.{far.address.ip}"] = b"\x02\0\0\0\0\1"
        answers[f"{LLDP_PORT}.{index}"] = end.interface
        answers[f"{LLDP_NAME}.0.{index}.1"] = lldp or far.site
    return answers


def test_what_agrees_is_no_finding(govnet):
    assert differences(govnet, {"noc-a": seen(router(govnet, "noc-a"))}) == []


def test_each_difference_is_named(govnet):
    answers = router(govnet, "noc-a", lldp="somebody")
    found = differences(govnet, {"noc-a": seen(answers)})
    assert {it.kind for it in found} == {Kind.OTHER_NEIGHBOUR}
    answers = router(govnet, "noc-a")
    gone = {oid: value for oid, value in answers.items() if not oid.startswith(IP_IF_INDEX)}
    assert {it.kind for it in differences(govnet, {"noc-a": seen(gone)})} == {Kind.OTHER_ADDRESS}
    assert {it.kind for it in differences(govnet, {"noc-a": seen({})})} == {Kind.NO_INTERFACE}
    strange = {**answers, f"{IP_IF_INDEX}.192.0.2.9": 1}
    assert [it.subject for it in differences(govnet, {"noc-a": seen(strange)})] == ["192.0.2.9"]
    moved = {oid: value for oid, value in answers.items() if not oid.startswith(ARP)} | {f"{ARP}.1.192.0.2.1": b""}
    assert Kind.NO_NEIGHBOUR in {it.kind for it in differences(govnet, {"noc-a": seen(moved)})}
