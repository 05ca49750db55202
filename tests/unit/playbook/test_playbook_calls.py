"""Whom playbooks call: by a URL, which the hub sets for all that have such a parameter."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from failover.core.playbook import Facts, resolve
from failover.playbooks import load_all, shipped
from failover.rehearsal import Recorded
from failover.steps.kind import Command, Context, StepError
from failover.steps.outside import Notify
from failover.steps.registry import Registry
from lifeline.model.inventory import Inventory
from noc.cli.hub import hub
from noc.cli.output import VerbError
from noc.playbooks import _with_defaults


def context() -> Context:
    async def refuse(*_args: object) -> Command:
        return Command("refused")

    facts: Facts = Recorded()
    return Context("run1", "run1/do/call/1", "ann", 1, facts, Inventory(lifeline=1), refuse, lambda _key: None)


async def test_a_collector_is_called_by_its_url() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(5)
        port = collector.getsockname()[1]
        args = Notify().args({"text": "Line one\nline two", "to": f"syslog://127.0.0.1:{port}"})
        outcome = await Notify().do(args, context())
        said = collector.recv(4096).decode()
    assert outcome.result == "did"
    assert said.startswith("<133>1 ")
    assert r"Line one\nline two (run1/do/call/1)" in said


@pytest.mark.parametrize(
    "url", ["", "mailto:ann@example.org", "syslog://", "https://", "syslog://host:99999", "10.0.0.1"]
)
async def test_what_is_no_place_to_call_is_refused(url: str) -> None:
    with pytest.raises(StepError):
        await Notify().do(Notify().args({"text": "hello", "to": url}), context())


def test_the_hub_says_whom_to_call_and_a_run_may_say_otherwise() -> None:
    registry = Registry()
    books, _problems = load_all([shipped()], registry)
    book = _with_defaults(books["core-room-back"], {"credential": "routers", "call": "https://x", "other": "1"})
    plan = resolve(book, {"site": "core-a"}, {"kind": "person"}, registry.kinds())
    assert plan["parameters"] == {"site": "core-a", "credential": "routers"}
    plan = resolve(book, {"site": "core-a", "credential": "mine"}, {"kind": "person"}, registry.kinds())
    assert plan["parameters"]["credential"] == "mine"


def test_a_setting_without_a_value_is_a_mistake_of_usage(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        hub, ["run", "--inventory", "containerlab/govnet.inventory.yml", "--data", str(tmp_path), "--set", "call"]
    )
    assert isinstance(done.exception, VerbError)
    assert str(done.exception) == "--set call: must be NAME=VALUE"
    assert list(tmp_path.iterdir()) == []
