from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fakehub import FakeHub, eventually, running
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from lifeline.model.records import EventKind
from lifeline.runtime import uplink as uplink_module
from lifeline.runtime import wire
from lifeline.runtime.outbox import Draft, Outbox, OutboxFullError
from lifeline.runtime.uplink import Uplink


def put(outbox: Outbox, number: int) -> None:
    outbox.put(EventKind.BFD, "link:fibre", {"number": number})


async def test_streams_what_was_put_and_forgets_it_when_acknowledged(hub: FakeHub, outbox: Outbox) -> None:
    for number in range(600):
        put(outbox, number)
    uplink = Uplink(outbox, "sbs-test", [hub.url])
    async with running(uplink.run()):
        assert await uplink.flush(5)
        put(outbox, 600)
        uplink.notify()
        assert await uplink.flush(5)
    assert [event.body["number"] for event in hub.kept.values()] == list(range(601))
    assert len(outbox) == 0
    assert hub.hellos == [wire.Hello("sbs-test/agent", outbox.boot_id, "sbs-test")]
    assert uplink.status.acknowledged_events == 601


async def test_sends_again_from_the_oldest_when_the_hub_was_full(hub: FakeHub, outbox: Outbox) -> None:
    hub.full = True
    for number in range(1000):
        put(outbox, number)
    uplink = Uplink(outbox, "sbs-test", [hub.url])
    async with running(uplink.run()):
        await hub.until(lambda: uplink.status.hub_full)
        assert not hub.kept
        assert len(outbox) == 1000
        hub.full = False
        assert await uplink.flush(5)
    assert [event.body["number"] for event in hub.kept.values()] == list(range(1000))
    assert not uplink.status.hub_full


async def test_a_command_is_carried_out_and_answered(hub: FakeHub, outbox: Outbox) -> None:
    async def obey(command: wire.Command) -> wire.CommandResult:
        return wire.CommandResult(command.id, accepted=True, reason="", result={"did": command.command})

    uplink = Uplink(outbox, "sbs-test", [hub.url], on_command=obey)
    async with running(uplink.run()):
        await hub.until(lambda: bool(hub.hellos))
        await hub.order(wire.Command("7", "group:pg", "freeze", 3, "chen", dry_run=False))
        await hub.until(lambda: bool(hub.results))
    assert hub.results == [wire.CommandResult("7", accepted=True, reason="", result={"did": "freeze"})]


async def test_a_daemon_that_takes_no_commands_says_so(hub: FakeHub, outbox: Outbox) -> None:
    uplink = Uplink(outbox, "sbs-test", [hub.url])
    async with running(uplink.run()):
        await hub.until(lambda: bool(hub.hellos))
        await hub.order(wire.Command("7", "group:pg", "freeze", 3, "chen"))
        await hub.until(lambda: bool(hub.results))
    assert hub.results == [wire.CommandResult("7", accepted=False, reason="this daemon takes no commands")]


async def test_a_command_that_crashes_gets_no_answer_and_the_next_one_is_carried_out(
    hub: FakeHub, outbox: Outbox
) -> None:
    async def obey(command: wire.Command) -> wire.CommandResult:
        if command.id == "7":
            raise RuntimeError("out of luck")
        return wire.CommandResult(command.id, accepted=True, reason="")

    uplink = Uplink(outbox, "sbs-test", [hub.url], on_command=obey)
    async with running(uplink.run()):
        await hub.until(lambda: bool(hub.hellos))
        await hub.order(wire.Command("7", "group:pg", "freeze", 3, "chen"))
        await hub.order(wire.Command("8", "group:pg", "freeze", 4, "chen"))
        await hub.until(lambda: bool(hub.results))
    assert [result.id for result in hub.results] == ["8"]


async def test_a_command_is_finished_although_the_connection_breaks_under_it(hub: FakeHub, outbox: Outbox) -> None:
    begun, may_end, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def obey(command: wire.Command) -> wire.CommandResult:
        begun.set()
        await may_end.wait()
        done.set()
        return wire.CommandResult(command.id, accepted=True, reason="")

    uplink = Uplink(outbox, "sbs-test", [hub.url], on_command=obey)
    async with running(uplink.run()), asyncio.timeout(10):
        await hub.until(lambda: bool(hub.hellos))
        await hub.order(wire.Command("7", "group:pg", "freeze", 3, "chen"))
        await begun.wait()
        hub.cut()
        await hub.until(lambda: len(hub.hellos) == 2)
        may_end.set()
        await done.wait()
    assert not hub.results


async def test_a_restarted_hub_gets_what_is_pending_and_all_states_again(hub: FakeHub, outbox: Outbox) -> None:
    uplink = Uplink(outbox, "sbs-test", [hub.url])
    uplink.set_state("group:pg", {"selector": "working"})
    async with running(uplink.run()):
        uplink.set_state("group:pg", {"selector": "protection"})
        await hub.until(lambda: hub.states == {"group:pg": {"selector": "protection"}})
        await hub.stop()
        hub.states.clear()
        put(outbox, 1)
        await hub.start()
        assert await uplink.flush(5)
        await hub.until(lambda: hub.states == {"group:pg": {"selector": "protection"}})
    assert len(hub.hellos) == 2


