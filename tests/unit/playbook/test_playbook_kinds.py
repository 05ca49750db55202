"""Kinds of steps against real servers: Modbus, HTTP, SMTP, syslog, programs, kernel routes, facts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from failover.core.playbook import Fact, Outcome
from failover.steps import Context, Registry, SecretsError, StepError
from failover.steps.kind import Allowed, Command
from lifeline.model.inventory import Inventory

REGISTRY = Registry()
GOOD = Fact({"serve": True, "state": "locked"}, 0.5)


class Known(dict[str, Fact]):
    """Facts that a test knows."""

    def get(self, name: str) -> Fact:  # type: ignore[override]  # as facts are asked for
        return super().get(name, Fact())

    def in_maintenance(self, _subject: str) -> bool:
        return False

    def failing_share(self) -> float:
        return 0.0


async def nobody(*_asked: Any) -> Command:
    return Command("refused", "there is no hub")


def context(**more: Any) -> Context:
    given = {
        "facts": Known(),
        "inventory": Inventory(lifeline=1),
        "command": nobody,
        "known_command": lambda _key: None,
    }
    return Context("run1", "run1/do/step/1", "playbook:test", 1, **{**given, **more})


async def do(name: str, args: dict[str, Any], within: Context | None = None) -> Outcome:
    kind = REGISTRY[name]
    return await kind.do(kind.args(args), within or context())


async def look(name: str, args: dict[str, Any], within: Context) -> Any:
    kind = REGISTRY[name]
    return await kind.look(kind.args(args), within)


# -------------------------------------------------------------------- Modbus


@pytest.fixture
async def modbus() -> AsyncIterator[int]:
    registers = SimData(0, values=[0] * 16, datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(1, simdata=[registers]), address=("127.0.0.1", 0))
    await server.listen()
    yield server.transport.sockets[0].getsockname()[1]
    await server.shutdown()


def write(port: int, *values: int, register: int = 3) -> dict[str, Any]:
    lock = {"fact": "live:power:a", "that": "value.runs_on == 'utility'", "max_age_s": 5}
    return {"host": "127.0.0.1", "port": port, "register": register, "values": list(values), "interlocks": [lock]}


def plant(fact: Fact) -> Context:
    return context(facts=Known({"live:power:a": fact}), allowed=Allowed(hosts=frozenset({"127.0.0.1"})))


async def test_modbus_is_written_behind_its_interlocks_and_read_back(modbus: int) -> None:
    held = plant(Fact({"runs_on": "utility"}, 1.0))
    assert (await look("modbus.write", write(modbus, 7, 8), held)).result == "untouched"
    done = await do("modbus.write", write(modbus, 7, 8), held)
    assert (done.result, done.before, done.after) == ("did", [0, 0], [7, 8])
    assert (await look("modbus.write", write(modbus, 7, 8), held)).result == "achieved"
    refused = await do("modbus.write", write(modbus, 1, register=60_000), held)
    assert refused.result == "failed"


@pytest.mark.parametrize(
    ("fact", "why"),
    [
        (Fact({"runs_on": "generator"}, 1.0), "not value.runs_on"),
        (Fact({"runs_on": "utility"}, 6.0), "6.0 s old"),
        (Fact(), "is not known"),
    ],
)
async def test_an_interlock_that_does_not_hold_writes_nothing(modbus: int, fact: Fact, why: str) -> None:
    with pytest.raises(StepError, match=f"interlock: .*{why}"):
        await do("modbus.write", write(modbus, 7), plant(fact))
    assert (await look("modbus.write", write(modbus, 0), plant(fact))).result == "achieved"


async def test_modbus_needs_an_allowed_host_an_interlock_and_somebody_there(modbus: int) -> None:
    with pytest.raises(StepError, match="--allow-host"):
        await do("modbus.write", write(modbus, 7), context())
    with pytest.raises(StepError, match="interlocks"):
        await do("modbus.write", write(modbus, 7) | {"interlocks": []})
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(StepError, match="cannot be reached"):
        await do("modbus.write", write(port, 7), plant(Fact({"runs_on": "utility"}, 1.0)))


# -------------------------------------------------------------------- HTTP, mail, syslog


class Web:
    """An HTTP server that keeps what it is sent."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.bodies: list[str] = []
        self.status = "200 OK"
        self.hangs = False

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(it.split(":")[1]) for it in head.splitlines() if it.lower().startswith("content-length")), 0)
        self.heads.append(head.lower())
        self.bodies.append((await reader.readexactly(length)).decode())
        if not self.hangs:
            writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".encode())
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def listening(take: Callable[..., Any]) -> AsyncIterator[int]:
    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_http_reaches_allowed_hosts_only_and_sends_its_key_and_its_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web = Web()
    async with listening(web.take) as port:
        asked = {"url": f"http://127.0.0.1:{port}/x", "method": "POST", "json": {"a": 1}, "token": "api"}
        within = context(allowed=Allowed(hosts=frozenset({f"127.0.0.1:{port}"})), secrets={"api": {"env": "STEP_API"}})
        with pytest.raises(StepError, match="--allow-host"):
            await do("http", asked)
        monkeypatch.delenv("STEP_API", raising=False)
        with pytest.raises(SecretsError, match="STEP_API"):
            await do("http", asked, within)
        with pytest.raises(SecretsError, match="no secret 'other'"):
            await do("http", asked | {"token": "other"}, within)
        assert web.heads == []
        monkeypatch.setenv("STEP_API", "s3cret-of-the-api")
        done = await do("http", asked, within)
        assert (done.result, done.after) == ("did", {"status": 200, "text": "ok"})
        assert "idempotency-key: run1/do/step/1" in web.heads[0]
        assert "authorization: bearer s3cret-of-the-api" in web.heads[0]
        assert json.loads(web.bodies[0]) == {"a": 1}
        web.status = "503 Busy"
        assert (await do("http", asked, within)).result == "failed"
        web.hangs = True
        assert (await do("http", asked, within)).result == "lost"
    assert (await do("http", asked, within)).result == "refused"  # nobody listens: nothing was sent
    with pytest.raises(StepError, match="no http"):
        await do("http", {"url": "file:///etc/passwd"}, within)


