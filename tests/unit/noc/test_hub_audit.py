"""The audit at a hub: everything that people and playbooks do is linked, and whoever changes it is found."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hubworld import World, Writer, serving

from lifeline.audit import FIRST, Entry, Head, link, sign, verify
from noc.cli.audit import audit
from noc.client import HubClient, HubRefusedError

KEY = b"k" * 32


def chain(count: int, first: Head = Head()) -> tuple[list[Entry], list[Head]]:  # noqa: B008 - frozen
    head, entries, heads = first, [], []
    for number in range(count):
        entry = Entry("command", f"site:s{number}", number, {"by": "ann", "n": number})
        head, body = link(head, entry)
        entries.append(Entry(entry.kind, entry.subject, entry.at_ns, body))
        heads.append(head)
    return entries, heads


def found(entries: list[Entry], signed: list[Head]) -> str:
    _head, wrong = verify(entries, [sign(head, 1, KEY) for head in signed], KEY)
    return "; ".join(wrong)


def test_a_whole_chain_is_whole():
    entries, heads = chain(5)
    assert found(entries, heads) == ""
    assert found([], []) == ""


@pytest.mark.parametrize(
    "changed",
    [
        Entry("command", "site:s2", 2, {"by": "eve", "n": 2}),
        Entry("alarm", "site:s2", 2, {"by": "ann", "n": 2}),
        Entry("command", "site:s9", 2, {"by": "ann", "n": 2}),
        Entry("command", "site:s2", 9, {"by": "ann", "n": 2}),
    ],
)
def test_whatever_is_changed_is_found(changed):
    entries, heads = chain(5)
    seal = entries[2].body["audit"]
    entries[2] = Entry(changed.kind, changed.subject, changed.at_ns, {**changed.body, "audit": seal})
    assert "entry 3 of" in found(entries, heads)


def test_removed_added_cut_and_swapped_are_found():
    entries, heads = chain(5)
    assert "entry 3 is missing" in found(entries[:2] + entries[3:], heads)
    assert "entries 5 to 5 are missing" in found(entries[:4], heads)
    assert "entry 1 is missing" in found(entries[1:], heads)
    assert "has no seal" in found([*entries, Entry("command", "x:y", 1, {"by": "eve"})], heads)
    assert "has no seal" in found([*entries, Entry("command", "x:y", 1, None)], heads)
    assert found([entries[1], entries[0], *entries[2:]], heads)


def test_a_history_that_is_written_anew_is_found_by_what_was_countersigned():
    entries, heads = chain(5)
    head, body = link(heads[2], Entry("command", "site:s3", 3, {"by": "eve"}))
    other = [*entries[:3], Entry("command", "site:s3", 3, body)]
    assert "are missing" in found(other, heads)
    head2, body2 = link(head, Entry("command", "site:s4", 4, {"by": "eve"}))
    other.append(Entry("command", "site:s4", 4, body2))
    assert "not the one that was countersigned" in found(other, heads)
    assert "not the one that was countersigned" in found(other, [*heads, head, head2])  # even signed again since


def test_a_countersignature_under_another_key_does_not_count():
    entries, heads = chain(2)
    _head, wrong = verify(entries, [sign(heads[1], 1, b"x" * 32), "rubbish"], KEY)
    assert len(wrong) == 2
    assert FIRST == "0" * 64


def verified(data: Path) -> dict[str, Any]:
    done = CliRunner().invoke(audit, ["verify", "--data", str(data), "--json"], standalone_mode=False)
    return {**json.loads(done.stdout), "exit": int(done.return_value)}


async def test_what_people_do_is_in_it_and_goes_on_over_a_restart(world: World) -> None:
    async with serving(world), HubClient(world.url) as client:
        async with world.daemon() as daemon:
            await daemon.deliver([Writer().condition()])
        (alarm,) = await client.alarms()
        await client.command("alarm.acknowledge", alarm["id"])
        await client.command("maintenance.begin", "site:sbs-a", arguments={"for_s": 60})
        with pytest.raises(HubRefusedError):
            await client.command("protection.force", "group:pg-a")  # nobody is connected: nothing was done
    async with serving(world), HubClient(world.url) as client:
        await asyncio.gather(*(client.command("alarm.note", alarm["id"], f"note {n}") for n in range(5)))
    whole = verified(world.data)
    assert (whole["exit"], whole["wrong"]) == (0, [])
    assert whole["entries"] >= 3 + 3 + 15
    with sqlite3.connect(world.data / "journal.db") as connection:
        connection.execute("UPDATE event SET body = replace(body, 'note 3', 'note 9') WHERE kind = 'alarm'")
    connection.close()
    changed = verified(world.data)
    assert changed["exit"] == 11
    assert "was changed" in changed["wrong"][0]


async def test_the_end_is_countersigned_within_a_second_though_nothing_follows(world: World) -> None:
    async with serving(world), HubClient(world.url) as client:
        await client.command("maintenance.begin", "site:sbs-a", arguments={"for_s": 60})
        heads = world.data / "audit" / "audit.heads"
        async with asyncio.timeout(20):
            while verified(world.data)["entries"] > int((heads.read_text() or "0").splitlines()[-1].split()[0]):  # noqa: ASYNC110 - a file says so
                await asyncio.sleep(0.1)
        whole = verified(world.data)["entries"]
        with sqlite3.connect(world.data / "journal.db") as connection:
            connection.execute("DELETE FROM event WHERE kind = 'maintenance'")
            connection.execute("DELETE FROM event WHERE kind = 'command' AND body LIKE '%done%'")
        connection.close()
        assert verified(world.data)["wrong"], whole
