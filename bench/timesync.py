"""`make bench NAME=timesync`: real chronyd behind the gate, plain chronyds with the same refclocks beside it.

What is measured through which path: the receivers' pulses are timestamps with simulated noise of 70 ns, in the form of
chrony's SOCK driver, for a pty carries no microseconds; their NMEA goes over ptys through a real gpsd. Truth is this
machine's clock, which nobody touches (chronyd -x). A client's error is what its chronyd's clock has against that, by
`chronyc tracking`, whether it is served or not (`timesync_faults`).

LIFELINE_BENCH_TIME_HOURS sets the length of the day without attacks (24; fewer for a quick look).
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from lab.simulators.time_day import false_accusations
from lab.simulators.time_rig import NAMES, OURS, Rig
from lab.simulators.time_world import World
from lifeline.model.timing import OSCILLATORS, TimeService, TimeSourceKind
from timesync.core.arbiter import Arbiter
from timesync.core.body import live_state
from timesync.core.source import Sample, SourceState
from timesync.io.gpsd import GpsdView

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
    """Reckon what ten sources at 1 Hz cost: gpsd's reports decoded, two decisions and a live state each second."""
    seconds = 300
    sky = [{"PRN": n, "gnssid": 0, "svid": n, "ss": 40.0, "el": 30.0, "used": n < 10} for n in range(1, 15)]
    reports = ({"class": "SKY", "satellites": sky}, {"class": "TPV", "mode": 3, "lat": 39.9, "lon": 116.4})
    names = [f"gps-{n}" for n in range(10)]
    sources = {name: SourceState(name, TimeSourceKind.GPS, 100.0) for name in names}
    arbiter = Arbiter.of(TimeService(limit_ns=1500.0), sources, OSCILLATORS["ocxo"])
    views = {name: GpsdView() for name in names}
    began = time.process_time()
    for second in range(seconds):
        now = float(second)
        for n, name in enumerate(names):
            for report in reports:
                if (said := views[name].report(report, now, now)) is not None:
                    arbiter.telemetry(name, said)
            arbiter.sample(name, Sample(now, float((second * 7 + n * 13) % 50), 0.0))
        for at in (now + 0.1, now + 0.6):
            live_state("site", arbiter.decide(at), {})
    share = 100 * (time.process_time() - began) / seconds
    return [
        Figure("CPU of ten sources at 1 Hz", share, "%", 2.0, note="decoding, arbitration, live state; of one core")
    ]