async def test_takes_the_next_hub_when_one_is_away(hub: FakeHub, outbox: Outbox, tmp_path: Path) -> None:
    put(outbox, 1)
    uplink = Uplink(outbox, "sbs-test", [f"unix://{tmp_path}/nobody.sock", hub.url])
    async with running(uplink.run()):
        assert await uplink.flush(5)
    assert uplink.status.hub == hub.url


async def test_gives_up_a_connection_that_fell_silent(
    hub: FakeHub, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "SILENCE_S", 0.3)
    monkeypatch.setattr(wire, "HEARTBEAT_S", 0.05)
    uplink = Uplink(outbox, "sbs-test", [hub.url])
    async with running(uplink.run()):
        await hub.until(lambda: hub.heartbeats > 0)
        hub.mute = True
        await eventually(lambda: uplink.status.connections == 2)
        hub.mute = False
        assert await uplink.flush(5)
    assert uplink.status.last_error is not None
    assert "nothing heard" in uplink.status.last_error


async def test_a_refused_daemon_says_so_and_keeps_its_events(hub: FakeHub, outbox: Outbox) -> None:
    hub.refuse = "unknown node"
    put(outbox, 1)
    uplink = Uplink(outbox, "sbs-test", [hub.url])
    async with running(uplink.run()):
        assert not await uplink.flush(0.3)
    assert uplink.status.last_error == "unknown node"
    assert uplink.status.connections == 1, "a refusal is retried slowly"
    assert len(outbox) == 1


async def test_a_hub_that_acknowledges_what_was_never_sent_is_not_believed(hub: FakeHub, outbox: Outbox) -> None:
    uplink = Uplink(outbox, "sbs-test", [hub.url])
    hub._answers = lambda message, _: iter([wire.Ack(99)] if isinstance(message, wire.Events) else [])
    put(outbox, 1)
    async with running(uplink.run()):
        assert not await uplink.flush(0.3)
    assert len(outbox) == 1


async def test_a_full_disk_at_an_acknowledgement_only_means_sending_again(
    hub: FakeHub, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledge = outbox.acknowledge
    full = True

    def sometimes(up_to: int) -> int:
        if full:
            raise OutboxFullError("test")
        return acknowledge(up_to)

    monkeypatch.setattr(outbox, "acknowledge", sometimes)
    put(outbox, 1)
    uplink = Uplink(outbox, "sbs-test", [hub.url])
    async with running(uplink.run()):
        assert await uplink.flush(5)
        assert len(outbox) == 1
        full = False
        put(outbox, 2)
        assert await uplink.flush(5)
    assert len(outbox) == 0
    assert uplink.status.sent_events == 2, "what the hub has is not sent twice on one connection"


async def test_large_events_travel_in_messages_of_bounded_size(hub: FakeHub, outbox: Outbox) -> None:
    outbox.put_many([Draft(EventKind.DAEMON, "daemon:x", {"text": "字" * 60_000})] * 12)
    uplink = Uplink(outbox, "sbs-test", [hub.url])
    async with running(uplink.run()):
        assert await uplink.flush(10)
    assert len(hub.kept) == 12


@pytest.mark.parametrize("url", ["", "hub", "ftp://x", "unix://relative/path", "https://"])
def test_an_address_of_another_form_is_refused(url: str, outbox: Outbox) -> None:
    with pytest.raises(ValueError, match="hub address"):
        Uplink(outbox, "sbs-test", [url])


def self_signed(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    directory.mkdir()
    (directory / "hub.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "hub.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return directory / "hub.pem", directory / "hub.key"


async def test_tls_trusts_the_pinned_certificate_only_and_carries_the_token(
    hub: FakeHub, outbox: Outbox, tmp_path: Path
) -> None:
    certificate, key = self_signed(tmp_path / "right")
    other, _ = self_signed(tmp_path / "wrong")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def check(connection: ServerConnection, request: Request) -> Response | None:
        return None if request.headers.get("Authorization") == "Bearer right" else connection.respond(401, "no")

    put(outbox, 1)
    async with serve(hub._talk, "127.0.0.1", 0, ssl=context, process_request=check) as server:
        url = f"https://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        wrong_token = Uplink(outbox, "sbs-test", [url], token="wrong", ca=certificate)
        wrong_certificate = Uplink(outbox, "sbs-test", [url], token="right", ca=other)
        right = Uplink(outbox, "sbs-test", [url], token="right", ca=certificate)
        for uplink, error in ((wrong_token, "HTTP 401"), (wrong_certificate, "certificate")):
            async with running(uplink.run()):
                await eventually(lambda uplink=uplink: uplink.status.last_error is not None)
            assert error in uplink.status.last_error
        async with running(right.run()):
            assert await right.flush(5)
    assert len(hub.kept) == 1


def test_back_off_grows_with_jitter_to_five_seconds_and_no_further() -> None:
    hub = uplink_module._Hub("unix:///x")
    waits = []
    for _ in range(12):
        hub.failed(100.0)
        waits.append(hub.not_before_s - 100.0)
    assert 0.05 <= waits[0] <= 0.1
    assert all(2.5 <= wait <= 5.0 for wait in waits[-4:])
