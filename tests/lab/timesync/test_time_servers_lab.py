"""What others' programs say: a chronyd that signs with keys, gpsd with a u-blox behind it, two ptp4l on a veth pair."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from lab.simulators.time_room import Line
from lab.simulators.time_sky import Fault, Receiver
from lab.simulators.time_voice import ubx
from timesync.core.source import Telemetry
from timesync.io import gpsd, ptp
from timesync.io.ntp import NtpError, NtpKey, ask

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="daemons and namespaces need root")]
KEYS = {1: "AES128 HEX:000102030405060708090a0b0c0d0e0f", 2: "SHA1 HEX:00112233445566778899aabbccddeeff00112233",
        3: "MD5 ASCII:lifeline"}  # fmt: skip


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [it for it in programs if not shutil.which(it)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@contextmanager
def running(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(3)
        process.kill()
        process.wait()


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def over(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@contextmanager
def chronyd_with_keys(folder: Path, port: int) -> Iterator[None]:
    folder.chmod(0o750)
    (folder / "keys").write_text("".join(f"{n} {text}\n" for n, text in KEYS.items()))
    (folder / "keys").chmod(0o600)
    (folder / "chrony.conf").write_text(
        f"local stratum 1\nport {port}\nallow 127.0.0.0/8\nbindaddress 127.0.0.1\ncmdport 0\nkeyfile {folder}/keys\n"
        f"bindcmdaddress {folder}/cmd.sock\npidfile {folder}/pid\n"
    )
    with running("chronyd", "-x", "-d", "-u", "root", "-f", str(folder / "chrony.conf")):
        yield


@contextmanager
def gpsd_with_a_line(path: Path, port: int) -> Iterator[tuple[Line, str]]:
    with Line(path) as line:
        device = os.path.realpath(path)
        with running("gpsd", "-N", "-n", "-b", "-S", str(port), device):
            yield line, device


@contextmanager
def master_and_slave(folder: Path) -> Iterator[str]:
    """Two ptp4l on a veth pair, with software timestamps; yields where the slave is asked.

    They leave this machine's clock alone (`free_running`), so that the slave measures and never calls itself one:
    ptp4l is SLAVE only once its servo steers. Until then it says UNCALIBRATED.
    """
    names = [f"llptp{end}{os.getpid()}" for end in "ms"]
    with ExitStack() as stack:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
        subprocess.run(["ip", "link", "add", "ptp0", "netns", names[0], "type", "veth", "peer", "name", "ptp0",
                        "netns", names[1]], check=True)  # fmt: skip
        for n, name in enumerate(names):
            for argv in (["address", "add", f"192.0.2.{n + 1}/30", "dev", "ptp0"], ["link", "set", "ptp0", "up"]):
                subprocess.run(["ip", "-n", name, *argv], check=True)
            (folder / f"{n}.conf").write_text(
                f"[global]\nuds_address {folder}/{n}\ntime_stamping software\nfree_running 1\nlogAnnounceInterval -2\n"
                f"logSyncInterval -3\nclockClass {(6, 248)[n]}\npriority1 {(10, 200)[n]}\nslaveOnly {n}\n[ptp0]\n"
            )
            stack.enter_context(running("ip", "netns", "exec", name, "ptp4l", "-f", str(folder / f"{n}.conf")))
        yield str(folder / "1")


@needs("chronyd")
async def test_a_real_chronyd_proves_itself_by_each_kind_of_key_and_a_wrong_key_is_refused(tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    with chronyd_with_keys(tmp_path, port):
        plain = None
        for _ in range(100):
            try:
                plain = await ask("127.0.0.1", port, timeout_s=0.3)
                break
            except NtpError:
                await asyncio.sleep(0.05)
        assert plain is not None
        assert plain.stratum == 1
        for number, text in KEYS.items():
            got = await ask("127.0.0.1", port, NtpKey.parse(number, text), timeout_s=5)
            assert abs(got.offset_ns) < 50e6
        wrong = NtpKey.parse(1, "AES128 HEX:ff0102030405060708090a0b0c0d0e0f")
        with pytest.raises(NtpError):
            await ask("127.0.0.1", port, wrong, timeout_s=0.5)


@needs("gpsd")
async def test_what_a_u_blox_says_of_jamming_comes_through_gpsd(tmp_path: Path) -> None:
    receiver = Receiver("gps", 39.905, 116.397, 60.0, random.Random(1))
    port, troubles = free_port(socket.SOCK_STREAM), []
    told: asyncio.Queue[Telemetry] = asyncio.Queue()
    with gpsd_with_a_line(tmp_path / "gps.tty", port) as (line, device):
        follows = asyncio.create_task(
            gpsd.follow("127.0.0.1", port, device, time.monotonic, told.put_nowait, troubles.append)
        )

        async def until_jamming_is(wanted: str) -> Telemetry:
            for _ in range(200):
                line.say(ubx(receiver, time.monotonic(), time.time()))
                await asyncio.sleep(0.1)
                while not told.empty():
                    if (said := told.get_nowait()).jamming == wanted:
                        return said
            raise AssertionError(f"never {wanted}; {troubles}")

        try:
            said = await until_jamming_is("none")
            assert said.leap_s == 18
            receiver.fault = Fault("jam", 0.0)
            assert (await until_jamming_is("raised")).spoofing == "none"
        finally:
            await over(follows)


@needs("ptp4l", "pmc")
async def test_a_real_ptp4l_that_only_measures_says_whom_and_does_not_pass_for_synchronised(tmp_path: Path) -> None:
    told: list[Telemetry] = []
    troubles: list[str] = []
    with master_and_slave(tmp_path) as place:
        follows = asyncio.create_task(ptp.follow(place, 0.5, time.monotonic, told.append, troubles.append))
        try:
            for _ in range(200):
                if told and told[-1].detail["port_state"] == "UNCALIBRATED" and told[-1].detail["offset_ns"]:
                    break
                await asyncio.sleep(0.1)
        finally:
            await over(follows)
    assert told, troubles
    last = told[-1]
    assert last.synchronised is False
    assert last.detail["port_state"] == "UNCALIBRATED"
    assert last.detail["clock_class"] == 6
    assert isinstance(last.detail["offset_ns"], int)
