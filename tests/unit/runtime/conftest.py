from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fakehub import FakeHub

from lifeline.runtime.outbox import Outbox


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[FakeHub]:
    hub = FakeHub(tmp_path / "hub.sock")
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.db", "sbs-test/agent") as outbox:
        yield outbox