async def test_people_are_told_by_webhook() -> None:
    web = Web()
    async with listening(web.take) as port:
        assert (await do("notify", {"text": "cut", "webhook": {"url": f"http://127.0.0.1:{port}/"}})).result == "did"
        assert json.loads(web.bodies[0]) == {"text": "cut", "run": "run1"}
        web.status = "500 No"
        failed = await do("notify", {"text": "cut", "webhook": {"url": f"http://127.0.0.1:{port}/"}})
        assert failed.result == "failed"
        assert "500" in failed.detail
    with pytest.raises(StepError, match="needs one of"):
        await do("notify", {"text": "cut"})


async def test_people_are_told_by_mail(mail_server: Any) -> None:
    to = {"host": "127.0.0.1", "sender": "lifeline@noc.example", "to": ["duty@noc.example"]}
    async with mail_server() as (port, heard):
        done = await do("notify", {"text": "Fibre cut\nat kilometre 3", "email": to | {"port": port}})
        assert done.result == "did"
    assert "Subject: Fibre cut" in heard
    assert "X-Lifeline-Key: run1/do/step/1" in heard
    assert "at kilometre 3" in heard
    gone = await do("notify", {"text": "cut", "email": to | {"port": port}})
    assert gone.result == "failed"


async def test_people_are_told_by_syslog() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(5)
        port = collector.getsockname()[1]
        assert (await do("notify", {"text": "cut\nnow", "syslog": {"host": "127.0.0.1", "port": port}})).result == "did"
        message = collector.recv(2048).decode()
    assert message.startswith("<133>1 - ")
    assert message.endswith(r"cut\nnow (run1/do/step/1)")


# -------------------------------------------------------------------- programs and the kernel


async def test_exec_runs_allowed_programs_without_a_shell() -> None:
    within = context(allowed=Allowed(programs=frozenset({sys.executable, "/nowhere/at-all"})))
    code = "import os, sys; print(sys.argv[1], sorted(os.environ)); sys.exit(3)"
    asked = {"program": sys.executable, "arguments": ["-IS", "-c", code, "$(id) ; true"], "expect": 3}
    done = await do("exec", asked, within)
    assert done.result == "did"
    assert done.after["output"].startswith("$(id) ; true [")
    assert "LIFELINE_KEY" in done.after["output"]
    assert "HOME" not in done.after["output"]
    assert (await do("exec", asked | {"expect": 0}, within)).result == "failed"
    assert (await do("exec", {"program": "/nowhere/at-all"}, within)).result == "refused"
    with pytest.raises(StepError, match="--allow-program"):
        await do("exec", {"program": "/bin/sh"}, within)


