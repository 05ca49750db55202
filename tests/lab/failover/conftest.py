from __future__ import annotations

import pytest
from failover_world import lacking


@pytest.fixture(scope="session", autouse=True)
def _machine_is_fit() -> None:
    if missing := lacking():
        pytest.skip(missing)
