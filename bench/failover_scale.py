"""Many sessions on one hub: what they cost, and whether they hold.

Each session has an interface of its own, and each two of them a protection group, as a core room has them; the far end
is one more fast path that plays all stations. Both share the machine.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lifeline.clock import monotonic_s

from .failover_pair import ENDS, FastPathEar, Report, fast_path_argv
from .figures import Figure
from .peers.span import names, sweep

INTERVAL_MS = 50
_UP_WITHIN_S, _CALM_S, _MEASURED_S, _HOLD_S = 60.0, 2.0, 10.0, 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Held:
    """What so many sessions did while they were watched."""

    sessions: int
    up: int
    """Sessions Up at the hub at the end."""
    downs: int
    """Sessions that went down, at both ends together."""
    switches: int
    cpu_pct: float
    """Of one core, the hub's process, all its threads, user and system."""
    late_max_ms: float
    seconds: float


def measure(say: Callable[[str], None], hold_s: float = _HOLD_S) -> Iterator[Figure]:
    """Measure 100 sessions, then 500."""
    what = f"{INTERVAL_MS} ms x 3, every session on its own interface, two make a protection group"
    few = hold(100, _MEASURED_S)
    say(f"  {few}")
    yield Figure(
        f"CPU of the hub's fast path, 100 sessions at {INTERVAL_MS} ms", few.cpu_pct, "% of a core", 15.0,
        note=f"{few.seconds:.0f} s, {what}",
    )  # fmt: skip
    many = hold(500, hold_s)
    say(f"  {many}")
    note = (
        f"{many.seconds:.0f} s, {what}; {many.cpu_pct:.1f} % of a core, wake-ups at most {many.late_max_ms:.1f} ms late"
    )
    yield Figure("500 sessions on one hub: up at the end", many.up, "sessions", 500, "higher", note=note)
    yield Figure("500 sessions on one hub: went down", many.downs, "sessions", 0, note=note)
    yield Figure("500 sessions on one hub: false switches", many.switches, "", 0, note=note)


def hold(sessions: int, seconds: float) -> Held:
    """Bring so many sessions up, wait until they are calm, and watch them.

    Raises:
        TimeoutError: they do not come up within a minute.
    """
    if sessions % 2:
        raise ValueError("two sessions make a group: the number must be even")
    groups = sessions // 2
    netns = {node: name for node, name in names().items() if node in ENDS}
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="lifeline-bench-scale-") as folder:
        _lay(stack, netns, groups)
        inventory = Path(folder, "inventory.yml")
        inventory.write_text(_inventory(groups))
        ears = {}
        pids = {}
        for node in ENDS:
            lease = ["ip", "netns", "exec", netns[node], "setpriv", "--pdeathsig", "KILL"]
            with Path(folder, f"{node}.log").open("wb") as log:
                program = subprocess.Popen(
                    [*lease, *fast_path_argv(inventory, node, Path(folder, node))],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                )  # fmt: skip
            stack.callback(program.wait)
            stack.callback(program.kill)
            pids[node] = program.pid
        for node in ENDS:
            ears[node] = FastPathEar(Path(folder, node, "fastpath.sock"), Path(folder, f"{node}.log"))
            stack.callback(ears[node].close)
        _await_up(ears, sessions)
        _listen(ears, _CALM_S)
        return _watch(ears, pids["core"], sessions, seconds)


def _watch(ears: dict[str, FastPathEar], hub: int, sessions: int, seconds: float) -> Held:
    switches = _switches(ears)
    cpu_s, began_s = _cpu_s(hub), monotonic_s()
    reports = _listen(ears, seconds)
    took_s = monotonic_s() - began_s
    cpu_s = _cpu_s(hub) - cpu_s
    reports += _listen(ears, 1.2)  # the next snapshot
    snapshot = ears["core"].snapshot()
    return Held(
        sessions,
        up=_up(ears["core"]),
        downs=sum(r.kind == "bfd" and r.body["previous"] == "Up" and r.body["state"] == "Down" for r in reports),
        switches=_switches(ears) - switches,
        cpu_pct=100 * cpu_s / took_s,
        late_max_ms=snapshot["stats"]["lateness_worst_ms"],
        seconds=took_s,
    )


