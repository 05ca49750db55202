from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

from lifeline.journal import open_engine, schema
from lifeline.journal.engine import (
    JournalBusyError,
    JournalCorruptError,
    JournalError,
    JournalFullError,
    JournalVersionError,
)
from lifeline.journal.sqlite import SqliteEngine
from lifeline.model.records import Event, EventKind


def event(seq: int, fill: int = 0) -> Event:
    return Event("n/agent", "b1", seq, 7, EventKind.BFD, "link:a", {"n": seq, "fill": "x" * fill})


async def seqs(engine: SqliteEngine) -> list[int]:
    return [stored.event.seq async for stored in engine.read(0)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def content(path: Path) -> bytes:
    """Return a database's bytes but for its header, where opening may switch the journal mode."""
    return path.read_bytes()[100:]


async def filled(path: Path) -> None:
    engine = open_engine(path)
    await engine.append([event(n, fill=100) for n in range(1, 501)])
    await engine.save_snapshot("projection", 500, {"fold": "of 500"})
    await engine.close()


async def test_it_writes_ahead_syncs_fully_and_is_its_owners(path: Path) -> None:
    engine = open_engine(path)
    with engine._writing.connect() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {p}").scalar()
            for p in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert pragmas == ["wal", 2, 1, 5000]
    assert path.stat().st_mode & 0o777 == 0o600  # noqa: ASYNC240 - a test may wait for a disk
    await engine.close()


async def test_it_reopens_with_what_was_committed(path: Path) -> None:
    await filled(path)
    engine = open_engine(path)
    assert engine.set_aside is None
    assert await engine.head() == 500
    assert await engine.load_snapshot("projection") == (500, {"fold": "of 500"})
    await engine.close()


def test_migrations_lead_to_exactly_the_tables(path: Path) -> None:
    asyncio.run(open_engine(path).close())
    engine = schema.connect(path, begin="BEGIN", json_serializer=None)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
    engine.dispose()
    assert ScriptDirectory(str(schema.ALEMBIC_DIR)).get_current_head() == schema.HEAD


def test_a_file_of_this_version_opens_without_alembic(path: Path) -> None:
    asyncio.run(open_engine(path).close())
    opening = "import sys; from lifeline.journal import open_engine; open_engine(sys.argv[1])"
    program = f"{opening}; print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def garbage_header(path: Path) -> None:
    path.write_bytes(b"not a database " * 4000)


def malformed_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 * 8 :] = b"\xff" * (len(data) - 4096 * 8)
    path.write_bytes(data)


def missing_column(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE event DROP COLUMN observed_at_ns")
    db.close()


def missing_table(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE lease")
    db.close()


def foreign_schema(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE holiday_photos (id INTEGER)")
    db.close()


@pytest.mark.parametrize("damage", [garbage_header, malformed_page, missing_column, missing_table, foreign_schema])
async def test_a_corrupt_file_is_set_aside_and_a_fresh_one_begun(path: Path, damage) -> None:
    await filled(path)
    damage(path)
    damaged = content(path)
    engine = open_engine(path)
    assert engine.set_aside is not None
    assert engine.set_aside.name.startswith("journal.db.corrupt-")
    assert content(engine.set_aside) == damaged
    await engine.append([event(1)])
    assert await seqs(engine) == [1]
    await engine.close()


async def test_damage_found_in_use_is_told_and_reopening_sets_it_aside(path: Path) -> None:
    await filled(path)
    engine = open_engine(path)
    with engine._reading.connect() as connection:
        connection.exec_driver_sql("PRAGMA cache_size=0")
    malformed_page(path)
    engine._reading.dispose()
    with pytest.raises(JournalCorruptError):
        await seqs(engine)
    await engine.close()
    engine = open_engine(path)
    assert engine.set_aside is not None
    await engine.close()


async def test_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    await filled(path)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    db.close()
    before = content(path)
    with pytest.raises(JournalVersionError, match="newer version of lifeline"):
        open_engine(path)
    assert content(path) == before


async def test_a_second_process_is_refused(path: Path) -> None:
    engine = open_engine(path)
    with pytest.raises(JournalBusyError, match="in use by another process"):
        open_engine(path)
    await engine.close()
    await open_engine(path).close()


def test_a_directory_in_its_place_is_a_clear_error(path: Path) -> None:
    path.mkdir()
    with pytest.raises(JournalError, match="unable to open database file"):
        open_engine(path)


async def test_a_full_disk_keeps_nothing_of_the_call_and_passes(path: Path) -> None:
    engine = open_engine(path)
    await engine.append([event(1)])

    def limit(pages: int) -> None:
        with engine._writing.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    await asyncio.get_running_loop().run_in_executor(engine._writer, limit, 30)
    with pytest.raises(JournalFullError):
        await engine.append([event(n, fill=1000) for n in range(2, 200)])
    assert await seqs(engine) == [1]
    await asyncio.get_running_loop().run_in_executor(engine._writer, limit, 100_000)
    assert len(await engine.append([event(n, fill=1000) for n in range(2, 200)])) == 198
    assert await seqs(engine) == list(range(1, 200))
    await engine.close()


FULL_DISK = """
import asyncio, pathlib, sys
from lifeline.journal import open_engine
from lifeline.journal.engine import JournalFullError
from lifeline.model.records import Event, EventKind
def make(seq):
    return Event("n/agent", "b1", seq, 7, EventKind.BFD, "link:a", {"fill": "x" * 500})
async def main():
    directory = pathlib.Path(sys.argv[1])
    engine = open_engine(directory / "journal.db")
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    seq, full = 0, 0
    while not full:
        seq += 1
        try:
            await engine.append([make(seq)])
        except JournalFullError:
            full = seq
    ballast.unlink()
    await engine.append([make(full)])
    await engine.close()
    engine = open_engine(directory / "journal.db")
    seqs = [stored.event.seq async for stored in engine.read(0)]
    assert seqs == list(range(1, full + 1)), seqs
    assert engine.set_aside is None
    await engine.close()
    print("full at", full)
asyncio.run(main())
"""


def test_a_really_full_file_system_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=2m tmpfs {tmp_path} && exec {sys.executable} -c '{FULL_DISK}' {tmp_path}"
    done = subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr or "must be superuser" in done.stderr:
        pytest.skip("mounting a small file system needs root")
    assert done.returncode == 0, done.stderr
    assert "full at" in done.stdout


async def test_a_damaged_snapshot_is_not_used(path: Path) -> None:
    await filled(path)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE snapshot SET body = replace(body, '500', '501')")
    db.close()
    engine = open_engine(path)
    assert await engine.load_snapshot("projection") is None
    assert await engine.head() == 500
    await engine.close()


async def test_claims_and_leases_of_an_earlier_machine_life_have_run_out(path: Path) -> None:
    engine = open_engine(path)
    await engine.enqueue("runs", {})
    [task] = await engine.claim("runs", "w", 1, visible_s=3600)
    lease = await engine.lease("lead", "a", ttl_s=3600)
    engine._machine_boot = "after a reboot"
    [again] = await engine.claim("runs", "w", 1, visible_s=3600)
    assert again.token > task.token
    taken = await engine.lease("lead", "b", ttl_s=3600)
    assert taken is not None
    assert lease is not None
    assert taken.token > lease.token
    await engine.close()


def test_a_migration_cut_short_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def power_cut(_: sa.Connection) -> None:
        raise RuntimeError("cut")

    monkeypatch.setattr(schema, "_probe", power_cut)
    with pytest.raises(RuntimeError, match="cut"):
        open_engine(path)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == []
    db.close()
    monkeypatch.undo()
    asyncio.run(open_engine(path).close())
