"""How vtysh is heard, transcripts are kept; and that netmiko is imported late."""

from __future__ import annotations

import json
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from failover.core.actuation import DIALECTS, Goal, Policy, Result, StaticRoute, Step
from failover.io.actuators import Actuators, LocalFrr
from failover.io.actuators.device import RefusedError
from failover.io.actuators.transcript import Transcript
from failover.io.actuators.vtysh import check

GOAL = Goal(StaticRoute(ip_network("10.50.0.0/16"), ip_address("10.0.0.2"), distance=10))
FRR = DIALECTS["linux"]


def test_nothing_of_netmiko_is_imported_before_the_first_session():
    script = "import failover.io.actuators, sys; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert {"netmiko", "paramiko"} & set(modules) == set()


@pytest.mark.parametrize(
    ("said", "status", "refused"),
    [
        ("", 0, None),
        ("% Refusing to remove a non-existent route\n", 0, "vtysh"),
        ("% Unknown command: ip rout\n", 1, "ip rout"),
        ("", 1, "vtysh"),
        ("Exiting: failed to connect to any daemons.\n", 1, "vtysh"),
    ],
)
def test_vtysh_is_heard_whatever_its_exit_status(said, status, refused):
    script = (Step("configure terminal"), Step("ip rout"))
    if refused is None:
        check(FRR, script, said, status)
        return
    with pytest.raises(RefusedError) as raised:
        check(FRR, script, said, status)
    assert raised.value.step.line == refused


async def test_a_vtysh_that_never_ends_is_not_waited_for(tmp_path):
    program = tmp_path / "vtysh"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o700)
    actuators = Actuators(sessions=1)
    record = await actuators.apply(LocalFrr("edge", (str(program),), timeout_s=0.2), [GOAL])
    await actuators.close()
    assert record.result is Result.UNTOUCHED
    assert "did not end within 0.2 s" in record.reason


def test_a_transcript_is_redacted_across_reads(tmp_path):
    path = tmp_path / "edge.log"
    transcript = Transcript(path, ["horse-battery"])
    for part in (b"the key is horse", b"-bat", b"tery\r\nusername ops pass", b"word 7 0822455D0A16\r\nlast hor", b"se"):
        transcript.write(part)
    transcript.close()
    header, *told = path.read_text().splitlines()
    assert header.startswith("--- session at 2")
    assert told == ["the key is [redacted]", "username ops password [redacted]", "last horse"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_transcripts_of_a_talkative_device_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("failover.io.actuators.transcript._MOST_BYTES", 500)
    path = tmp_path / "edge.log"
    for _ in range(10):
        transcript = Transcript(path, [])
        for _ in range(100):
            transcript.say("a device that talks without end")
        transcript.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["edge.log", "edge.log.1"]
    assert all(each.stat().st_size <= 1000 for each in tmp_path.iterdir())


def test_a_transcript_that_cannot_be_kept_is_told_and_in_nobodys_way(tmp_path, caplog):
    transcript = Transcript(tmp_path / "missing" / "edge.log", [])
    transcript.say("hello")
    transcript.close()
    assert "No such file" in caplog.text
    full = Transcript(Path("/dev/full"), [])
    full.say("hello")
    full.close()
    assert "No space left" in caplog.text


class Breaking:
    """A device whose sessions break in ways that nobody has foreseen."""

    name, dialect = "edge", FRR

    def __init__(self, *, when_writing):
        self.when_writing = when_writing

    def open(self):
        return self

    def read(self, commands):
        if not self.when_writing:
            raise RuntimeError("out of cheese")
        return "hostname edge\nend\n"

    def run(self, script):
        raise RuntimeError("out of cheese")

    def close(self):
        pass


@pytest.mark.parametrize(("when_writing", "result"), [(False, Result.UNTOUCHED), (True, Result.RESTORED)])
async def test_an_error_that_nobody_has_foreseen_still_ends_in_a_record(when_writing, result):
    actuators = Actuators(sessions=1)
    policy = Policy(pause_s=0, settle_s=0)
    record = await actuators.apply(Breaking(when_writing=when_writing), [GOAL], policy)
    await actuators.close()
    assert record.result is result
    assert record.reason == "RuntimeError: out of cheese"
    body = json.loads(json.dumps(record.to_json()))
    assert body["result"] == result.value
    assert body["steps"][0]["state"] == "Reading"
