"""Every playbook that ships, simulated on recorded facts by the executor that runs it."""

from pathlib import Path

import pytest

from failover.core.playbook import resolve
from failover.playbooks import load_all, load_playbook, shipped
from failover.rehearsal import Recorded, simulate
from failover.steps.registry import Registry

RECORDINGS = sorted((Path(__file__).parent / "recorded").glob("*.yml"))
REGISTRY = Registry()


def test_all_that_ship_are_sound_and_each_has_a_recording():
    books, problems = load_all([shipped()], REGISTRY)
    assert not problems
    assert set(books) == {path.name.split(".")[0] for path in RECORDINGS}
    for book in books.values():
        for step in book.steps:
            for leg in filter(None, (step, step.compensate)):
                assert leg.do in REGISTRY


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
async def test_simulated(recording):
    book = load_playbook(shipped() / f"{recording.name.split('.')[0]}.yml", REGISTRY)
    facts, document = Recorded.read(recording)
    trigger = document.get("trigger", {"kind": "person"})
    plan = resolve(book, document.get("parameters", {}), trigger, REGISTRY.kinds())
    found = await simulate(plan, facts)
    expect = dict(document["expect"])
    assert found["state"] == expect.pop("state"), found
    assert expect.pop("reason", "") in found["reason"]
    states = {it["step"]: it["state"] for it in found["steps"] if it["leg"] == "do"}
    assert {name: states[name] for name in expect} == expect