async def test_a_program_that_does_not_end_is_ended(tmp_path: Any) -> None:
    within = context(allowed=Allowed(programs=frozenset({sys.executable})))
    told = tmp_path / "pid"
    code = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    running = asyncio.create_task(do("exec", {"program": sys.executable, "arguments": ["-IS", "-c", code]}, within))
    async with asyncio.timeout(20):
        while not (told.exists() and told.read_text()):  # noqa: ASYNC110 - another process says so by a file
            await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="changing routes needs root")
async def test_a_kernel_route_is_added_found_and_removed() -> None:
    table = 200_000 + os.getpid()  # nobody routes by it
    route = {"prefix": "198.51.100.0/24", "device": "lo", "table": table}
    within = context()
    try:
        assert (await look("kernel.route", route, within)).result == "untouched"
        assert (await do("kernel.route", route)).result == "did"
        assert (await look("kernel.route", route, within)).result == "achieved"
        assert (await do("kernel.route", route)).result == "failed"  # it stands already; the probe then says so
        assert (await do("kernel.route", route | {"present": False})).result == "did"
        assert (await look("kernel.route", route | {"present": False}, within)).result == "achieved"
        with pytest.raises(StepError, match="no interface"):
            await do("kernel.route", route | {"device": "nosuch0"})
    finally:
        await asyncio.to_thread(subprocess.run, ["ip", "route", "flush", "table", str(table)], check=False)


# -------------------------------------------------------------------- looking, waiting, people


async def test_probe_by_tcp_and_by_echo() -> None:
    async with listening(lambda _reader, writer: writer.close()) as port:
        answered = await do("probe", {"host": "127.0.0.1", "port": port, "count": 2})
        assert (answered.result, answered.after) == ("did", {"lost": 0, "sent": 2})
    assert (await do("probe", {"host": "127.0.0.1", "port": port, "count": 2})).result == "failed"
    assert (await do("probe", {"host": "127.0.0.1", "port": port, "count": 2, "loss_max": 2})).result == "did"
    assert (await do("probe", {"host": "127.0.0.1", "count": 1})).result == "did"
    with pytest.raises(StepError, match="no host"):
        await do("probe", {"host": "-f"})


@pytest.mark.parametrize(
    ("fact", "result"),
    [
        (GOOD, "did"),
        (Fact({"serve": False, "state": "locked"}, 0.5), "refused"),
        (Fact({"serve": True}, 31.0), "refused"),
        (Fact(), "refused"),
    ],
)
async def test_the_time_gate_lets_good_and_fresh_time_through(fact: Fact, result: str) -> None:
    assert (await do("time.gate", {"site": "core"}, context(facts=Known({"live:time:core": fact})))).result == result


async def test_wait_for_and_approve_wait_until_it_is_so() -> None:
    facts = Known({"group:pg": Fact({"selector": "working"}, 0.0), "run:run1": Fact({"consents": ["ann"]}, 0.0)})
    within = context(facts=facts)
    waits = asyncio.create_task(do("wait_for", {"fact": "group:pg", "that": "value.selector == 'protection'"}, within))
    agree = asyncio.create_task(do("approve", {"people": 2}, within))
    await asyncio.sleep(0.3)
    assert not waits.done()
    assert not agree.done()
    facts["group:pg"] = Fact({"selector": "protection"}, 0.0)
    facts["run:run1"] = Fact({"consents": ["ann", "ann", "bob"]}, 0.0)
    async with asyncio.timeout(5):
        assert (await waits).after == {"selector": "protection"}
        assert (await agree).detail == "agreed by ann, bob"


async def test_a_note_is_its_own_outcome() -> None:
    assert await do("note", {"text": "hello", "data": {"a": 1}}) == Outcome("did", "hello", after={"a": 1})


@pytest.mark.parametrize("name", REGISTRY)
def test_every_kind_says_what_is_wrong_with_its_arguments(name: str) -> None:
    kind = REGISTRY[name]
    assert kind.name == name
    assert kind.text.endswith(".")
    with pytest.raises(StepError, match=f"{name}: "):
        kind.args({"no-such-argument": 1})
