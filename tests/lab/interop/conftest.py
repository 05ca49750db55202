"""The interoperability tests build on the world of `tests/lab/failover`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "failover"))

from failover_world import lacking


@pytest.fixture(scope="session", autouse=True)
def _machine_is_fit() -> None:
    if missing := lacking():
        pytest.skip(missing)
