"""kill -9 of a daemon or the hub, at any moment, loses no acknowledged event and doubles none."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from killable import INVENTORY, NODE
from nursery import Life, Nursery

from lifeline.journal import open_engine
from lifeline.model.records import EventKind, StoredEvent

KILLS = 110
SEED = 20160918
LONGEST_LIFE_S = 0.7
HUB_IMPORTS = (
    "noc.cli.hub",
    "noc.serve",
    "lifeline.journal.sqlite",
    "uvicorn.protocols.http.h11_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)
"""What a hub imports at its start, which takes longer than it lives here."""


@dataclass
class Figures:
    """What happened."""

    killed: Counter[str]
    promised: dict[tuple[str, int], int]
    journal: list[StoredEvent]
    pending: int = 0

    @property
    def keys(self) -> list[tuple[str, int]]:
        return [(stored.event.boot_id, stored.event.seq) for stored in self.journal]

    def __str__(self) -> str:
        kept = set(self.keys)
        return (
            f"killed: writer {self.killed['writer']}, hub {self.killed['hub']} times; "
            f"promised by put: {len(self.promised)}; in the journal: {len(self.keys)}; "
            f"lost: {len(self.promised.keys() - kept)}; doubled: {len(self.keys) - len(kept)}; "
            f"kept though the writer died before it could note the promise: {len(kept - self.promised.keys())}"
        )


@pytest.mark.kill
def test_a_hundred_kills_lose_nothing_and_double_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = run(tmp_path)
    with capsys.disabled():
        print(f"\n{figures}")  # noqa: T201 - figures are for the reader
    keys = figures.keys
    assert sum(figures.killed.values()) >= 100
    assert len(keys) == len(set(keys)), "doubled"
    assert figures.promised.keys() <= set(keys), "lost"
    by_key = dict(zip(keys, figures.journal, strict=True))
    assert all(by_key[key].event.body["number"] == number for key, number in figures.promised.items())
    assert [seq for _, seq in keys] == sorted(seq for _, seq in keys), "out of order"
    assert len(set(keys) - figures.promised.keys()) <= figures.killed["writer"], "at most one a killed life"
    assert len(figures.promised) > 10 * KILLS, "the test must write enough to mean something"
    assert not list(tmp_path.glob("**/*.corrupt-*"))


def run(directory: Path) -> Figures:
    """Kill alternately at random moments, then let both live until all is delivered."""
    chance = random.Random(SEED)
    outbox, promises, inventory = (str(directory / name) for name in ("outbox.db", "promises", "inventory.yml"))
    Path(inventory).write_text(INVENTORY)
    url = f"unix://{directory}/hub.sock"
    at = ["--inventory", inventory, "--data", str(directory), "--run", str(directory), "--name", "noc-test"]
    writers = Nursery("killable:write", directory / "writer.log")
    hubs = Nursery("killable:hub", directory / "hub.log", *HUB_IMPORTS)
    start = {
        "writer": lambda: writers.start(outbox, url, promises, "write"),
        "hub": lambda: hubs.start(*at),
    }
    lives: dict[str, Life] = {name: begin() for name, begin in start.items()}
    killed: Counter[str] = Counter()
    try:
        for turn in range(KILLS):
            time.sleep(chance.uniform(0.0, LONGEST_LIFE_S))
            victim = ("writer", "hub")[turn % 2]
            assert lives[victim].kill(), f"{victim} ended by itself, see {directory}"
            killed[victim] += 1
            lives[victim] = start[victim]()
        lives["writer"].kill()
        killed["writer"] += 1
        lives["writer"] = writers.start(outbox, url, promises, "drain")
        lives["writer"].wait()
    finally:
        lives["hub"].kill()
        writers.close()
        hubs.close()
    return Figures(killed, promised(Path(promises)), asyncio.run(journal(directory / "journal.db")))


def promised(log: Path) -> dict[tuple[str, int], int]:
    rows = (line.split() for line in log.read_text().splitlines())
    return {(boot_id, int(seq)): int(number) for boot_id, seq, number in rows}


async def journal(path: Path) -> list[StoredEvent]:
    engine = open_engine(path)
    stored = [one async for one in engine.read(0, kind=EventKind.BFD) if one.event.node == NODE]
    await engine.close()
    return stored
