"""What comes unasked, from Net-SNMP's own tools to the daemon's sockets: v3 traps, informs, and who may not speak."""

from __future__ import annotations

import asyncio
import contextlib
import shutil

import pytest

from lifeline.devices.snmp import Access
from lifeline.model.inventory import Service
from netwatch.core.service import CERTIFICATE_LEFT, ServiceWatch
from netwatch.core.trap import parse
from netwatch.io.icmp import Sweeper
from netwatch.io.receive import Receiver
from netwatch.io.secure import Secure
from netwatch.io.services import probe_all

needs_net_snmp = pytest.mark.skipif(not shutil.which("snmptrap"), reason="Net-SNMP's tools are not installed")
USER = Access(user="watcher", auth_secret="auth-secret-1", privacy_secret="priv-secret-1", auth="sha256")
V3 = ("-v3", "-u", "watcher", "-l", "authPriv", "-a", "SHA-256", "-x", "AES", "-X", "priv-secret-1")
ENGINE = "0x8000000001020304"
FAN = "1.3.6.1.4.1.3570.0.7"
BOUND = ("1.3.6.1.4.1.3570.1.1", "i", "42", "1.3.6.1.4.1.3570.1.2", "s", "fan 2")


class Ears:
    """A receiver with its reader of v3, and what they heard."""

    def __init__(self):
        self.heard = asyncio.Queue()
        self.receiver = Receiver(self._plain)
        self.secure = Secure([USER], "test/netwatch", lambda *told: self.heard.put_nowait(told), self.receiver.answer)
        self.receiver.otherwise = self.secure.take

    def _plain(self, datagram, source):
        told = parse(datagram)
        self.heard.put_nowait((told, source))
        return told.reply


@contextlib.asynccontextmanager
async def listening():
    ears = Ears()
    sock = ears.receiver.bind("127.0.0.1", 0)
    port = sock.getsockname()[1]
    tasks = [asyncio.create_task(ears.receiver.run(sock)), asyncio.create_task(ears.secure.run())]
    try:
        async with asyncio.timeout(40):
            while ears.secure._process is None:  # noqa: ASYNC110 - it starts, and tells nobody
                await asyncio.sleep(0.01)
            yield ears, port
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def send(port, *argv, password="auth-secret-1", tool="snmptrap", version=V3, engine=()):
    auth = ("-A", password) if "-v3" in version else ()
    process = await asyncio.create_subprocess_exec(
        tool, *version, *auth, *engine, "-r", "0", "-t", "15", f"127.0.0.1:{port}", "99", FAN, *BOUND, *argv,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env={"MIBS": "", "PATH": "/usr/bin:/bin", "SNMP_PERSISTENT_DIR": "/nonexistent"},
    )  # fmt: skip
    return await process.wait()


@needs_net_snmp
async def test_v3_traps_and_informs_are_read_acknowledged_and_the_rest_counted():
    async with listening() as (ears, port):
        assert await send(port, engine=("-e", ENGINE)) == 0
        told, source = await ears.heard.get()
        assert (told.trap, told.uptime_s, source) == (FAN, 0.99, "127.0.0.1")
        assert told.bindings == {"1.3.6.1.4.1.3570.1.1": 42, "1.3.6.1.4.1.3570.1.2": "fan 2"}
        assert await send(port, tool="snmpinform") == 0  # it ends well only when acknowledged
        told, _source = await ears.heard.get()
        assert told.trap == FAN
        await send(port, password="another-secret", engine=("-e", ENGINE))
        while not any(reason.startswith("refused") for reason in ears.secure.counted):  # noqa: ASYNC110 - a counter
            await asyncio.sleep(0.01)
        assert ears.heard.empty()


@needs_net_snmp
async def test_a_v2c_inform_is_acknowledged():
    async with listening() as (ears, port):
        assert await send(port, tool="snmpinform", version=("-v2c", "-c", "public")) == 0
        told, _source = await ears.heard.get()
        assert told.trap == FAN


def test_ipv6_is_pinged():
    try:
        sweeper = Sweeper(v6=True)
    except OSError as error:
        pytest.skip(f"no raw ICMPv6 socket here: {error}")
    with sweeper:
        found = sweeper.sweep(["::1", "2001:db8::1"], 0.3)
    assert list(found) == ["::1"]


async def test_services_are_probed_in_their_rhythm_and_judged():
    async def banner(_reader, writer):
        writer.write(b"SSH-2.0-test\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(banner, "127.0.0.1", 0)
    watch = ServiceWatch("device:a/b", Service("ssh", None, 1.0, 1.0), server.sockets[0].getsockname()[1])
    judged, found = {}, asyncio.Event()

    def probed(service, outcome, now_s):
        if outcome.ok:
            judged.update(service.served(outcome.took_s, outcome.values, now_s))
        else:
            judged.update(service.failed(outcome.why, outcome.took_s, now_s, reached=True))
        found.set()

    task = asyncio.create_task(probe_all([(watch, "127.0.0.1")], probed))
    try:
        async with asyncio.timeout(30):
            await found.wait()
            key = "device:a/b", f"service-down[{watch.name}]"
            assert judged[key] is None
            server.close()
            await server.wait_closed()
            while judged[key] is None:
                found.clear()
                await found.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert "does not serve" in judged[key].text


def test_a_dead_devices_services_are_not_judged_and_certificates_are_told_in_time():
    watch = ServiceWatch("device:a/b", Service("tls"), 443)
    assert watch.failed("refused", 0.1, 1.0, reached=False) == {}
    assert not watch.reach.down
    key = "device:a/b", "certificate-ends[tls:443]"
    for days, severity in ((90, None), (20, "warning"), (3, "major")):
        told = watch.served(0.1, {CERTIFICATE_LEFT: days * 86400}, 2.0)[key]
        assert (told and told.perceived_severity.value) == severity
    assert watch.body()["certificate_left_d"] == 3
