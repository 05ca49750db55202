"""Every playbook that ships, simulated by the executor that runs it on the facts that its drill recorded in the lab."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from failover.core.playbook import resolve
from failover.playbooks import load_all, load_playbook, shipped
from failover.rehearsal import Recorded, simulate
from failover.steps.registry import Registry
from lab.drills import playbook_drills
from lab.lab import DEFAULT_INVENTORY
from lifeline.config import load_inventory

FOLDER = Path(__file__).parent / "recorded"
RECORDINGS = sorted(FOLDER.glob("*.yml"))
REGISTRY = Registry()
Document = dict[str, Any]


def read(name: str) -> Document:
    document: Document = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    return document


async def run(playbook: str, document: Document) -> tuple[dict[str, Any], dict[str, str]]:
    """Return how a run ends on a document's facts, and how its steps do."""
    book = load_playbook(shipped() / f"{playbook}.yml", REGISTRY)
    plan = resolve(book, document["parameters"], document["trigger"], REGISTRY.kinds())
    found = await simulate(plan, Recorded.of(document))
    steps: Any = found["steps"]
    return found, {it["step"]: it["state"] for it in steps if it["leg"] == "do"}


def test_all_that_ship_are_sound_and_each_has_a_recording() -> None:
    books, problems = load_all([shipped()], REGISTRY)
    assert not problems
    assert set(books) == {path.name.split(".")[0] for path in RECORDINGS}
    for book in books.values():
        for step in book.steps:
            kinds = {step.do} | ({step.compensate.do} if step.compensate else set())
            assert kinds <= set(REGISTRY)


def test_every_playbook_that_ships_is_drilled_step_by_step() -> None:
    books, _problems = load_all([shipped()], REGISTRY)
    inventory = load_inventory(DEFAULT_INVENTORY)
    drilled: dict[str, Any] = {}
    for name in playbook_drills.NAMES:
        script = playbook_drills.write(name, inventory, site=None, seed=3)
        drilled |= {script.playbook: script.steps} | ({script.back: script.back_steps} if script.back else {})
    assert set(drilled) == set(books)
    for name, steps in drilled.items():
        assert set(steps) <= {it.id for it in books[name].steps}


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
async def test_simulated_as_it_ran_in_the_lab(recording: Path) -> None:
    document = read(recording.stem)
    found, states = await run(recording.name.split(".")[0], document)
    expect = document["expect"]
    assert found["state"] == expect.pop("state") == "done", found
    assert states == expect


def in_maintenance(document: Document) -> None:
    document["maintenance"] = [document["trigger"]["subject"]]


def repaired(document: Document) -> None:
    document["facts"][document["trigger"]["subject"]]["value"]["state"] = "up"


def stale(document: Document) -> None:
    for fact in document["facts"].values():
        fact["age_s"] = 300.0


def explained(document: Document) -> None:
    fact = document["facts"][f"alarm:{document['trigger']['subject']} path-down"]
    fact["value"]["root"] = "duct-cut.srg.duct-east"


def never_heard(document: Document) -> None:
    document["facts"] = {}


@pytest.mark.parametrize(
    ("playbook", "otherwise", "reason"),
    [
        ("fibre-cut.fibre-cut", in_maintenance, "under maintenance"),
        ("fibre-cut.fibre-cut", repaired, "down still"),
        ("fibre-cut.fibre-cut", explained, "nothing greater explains it"),
        ("duct-cut.duct-cut", never_heard, "is not known"),
        ("core-room-lost.core-room-lost", in_maintenance, "under maintenance"),
        ("centre-lost.centre-lost", stale, "300.0 s old"),
        ("utility-lost.utility-lost", stale, "300.0 s old"),
        ("time-diverges.time-diverges", never_heard, "is not known"),
    ],
)
async def test_refused_on_the_same_facts_but_one(
    playbook: str, otherwise: Callable[[Document], None], reason: str
) -> None:
    document = copy.deepcopy(read(playbook))
    otherwise(document)
    found, states = await run(playbook.partition(".")[0], document)
    assert found["state"] == "refused"
    assert reason in str(found["reason"])
    assert set(states.values()) == {"waiting"}


async def test_a_generator_that_does_not_start_by_itself_is_started() -> None:
    document = read("utility-lost.utility-lost")
    fact = document["facts"]["live:power:core-800m"]
    later = copy.deepcopy(fact["value"]) | {"runs_on": "generator"}
    fact["value"]["runs_on"] = "battery"
    document["changes"] = {"start": {"live:power:core-800m": later}}
    found, states = await run("utility-lost", document)
    assert found["state"] == "done"
    assert (states["transfer"], states["start"], states["autonomy"]) == ("failed", "done", "done")


async def test_one_that_starts_at_the_second_attempt_needs_no_mobile_one() -> None:
    document = read("generator-start-failed.generator-start-failed")
    unit, subject = document["parameters"]["unit"], f"live:power:{document['parameters']['site']}"
    later = copy.deepcopy(document["facts"][subject]["value"])
    later["situation"]["lost"] = [it for it in later["situation"]["lost"] if it != unit]
    document["outcomes"], document["changes"] = {}, {"again": {subject: later}}
    found, states = await run("generator-start-failed", document)
    assert found["state"] == "done"
    assert (states["again"], states["mobile"]) == ("done", "skipped")


async def test_a_router_that_cannot_be_changed_takes_the_first_one_back() -> None:
    document = read("core-room-lost.core-room-lost")
    document["outcomes"] = {"hold-2": "refused"}
    found, states = await run("core-room-lost", document)
    steps: Any = found["steps"]
    undone = {it["step"]: it["state"] for it in steps if it["leg"] == "undo"}
    assert found["state"] == "compensated"
    assert (states["hold-1"], states["hold-2"], states["vehicle"]) == ("done", "failed", "waiting")
    assert undone["hold-1"] == "done"
