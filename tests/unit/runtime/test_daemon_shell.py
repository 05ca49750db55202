"""The shell of every sensor daemon: what it says is durable, said once, and ended when it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from fakehub import FakeHub

from lifeline.clock import wall_ns
from lifeline.model.judgement import Judgement
from lifeline.model.records import Condition, EventKind, EventType, PerceivedSeverity, ProbableCause, Quality, Reading
from lifeline.runtime import keeper as keeper_module
from lifeline.runtime import wire
from lifeline.runtime.daemon import Daemon, Settings
from lifeline.runtime.keeper import Keeper
from lifeline.runtime.memory import Memory
from lifeline.runtime.metrics import HealthState
from lifeline.runtime.options import OptionError, daemon_options, load
from lifeline.runtime.outbox import Draft, Outbox, OutboxFullError
from lifeline.runtime.wire import Command, CommandResult, Readings

POWER = "power:site-a"


def judged(name: str, severity: PerceivedSeverity | None = PerceivedSeverity.MAJOR, subject: str = POWER) -> Judgement:
    if severity is None:
        return {(subject, name): None}
    cause = ProbableCause.POWER_PROBLEM
    return {(subject, name): Condition(subject, name, severity, EventType.EQUIPMENT, cause, "it is so")}


def told(outbox: Outbox) -> list[tuple[str, str, str]]:
    return [
        (event.subject, event.body["name"], event.body["perceived_severity"])
        for event in outbox.pending(limit=10_000)
        if event.kind is EventKind.CONDITION
    ]


@pytest.fixture
def live(tmp_path: Path) -> Callable[[], Keeper]:
    """Begin a life: the outbox is opened anew, and the memory read."""
    outbox = Outbox(tmp_path / "power-outbox.db", "site-a/power")

    def begin() -> Keeper:
        outbox.close()
        memory = Memory(tmp_path / "power-memory.json")
        memory.load(outbox.open())
        return Keeper(outbox, memory)

    return begin


@pytest.fixture
def outbox_of(live: Callable[[], Keeper]) -> Callable[[Keeper], Outbox]:
    return lambda keeper: keeper._outbox


class TestKeeper:
    def test_only_changes_are_told(self, live, outbox_of) -> None:
        keeper = live()
        for severity in (PerceivedSeverity.MAJOR, PerceivedSeverity.MAJOR, PerceivedSeverity.CRITICAL, None, None):
            keeper.judge(judged("on-battery", severity))
        keeper.store()
        assert [severity for _, _, severity in told(outbox_of(keeper))] == ["major", "critical", "cleared"]

    def test_the_next_life_says_nothing_twice_and_ends_what_is_over(self, live, outbox_of) -> None:
        keeper = live()
        keeper.judge(judged("on-battery") | judged("low-fuel"))
        keeper.store()
        keeper = live()
        keeper.judge(judged("on-battery") | judged("low-fuel", None))
        keeper.store()
        assert told(outbox_of(keeper))[2:] == [(POWER, "low-fuel", "cleared")]

    def test_a_death_before_the_memory_is_written_forgets_nothing(self, live, outbox_of, monkeypatch) -> None:
        keeper = live()
        monkeypatch.setattr(Memory, "save", lambda _: None)
        keeper.judge(judged("on-battery"))
        keeper.store()
        monkeypatch.undo()
        assert list(live().standing) == [(POWER, "on-battery")]

    def test_orphans_are_cleared(self, live, outbox_of) -> None:
        keeper = live()
        keeper.judge(judged("on-battery") | judged("low-fuel", subject="power:gone/tank"))
        keeper.clear_orphans([POWER])
        keeper.store()
        assert told(outbox_of(keeper))[-1] == ("power:gone/tank", "low-fuel", "cleared")

    def test_a_damaged_memory_clears_for_certain_what_does_not_hold_once(self, live, outbox_of, tmp_path) -> None:
        keeper = live()
        keeper.judge(judged("on-battery"))
        keeper.store()
        outbox_of(keeper).acknowledge(10_000)
        (tmp_path / "power-memory.json").write_text("{")
        keeper = live()
        for _look in range(2):
            keeper.judge(judged("on-battery", None))
        keeper.store()
        assert told(outbox_of(keeper)) == [(POWER, "on-battery", "cleared")]

    def test_a_full_disk_loses_the_way_and_never_the_end(self, live, outbox_of, monkeypatch) -> None:
        """More changes than memory holds while the disk is full: afterwards the record says how things stand."""
        monkeypatch.setattr(keeper_module, "UNSTORED_MAX", 4)
        keeper, outbox = live(), None
        outbox = outbox_of(keeper)

        def full(_drafts: list[Draft]) -> None:
            raise OutboxFullError

        monkeypatch.setattr(outbox, "put_many", full)
        keeper.judge(judged("on-battery"))
        keeper.judge(judged("low-fuel"))
        keeper.judge(judged("low-fuel", None))
        for round_ in range(4):
            keeper.judge(judged(f"other-{round_}"))
        assert not keeper.store()
        assert (keeper.unstored, keeper.lost) == (4, 3)
        monkeypatch.undo()
        assert keeper.store()
        last = {name: severity for _, name, severity in told(outbox)}
        assert last["on-battery"] == "major"
        assert last["low-fuel"] == "cleared"
        assert dict.fromkeys(live().standing) == dict.fromkeys(keeper.standing)


def settings(tmp_path: Path, hub: FakeHub) -> Settings:
    return Settings(tmp_path / "inventory.yml", "site-a", tmp_path, tmp_path, (hub.url,))


@pytest.fixture
async def daemon(hub: FakeHub, tmp_path: Path) -> AsyncIterator[Daemon]:
    with Outbox(tmp_path / "power-outbox.db", "site-a/power") as outbox:
        daemon = Daemon("power", settings(tmp_path, hub), outbox, ["ups"])
        forever = asyncio.Event()
        running = asyncio.create_task(daemon.serve(lambda _: forever.wait()))
        await hub.until(lambda: bool(hub.hellos))
        yield daemon
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def reading(value: float | None = 1.0, quality: Quality = Quality.GOOD) -> Reading:
    return Reading(POWER, "load", value, "W", wall_ns(), quality)


class TestDaemon:
    async def test_what_it_judges_shows_and_measures_reaches_the_hub(self, daemon: Daemon, hub: FakeHub) -> None:
        daemon.judge(judged("on-battery"))
        daemon.show(POWER, {"source": "battery"})
        daemon.readings([reading(), reading(None, Quality.MISSING), reading(float("nan"))])
        await hub.until(lambda: POWER in hub.states and bool(hub.readings) and bool(hub.kept))
        assert hub.hellos[0].node == "site-a/power"
        assert [it.value for it in hub.readings] == [1.0, None]
        assert daemon.uplink.status.dropped_readings == 1

    async def test_an_unchanged_state_is_told_only_now_and_then(self, daemon: Daemon) -> None:
        sent: list[str] = []
        daemon.uplink.set_state = lambda subject, _body: sent.append(subject)
        for _look in range(5):
            daemon.show(POWER, {"source": "battery"})
        daemon.show(POWER, {"source": "utility"})
        assert len(sent) == 2

    async def test_health_is_as_well_as_its_worst_component(self, daemon: Daemon, hub: FakeHub) -> None:
        daemon.judge(judged("on-battery"))
        await hub.until(lambda: bool(hub.kept))
        daemon._look()
        assert daemon.health.state is HealthState.UNKNOWN  # nobody has said how the UPS is
        daemon.health.set("ups", HealthState.OK)
        assert daemon.health.state is HealthState.OK

    async def test_commands_are_fenced_and_on_record_around_the_act(self, daemon: Daemon, hub: FakeHub) -> None:
        acts: list[str] = []

        async def carry_out(command: Command) -> CommandResult:
            acts.append(command.command)
            return CommandResult(command.id, accepted=True, reason="done", result={"state": "testing"})

        daemon.obey(carry_out)
        order = Command("c1", f"{POWER}/ups1", "power.self-test", 7, "anna", dry_run=False, arguments={"deep": True})
        await hub.order(order)
        await hub.until(lambda: len(hub.results) == 1)
        assert hub.results[0].accepted
        await hub.order(Command("c0", f"{POWER}/ups1", "power.self-test", 6, "anna", dry_run=False))
        await hub.until(lambda: len(hub.results) == 2)
        assert not hub.results[1].accepted
        assert "late" in hub.results[1].reason
        assert acts == ["power.self-test"]
        bodies = [event.body for event in hub.kept.values() if event.kind is EventKind.COMMAND]
        assert [(body["command_id"], body["phase"]) for body in bodies] == [("c1", "received"), ("c1", "done")]
        assert bodies[0]["arguments"] == {"deep": True}

    async def test_a_dry_run_leaves_no_trace(self, daemon: Daemon, hub: FakeHub) -> None:
        async def predict(command: Command) -> CommandResult:
            return CommandResult(command.id, accepted=True, reason="it would", predicted={"minutes": 5})

        daemon.obey(predict)
        await hub.order(Command("c1", POWER, "power.self-test", 0, "anna"))
        await hub.until(lambda: bool(hub.results))
        assert hub.results[0].predicted == {"minutes": 5}
        assert daemon.keeper.admits(0), "no token was seen"
        assert not hub.kept


class TestReadings:
    def test_they_survive_the_wire(self) -> None:
        sent = Readings((reading(), reading(None, Quality.MISSING), reading(3, Quality.SUSPECT)))
        assert wire.decode_client(wire.encode(sent)) == sent

    @pytest.mark.parametrize(
        "row",
        [
            "text", [], ["s", "m", 1.0, "W", 1], ["s", "m", True, "W", 1, "good"], ["s", "m", "1", "W", 1, "good"],
            ["s", "m", None, "W", 1, "good"], ["s", "m", 1.0, "W", 1, "missing"], ["s", "m", 1.0, "W", 1.5, "good"],
            ["s", "m", float("inf"), "W", 1, "good"], ["s", "m", 1.0, "W", 1, "splendid"],
            [1, "m", 1.0, "W", 1, "good"],
            ["s", "m", 10**400, "W", 1, "good"],
        ],
    )  # fmt: skip
    def test_nonsense_is_refused(self, row: object) -> None:
        with pytest.raises(ValueError, match="reading"):
            wire.decode_client(json.dumps({"type": "readings", "readings": [row]}))

    async def test_the_oldest_give_way_and_are_counted(self, daemon: Daemon, hub: FakeHub, monkeypatch) -> None:
        await hub.stop()
        await asyncio.sleep(0)
        daemon.uplink._session = None
        daemon.readings(reading(float(number)) for number in range(20_010))
        assert daemon.uplink.status.dropped_readings == 10
        assert daemon.uplink._readings[0].value == 10.0


class TestOptions:
    def verb(self) -> click.Command:
        @click.command
        @daemon_options(metrics="127.0.0.1:9471")
        @click.option("--pace", type=int, default=5)
        def verb(settings: Settings, pace: int) -> None:
            click.echo(f"{settings.site} {settings.hubs} {settings.metrics} {pace}")

        return verb

    def test_settings_and_own_options(self) -> None:
        arguments = [
            "--inventory",
            "x.yml",
            "--site",
            "site-a",
            "--hub",
            "unix:///h",
            "--metrics",
            "off",
            "--pace",
            "9",
        ]
        result = CliRunner().invoke(self.verb(), arguments)
        assert result.output == "site-a ('unix:///h',) None 9\n"

    def test_a_remote_hub_wants_a_token(self) -> None:
        arguments = ["--inventory", "x.yml", "--site", "site-a", "--hub", "https://h"]
        result = CliRunner().invoke(self.verb(), arguments)
        assert result.exit_code == 2
        assert "--token-file" in result.output

    def test_a_site_that_is_not_there_is_told_with_its_nearest(self, tmp_path: Path) -> None:
        file = tmp_path / "inventory.yml"
        file.write_text("lifeline: 1\nsites:\n  site-a: {kind: relay, name: A}\n")
        with pytest.raises(OptionError, match="did you mean 'site-a'"):
            load(Settings(file, "site-b", tmp_path, tmp_path, ()))
