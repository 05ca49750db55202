from __future__ import annotations

import dataclasses

from failover.core.stranded import DESTINATION_TRANSLATED, SOURCE_TRANSLATED, Flow, PathPin, stranded

FIBRE = PathPin("pg", "fibre", ("10.64.0.1",), ("10.2.0.0/16",), mark=0x10)
PLAIN = Flow(1, "10.1.0.5", "10.2.0.9", "10.2.0.9", "10.1.0.5", status=0)
TRANSLATED = Flow(2, "10.1.0.5", "10.2.0.9", "10.2.0.9", "10.64.0.1", status=SOURCE_TRANSLATED)


def test_a_routed_flow_is_never_stranded():
    assert stranded([PLAIN], FIBRE) == []


def test_a_flow_under_the_old_paths_address_is_stranded():
    assert stranded([PLAIN, TRANSLATED], FIBRE) == [TRANSLATED]


def test_a_flow_translated_to_another_address_lives():
    elsewhere = dataclasses.replace(TRANSLATED, reply_destination="10.66.0.1")
    assert stranded([elsewhere], FIBRE) == []


def test_a_flow_to_a_network_that_did_not_move_lives():
    neighbour = dataclasses.replace(TRANSLATED, destination="10.64.0.2", reply_source="10.64.0.2")
    assert stranded([neighbour], FIBRE) == []


def test_where_the_destination_was_translated_the_real_one_counts():
    published = dataclasses.replace(
        TRANSLATED, destination="192.0.2.1", status=SOURCE_TRANSLATED | DESTINATION_TRANSLATED
    )
    assert stranded([published], FIBRE) == [published]


def test_an_incoming_flow_that_was_handed_on_inside_is_stranded_when_it_came_to_the_old_address():
    incoming = Flow(3, "10.2.0.9", "10.64.0.1", "10.1.0.5", "10.2.0.9", status=DESTINATION_TRANSLATED)
    assert stranded([incoming], FIBRE) == [incoming]
    assert stranded([dataclasses.replace(incoming, source="10.9.0.9", reply_destination="10.9.0.9")], FIBRE) == []


def test_a_flow_with_the_paths_mark_is_stranded_in_either_direction():
    outgoing = dataclasses.replace(PLAIN, mark=0x10)
    incoming = Flow(4, "10.2.0.9", "10.1.0.5", "10.1.0.5", "10.2.0.9", status=0, mark=0x10)
    assert stranded([outgoing, incoming, dataclasses.replace(PLAIN, mark=0x20)], FIBRE) == [outgoing, incoming]
    assert stranded([outgoing], dataclasses.replace(FIBRE, mark=None)) == []


def test_ipv6_is_judged_alike():
    pin = PathPin("pg", "fibre", ("fd00:64::1",), ("fd00:b::/32",))
    flow = Flow(5, "fd00:a::5", "fd00:b::9", "fd00:b::9", "fd00:64::1", status=SOURCE_TRANSLATED)
    assert stranded([flow, TRANSLATED], pin) == [flow]
