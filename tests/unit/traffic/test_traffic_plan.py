from __future__ import annotations

import json
from pathlib import Path

import pytest

from failover.traffic_plan import TrafficPlan, compile_traffic
from lifeline.config import load_inventory
from lifeline.model.inventory import Inventory

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def govnet() -> Inventory:
    return load_inventory(ROOT / "containerlab" / "govnet.inventory.yml")


def test_a_station_divides_its_own_satellite_link(govnet):
    (sat,) = compile_traffic(govnet, "sbs-dongcheng").interfaces
    (link,) = sat.links
    assert (sat.interface, link.link, link.rate_bps) == ("sat", "sat-dongcheng", 3_800_000)
    assert {c.id: c.guaranteed_bps for c in link.classes} == {
        "voice": 1_536_000,
        "signalling": 384_000,
        "data": 768_000,
        "images": 0,
    }
    assert sum(c.guaranteed_bps for c in link.classes) + link.control_bps <= link.rate_bps


def test_the_core_tells_six_stations_on_one_interface_by_where_packets_go(govnet):
    (sat0,) = compile_traffic(govnet, "core-wired").interfaces
    assert [link.destinations for link in sat0.links][:2] == [
        ("10.66.0.11/32", "10.1.11.0/24"),
        ("10.66.0.12/32", "10.1.12.0/24"),
    ]
    tree = sat0.tree()
    assert {c.link: c.ceiling_bps for c in tree.classes if not c.parent and c.link} == dict.fromkeys(
        (link.link for link in sat0.links), 3_800_000
    )


def test_a_site_without_a_profile_divides_nothing(govnet):
    assert compile_traffic(govnet, "noc-a").interfaces == ()


def test_each_group_has_a_pin_for_either_path(govnet):
    working, protection = compile_traffic(govnet, "sbs-dongcheng").pins
    assert (working.link, working.addresses, working.prefixes) == ("fibre-dongcheng", ("10.64.11.2",), ("10.0.0.0/16",))
    assert (protection.link, protection.addresses) == ("sat-dongcheng", ("10.66.0.11",))


@pytest.mark.parametrize("site", ["sbs-dongcheng", "core-wired", "noc-a"])
def test_a_plan_survives_json(govnet, site):
    plan = compile_traffic(govnet, site)
    assert TrafficPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
