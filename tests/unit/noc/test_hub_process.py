"""`lifeline hub run` as a process: killed, stopped, started twice, on a damaged journal, on a full disk."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hubworld import AGENT, LIFELINE, HubProcess, World, Writer, eventually

from lifeline.alarms import AlarmList
from lifeline.clock import monotonic_s
from lifeline.model.records import Event, PerceivedSeverity, StoredEvent
from lifeline.runtime import wire
from noc.cli.main import main
from noc.client import HubClient, HubRefusedError


@pytest.fixture
async def running(world: World) -> AsyncIterator[HubProcess]:
    async with HubProcess(world) as process:
        yield process


async def lifeline(world: World, *args: str) -> tuple[int, str, str]:
    """Run a verb against the hub and return its exit code and what it wrote."""
    env = {**os.environ, "LIFELINE_HUB": world.url, "LIFELINE_LANG": "en"}
    process = await asyncio.create_subprocess_exec(
        LIFELINE, *args, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def alarms_of_journal(client: HubClient) -> list[dict[str, Any]]:
    """Fold the journal as the API shows it."""
    alarms = AlarmList()
    after = 0
    while page := await client.events(after, 1000):
        for event in page:
            alarms.apply(StoredEvent(event["cursor"], event["recorded_at_ns"], Event.from_json(event)))
        after = page[-1]["cursor"]
    return sorted((alarm.to_json() for alarm in alarms), key=lambda alarm: str(alarm["id"]))


async def test_killed_at_any_moment_it_comes_back_with_the_same_alarms(world: World) -> None:
    acknowledged: set[tuple[str, int]] = set()
    severities = (PerceivedSeverity.MAJOR, PerceivedSeverity.CLEARED)
    for life in range(4):
        writer = Writer(boot_id=f"b{life}")
        events = [writer.condition(name=f"alarm-{n % 7}", severity=severities[n // 7 % 2]) for n in range(200 + life)]
        async with HubProcess(world) as process, HubClient(world.url) as client:
            before = await alarms_of_journal(client)
            after = sorted(await client.alarms(), key=lambda alarm: str(alarm["id"]))
            for shown, folded in zip(after, before, strict=True):
                assert shown.items() >= folded.items()  # the view has the verdict as well
            if before:
                await client.command("alarm.acknowledge", before[life]["id"], "seen")
            async with world.daemon() as daemon:
                await daemon.deliver(events[:100])
                acknowledged |= {event.key[1:] for event in events[:100]}
                await daemon.say(wire.Events(tuple(events[100:])))  # on its way when the hub dies
                await asyncio.sleep(life * 0.002)
                await process.end(signal.SIGKILL)
    async with HubProcess(world), HubClient(world.url) as client:
        kept = [(e["boot_id"], e["seq"]) for e in await client.events(0, 1000) if e["node"] == AGENT]
        assert acknowledged <= set(kept)
        assert len(set(kept)) == len(kept)


async def test_it_stops_within_a_second_with_followers_and_daemons_connected(world: World, running: HubProcess) -> None:
    async with world.daemon() as daemon, HubClient(world.url) as client:
        stream = client.stream()
        assert (await anext(stream)).kind == "connected"
        await daemon.deliver(Writer().bfd())
        began_s = monotonic_s()
        assert await running.end(signal.SIGTERM) == 0
        assert monotonic_s() - began_s < 2.5  # less than a second on an idle machine
        while (message := await anext(stream)).kind != "disconnected":
            pass
        assert message.data["reason"] == "the hub stops"
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator
    assert not (world.run / "hub.sock").exists()


async def test_a_second_hub_on_the_same_data_is_refused(world: World, running: HubProcess, tmp_path: Path) -> None:
    code, _out, err = await lifeline(
        world, "hub", "run", "--inventory", str(world.inventory_file), "--data", str(world.data),
        "--run", str(tmp_path / "elsewhere"),
    )  # fmt: skip
    assert code == 1
    assert "another hub runs on this data" in err
    assert running.process.poll() is None


async def test_a_second_hub_on_the_same_socket_is_refused(world: World, running: HubProcess, tmp_path: Path) -> None:
    code, _out, err = await lifeline(
        world, "hub", "run", "--inventory", str(world.inventory_file), "--data", str(tmp_path / "other"),
        "--run", str(world.run),
    )  # fmt: skip
    assert code == 2
    assert f"another hub listens on {world.run}/hub.sock" in err
    async with HubClient(world.url) as client:
        assert (await client.health())["status"] == "ok"
    assert running.process.poll() is None


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        (["0.0.0.0:8443"], "--tls"),
        (["10.0.10.1:8443"], "--tls"),
        (["nonsense"], "must be HOST:PORT"),
        (["192.0.2.7:8443", "--insecure"], "192.0.2.7:8443"),
    ],
)
async def test_an_address_that_will_not_do_is_told_and_nothing_is_started(
    world: World, listen: list[str], said: str
) -> None:
    args = ["--inventory", str(world.inventory_file), "--data", str(world.data), "--run", str(world.run)]
    code, _out, err = await lifeline(world, "hub", "run", *args, "--listen", *listen)
    assert code == 2
    assert said in err
    assert not (world.run / "hub.sock").exists()


async def test_a_damaged_journal_is_set_aside_told_and_the_hub_runs(world: World) -> None:
    async with HubProcess(world) as process, world.daemon() as daemon:
        await daemon.deliver(Writer().bfd(200))
        await process.end(signal.SIGTERM)
    journal = world.data / "journal.db"
    damaged = bytearray(journal.read_bytes())
    damaged[4096:] = b"\xa5" * (len(damaged) - 4096)
    journal.write_bytes(damaged)
    async with HubProcess(world) as process, HubClient(world.url) as client:
        aside = next(world.data.glob("journal.db.corrupt-*"))
        (alarm,) = await client.alarms(active=True)
        assert (alarm["alarm_type_id"], alarm["resource"]) == ("database-corrupt", "daemon:noc-a/hub")
        assert str(aside) in alarm["text"]
        assert aside.read_bytes()[:4096] == damaged[:4096]
        await process.end(signal.SIGTERM)
    aside.rename(world.data / "taken-away")
    async with HubProcess(world), HubClient(world.url) as client:
        assert await client.alarms(active=True) == []


async def test_a_journal_damaged_in_use_is_replaced_and_nothing_known_is_forgotten(world: World) -> None:
    writer = Writer()
    known = ("path-down", "database-corrupt")
    async with HubProcess(world), HubClient(world.url) as client, world.daemon() as daemon:
        await daemon.deliver([writer.condition(), *writer.bfd(300)])
        for file in (world.data / "journal.db", world.data / "journal.db-wal"):
            file.write_bytes(b"\xa5" * file.stat().st_size)
        with pytest.raises(HubRefusedError, match="try again") as refused:
            await client.events()
        assert refused.value.status == 503
        await daemon.deliver(writer.bfd(100))
        active: dict[str, Any] = {}
        async with asyncio.timeout(15):
            while not active.keys() >= set(known):
                await asyncio.sleep(0.05)
                active = {alarm["alarm_type_id"]: alarm for alarm in await client.alarms(active=True)}
        assert len([e for e in await client.events(0, 1000) if e["node"] == AGENT]) == 100
    async with HubProcess(world), HubClient(world.url) as client:
        again = {alarm["alarm_type_id"]: alarm for alarm in await client.alarms(active=True)}
        assert [again[name] for name in known] == [active[name] for name in known]


async def test_the_first_start_shows_an_administrators_token_once(world: World) -> None:
    async with HubProcess(world) as process:
        await process.end(signal.SIGTERM)
        first = process.log.read_text()
        process.log.unlink()
        await process.start()
        await process.end(signal.SIGTERM)
        second = process.log.read_text()
    token = first.split("shown this once: ")[1].split()[0]
    assert token not in second
    assert "shown this once" not in second
    assert token not in (world.data / "tokens.json").read_text()


async def test_the_verbs_tell_how_it_is(
    world: World, running: HubProcess, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIFELINE_HUB", world.url)

    async def verb(*args: str) -> tuple[int, str, str]:
        """Run a verb in a thread of this process: twenty processes would take half a minute."""
        code = await asyncio.to_thread(main, args)
        return code, *capsys.readouterr()

    async with world.daemon() as daemon:
        await daemon.deliver([Writer().condition("group:pg-a", "no-path", PerceivedSeverity.CRITICAL, "cut off")])
        code, out, _err = await verb("status")
        assert code == 11
        assert "cut off" in out
        code, out, _err = await verb("status", "--json")
        assert (code, json.loads(out)["overall"]) == (11, "critical")
        code, out, _err = await verb("alarm", "acknowledge", "no-path.group.pg-a", "--text", "on it")
        assert (code, out) == (0, "alarm.acknowledge no-path.group.pg-a: done\n")
        code, _out, err = await verb("alarm", "acknowledge", "no-path.group.pg-a")
        assert code == 5
        for args in (("alarm", "list"), ("alarm", "show", "no-path.group.pg-a"), ("site", "list"), ("link", "list"),
                     ("site", "show", "sbs-a"), ("link", "show", "pg-a"), ("event", "list")):  # fmt: skip
            code, out, err = await verb(*args)
            assert (code, bool(out)) == (0, True), (args, err)
            if args != ("link", "show", "pg-a"):
                code, out, _err = await verb(*args, "--json")
                assert json.loads(out)["schema"].startswith("lifeline.")
    code, _out, err = await verb("site", "show", "sbs-x")
    assert (code, "did you mean" in err) == (1, True)
    await running.end(signal.SIGTERM)
    code, _out, err = await verb("status")
    assert code == 3
    assert "lifeline hub run" in err


async def test_tokens_are_made_listed_and_revoked_by_verbs(world: World) -> None:
    data = ("--data", str(world.data))
    code, secret, _err = await lifeline(world, "token", "create", "desk", "--role", "operator", *data)
    assert (code, secret.startswith("lifeline_")) == (0, True)
    code, out, _err = await lifeline(world, "token", "list", "--json", *data)
    (kept,) = json.loads(out)["tokens"]
    assert (kept["name"], kept["role"]) == ("desk", "operator")
    assert secret.strip() not in out
    code, _out, err = await lifeline(world, "token", "create", "desk", "--role", "viewer", *data)
    assert (code, "revoke it first" in err) == (2, True)
    assert (await lifeline(world, "token", "revoke", "desk", *data))[0] == 0
    code, _out, err = await lifeline(world, "token", "revoke", "desk", *data)
    assert (code, "no token 'desk'" in err) == (2, True)


async def test_init_names_the_certificate_and_changes_nothing_the_second_time(world: World) -> None:
    args = ("hub", "init", "--data", str(world.data), "--name-or-address", "10.0.10.1", "--json")
    first = json.loads((await lifeline(world, *args))[1])
    again = json.loads((await lifeline(world, *args))[1])
    assert first["certificate"] == again["certificate"] == str(world.ca)
    assert first["token"].startswith("lifeline_")
    assert again["token"] is None


# ---------------------------------------------------------------- a full disk


@pytest.fixture
def small_disk(world: World) -> Iterator[Path]:
    """Put the hub's data on a file system of 6 MB."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small tmpfs")
    world.data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(world.data)], check=False)
    if mounted.returncode:
        pytest.skip("cannot mount a tmpfs here")
    yield world.data
    subprocess.run(["umount", "--lazy", str(world.data)], check=True)


