"""The shells against real sockets: a simulated fleet, Net-SNMP's own client, storms on loopback."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess

import pytest

from lab.simulators.netwatch_fleet import address
from lifeline.devices import shipped
from lifeline.devices.snmp import Access
from lifeline.model.inventory import DeviceKind
from netwatch.core.ber import MalformedError
from netwatch.core.device import DeviceWatch
from netwatch.io.poll import Poller, Target
from netwatch.io.probes import probe
from netwatch.io.receive import Receiver

AUTH, PRIVACY = "authentication", "private-for-us"


class Listener:
    def __init__(self, targets):
        self.watches = {it.subject: DeviceWatch(it.subject, DeviceKind.ROUTER) for it in targets}

    def recognised(self, subject, family):
        self.watches[subject].knows(family)

    def heard(self, subject, news, now_s):
        self.watches[subject].heard(news, now_s)
        return False, False

    def silent(self, subject, why, now_s):
        self.watches[subject].silent(why, now_s)
        return False, False

    def down(self):
        return {subject for subject, it in self.watches.items() if it.reach.down}


@pytest.mark.skipif(not shutil.which("snmpget"), reason="Net-SNMP's client is not installed")
def test_net_snmp_understands_the_simulator(fleet):
    port, _order = fleet
    argv = ["snmpget", "-v3", "-u", "lifeline", "-l", "authPriv", "-a", "SHA", "-x", "AES", "-X", PRIVACY, "-Oqv"]

    def ask(password):
        command = [*argv, "-A", password, f"{address(3)}:{port}", "1.3.6.1.2.1.1.5.0"]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    good = ask(AUTH)
    assert good.stdout.strip().strip('"') == "site-3"
    bad = ask("wrong-password")
    assert bad.returncode != 0
    assert "Authentication failure" in bad.stderr


@pytest.mark.parametrize("fault", ["hang", "garbage"])
async def test_the_dead_are_down_and_the_living_are_not(fleet, fault):
    port, order = fleet
    access = Access(user="lifeline", auth_secret=AUTH, privacy_secret=PRIVACY)
    targets = [Target(f"device:{n}/r", address(n), access, "generic-snmp", port, timeout_s=0.4) for n in range(12)]
    listener = Listener(targets)
    poller = Poller(targets, shipped(), listener)
    await poller.sweep()
    assert poller.answered == 12
    order(fault, [0, 1, 2, 3, 4, 5])
    try:
        for _sweep in range(3):
            await poller.sweep()
    finally:
        order("none")
    assert listener.down() == {f"device:{n}/r" for n in range(6)}
    for _sweep in range(2):
        await poller.sweep()
    assert listener.down() == set()
    for device in poller.devices.values():
        device.close()


async def received(receiver, sock, datagrams):
    task = asyncio.create_task(receiver.run(sock))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, sock.getsockname())
    async with asyncio.timeout(20):
        while receiver.handled + receiver.dropped.total() < len(datagrams):  # noqa: ASYNC110 - two counters, no event
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_burst_is_kept_whole_and_in_order():
    got = []
    receiver = Receiver(lambda datagram, _source: got.append(int(datagram)))
    await received(receiver, receiver.bind("127.0.0.1", 0), [str(n).encode() for n in range(5000)])
    assert got == list(range(5000))


async def test_what_is_malformed_is_counted_by_reason():
    def refuse(_datagram, _source):
        raise MalformedError("cut short")

    receiver = Receiver(refuse)
    await received(receiver, receiver.bind("127.0.0.1", 0), [b"x"] * 7)
    assert receiver.dropped == {"malformed: cut short": 7}


async def test_probes_say_why_not():
    async def banner(_reader, writer):
        writer.write(b"hello\r\nSSH-2.0-test\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(banner, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert (await probe("ssh", "127.0.0.1", port)).ok
        assert (await probe("tcp", "127.0.0.1", port)).ok
        assert (await probe("http", "127.0.0.1", port)).why == "not HTTP"
    assert not (await probe("tcp", "127.0.0.1", port)).ok
