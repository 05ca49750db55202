"""Links that no fast path watches: as the devices at their ends show their interfaces."""

from __future__ import annotations

import pytest

from lifeline.config import parse_inventory
from noc.live import STALE_S
from noc.projection import Projection
from noc.record import Record
from noc.views import LinkState

INVENTORY = parse_inventory("""\
lifeline: 1
sites:
  a: {kind: core-room-wired, name: A, devices: {router: {kind: router}}}
  b: {kind: command-centre, name: B, devices: {router: {kind: router}}}
links:
  backbone:
    media: fibre
    a: {site: a, interface: to-b, address: 10.0.0.1/30}
    b: {site: b, interface: to-a, address: 10.0.0.2/30}
  watched:
    media: fibre
    a: {site: a, interface: to-b-2, address: 10.0.0.5/30}
    b: {site: b, interface: to-a-2, address: 10.0.0.6/30}
    bfd: {interval_ms: 10}
""")


class World:
    """A hub's projection, and one daemon that shows it routers."""

    def __init__(self) -> None:
        self.projection = Projection(INVENTORY, "b/hub", Record())
        self.now_s = 0.0

    def show(self, site: str, **interfaces: str) -> set[str]:
        """Show a router's interfaces; return the links whose views the hub would send."""
        words = [{"name": f"if.oper[{name.replace('_', '-')}]", "word": it} for name, it in interfaces.items()]
        self.projection.hear("b/netwatch", self.now_s, 1)
        body = {"schema": "lifeline.device-state/1", "states": [{"name": "device.fan", "word": "ok"}, *words]}
        assert self.projection.set_state("b/netwatch", f"device:{site}/router", body, self.now_s, 1)
        return self.dirty()

    def dirty(self) -> set[str]:
        return {it for it in self.projection.take_dirty() if it.startswith("link:")}

    @property
    def state(self) -> LinkState:
        return self.projection.link("backbone").state


@pytest.fixture
def world() -> World:
    return World()


def test_an_interface_tells_of_its_link_and_the_change_is_sent_once(world: World) -> None:
    assert world.state is LinkState.UNKNOWN
    assert world.show("a", to_b="up") == {"link:backbone"}
    assert world.state is LinkState.UP
    assert world.show("a", to_b="up") == set()
    assert world.show("b", to_a="lower-layer-down") == {"link:backbone"}
    assert world.state is LinkState.DOWN
    assert {site: end["signal_fail"] for site, end in world.projection.link("backbone").ends.items()} == {
        "a": False, "b": True,
    }  # fmt: skip


def test_what_is_not_heard_any_more_says_nothing_and_that_is_sent(world: World) -> None:
    world.show("a", to_b="up")
    world.now_s = STALE_S + 1
    world.projection.age(world.now_s)
    assert world.dirty() == {"link:backbone"}
    assert world.state is LinkState.UNKNOWN
    assert world.show("a", to_b="up") == {"link:backbone"}
    assert world.state is LinkState.UP


def test_a_word_that_nobody_knows_is_unknown(world: World) -> None:
    world.show("a", to_b="testing")
    assert world.state is LinkState.UNKNOWN


def test_a_link_with_a_continuity_check_is_not_judged_by_interfaces(world: World) -> None:
    assert world.show("a", to_b_2="down") == set()
    assert world.projection.link("watched").state is LinkState.UNKNOWN


def test_states_of_no_shape_are_passed_over(world: World) -> None:
    assert world.projection.set_state("b/netwatch", "device:a/router", {"states": ["if.oper[to-b]", 3]}, 0.0, 1)
    assert world.dirty() == set()
