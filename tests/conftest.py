"""What all tests share.

Properties have no deadline, because the machine is shared and timing is measured in bench/. Run in several processes
(`make test`), everything that builds networks stays in two of them, one test after the other in each: what speaks on
the wire (`failover`, `interop`), which waits for real timers most of its time, and the rest, which boots whole labs.
Their namespaces carry the number of the process, so that neither sees the other. A lab test that fails is run once
more, and the report says so (R): its packets race real timers of 30 ms against whatever else the machine does.
"""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("lifeline", deadline=None, print_blob=True)
settings.load_profile("lifeline")

LAB = Path(__file__).parent / "lab"
WIRE = (LAB / "failover", LAB / "interop")
PORTS = Path(__file__).parent / "unit" / "failover_shell"
"""They take the protocols' own ports on loopback, which are there once."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the lab's tests in two processes, and give each a second chance."""
    for item in items:
        if item.path.is_relative_to(LAB):
            on_the_wire = any(item.path.is_relative_to(folder) for folder in WIRE)
            item.add_marker(pytest.mark.xdist_group("wire" if on_the_wire else "lab"))
            item.add_marker(pytest.mark.flaky(reruns=1))
        elif item.path.is_relative_to(PORTS):
            item.add_marker(pytest.mark.xdist_group("ports"))
