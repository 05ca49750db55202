from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from lifeline.journal import open_engine
from lifeline.journal.engine import Engine

ENGINES: dict[str, Callable[[Path], Engine]] = {
    "sqlite": lambda directory: open_engine(directory / "journal.db"),
}
"""Every implementation of the Engine protocol, by name: a new one joins here and must pass the same suite."""


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    engine = ENGINES[request.param](tmp_path)
    yield engine
    await engine.close()
