from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from failover.io import fastpath_ipc
from failover.io.fastpath_client import FastPathClient
from failover.io.fastpath_ipc import AlreadyRunningError, ReportServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReportServer]:
    opened = ReportServer(tmp_path / "s")
    yield opened
    opened.close()


@pytest.fixture
def clients(server: ReportServer) -> Iterator[Any]:
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.setblocking(False)
        client.connect(str(server.path))
        server.serve()
        opened.append(client)
        return client

    yield connect
    for client in opened:
        client.close()


def heard(client: socket.socket) -> list[Any]:
    found = []
    try:
        while data := client.recv(1 << 20):
            report = json.loads(data)
            found.append(report["kind"] if report["kind"] == "snapshot" else report["seq"])
    except BlockingIOError:
        pass
    return found


def publish(server: ReportServer, count: int = 1) -> None:
    for _ in range(count):
        server.publish("bfd", "link:x", {}, 1.0, 2)


def test_a_late_agent_hears_all_that_nobody_acknowledged(server: ReportServer, clients: Any) -> None:
    publish(server, 3)
    client = clients()
    assert heard(client) == [1, 2, 3]
    client.send(json.dumps({"ack": 2, "instance": server.instance}).encode())
    server.serve()
    assert server.unacknowledged == 1
    assert heard(clients()) == [3]


def test_an_acknowledgement_for_another_life_is_ignored(server: ReportServer, clients: Any) -> None:
    client = clients()
    publish(server, 2)
    client.send(b'{"ack": 2, "instance": "an earlier one"}')
    client.send(b"nonsense")
    client.send(b'["ack"]')
    server.serve()
    assert server.unacknowledged == 2


def test_only_the_last_reports_are_kept_and_the_loss_is_counted(server: ReportServer, clients: Any) -> None:
    publish(server, fastpath_ipc.KEEP + 5)
    assert (server.unacknowledged, server.dropped) == (fastpath_ipc.KEEP, 5)
    assert heard(clients())[0] == 6


def test_a_reader_that_sleeps_is_never_waited_for_and_catches_up_in_order(server: ReportServer, clients: Any) -> None:
    client = clients()
    body = {"filling": "x" * 60_000}
    for _ in range(100):
        server.publish("bfd", "link:x", body, 1.0, 2)
    server.snapshot({}, 1.0, 2)  # behind: it gets none
    got = heard(client)
    assert got == list(range(1, len(got) + 1))
    assert len(got) < 100
    while len(got) < 100:
        client.send(json.dumps({"ack": got[-1], "instance": server.instance}).encode())
        server.serve()
        got += heard(client)
    assert got == list(range(1, 101))
    server.snapshot({}, 1.0, 2)
    assert heard(client) == ["snapshot"]


def test_a_client_that_left_is_forgotten(server: ReportServer, clients: Any) -> None:
    clients().close()
    publish(server)
    server.serve()
    assert server._clients == {}
    assert heard(clients()) == [1]


def test_a_second_server_is_refused_and_a_dead_one_s_socket_is_taken(tmp_path: Path, server: ReportServer) -> None:
    with pytest.raises(AlreadyRunningError):
        ReportServer(server.path)
    dead = tmp_path / "dead"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left_behind:
        left_behind.bind(str(dead))
    ReportServer(dead).close()
    assert not dead.exists()


def test_the_socket_is_its_owner_s(server: ReportServer) -> None:
    assert server.path.stat().st_mode & 0o777 == 0o600


async def test_the_agent_s_side_receives_in_batches_and_notices_the_end(server: ReportServer) -> None:
    publish(server, 3)
    client = await FastPathClient.connect(server.path)
    server.serve()
    assert [report["seq"] for report in await client.receive()] == [1, 2, 3]
    client.acknowledge(server.instance, 3)
    server.serve()
    assert server.unacknowledged == 0
    server.close()
    with pytest.raises(ConnectionError):
        await client.receive()
    client.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MESSAGES = st.fixed_dictionaries({}, optional=dict.fromkeys(("ack", "instance", "command", "rekey"), JSON))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=(JSON | MESSAGES).map(lambda value: json.dumps(value).encode()) | st.binary(min_size=1, max_size=40))
@example(data=b"[" * 100_000)
@example(data=b'{"ack": 1e999}')
def test_nothing_that_a_client_says_ends_the_fast_path(server: ReportServer, clients: Any, data: bytes) -> None:
    client = clients()
    client.send(data)
    server.serve()
    publish(server)
    assert heard(client)
    client.close()
    server.serve()
