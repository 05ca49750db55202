"""`make bench NAME=timesync`: real chronyd behind the gate, a plain chronyd with the same refclocks beside it.

What is measured through which path: the receivers' pulses are timestamps with simulated noise of 70 ns, in the form of
chrony's SOCK driver, for a pty carries no microseconds; their NMEA goes over ptys through a real gpsd. Truth is this
machine's clock, which nobody touches (chronyd -x). A client's error is the correction that its chronyd serves, by
`chronyc tracking`; while a chronyd says that it is not synchronised it serves nothing, and the seconds are counted.

LIFELINE_BENCH_TIME_HOURS sets the length of the day without attacks (24; fewer for a quick look).
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field

from lab.simulators.time_day import false_accusations
from lab.simulators.time_rig import NAMES, OURS, PEER, Rig, RigError
from lab.simulators.time_world import World
from lifeline.model.timing import OSCILLATORS, TimeService, TimeSourceKind
from timesync.core.arbiter import Arbiter
from timesync.core.body import live_state
from timesync.core.source import Sample, SourceState
from timesync.io.gpsd import GpsdView

from .figures import Figure

QUALIFICATION_S = 15
HURT_NS = 1_000.0
"""Ten times a receiver's noise: beyond this a fault has hurt a client. What keeps it from serving is counted apart."""
NOISE_NS = 300.0
"""What a client's error is off by without any fault: receivers' noise and bias, chrony's own filter."""


@dataclass
class _Client:
    """What was seen of one chronyd during a fault."""

    worst_ns: float = 0.0
    silent_s: float = 0.0


@dataclass
class _Fault:
    """One fault on the rig, and what came of it."""

    name: str
    kind: str
    size: float
    lasts_s: float
    isolated_s: float | None = None
    clients: dict[str, _Client] = field(default_factory=lambda: {OURS: _Client(), PEER: _Client()})


FAULTS = (
    ("step of 1 us", "step", 1_000.0, 25.0),
    ("step of 100 us", "step", 100_000.0, 25.0),
    ("ramp of 1 us/s", "ramp", 1_000.0, 45.0),
    ("meaconing, 3 us late", "meacon", 3_000.0, 25.0),
    ("jam, pulses stop", "jam", 0.0, 25.0),
    ("jam, pulses drift on by 500 ns/s", "jam", 500.0, 25.0),
    ("silent", "silent", 0.0, 25.0),
    ("frozen", "frozen", 0.0, 25.0),
    ("wrong leap second", "leap", 1.0, 25.0),
    ("week rollover", "week", -1024.0, 15.0),
    ("position walks, 20 m/s", "walk", 20.0, 15.0),
)


def measure() -> Sequence[Figure]:
    """Return all figures."""
    hours = float(os.environ.get("LIFELINE_BENCH_TIME_HOURS", "24"))
    with ProcessPoolExecutor(1) as pool:
        day = pool.submit(_day, hours)
        budget: list[Figure] = []
        beside = threading.Thread(target=lambda: budget.extend(_budget()))
        beside.start()
        figures = _faults()
        beside.join()
        accused, lived_s = day.result()
    return [
        *figures,
        *budget,
        Figure(f"false isolations in {hours:g} h accelerated", accused, "", 0,
               note=f"ocxo; noise, three outages of each receiver, a leap second; took {lived_s:.0f} s"),
        *_cpu(),
    ]  # fmt: skip


# ---------------------------------------------------------------- faults on one of two receivers


def _faults() -> list[Figure]:
    """Play all faults, half of them on each of two rigs, so that the bench ends in time."""
    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(_play, (FAULTS[::2], FAULTS[1::2])))
    done = [fault for half in halves for fault in half]
    return [figure for fault in done for figure in _figures(fault)] + _ratio(done)


def _play(faults: Sequence[tuple[str, str, float, float]]) -> list[_Fault]:
    done: list[_Fault] = []
    with Rig(qualification_s=QUALIFICATION_S, limit_ns=1e5) as rig:
        rig.until(_locked, 120)
        for name, kind, size, lasts_s in faults:
            fault = _Fault(name, kind, size, lasts_s)
            try:
                _settle(rig)
                _live_through(rig, fault)
            except RigError as error:
                print(f"{name}: {error}", file=sys.stderr)
            done.append(fault)
    return done


def _locked(state: dict[str, object]) -> bool:
    return state["state"] == "locked" and len(state["selected"]) == len(NAMES)  # type: ignore[arg-type] # a list of JSON


def _settle(rig: Rig) -> None:
    """Wait until both receivers are selected, and give the peer a fresh life: it would carry faults along."""
    rig.heal("gps")
    rig.until(_locked, 4 * QUALIFICATION_S)
    rig.kill(PEER)
    rig.start_chronyd(PEER)
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        told = [rig.correction_ns(it) for it in (OURS, PEER)]
        if all(it is not None and abs(it) < NOISE_NS for it in told):
            return
        time.sleep(0.5)


def _live_through(rig: Rig, fault: _Fault) -> None:
    rig.inject("gps", fault.kind, fault.size)
    began = time.monotonic()
    print(f"{fault.name} ...", file=sys.stderr)
    last = began
    while (now := time.monotonic()) - began < fault.lasts_s:
        state = rig.state()
        if fault.isolated_s is None and state is not None and "gps" not in state["selected"]:
            fault.isolated_s = now - began
        for name, client in fault.clients.items():
            error = rig.correction_ns(name)
            if error is None:
                client.silent_s += now - last
            else:
                client.worst_ns = max(client.worst_ns, abs(error))
        last = now
        time.sleep(0.25)


def _figures(fault: _Fault) -> list[Figure]:
    ours, peer = fault.clients[OURS], fault.clients[PEER]
    limits_ns = {"ramp": 20_000.0, "jam": NOISE_NS}
    return [
        Figure(f"{fault.name}: isolated after", fault.isolated_s, "s", 5.0 if fault.kind == "step" else None,
               note="counted from the order; the fault begins with the next second"),
        Figure(f"{fault.name}: client's worst error", ours.worst_ns / 1000, "us",
               limits_ns[fault.kind] / 1000 if fault.kind in limits_ns else None, peer="plain chrony 4.3",
               peer_value=peer.worst_ns / 1000),
        Figure(f"{fault.name}: client without time", ours.silent_s, "s", 0.0, peer="plain chrony 4.3",
               peer_value=peer.silent_s),
    ]  # fmt: skip


def _ratio(done: list[_Fault]) -> list[Figure]:
    hurt = [it for it in done if it.clients[PEER].worst_ns > HURT_NS]
    ratios = {it.name: it.clients[OURS].worst_ns / it.clients[PEER].worst_ns for it in hurt}
    worst = max(ratios.values(), default=None)
    return [Figure("client's error by plain chrony's, worst fault that hurt plain chrony", worst, "", 0.1,
                   note=", ".join(f"{name}: {it:.3f}" for name, it in ratios.items())
                   or "plain chrony was off by less than a microsecond in all of them")]  # fmt: skip


# ---------------------------------------------------------------- both lost


def _budget() -> list[Figure]:
    """Lose both receivers with an oscillator declared so bad that its budget ends within the bench."""
    limit_ns = 3_000.0
    poor = {"white_ns": 120.0, "random_walk_ppb": 300.0, "ageing_ppb_per_day": 50.0}
    with Rig(qualification_s=QUALIFICATION_S, limit_ns=limit_ns, oscillator=poor) as rig:
        rig.until(lambda s: _locked(s) and s["serve"], 120)
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
        peer = rig.correction_ns(PEER)
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
