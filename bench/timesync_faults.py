"""Faults of receivers on real clock rooms: our client beside plain chronyds that operators configure in four ways.

A client's error is counted whether its chronyd serves or not: what follows a server that has stopped goes on by the
frequency that it learnt last, and so does chronyd's own clock. The seconds without service are counted beside.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from lab.simulators.time_rig import NAMES, OURS, PEERS, Rig, RigError

from .figures import Figure

QUALIFICATION_S = 15
HURT_NS = 1_000.0
"""Ten times a receiver's noise: beyond this a fault has hurt a client."""
NOISE_NS = 300.0
"""What a client's error is off by without any fault: receivers' noise and bias, chrony's own filter."""
LIMIT_NS = 100_000.0
LOOK_S = 0.4
GPS, BOTH = ("gps",), NAMES


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: what it is called, whom it hits, how, and how long it lasts."""

    name: str
    kind: str
    size: float
    lasts_s: float
    hits: tuple[str, ...] = GPS


FAULTS: Final = (
    Fault("step of 1 us", "step", 1_000.0, 25.0),
    Fault("step of 100 us", "step", 100_000.0, 25.0),
    Fault("ramp of 1 us/s", "ramp", 1_000.0, 45.0),
    Fault("meaconing, 3 us late", "meacon", 3_000.0, 25.0),
    Fault("jam, pulses stop", "jam", 0.0, 25.0),
    Fault("jam, pulses drift on by 500 ns/s", "jam", 500.0, 25.0),
    Fault("silent", "silent", 0.0, 25.0),
    Fault("frozen", "frozen", 0.0, 20.0),
    Fault("wrong leap second", "leap", 1.0, 25.0),
    Fault("week rollover", "week", -1024.0, 15.0),
    Fault("position walks, 20 m/s", "walk", 20.0, 15.0),
    Fault("both alike: step of 100 us", "step", 100_000.0, 25.0, BOTH),
    Fault("both alike: ramp of 1 us/s", "ramp", 1_000.0, 30.0, BOTH),
    Fault("both alike: meaconing, 3 us late", "meacon", 3_000.0, 25.0, BOTH),
)


@dataclass(slots=True)
class _Client:
    """What was seen of one chronyd during a fault."""

    worst_ns: float = 0.0
    silent_s: float = 0.0


@dataclass(slots=True)
class _Played:
    """A fault, and what came of it."""

    fault: Fault
    isolated_s: float | None = None
    clients: dict[str, _Client] = field(default_factory=lambda: {name: _Client() for name in (OURS, *PEERS)})

    @property
    def ours(self) -> _Client:
        """Our client."""
        return self.clients[OURS]


def faults(rigs: int = 3) -> list[Figure]:
    """Play all faults, on a few rigs at a time so that the bench ends in time."""
    with ThreadPoolExecutor(rigs) as pool:
        parts = list(pool.map(_play, [FAULTS[n::rigs] for n in range(rigs)]))
    by_name = {it.fault.name: it for part in parts for it in part}
    played = [by_name[it.name] for it in FAULTS if it.name in by_name]
    return [figure for it in played for figure in _figures(it)] + [it for name in PEERS for it in _ratio(name, played)]


def locked(state: dict[str, Any]) -> bool:
    """Tell whether both receivers are selected."""
    return bool(state["state"] == "locked" and len(state["selected"]) == len(NAMES))


def _play(mine: Sequence[Fault]) -> list[_Played]:
    done: list[_Played] = []
    # This machine's clock is the oscillator, and the truth too: as good as an OCXO is declared to be.
    with Rig(qualification_s=QUALIFICATION_S, limit_ns=LIMIT_NS, oscillator="ocxo", peers=tuple(PEERS)) as rig:
        rig.until(locked, 120)
        for fault in mine:
            try:
                _settle(rig)
                done.append(_live_through(rig, fault))
            except RigError as error:
                print(f"{fault.name}: {error}", file=sys.stderr)
    return done


def _settle(rig: Rig) -> None:
    """Wait until both receivers are selected, and give the peers a fresh life: they would carry faults along."""
    for name in NAMES:
        rig.heal(name)
    rig.until(locked, 5 * QUALIFICATION_S)
    for name in PEERS:
        rig.kill(name)
        rig.start_chronyd(name)
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        told = [rig.correction_ns(it) for it in (OURS, *PEERS)]
        if all(it is not None and abs(it) < NOISE_NS for it in told):
            return
        time.sleep(0.5)


def _live_through(rig: Rig, fault: Fault) -> _Played:
    played = _Played(fault)
    for name in fault.hits:
        rig.inject(name, fault.kind, fault.size)
    began = last = time.monotonic()
    print(f"{fault.name} ...", file=sys.stderr)
    while (now := time.monotonic()) - began < fault.lasts_s:
        state = rig.state()
        if played.isolated_s is None and state is not None and not set(fault.hits) & set(state["selected"]):
            played.isolated_s = now - began
        for name, client in played.clients.items():
            told = rig.clock(name)
            client.silent_s += 0.0 if told is not None and told.served else now - last
            client.worst_ns = max(client.worst_ns, abs(told.error_ns) if told is not None else 0.0)
        last = now
        time.sleep(LOOK_S)
    return played


def _figures(it: _Played) -> Iterator[Figure]:
    limits_us = {"ramp": 20.0, "jam": NOISE_NS / 1000}
    fault, worst = it.fault, max(PEERS, key=lambda name: it.clients[name].worst_ns)
    yield Figure(f"{fault.name}: isolated after", it.isolated_s, "s", 5.0 if fault.kind == "step" else None,
                 note="counted from the order; the fault begins with the next second")  # fmt: skip
    yield Figure(
        f"{fault.name}: client's worst error", it.ours.worst_ns / 1000, "us", limits_us.get(fault.kind),
        peer=f"plain chrony 4.3, {worst}", peer_value=it.clients[worst].worst_ns / 1000,
        note="; ".join(f"{name}: {it.clients[name].worst_ns / 1000:.3g} us" for name in PEERS),
    )  # fmt: skip
    # With both receivers wrong the model's time is served; with one wrong nothing may be felt at all.
    yield Figure(f"{fault.name}: client without time", it.ours.silent_s, "s", 0.0,
                 peer="plain chrony 4.3, two", peer_value=it.clients["two"].silent_s,
                 note="; ".join(f"{name}: {it.clients[name].silent_s:.0f} s" for name in PEERS))  # fmt: skip


def _ratio(name: str, played: Sequence[_Played]) -> Iterator[Figure]:
    """Yield the worst ratio of the errors over the faults that hurt such a peer, and how long it had no time."""
    title = f"client's error by plain chrony's, {name}, worst of the faults that hurt it"
    hurt = [it for it in played if it.clients[name].worst_ns > HURT_NS]
    ratios = {it.fault.name: it.ours.worst_ns / it.clients[name].worst_ns for it in hurt}
    unhurt = ", ".join(it.fault.name for it in played if it not in hurt)
    if ratios:
        note = ", ".join(f"{fault}: {it:.2g}" for fault, it in ratios.items())
        yield Figure(title, max(ratios.values()), "", 0.1, note=f"{note}. Below a microsecond in: {unhurt or 'none'}")
    else:
        yield Figure(title, None, "", note=f"off by less than a microsecond in all {len(played)} faults")
    yield Figure(
        f"seconds without time in {len(played)} faults", sum(it.ours.silent_s for it in played), "s",
        peer=f"plain chrony 4.3, {name}", peer_value=sum(it.clients[name].silent_s for it in played),
    )  # fmt: skip
