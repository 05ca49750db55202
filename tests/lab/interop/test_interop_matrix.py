"""Our fast path with FRR's bfdd and with BIRD: each must agree with us on every case of `interop_cases`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from interop_cases import CASES, table
from interop_peers import PEERS
from interop_runner import Matrix, cells

pytestmark = pytest.mark.lab

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "bfd.md"


@pytest.fixture(scope="module")
def matrices() -> dict[str, Matrix]:
    """Run the whole matrix, both peers at once: the sessions' time is spent waiting."""
    found = {key: Matrix(key) for key, peer in PEERS.items() if not peer.missing()}
    with ThreadPoolExecutor() as pool:
        for running in [pool.submit(matrix.run) for matrix in found.values()]:
            running.result()
    return found


@pytest.mark.parametrize("title", ["Up", *(case.title for case in CASES)])
@pytest.mark.parametrize("peer", PEERS)
def test_both_ends_agree(matrices: dict[str, Matrix], peer: str, title: str) -> None:
    if reason := PEERS[peer].missing():
        pytest.skip(reason)
    case = next((case for case in CASES if case.title == title), None)
    wanted = [cell for cell in cells(peer) if case is None or cell[2] or not case.needs_auth]
    if not wanted:
        pytest.skip(f"{PEERS[peer].title} has no authentication")
    findings = matrices[peer].findings
    faults = {cell: findings.get((title, cell), "was not tried") for cell in wanted}
    assert {cell: fault for cell, fault in faults.items() if fault} == {}


def test_frr_has_no_authentication_to_offer(matrices: dict[str, Matrix]) -> None:
    if "frr" not in matrices:
        pytest.skip(PEERS["frr"].missing())
    words = matrices["frr"].words
    assert "detect-multiplier" in words
    assert "auth" not in words
    assert "password" not in words


def test_the_guide_has_this_matrix() -> None:
    assert table({key: (peer.title, peer.auths) for key, peer in PEERS.items()}) in GUIDE.read_text()
