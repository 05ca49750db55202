from __future__ import annotations

import subprocess
import sys

HEAVY = {"asyncio", "click", "logging", "prometheus_client", "pydantic", "sqlite3", "structlog", "websockets", "yaml"}


def test_the_fast_path_imports_nothing_heavy() -> None:
    code = "import failover.fastpath.__main__, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY & set(loaded) == set()
