"""`make bench NAME=timesync`: real chronyd behind the gate, plain chronyds with the same refclocks beside it.

What is measured through which path: the receivers' pulses are timestamps with simulated noise of 70 ns, in the form of
chrony's SOCK driver, for a pty carries no microseconds; their NMEA goes over ptys through a real gpsd. Truth is this
machine's clock, which nobody touches (chronyd -x). A client's error is what its chronyd's clock has against that, by
`chronyc tracking`, whether it is served or not (`timesync_faults`).

LIFELINE_BENCH_TIME_HOURS sets the length of the day without attacks (24; fewer for a quick look).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from xml.etree import ElementTree as ET

from lab.simulators.time_day import false_accusations
from lab.simulators.time_rig import NAMES, OURS, Rig
from lab.simulators.time_world import World

from .figures import Figure
from .timesync_faults import QUALIFICATION_S, faults, locked

PLAIN = "two"


def measure() -> Sequence[Figure]:
    """Return all figures."""
    hours = float(os.environ.get("LIFELINE_BENCH_TIME_HOURS", "24"))
    with ProcessPoolExecutor(1) as pool:
        day = pool.submit(_day, hours)
        budget: list[Figure] = []
        beside = threading.Thread(target=lambda: budget.extend(_budget()))
        beside.start()
        figures = faults()
        beside.join()
        accused, lived_s = day.result()
    return [
        *figures,
        *budget,
        Figure(f"false isolations in {hours:g} h accelerated", accused, "", 0,
               note=f"ocxo; noise, three outages of each receiver, a leap second; took {lived_s:.0f} s"),
        *_cpu(),
        *_replay(),
    ]  # fmt: skip


# ---------------------------------------------------------------- both lost


def _budget() -> list[Figure]:
    """Lose both receivers with an oscillator declared so bad that its budget ends within the bench."""
    limit_ns = 3_000.0
    poor = {"white_ns": 120.0, "random_walk_ppb": 300.0, "ageing_ppb_per_day": 50.0}
    with Rig(qualification_s=QUALIFICATION_S, limit_ns=limit_ns, oscillator=poor, peers=(PLAIN,)) as rig:
        rig.until(lambda s: locked(s) and s["serve"], 120)
        time.sleep(20)
        for name in NAMES:
            rig.inject(name, "silent")
        rig.until(lambda s: s["state"] == "holdover-in-spec", 15)
        state = rig.state()
        assert state is not None
        promised_s, began = float(state["budget_s"]["low"]), time.monotonic()
        worst_ns = 0.0
        withdrawn_s: float | None = None
        while time.monotonic() - began < promised_s + 30:
            error = rig.correction_ns(OURS)
            if error is None:
                withdrawn_s = time.monotonic() - began
                break
            worst_ns = max(worst_ns, abs(error))
            time.sleep(0.25)
        peer = rig.correction_ns(PLAIN)
    return [
        Figure("both lost: budget promised", promised_s, "s"),
        Figure("both lost: service withdrawn after", withdrawn_s, "s", note="chronyd itself says so"),
        Figure("both lost: client's worst error while served, by the limit", worst_ns / limit_ns, "", 1.0),
        Figure("both lost: plain chrony still serves then", float(peer is not None), "", note="1 is yes"),
    ]  # fmt: skip


# ---------------------------------------------------------------- a day, and what it costs


def _day(hours: float) -> tuple[int, float]:
    began = time.monotonic()
    world = World(seed=2026)
    world.run(400)
    accused = list(false_accusations(world, int(hours * 3600)))
    for it in accused[:5]:
        print(it, file=sys.stderr)
    return len(accused), time.monotonic() - began


def _cpu() -> list[Figure]:
    """Measure what the daemon, and what it asks, cost with ten receivers at 1 Hz, two of them through gpsd."""
    seconds = 40
    with Rig(qualification_s=QUALIFICATION_S, more=8) as rig:
        rig.until(lambda s: s["state"] == "locked" and len(s["selected"]) == len(NAMES) + 8, 120)
        pid, before = rig.pid("lifeline"), _cpu_s(rig.pid("lifeline"))
        time.sleep(seconds)
        own, children = (after - b for after, b in zip(_cpu_s(pid), before, strict=True))
    return [
        Figure("CPU of ten sources at 1 Hz, whole daemon", 100 * own / seconds, "%", 2.0,
               note=f"of one core, over {seconds} s: 9 lines of UBX and NMEA, gpsd, pulses, arbitration, live state"),
        Figure("CPU of the chronyc that it asks, every 4 s", 100 * children / seconds, "%", note="of one core"),
    ]  # fmt: skip


def _cpu_s(pid: int) -> tuple[float, float]:
    """Return the CPU time of a process, and of its children that have ended, s."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    user, system, of_children, system_of_children = (int(it) / tick for it in words[11:15])
    return user + system, of_children + system_of_children


# ---------------------------------------------------------------- recordings


def _replay() -> list[Figure]:
    """Run the replay tests of receivers and clocks, and count."""
    told = {"test_time_replay.py": "receivers, by gpsd's word and by our own decoder, and mutated",
            "test_devices_replay.py": "devices over SNMP, clocks among them"}  # fmt: skip
    figures = []
    for name, what in told.items():
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            argv = [sys.executable, "-m", "pytest", f"tests/replay/{name}", "-q", "-n0", f"--junitxml={report}"]
            subprocess.run(argv, capture_output=True, check=False, cwd=Path(__file__).parents[1])
            suite = ET.parse(report).getroot().find("testsuite")
        assert suite is not None
        run, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
        wrong = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        note = f"{run - skipped} cases: {what}" if run > skipped else "no recordings: LIFELINE_RECORDINGS"
        value = wrong if run > skipped else None
        figures.append(Figure(f"replay, {name.removesuffix('.py')}: wrong or crashed", value, "", 0, note=note))
    return figures
