"""The power daemon live: a real upsd, a real hub, a real daemon; and what asking 500 UPS costs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lab.simulators.power_nut import NutServer, installed
from lifeline.clock import monotonic_s
from lifeline.model.power import Monitor
from noc.client import HubClient
from power.io.nut import NutClient
from power.io.poll import Poller

from .figures import Figure

LIFELINE = Path(sys.executable).with_name("lifeline")
POLL_S = 2.0
DEVICES = 500
DEVICE_POLL_S = 10.0
MEASURED_S = 30.0
ROUNDS = 5
_UPS = {"ups.status": "OL", "battery.charge": "100", "battery.runtime": "7000", "ups.realpower": "3000",
        "battery.temperature": "24", "input.voltage": "230", "output.voltage": "230", "ups.load": "33"}  # fmt: skip
_INVENTORY = """\
lifeline: 1
sites:
  station:
    kind: super-base-station
    name: Station
    devices: {{ups: {{kind: ups, address: 127.0.0.1}}}}
    power:
      target_autonomy_h: 8
      design_load_kw: 4
      feeds: {{feed-a: {{rated_kw: 20}}}}
      ups:
{ups}
"""
_PART = """\
        ups-{n}:
          module_kw: 3
          modules: 3
          modules_needed: 2
          battery_kwh: 40
          monitor: {{device: ups, protocol: nut, name: ups-{n}, port: {port}, poll_s: {poll}}}
"""


def measure() -> list[Figure]:
    """Return the live figures; without NUT they cannot be measured."""
    names = ("loss of utility to condition on the hub, worst of 5", f"asking {DEVICES} UPS every {DEVICE_POLL_S:g} s")
    if not installed():
        note = "NUT's upsd and dummy-ups are not installed"
        return [
            Figure(names[0], None, "poll intervals", 2, note=note),
            Figure(names[1], None, "% of a core", 5, note=note),
        ]
    with tempfile.TemporaryDirectory(prefix="lifeline-bench-power-") as directory:
        worst_s = asyncio.run(_loss_to_condition(Path(directory)))
        share_pct, asked = asyncio.run(_polling(Path(directory) / "many"))
    return [
        Figure(names[0], worst_s / POLL_S, "poll intervals", 2, note=f"{worst_s:.2f} s with polls every {POLL_S:g} s"),
        Figure(names[1], share_pct, "% of a core", 5,
               note=f"{asked} answers in {MEASURED_S:g} s, over connections to a real upsd"),
    ]  # fmt: skip


async def _loss_to_condition(directory: Path) -> float:
    """Let one UPS after the other lose utility; return the longest time from upsd's word to the alarm at the hub, s."""
    port = _free_port()
    inventory = directory / "inventory.yml"
    parts = "".join(_PART.format(n=n, port=port, poll=POLL_S) for n in range(ROUNDS))
    inventory.write_text(_INVENTORY.format(ups=parts.rstrip()), encoding="utf-8")
    url = f"unix://{directory}/run/hub.sock"
    common = ["--inventory", str(inventory), "--run", str(directory / "run")]
    hub = [str(LIFELINE), "hub", "run", *common, "--data", str(directory / "hub"), "--name", "bench"]
    power = [str(LIFELINE), "power", "run", *common, "--data", str(directory / "power"), "--site", "station",
             "--hub", url, "--metrics", "off"]  # fmt: skip
    processes: list[subprocess.Popen[bytes]] = []
    upses = {f"ups-{n}": _UPS for n in range(ROUNDS)}
    for name in ("hub", "power"):
        (directory / name).mkdir()
    with (directory / "log").open("wb") as log, NutServer(directory / "nut", upses, port) as nut:
        try:
            processes.append(subprocess.Popen(hub, stdout=log, stderr=log))  # noqa: ASYNC220 - starts at once
            await _until(lambda: _exists(directory / "run" / "hub.sock"))
            processes.append(subprocess.Popen(power, stdout=log, stderr=log))  # noqa: ASYNC220 - starts at once
            async with HubClient(url) as client:
                await _until(lambda: _live(client))
                return max([await _one_loss(nut, port, client, ups) for ups in upses])
        finally:
            for process in reversed(processes):
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                process.kill()


async def _one_loss(nut: NutServer, port: int, client: HubClient, ups: str) -> float:
    own = NutClient("127.0.0.1", ups, port)

    async def lost() -> bool:
        return (await own.ask()).state("ups.source") == "on-battery"

    async def raised() -> bool:
        alarms = await client.alarms()
        return any(it["resource"] == f"power:station/{ups}" and it["alarm_type_id"] == "on-battery" for it in alarms)

    try:
        nut.set(ups, ups_status="OB DISCHRG")
        await _until(lost)
        lost_s = monotonic_s()
        await _until(raised)
        return monotonic_s() - lost_s
    finally:
        own.close()


async def _exists(path: Path) -> bool:
    return path.exists()  # noqa: ASYNC240 - a look at a small file system


async def _live(client: HubClient) -> bool:
    return any(it["body"]["runs_on"] == "utility" for it in await client.live("power:station"))


async def _polling(directory: Path) -> tuple[float, int]:
    """Ask so many UPS as often as in service; return the share of a core that this process used, and the answers."""
    port = _free_port()
    answers = 0

    def heard() -> None:
        nonlocal answers
        answers += 1

    directory.mkdir()  # noqa: ASYNC240 - nothing runs yet
    with NutServer(directory, {"ups": _UPS}, port):
        poller = Poller(heard)
        monitor = Monitor(device="ups", protocol="nut", name="ups", port=port, poll_s=DEVICE_POLL_S)
        tasks = [
            asyncio.create_task(
                poller.follow(f"ups-{n}", monitor, NutClient("127.0.0.1", "ups", port), n * DEVICE_POLL_S / DEVICES)
            )
            for n in range(DEVICES)
        ]
        await asyncio.sleep(DEVICE_POLL_S + 2)  # every connection stands
        started, before = time.process_time(), answers
        await asyncio.sleep(MEASURED_S)
        used_s, asked = time.process_time() - started, answers - before
        failed = [error for error in poller.errors.values() if error]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if failed:
        print(f"{len(failed)} of {DEVICES} did not answer, the first: {failed[0]}", file=sys.stderr)
    return 100 * used_s / MEASURED_S, asked


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _until(look: Callable[[], Awaitable[Any]], within_s: float = 30.0) -> None:
    ends_s = monotonic_s() + within_s
    while not await look():
        if monotonic_s() > ends_s:
            raise TimeoutError("it did not happen in time")
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    for figure in measure():
        print(figure, os.getpid())