def _await_up(ears: dict[str, FastPathEar], sessions: int) -> None:
    deadline = monotonic_s() + _UP_WITHIN_S
    while any(_up(ear) < sessions for ear in ears.values()):
        if monotonic_s() > deadline:
            states = ", ".join(f"{node} {_up(ear)}" for node, ear in ears.items())
            raise TimeoutError(f"not {sessions} sessions up within {_UP_WITHIN_S:.0f} s: {states}")
        _listen(ears, 0.2)


def _listen(ears: dict[str, FastPathEar], seconds: float) -> list[Report]:
    """Let time pass, with an ear on the reports so that none is forgotten."""
    heard: list[Report] = []
    deadline = monotonic_s() + seconds
    while (left_s := deadline - monotonic_s()) > 0:
        for ear in ears.values():
            heard += ear.hear()
        time.sleep(min(0.5, left_s))
    return heard


def _up(ear: FastPathEar) -> int:
    return sum(path["bfd"] == "Up" for path in ear.snapshot()["paths"])


def _switches(ears: dict[str, FastPathEar]) -> int:
    return sum(group["switch_count"] for ear in ears.values() for group in ear.snapshot()["groups"])


def _cpu_s(pid: int) -> float:
    fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _lay(stack: ExitStack, netns: dict[str, str], groups: int) -> None:
    """Lay the cables, in few commands however many they are."""
    sweep()
    for name in netns.values():
        subprocess.run(["ip", "netns", "add", name], check=True)
        stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=False)
    cables = [f"{kind}{n}" for n in range(groups) for kind in "fs"]
    site, core = (netns[node] for node in ENDS)
    _batch(site, [f"link add {cable} type veth peer name {cable} netns {core}" for cable in cables])
    for node, host in (("site", 2), ("core", 1)):
        lines = [f"link set {cable} up" for cable in ("lo", *cables)]
        for n in range(groups):
            lines.append(f"address add {_fibre(n, host)}/24 dev f{n}")
            lines.append(f"address add {_satellite(n, host)}/24 dev s{n}")
        _batch(netns[node], lines)


def _batch(netns: str, lines: list[str]) -> None:
    subprocess.run(["ip", "-n", netns, "-batch", "-"], input="\n".join(lines), text=True, check=True)


def _fibre(n: int, host: int) -> str:
    return f"10.64.{n}.{host}"


def _satellite(n: int, host: int) -> str:
    return f"10.66.{n}.{host}"


def _inventory(groups: int) -> str:
    bfd = f"bfd: {{interval_ms: {INTERVAL_MS}, detect_mult: 3}}"
    own, others = ("[" + ", ".join(f"10.{net}.{n}.0/24" for n in range(groups)) + "]" for net in (1, 2))
    lines = [
        "lifeline: 1",
        "sites:",
        f"  core: {{kind: core-room-wired, name: Core room, prefixes: {others}}}",
        f"  site: {{kind: super-base-station, name: All stations, prefixes: {own}, agent: true}}",
        "  sathub: {kind: satellite-hub, name: Satellite hub}",
        "links:",
    ]
    for n in range(groups):
        lines += [
            f"  fibre-{n}:",
            "    media: fibre",
            f"    a: {{site: site, interface: f{n}, address: {_fibre(n, 2)}/24}}",
            f"    b: {{site: core, interface: f{n}, address: {_fibre(n, 1)}/24}}",
            f"    {bfd}",
            f"  sat-{n}:",
            "    media: satellite",
            f"    a: {{site: site, interface: s{n}, address: {_satellite(n, 2)}/24}}",
            f"    b: {{site: core, interface: s{n}, address: {_satellite(n, 1)}/24}}",
            "    via: [sathub]",
            f"    {bfd}",
        ]
    lines.append("protection_groups:")
    for n in range(groups):
        lines += [
            f"  pg-{n}:",
            f"    working: fibre-{n}",
            f"    protection: sat-{n}",
            f"    prefixes: {{site: [10.2.{n}.0/24], core: [10.1.{n}.0/24]}}",
        ]
    return "\n".join([*lines, ""])
