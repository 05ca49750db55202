"""A thousand pings and ten thousand traps, beside fping and snmptrapd."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from lab.simulators.netwatch_agent import integer, oid, tlv
from lab.simulators.netwatch_fleet import address
from lifeline.clock import monotonic_s
from lifeline.config import load_inventory
from netwatch.core import ber
from netwatch.io.icmp import Sweeper
from netwatch.io.receive import Receiver
from netwatch.watch import Watch

from .figures import Figure

PINGED = 1000
ROUNDS = 15
BURST = 10_000
TRAP_PORT, PEER_PORT = 11662, 11663
_SETTLE_S = 10.0


def pings() -> list[Figure]:
    """Sweep 1,000 addresses, in turn with fping."""
    hosts = [address(n) for n in range(PINGED)]
    ours: list[float] = []
    theirs: list[float] = []
    fping = shutil.which("fping", path="/usr/bin:/usr/sbin")
    with Sweeper() as sweeper:
        for _round in range(ROUNDS):
            began_s = monotonic_s()
            found = sweeper.sweep(hosts, 1.0)
            ours.append(monotonic_s() - began_s)
            if len(found) != PINGED:
                return [Figure("icmp_sweep_1000_ms", None, "ms", note=f"only {len(found)} answered")]
            if fping:  # -i0: as fast as it can; -c1: one each, as we do
                began_s = monotonic_s()
                subprocess.run([fping, "-q", "-c1", "-i0", "-t1000"], input="\n".join(hosts), text=True, check=True,
                               capture_output=True)  # fmt: skip
                theirs.append(monotonic_s() - began_s)
    target = 1000 * median(theirs) if theirs else None
    return [Figure("icmp_sweep_1000_ms", 1000 * median(ours), "ms", target, peer="fping -c1 -i0, its start included",
                   peer_value=target, note=f"median of {ROUNDS} in turn")]  # fmt: skip


def traps() -> list[Figure]:
    """Send 10,000 traps at once to the receiver and to snmptrapd, on the system's own settings."""
    lost, late_s = asyncio.run(_ours())
    theirs = _snmptrapd()
    return [
        Figure("traps_lost_of_10000", lost, "traps", 0, peer="snmptrapd", peer_value=theirs),
        Figure("traps_in_state_s", late_s, "s", 1.0, note="from the last one sent until the last one is judged"),
    ]


def _trap(n: int) -> bytes:
    bound = tlv(0x30, oid("1.3.6.1.2.1.1.3.0") + integer(n, ber.TIME_TICKS))
    bound += tlv(0x30, oid("1.3.6.1.6.3.1.1.4.1.0") + oid("1.3.6.1.4.1.3570.0.7"))
    bound += tlv(0x30, oid("1.3.6.1.4.1.3570.1.1") + integer(n))
    body = integer(n) + integer(0) + integer(0) + tlv(0x30, bound)
    return tlv(0x30, integer(1) + tlv(4, b"public") + tlv(0xA7, body))


_SENDER = """
import socket, sys
port, burst = int(sys.argv[1]), sys.stdin.buffer.read()
datagrams, at = [], 0
while at < len(burst):
    length = int.from_bytes(burst[at:at + 2], "big")
    datagrams.append(burst[at + 2:at + 2 + length])
    at += 2 + length
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.connect(("127.0.0.1", port))
    for datagram in datagrams:
        sock.send(datagram)
"""


def _burst() -> bytes:
    traps = [_trap(n) for n in range(BURST)]
    return b"".join(len(trap).to_bytes(2, "big") + trap for trap in traps)


class _Nobody:
    """A hub that forgets."""

    def judge(self, judged: object) -> None:
        """Forget."""

    def show(self, subject: str, body: object) -> None:
        """Forget."""

    def readings(self, readings: object) -> None:
        """Forget."""


async def _ours() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "inventory.yml"
        file.write_text(
            "lifeline: 1\nsites:\n  a:\n    kind: relay\n    name: A\n"
            "    devices:\n      station: {kind: base-station, address: 127.0.0.1, profile: tait-tb9300}\n"
        )
        watch = Watch(load_inventory(file), ["a"], _Nobody(), 5.0)
    receiver = Receiver(lambda datagram, source: watch.trap(datagram, source)[1])
    sock = receiver.bind("127.0.0.1", TRAP_PORT)
    task = asyncio.create_task(receiver.run(sock))
    sender = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SENDER, str(TRAP_PORT), stdin=asyncio.subprocess.PIPE
    )
    await sender.communicate(_burst())
    sent_s = monotonic_s()
    seen, last_s = -1, sent_s
    while monotonic_s() - last_s < 1.0 and monotonic_s() - sent_s < _SETTLE_S:
        if receiver.handled != seen:
            seen, last_s = receiver.handled, monotonic_s()
        if seen == BURST:
            break
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return float(BURST - receiver.handled), max(0.0, last_s - sent_s)


def _snmptrapd() -> float | None:
    """Return how many traps of the same burst snmptrapd loses; None without it."""
    program = shutil.which("snmptrapd", path="/usr/sbin:/usr/bin")
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as directory:
        config, log = Path(directory) / "snmptrapd.conf", Path(directory) / "log"
        config.write_text("disableAuthorization yes\nformat2 T %W\\n\n")
        process = subprocess.Popen(
            [program, "-f", "-C", "-c", str(config), "-Lf", str(log), "-On", f"udp:127.0.0.1:{PEER_PORT}"],
            env={"MIBS": "", "PATH": "/usr/bin:/bin", "SNMP_PERSISTENT_DIR": directory}, start_new_session=True,
        )  # fmt: skip
        try:
            _wait_for_port(PEER_PORT)
            subprocess.run([sys.executable, "-c", _SENDER, str(PEER_PORT)], input=_burst(), check=True)
            seen, quiet_s = -1, monotonic_s()
            while monotonic_s() - quiet_s < 1.5:
                count = log.read_bytes().count(b"\nT ") if log.exists() else 0
                if count != seen:
                    seen, quiet_s = count, monotonic_s()
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)
    return float(BURST - seen)


def _wait_for_port(port: int) -> None:
    """Wait until a UDP port is taken."""
    deadline_s = monotonic_s() + 10
    while monotonic_s() < deadline_s:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return
        time.sleep(0.05)
    raise TimeoutError("snmptrapd does not listen")