async def test_a_full_disk_stops_acknowledging_says_so_and_recovers_by_itself(world: World, small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    writer = Writer()
    full = "journal-full.daemon.noc-a~hub"
    async with HubProcess(world), HubClient(world.url) as client, world.daemon() as daemon:
        await daemon.deliver(writer.bfd(10))
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

        unacknowledged: list[Any] = []
        while True:
            unacknowledged += (batch := writer.bfd(wire.MAX_EVENTS_PER_MESSAGE))
            await daemon.say(wire.Events(tuple(batch)))
            answer = await daemon.hear()
            if isinstance(answer, wire.Full):
                break
            assert answer == wire.Ack(batch[-1].seq)
            unacknowledged.clear()

        assert [alarm["id"] for alarm in (await client.state())["alarms"]] == [full]
        health = await client.health()
        assert (health["status"], "full" in health["journal"]) == ("failed", True)
        assert (await lifeline(world, "status"))[0] == 11

        behind = writer.bfd(1)
        await daemon.say(wire.Events(tuple(behind)))  # it was on its way; kept now, it would cover the hole

        ballast.unlink()

        async with asyncio.timeout(10):
            while (await client.health())["status"] != "ok" or await client.alarms(active=True):  # noqa: ASYNC110 - polls
                await asyncio.sleep(0.05)
        await daemon.deliver([*unacknowledged, *behind])
        kept = [e["seq"] for e in await client.events(0, 1000, kind="bfd")]
        assert len(kept) == len(set(kept))
        story = [(e["body"]["name"], e["body"]["perceived_severity"]) for e in await client.events(kind="condition")]
        assert story == [("journal-full", "critical"), ("journal-full", "cleared")]
        (alarm,) = await client.alarms()
        assert (alarm["id"], alarm["is_cleared"], alarm["raise_count"]) == (full, True, 1)


async def test_the_log_tells_edges_and_keeps_secrets(world: World, running: HubProcess) -> None:
    await eventually(lambda: "hub listens" in running.log.read_text())
    lines = [json.loads(line) for line in running.log.read_text().splitlines() if line.startswith("{")]
    assert {line["daemon"] for line in lines} == {"noc-a/hub"}
