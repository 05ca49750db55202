"""Playbooks at a hub: triggers, approval, limits, restarts, halt, audit, the verbs."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hubworld import INVENTORY, World, Writer, reachable

from lifeline.model.records import PerceivedSeverity
from noc.cli.audit import audit
from noc.client import HubClient, HubRefusedError
from noc.playbooks import PlaybookSettings
from noc.serve import serve

BOOK = """\
playbook: fibre
version: 1
summary: Notes a lost fibre.
triggers: [{condition: path-down, subject: "link:*", correlate: subject, debounce_s: 0}]
parameters: {link: {default: "{{ after(trigger.subject, ':') }}"}}
locks: ["link:{{ link }}"]
steps:
  - {id: first, do: note, args: {text: "lost {{ link }}"}}
  - {id: second, do: note, when: "steps.first.state == 'done'", args: {text: "{{ steps.first.detail }}, noted"}}
"""
APPROVED = """\
playbook: careful
version: 1
summary: Needs two people.
parameters: {link: {}}
approval: {people: 2, expires_s: 600}
steps: [{id: only, do: note, args: {text: hello}}]
"""
GUARDED = """\
playbook: guarded
version: 1
summary: Begins only while power is known.
guards: [{fact: "live:power:sbs-a", that: "value.kw > 1"}]
steps: [{id: only, do: note, args: {text: hello}}]
"""


class Served:
    def __init__(self, world: World, books: Path) -> None:
        self.world, self.books = world, books
        self.task: asyncio.Task[None]

    async def __aenter__(self) -> HubClient:
        self.stopping = asyncio.Event()
        settings = PlaybookSettings((self.books,))
        self.task = asyncio.create_task(
            serve(INVENTORY, self.world.data, self.world.run, "noc-a", [], self.stopping, playbooks=settings)
        )
        await reachable(self.world.run / "hub.sock", self.task.done)
        self.client = HubClient(self.world.url)
        return await self.client.__aenter__()

    async def __aexit__(self, *_args: object) -> None:
        await self.client.__aexit__(None, None, None)
        self.stopping.set()
        await self.task


@pytest.fixture
def books(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    folder.mkdir()
    for name, text in (("fibre", BOOK), ("careful", APPROVED), ("guarded", GUARDED)):
        (folder / f"{name}.yml").write_text(text)
    return folder


@pytest.fixture
def served(tmp_path: Path, books: Path) -> Served:
    return Served(World(tmp_path), books)


async def ended(client: HubClient, playbook: str, count: int = 1) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        while True:
            runs = (await client.runs(playbook))["runs"]
            over = [it for it in runs if it["ended_at_ns"] is not None]
            if len(over) >= count:
                return over
            await asyncio.sleep(0.02)


async def start(client: HubClient, name: str, by: str = "ann", **parameters: Any) -> dict[str, Any]:
    return (await client.ask_playbook(name, "run", parameters, by=by))["run"]


async def test_a_condition_starts_its_playbook_once_and_a_restart_does_not_start_it_again(served: Served) -> None:
    writer = Writer()
    async with served as client:
        async with served.world.daemon() as daemon:
            await daemon.deliver([writer.condition(), writer.condition(text="still")])
        (run,) = await ended(client, "fibre")
        assert run["state"] == "done"
        assert [it["detail"] for it in run["steps"]] == ["", ""]
        assert run["parameters"] == {"link": "fibre-a"}
    async with served as client:
        await asyncio.sleep(0.2)
        assert len((await client.runs("fibre"))["runs"]) == 1
        async with served.world.daemon() as daemon:
            await daemon.deliver([
                writer.condition(severity=PerceivedSeverity.CLEARED), writer.condition(text="again"),
            ])  # fmt: skip
        assert len(await ended(client, "fibre", 2)) == 2


async def test_two_people_approve_and_not_the_one_who_started(served: Served) -> None:
    async with served as client:
        run = await start(client, "careful", link="x")
        assert run["state"] == "planned"
        with pytest.raises(HubRefusedError, match="somebody else"):
            await client.say_of_run(run["run"], "approve", by="ann")
        with pytest.raises(HubRefusedError, match="not 0000"):
            await client.say_of_run(run["run"], "approve", by="bob", hash="0000")
        await client.say_of_run(run["run"], "approve", by="bob", hash=run["hash"])
        with pytest.raises(HubRefusedError, match="already"):
            await client.say_of_run(run["run"], "approve", by="bob")
    async with served as client:  # an approval outlives the hub
        await client.say_of_run(run["run"], "approve", by="cid")
        (over,) = await ended(client, "careful")
        assert over["state"] == "done"
        assert over["agreed"] == ["bob", "cid"]


async def test_a_playbook_that_changed_since_its_approval_is_refused(served: Served) -> None:
    async with served as client:
        run = await start(client, "careful", link="x")
        await client.say_of_run(run["run"], "approve", by="bob")
    (served.books / "careful.yml").write_text(APPROVED.replace("hello", "goodbye"))
    async with served as client:
        await client.say_of_run(run["run"], "approve", by="cid")
        (over,) = await ended(client, "careful")
        assert over["state"] == "refused"
        assert "changed since the approval" in over["reason"]


async def test_unknown_facts_satisfy_no_guard(served: Served) -> None:
    async with served as client:
        await start(client, "guarded")
        (over,) = await ended(client, "guarded")
        assert over["state"] == "refused"
        assert "live:power:sbs-a is not known" in over["reason"]
        checked = await client.ask_playbook("guarded", "check", {})
        assert checked["state"] == "refused"
        told = await client.facts("live:power:sbs-a", "sites", "repair", "around:sbs-a", "alarm:link:fibre-a path-down")
        assert told["live:power:sbs-a"]["age_s"] is None
        assert told["sites"]["value"]["heard"] == 0
        assert told["repair"]["value"] == {"links": [], "turns": {}}
        assert told["around:sbs-a"] == {"value": [], "age_s": 0.0}
        assert told["alarm:link:fibre-a path-down"] == {"value": None, "age_s": 0.0}


async def test_rejected_halted_released(served: Served) -> None:
    async with served as client:
        run = await start(client, "careful", link="x")
        said = await client.say_of_run(run["run"], "reject", by="bob", text="not now")
        assert said["run"]["state"] == "rejected"
        await client.halt_playbooks(halted=True, by="ann")
        with pytest.raises(HubRefusedError, match="halted"):
            await start(client, "guarded")
        async with served.world.daemon() as daemon:
            await daemon.deliver([Writer().condition()])
    async with served as client:  # a halt outlives the hub, and so does what waits
        assert (await client.runs())["halted"]
        await client.halt_playbooks(halted=False, by="ann")
        assert (await ended(client, "fibre"))[0]["state"] == "done"


async def test_broken_files_are_told_and_others_run(served: Served) -> None:
    (served.books / "broken.yml").write_text(BOOK.replace("version: 1", "versoin: 1"))
    async with served as client:
        found = await client.playbooks()
        assert any("did you mean 'version'" in problem for problem in found["problems"])
        assert "fibre" in {it["playbook"] for it in found["playbooks"]}


async def test_the_audit_finds_what_was_changed_removed_and_cut_off(served: Served) -> None:
    async with served as client:
        await start(client, "careful", link="x")
        await start(client, "guarded")
        await ended(client, "guarded")
    journal = served.world.data / "journal.db"

    def verified() -> dict[str, Any]:
        done = CliRunner().invoke(audit, ["verify", "--data", str(served.world.data), "--json"], standalone_mode=False)
        return {**json.loads(done.stdout), "exit": int(done.return_value)}

    whole = verified()
    assert (whole["exit"], whole["wrong"]) == (0, [])
    assert whole["entries"] >= 5
    original = journal.read_bytes()
    for change, found in (
        ("UPDATE event SET body = replace(body, '\"ann\"', '\"eve\"') WHERE kind = 'playbook'", "was changed"),
        ("DELETE FROM event WHERE cursor = (SELECT min(cursor) + 2 FROM event WHERE kind = 'playbook')", "is missing"),
        ("DELETE FROM event WHERE cursor = (SELECT max(cursor) FROM event WHERE kind = 'playbook')", "countersigned"),
    ):
        journal.write_bytes(original)
        with sqlite3.connect(journal) as connection:
            connection.execute(change)
        connection.close()
        result = verified()
        assert result["exit"] == 11
        assert found in " ".join(result["wrong"])


async def test_approving_is_for_approvers_and_a_preview_changes_nothing(served: Served) -> None:
    from noc.tokens import Role

    assert Role.APPROVER.includes(Role.OPERATOR)
    assert not Role.OPERATOR.includes(Role.APPROVER)
    assert not Role.AGENT.includes(Role.APPROVER)
    async with served as client:
        run = await start(client, "careful", link="x")
        seen = await client.playbook_preview(run["run"])
        assert seen["hash"] == run["hash"]
        assert [it["step"] for it in seen["steps"]] == ["only"]
        assert (await client.playbook_run(run["run"]))["run"]["state"] == "planned"
