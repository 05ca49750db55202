"""netwatch: what watching costs, what it misses, how it bears storms; peers run in the same minutes on the same agents.

SOAK=1 polls for two hours instead of half a minute.
"""

from __future__ import annotations

import asyncio
import os
import sys

from lifeline.clock import monotonic_s

from .figures import Figure
from .netwatch_fleet import SITES, Fleet, Listening, cpu_s, memory_mib, targets
from .netwatch_peers import net_snmp_ms, pysnmp_ms
from .netwatch_storms import pings, traps

PORT = 11623
PERIOD_S = 5.0
POLL_S = float(os.environ.get("BENCH_POLL_S", "7200" if os.environ.get("SOAK") else "60"))
PEER_GETS = 200
CORE_SHARE, SWEEP_FACTOR, TIMEOUT_S = 10.0, 1.3, 2.0


def measure() -> list[Figure]:
    """Measure everything; about four minutes."""
    with Fleet(PORT, SITES) as fleet:
        figures = asyncio.run(_polling())
        for share in (0.1, 0.5):
            figures += asyncio.run(_dead(fleet, share))
    return [*figures, *pings(), *traps()]


async def _polling() -> list[Figure]:
    """Poll and judge every site each 5 s, then ask as the peers do."""
    _say(f"polling {SITES} sites for {POLL_S:.0f} s")
    listening = Listening()
    poller = listening.poller(targets(PORT))
    await poller.sweep()
    task = asyncio.create_task(poller.run())
    await asyncio.sleep(2 * PERIOD_S)
    objects = len(listening.oids(poller))
    began_s, began_cpu, asked, memory = monotonic_s(), cpu_s(), poller.answered, memory_mib()
    missed = listening.silences
    await asyncio.sleep(POLL_S)
    wall_s, used_s, gets = monotonic_s() - began_s, cpu_s() - began_cpu, poller.answered - asked
    grown = memory_mib() - memory
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    each_ms = 1000 * used_s / gets
    oids = listening.oids(poller)
    pysnmp = await asyncio.to_thread(pysnmp_ms, PORT, oids, PEER_GETS)
    cli = await asyncio.to_thread(net_snmp_ms, PORT, oids, PEER_GETS)
    note = f"{gets / wall_s:.0f} GETs of {objects} objects a second, SNMPv3 authPriv, for {wall_s:.0f} s"
    return [
        Figure("polling_and_judging_core_pct", 100 * used_s / wall_s, "% of one core", CORE_SHARE, note=note),
        Figure("cpu_per_get_ms", each_ms, "ms", note="polling, decoding and judging, paced"),
        Figure("pysnmp_cpu_over_ours", pysnmp / each_ms, "times", 30, "higher", "pysnmp bare GET, ms", pysnmp),
        Figure("net_snmp_cli_cpu_over_ours", cli / each_ms, "times", 60, "higher", "snmpget, ms", cli),
        Figure("memory_grown_mib", grown, "MiB", 2.0, note="resident, from the first round on"),
        Figure("live_sites_silent", float(listening.silences - missed), "questions", 0),
    ]


async def _dead(fleet: Fleet, share: float) -> list[Figure]:
    """Hang a share of the sites; sweep as often as makes a silence a fact."""
    dead = range(int(SITES * share))
    _say(f"{len(dead)} sites dead")
    fleet.order("none")
    listening = Listening()
    poller = listening.poller(targets(PORT, timeout_s=TIMEOUT_S / 2, retries=1))
    await poller.sweep()
    fleet.order("hang", list(dead))
    took = []
    for _sweep in range(3):
        began_s = monotonic_s()
        await poller.sweep()
        took.append(monotonic_s() - began_s)
    down = [subject for subject in listening.subjects if listening.watches[subject].reach.down]
    killed = {listening.subjects[n] for n in dead}
    fleet.order("none")
    percent = f"{share:.0%}".rstrip("%")
    return [
        Figure(f"live_down_with_{percent}pct_dead", float(len(set(down) - killed)), "sites", 0),
        Figure(f"dead_found_with_{percent}pct_dead", 100 * len(set(down) & killed) / len(dead), "%", 100, "higher"),
        Figure(f"sweep_over_timeout_with_{percent}pct_dead", max(took) / TIMEOUT_S, "times", SWEEP_FACTOR,
               note=f"time-out {TIMEOUT_S:g} s: two tries of {TIMEOUT_S / 2:g} s"),
    ]  # fmt: skip


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
