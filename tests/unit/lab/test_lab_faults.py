"""The undo journal, with a driver of dictionaries: whatever is interrupted, heal brings the lab back."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Collection
from pathlib import Path

import pytest

from lab import place as place_module
from lab.driver import LabError, LinkEnd
from lab.faults import Faults
from lab.place import Place
from lab.topology import Impairment, Topology
from lab.topology_file import load_topology

TOPOLOGY = """\
name: toy
topology:
  defaults: {kind: linux}
  nodes: {core: {}, hub: {}, east: {}, west: {}}
  links:
    - {endpoints: [core:f-east, east:fibre], vars: {id: fibre-east, media: fibre, srg: duct}}
    - {endpoints: [core:f-west, west:fibre], vars: {id: fibre-west, media: fibre, srg: duct}}
    - {endpoints: [hub:s-east, east:sat], vars: {id: sat-east, media: satellite, delay_ms: 270, loss_pct: 1}}
    - {endpoints: [core:sat0, hub:cable], vars: {id: cable}}
"""


class ToyDriver:
    """Keeps what a real one would change; `break_at` makes that call die, as kill -9 would, before its effect."""

    def __init__(self, topology: Topology) -> None:
        self.muted_ends: set[LinkEnd] = set()
        self.dark: set[LinkEnd] = set()
        self.off: set[str] = set()
        self.impairments = {link.id: link.impairment for link in topology.links.values() if link.impairment}
        self.break_at = ""
        self.deaf = False
        self.mended = 0

    def look(self) -> tuple[object, ...]:
        return set(self.muted_ends), set(self.dark), set(self.off), dict(self.impairments)

    def _die(self, call: str) -> None:
        if call == self.break_at:
            raise KilledError

    def mute(self, senders: Collection[LinkEnd]) -> None:
        self._die("mute")
        if not self.deaf:
            self.muted_ends |= set(senders)

    def unmute(self, senders: Collection[LinkEnd]) -> None:
        self.muted_ends -= set(senders)

    def muted(self) -> frozenset[LinkEnd]:
        return frozenset(self.muted_ends)

    def set_light(self, end: LinkEnd, *, on: bool) -> None:
        self._die(f"light {end[0]}")
        (self.dark.discard if on else self.dark.add)(end)

    def has_light(self, end: LinkEnd) -> bool:
        return end not in self.dark

    def power_off(self, node: str) -> None:
        self.off.add(node)

    def power_on(self, node: str) -> None:
        self.off.discard(node)

    def is_on(self, node: str) -> bool:
        return node not in self.off

    def has_mid_span(self, link: str) -> bool:
        return link.startswith("fibre")

    def impair(self, link: str, impairment: Impairment) -> None:
        self.impairments[link] = impairment

    def impairment(self, link: str) -> Impairment:
        impairment = self.impairments[link]
        assert impairment
        return impairment

    def mend(self) -> None:
        self.mended += 1


class KilledError(BaseException):
    """The process ends here."""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Faults, ToyDriver, Place]:
    monkeypatch.setattr(place_module, "RUN", tmp_path / "run")
    file = tmp_path / "toy.clab.yml"
    file.write_text(textwrap.dedent(TOPOLOGY))
    topology = load_topology(file)
    place = Place("toy")
    place.write_state({})
    driver = ToyDriver(topology)
    return Faults(topology, driver, place), driver, place  # type: ignore[arg-type]  # only what faults use


CASES = [
    ("fibre-cut", "fibre-east", {}),
    ("fibre-cut", "fibre-east", {"mode": "oneway", "direction": "to-core"}),
    ("fibre-cut", "fibre-east", {"mode": "carrier"}),
    ("duct-cut", "duct", {"mode": "silent"}),
    ("duct-cut", "duct", {"mode": "carrier"}),
    ("node-off", "west", {}),
    ("satellite-degrade", "sat-east", {"loss_pct": 20.0}),
]


@pytest.mark.parametrize(("kind", "target", "options"), CASES)
def test_a_fault_holds_until_it_is_healed(
    toy: tuple[Faults, ToyDriver, Place], kind: str, target: str, options: dict[str, object]
) -> None:
    faults, driver, _place = toy
    before = driver.look()
    fault = faults.inject(kind, target, **options)
    assert driver.look() != before
    assert [each.id for each in faults.active()] == [fault.id]
    assert faults.heal(fault.id)
    assert driver.look() == before
    assert faults.active() == []
    assert faults.heal() == []


def test_the_undo_is_on_disk_before_the_fault_is_in_the_network(toy: tuple[Faults, ToyDriver, Place]) -> None:
    faults, driver, place = toy
    seen = []
    driver.mute = lambda _senders: seen.append(json.loads((place.faults / "001.json").read_text()))  # type: ignore[method-assign] # a spy
    with pytest.raises(LabError, match="did not take hold"):
        faults.inject("fibre-cut", "fibre-east")
    assert seen[0]["phase"] == "injecting"
    assert seen[0]["acts"][0]["args"]["ends"] == [["fibre-east", "core"], ["fibre-east", "east"]]


def test_heal_undoes_what_was_half_done_when_the_injector_was_killed(
    toy: tuple[Faults, ToyDriver, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    faults, driver, _place = toy
    before = driver.look()
    driver.break_at = "light fibre-west"
    with monkeypatch.context() as killed:
        killed.setattr(Faults, "_undo", lambda *_: None)  # a killed process cleans nothing up
        with pytest.raises(KilledError):
            faults.inject("duct-cut", "duct", mode="carrier")
    driver.break_at = ""
    assert driver.look() != before
    [half] = faults.active()
    assert half.phase == "injecting"
    faults.heal()
    assert driver.look() == before
    assert driver.mended == 1


def test_an_injection_that_fails_half_way_is_undone_at_once(toy: tuple[Faults, ToyDriver, Place]) -> None:
    faults, driver, _place = toy
    driver.deaf = True
    with pytest.raises(LabError, match="fibre-cut did not take hold"):
        faults.inject("fibre-cut", "fibre-east")
    assert faults.active() == []
    assert faults.all()[0].phase == "healed"


@pytest.mark.parametrize(
    ("kind", "target", "options", "told", "exit_code"),
    [
        ("fibre-cut", "fibre-eats", {}, "there is no link 'fibre-eats'; did you mean 'fibre-east'?", 2),
        ("fibre-cut", "sat-east", {}, "sat-east is no fibre but satellite; fibres: fibre-east, fibre-west", 2),
        ("duct-cut", "duckt", {}, "there is no shared-risk group 'duckt'; did you mean 'duct'?", 2),
        ("node-off", "wset", {}, "there is no node 'wset'; did you mean 'west'?", 2),
        ("satellite-degrade", "fibre-east", {"loss_pct": 3}, "there is no satellite link 'fibre-east'", 2),
        ("satellite-degrade", "sat-east", {}, "say what degrades", 2),
        ("satellite-degrade", "sat-east", {"loss_pct": 101}, "loss_pct is 101; it must be 0 to 100", 2),
        ("satellite-degrade", "sat-east", {"loss_pct": 1}, "sat-east is like that already", 2),
        ("fibre-cut", "fibre-east", {"mode": "slient"}, "did you mean 'silent'?", 2),
        ("fibre-cut", "fibre-east", {"direction": "to-site"}, "a silent cut has no direction", 2),
        ("fibre-cut", [], {}, "a fault needs a target", 2),
        ("fiber-cut", "fibre-east", {}, "did you mean 'fibre-cut'?", 2),
    ],
)
def test_what_cannot_be_hit_is_told_and_nothing_is_done(
    toy: tuple[Faults, ToyDriver, Place], kind: str, target: str, options: dict[str, object], told: str, exit_code: int
) -> None:
    faults, driver, _place = toy
    before = driver.look()
    with pytest.raises(LabError) as caught:
        faults.inject(kind, target, **options)
    assert told in str(caught.value)
    assert caught.value.exit_code == exit_code
    assert driver.look() == before
    assert faults.all() == []


def test_what_is_hit_already_is_not_hit_twice(toy: tuple[Faults, ToyDriver, Place]) -> None:
    faults, _driver, _place = toy
    faults.inject("fibre-cut", "fibre-east")
    with pytest.raises(LabError, match=r"fibre-east is hit by fault 001 \(fibre-cut\) already"):
        faults.inject("duct-cut", "duct", mode="carrier")
    faults.inject("fibre-cut", "fibre-west", mode="carrier")
    assert [fault.id for fault in faults.heal()] == ["002", "001"]


def test_one_fault_that_cannot_be_undone_keeps_no_other_from_healing(toy: tuple[Faults, ToyDriver, Place]) -> None:
    faults, driver, _place = toy
    faults.inject("fibre-cut", "fibre-east")
    faults.inject("node-off", "west")
    driver.power_on = lambda _node: None  # type: ignore[method-assign] # a spy
    with pytest.raises(LabError, match="002: fault 002 still holds"):
        faults.heal()
    assert [fault.id for fault in faults.active()] == ["002"]
    assert not driver.muted_ends


def test_a_fault_that_never_was_is_told(toy: tuple[Faults, ToyDriver, Place]) -> None:
    faults, _driver, _place = toy
    with pytest.raises(LabError, match="there is no fault '007'"):
        faults.heal("7")
