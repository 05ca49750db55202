from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lifeline.model.records import Event, EventKind
from lifeline.runtime.outbox import Draft, Outbox, OutboxFullError, OutboxVersionError
from lifeline.runtime.wire import MAX_EVENT_BYTES


def put(outbox: Outbox, number: int) -> int:
    return outbox.put(EventKind.BFD, "link:fibre", {"number": number}).seq


def limit_pages(outbox: Outbox, pages: int) -> None:
    """Make the file as full as a full disk: SQLite answers SQLITE_FULL beyond so many pages."""
    assert outbox._db is not None
    outbox._db.execute(f"PRAGMA max_page_count={pages}")


def fill(outbox: Outbox, kept: list[Event]) -> None:
    while True:
        kept.append(outbox.put(EventKind.BFD, "link:a", {"fill": "x" * 500}))


def test_numbers_grow_for_ever_across_lives_and_acknowledgements(tmp_path: Path) -> None:
    boots = set()
    seqs = []
    for _ in range(3):
        with Outbox(tmp_path / "o.db", "n/agent") as outbox:
            boots.add(outbox.boot_id)
            seqs += [put(outbox, 1), put(outbox, 2)]
            outbox.acknowledge(seqs[-1])
    assert seqs == [1, 2, 3, 4, 5, 6]
    assert len(boots) == 3


def test_what_is_pending_survives_with_the_identity_it_was_put_with(tmp_path: Path) -> None:
    with Outbox(tmp_path / "o.db", "n/agent") as outbox:
        first = outbox.put(EventKind.DAEMON, "daemon:n/agent", {"state": "启动"}, observed_at_ns=5)
    with Outbox(tmp_path / "o.db", "n/agent") as outbox:
        second = outbox.put(EventKind.DAEMON, "daemon:n/agent", {"state": "again"})
        assert outbox.pending() == [first, second]
        assert first.boot_id != second.boot_id
        assert first.observed_at_ns == 5
        assert outbox.pending(after_seq=first.seq) == [second]
        assert outbox.acknowledge(first.seq) == 1
        assert outbox.pending() == [second]
        assert len(outbox) == 1


def test_put_many_is_all_or_none(tmp_path: Path) -> None:
    with Outbox(tmp_path / "o.db", "n/agent") as outbox:
        with pytest.raises(ValueError, match="not JSON compliant"):
            outbox.put_many([Draft(EventKind.BFD, "link:a", {}), Draft(EventKind.BFD, "link:b", {"x": math.nan})])
        with pytest.raises(ValueError, match="at most"):
            outbox.put(EventKind.BFD, "link:a", {"x": "x" * MAX_EVENT_BYTES})
        assert outbox.pending() == []


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    with Outbox(tmp_path / "o.db", "n/agent"):
        assert (tmp_path / "o.db").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_told_and_passes(tmp_path: Path) -> None:
    with Outbox(tmp_path / "o.db", "n/agent") as outbox:
        limit_pages(outbox, 8)
        kept: list[Event] = []
        with pytest.raises(OutboxFullError):
            fill(outbox, kept)
        assert outbox.pending(limit=1000) == kept
        limit_pages(outbox, 1000)
        assert put(outbox, 1) == kept[-1].seq + 1


FULL_DISK = """
import pathlib, sys
from lifeline.runtime.outbox import Outbox, OutboxFullError
directory = pathlib.Path(sys.argv[1])
with Outbox(directory / "o.db", "n/agent") as outbox:
    kept = [outbox.put("bfd", "link:a", {})]
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    try:
        while True:
            kept.append(outbox.put("bfd", "link:a", {"fill": "x" * 900}))
    except OutboxFullError:
        pass
    ballast.unlink()
    kept.append(outbox.put("bfd", "link:a", {"room": True}))
with Outbox(directory / "o.db", "n/agent") as outbox:
    assert [e.key for e in outbox.pending(limit=100000)] == [e.key for e in kept]
print("kept", len(kept))
"""


def test_a_really_full_file_system_loses_nothing_that_was_put(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=1m tmpfs {tmp_path} && exec {sys.executable} -c '{FULL_DISK}' {tmp_path}"
    done = subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr or "must be superuser" in done.stderr:
        pytest.skip("mounting a small file system needs root")
    assert done.returncode == 0, done.stderr
    assert "kept 2" in done.stdout


def garbage_header(path: Path) -> None:
    path.write_bytes(b"not a database " * 400)


def malformed_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 * 2 :] = b"\xff" * (len(data) - 4096 * 2)
    path.write_bytes(data)


def missing_column(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE outbox DROP COLUMN body")
    db.close()


@pytest.mark.parametrize("damage", [garbage_header, malformed_page, missing_column])
def test_a_corrupt_file_is_set_aside_and_a_fresh_one_begun(tmp_path: Path, damage) -> None:
    path = tmp_path / "o.db"
    with Outbox(path, "n/agent") as outbox:
        for number in range(200):
            put(outbox, number)
    damage(path)
    damaged = path.read_bytes()
    with Outbox(path, "n/agent") as outbox:
        assert outbox.corrupt is not None
        assert outbox.corrupt.read_bytes() == damaged
        assert outbox.corrupt.name.startswith("o.db.corrupt-")
        put(outbox, 1)
        assert len(outbox) == 1


def test_a_file_that_turns_corrupt_in_use_is_replaced_and_numbers_are_never_used_twice(tmp_path: Path) -> None:
    with Outbox(tmp_path / "o.db", "n/agent") as outbox:
        for number in range(200):
            put(outbox, number)
        boot_id = outbox.boot_id
        outbox._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        malformed_page(tmp_path / "o.db")
        outbox._db.execute("PRAGMA cache_size=0")
        outbox._db.execute("PRAGMA shrink_memory")
        assert put(outbox, 200) == 201
        assert outbox.corrupt is not None
        assert outbox.boot_id != boot_id


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "o.db") as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(OutboxVersionError, match="format 99"):
        Outbox(tmp_path / "o.db", "n/agent").open()


def test_a_closed_outbox_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        put(Outbox(tmp_path / "o.db", "n/agent"), 1)


def test_importing_it_does_not_import_the_journal_or_the_web() -> None:
    program = (
        "import sys, lifeline.runtime.outbox; print([m for m in sys.modules if m in {'sqlmodel','fastapi','pydantic'}])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
