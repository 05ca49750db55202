"""`unshare --net python -m bench.playbooks_world KILLS RIG`: runs of ten real effects, killed at every journal point.

Each life of the orchestrator is a forked process with the real journal, executor and steps. It kills itself with
SIGKILL at a given point: before and after each commit, and before and after each effect. Later lives are killed at
random points or moments, until one ends the run. The effects are counted where they happen: a Modbus server counts
writes of registers, the kernel's own notifications count routes.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import json
import mmap
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from failover.core.playbook import Do, Fact, Outcome, Playbook, Run
from failover.executor import RealEffects
from failover.orchestrator import Orchestrator
from failover.orchestrator_port import Kept
from failover.playbooks import parse_playbook
from failover.steps.kind import Allowed, Command
from failover.steps.registry import Registry
from lifeline.clock import monotonic_s, wall_ns
from lifeline.config import parse_inventory
from lifeline.journal import open_engine
from lifeline.model.records import Event, EventKind, Json

STEPS: Final = 10
WITHIN_S: Final = 390.0
"""What has been killed by then is what is told."""
REGISTERS: Final = 64
BAD: Final = REGISTERS - 1
"""A register that can only be read: writing it is refused, and the probe sees that nothing was done."""
RIGS: Final = 2
"""So many worlds at once, each with half of the journal points."""
_HEAD = """\
playbook: ten
version: 1
summary: Ten effects.
limits: {per_hour: 10000}
steps:
"""


def book_text(port: int, run: int, *, fails: bool) -> str:
    """Return a playbook of ten effects, routes and registers in turn; the last one fails if it shall."""
    steps = []
    for number in range(STEPS):
        if number % 2 == 0:
            route = f"{{prefix: 10.{run % 250}.{number}.0/24, device: d0"
            steps.append(f"  - {{id: s{number}, do: kernel.route, args: {route}}}, timeout_s: 10,\n"
                         f"     compensate: {{do: kernel.route, args: {route}, present: false}}}}}}\n")  # fmt: skip
            continue
        register = BAD if fails and number == STEPS - 1 else number
        write = f"host: 127.0.0.1, port: {port}, register: {register}, interlocks: [{{fact: always, that: value == 1}}]"
        steps.append(f"  - {{id: s{number}, do: modbus.write, args: {{{write}, values: [{number}]}}, timeout_s: 10,\n"
                     f"     compensate: {{do: modbus.write, args: {{{write}, values: [0]}}}}}}\n")  # fmt: skip
    return _HEAD + "".join(steps)


class Modbus:
    """A Modbus TCP server of a few registers that counts writes, in plain sockets."""

    def __init__(self) -> None:
        self.counts = mmap.mmap(-1, REGISTERS * 4)
        self.values = mmap.mmap(-1, REGISTERS * 4)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.process = multiprocessing.get_context("fork").Process(target=self._serve, daemon=True)
        self.process.start()

    def reset(self) -> None:
        self.counts[:] = self.values[:] = bytes(REGISTERS * 4)

    def look(self, where: mmap.mmap, register: int) -> int:
        return int.from_bytes(where[register * 4 : register * 4 + 4], "big")

    def _put(self, where: mmap.mmap, register: int, value: int) -> None:
        where[register * 4 : register * 4 + 4] = value.to_bytes(4, "big")

    def _serve(self) -> None:
        while True:
            connection, _address = self._socket.accept()
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while len(head := stream.read(7)) == 7:
                request = stream.read(int.from_bytes(head[4:6], "big") - 1)
                answer = self._answer(request)
                try:
                    connection.sendall(head[:4] + (len(answer) + 1).to_bytes(2, "big") + head[6:7] + answer)
                except OSError:
                    return

    def _answer(self, request: bytes) -> bytes:
        function, first, count = request[0], int.from_bytes(request[1:3], "big"), int.from_bytes(request[3:5], "big")
        if first + count > REGISTERS:
            return bytes([function | 0x80, 2])  # illegal data address
        if function == 3:
            words = b"".join(self.look(self.values, first + n).to_bytes(2, "big") for n in range(count))
            return bytes([3, len(words)]) + words
        if first <= BAD < first + count:
            return bytes([function | 0x80, 3])  # illegal data value
        for number in range(count):
            self._put(self.values, first + number, int.from_bytes(request[6 + 2 * number : 8 + 2 * number], "big"))
            self._put(self.counts, first + number, self.look(self.counts, first + number) + 1)
        return request[:5]


class Known:
    """Facts of which one is always so."""

    def get(self, name: str) -> Fact:
        return Fact(1, 0.0) if name == "always" else Fact()

    def in_maintenance(self, _subject: str) -> bool:
        return False

    def failing_share(self) -> float:
        return 0.0


class Points:
    """Counts the points at which a life may end, and ends it at one."""

    def __init__(self, kill_at: int) -> None:
        self.seen = 0
        self._kill_at = kill_at

    def pass_by(self) -> None:
        self.seen += 1
        if self.seen == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class JournalPort:
    """The real journal, and nothing else of a hub."""

    def __init__(self, path: Path, points: Points) -> None:
        self.facts: Any = Known()
        self.inventory = parse_inventory("lifeline: 1\nsites: {}\n")
        self._engine = open_engine(path)
        self._boot, self._seq = f"{os.getpid()}-{wall_ns()}", 0
        self._points = points

    async def keep(self, drafts: Sequence[tuple[str, Mapping[str, Json]]]) -> None:
        self._points.pass_by()
        events = []
        for subject, body in drafts:
            self._seq += 1
            events.append(Event("core/hub", self._boot, self._seq, wall_ns(), EventKind.PLAYBOOK, subject, body))
        await self._engine.append(events)
        self._points.pass_by()

    async def entries(self) -> AsyncIterator[Kept]:
        async for it in self._engine.read(0, kind=EventKind.PLAYBOOK):
            yield Kept(it.cursor, it.recorded_at_ns, it.event.subject, it.event.body)

    async def command(self, *_args: Any) -> Command:
        return Command("refused", "there is no hub")

    def known_command(self, _key: str) -> Command | None:
        return None

    def site_of(self, _subject: str) -> str:
        return ""

    def show(self, subject: str, body: Mapping[str, Json]) -> None:
        pass

    async def save(self, body: Json) -> None:
        pass


class Killed(RealEffects):
    """Real effects with a point before and after each."""

    points: Points

    async def do(self, run: Run, action: Do) -> Outcome:
        self.points.pass_by()
        outcome = await super().do(run, action)
        self.points.pass_by()
        return outcome


def life(path: Path, book: Playbook, registry: Registry, kill_at: int, result: mmap.mmap) -> None:
    """Live once: go on with the run, or start it; write its state and the points passed when it is over."""

    async def live() -> None:
        points = Points(kill_at)
        orchestrator = Orchestrator(JournalPort(path, points), {"ten": book}, registry,
                                    Allowed(hosts=frozenset({"127.0.0.1"})))  # fmt: skip
        effects = Killed(registry, orchestrator._context, orchestrator._fence)  # noqa: SLF001 - the bench stands in
        effects.points = points
        orchestrator.effects = effects
        await orchestrator.start()
        run = await orchestrator.begin("ten", {}, by="bench", key="once")
        while not (run.over or run.state.value == "needs-human"):  # noqa: ASYNC110 - a run tells of no event
            await asyncio.sleep(0.005)
        word = json.dumps({"state": run.state.value, "reason": run.reason, "points": points.seen}).encode()
        result[: len(word) + 1] = word + b"\0"
        await orchestrator.stop()

    asyncio.run(live())


def _order(points: Mapping[bool, int], rig: int) -> Iterator[tuple[bool, int]]:
    """Yield this rig's share of the points at which a first life may end, of both playbooks in turn, mixed."""
    shares = []
    for fails, count in points.items():
        share = [(fails, point) for point in range(1, count + 1) if point % RIGS == rig]
        random.Random(rig).shuffle(share)
        shares.append(share)
    for pair in itertools.zip_longest(*shares):
        yield from filter(None, pair)


def main(kills_wanted: int, rig: int) -> None:
    """Kill at every point of this rig's share, and on until it has been done often enough; print what was found."""
    for command in ("link set lo up", "link add d0 type veth peer name d1", "link set d0 up", "link set d1 up"):
        subprocess.run(["ip", *command.split()], check=True)
    modbus, registry, dice = Modbus(), Registry(), random.Random(7 + rig)
    registry.kinds()  # loads them all before the first fork
    import pymodbus.client  # noqa: F401 - paid before the clock runs
    import pyroute2  # noqa: F401 - the same

    tally = Counter[str]()
    ended: Counter[str] = Counter()
    # A killed process leaves to the kernel what it has written, so memory does. Power cuts are the journal's tests.
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as place:
        world = World(Path(place), modbus, registry, dice)
        points = {fails: world.run(0, fails=fails, tally=tally, ended=ended) for fails in (False, True)}
        until_s = monotonic_s() + WITHIN_S
        covered = 0
        for round_number in itertools.count():
            for fails, point in _order(points, rig):
                if monotonic_s() > until_s or (round_number and tally["kills"] >= kills_wanted):
                    break
                world.run(point, fails=fails, tally=tally, ended=ended)
                covered += not round_number
            else:
                if tally["kills"] < kills_wanted:
                    continue
            break
        world.close()
    modbus.process.terminate()
    print(json.dumps({**{name: tally[name] for name in ("kills", "runs", "twice", "lost", "stuck", "undone_kills")},
                      "ended": dict(ended), "points": sum(points.values()), "covered": covered}))  # fmt: skip


class World:
    """Where runs take place: a journal that is made already, routes, registers."""

    def __init__(self, place: Path, modbus: Modbus, registry: Registry, dice: random.Random) -> None:
        self._place, self._modbus, self._registry, self._dice = place, modbus, registry, dice
        self._result = mmap.mmap(-1, 4096)
        self._runs = 0
        self._news = place / "routes"
        with self._news.open("w") as out:
            self._monitor = subprocess.Popen(["ip", "-o", "monitor", "route"], stdout=out)
        asyncio.run(open_engine(place / "made" / "journal.db").close())

    def close(self) -> None:
        self._monitor.terminate()
        self._monitor.wait()

    def run(self, kill_at: int, *, fails: bool, tally: Counter[str], ended: Counter[str]) -> int:
        """Let one run be killed until it is over, judge it, and return how many points its last life passed."""
        self._runs += 1
        self._modbus.reset()
        subprocess.run(["ip", "route", "flush", "dev", "d0"], check=False)
        began = self._news.stat().st_size
        self._result[:1] = b"\0"
        home = self._place / str(self._runs)
        shutil.copytree(self._place / "made", home)
        book = parse_playbook(book_text(self._modbus.port, self._runs, fails=fails), self._registry)
        dice = self._dice if kill_at else None
        killed = _lives(home / "journal.db", book, self._registry, kill_at, dice, self._result)
        shutil.rmtree(home)
        word = self._result[:].partition(b"\0")[0]
        told = json.loads(word) if word else {"state": "stuck", "reason": "", "points": 0}
        state = str(told["state"])
        time.sleep(0.02)  # the kernel's news reach the file
        twice, lost = _judge(self._modbus, self._news.read_text()[began:], state, self._runs)
        ended[state] += 1
        tally.update(kills=killed, runs=1, twice=twice, lost=lost,
                     stuck=state == "stuck" or (state != "done" and not told["reason"]),
                     undone_kills=killed if state == "compensated" else 0)  # fmt: skip
        if twice or lost:
            print(f"run {self._runs} killed at {kill_at}, fails={fails}: {told}, twice {twice}, lost {lost}",
                  file=sys.stderr)  # fmt: skip
        return int(str(told["points"]))


def _lives(
    journal: Path, book: Playbook, registry: Registry, first: int, dice: random.Random | None, result: mmap.mmap
) -> int:
    """Let lives follow one another until one ends the run; return how many were killed."""
    killed = 0
    for number in range(20):
        later = dice.randrange(1, 60) if dice is not None and number < 4 else 0
        kill_at = first if number == 0 else later
        child = os.fork()
        if child == 0:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            try:
                life(journal, book, registry, kill_at, result)
            except BaseException as error:  # noqa: BLE001 - a fork must not run on as its parent
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
                os._exit(1)
            os._exit(0)
        _pid, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            break
        killed += 1
    return killed


def _judge(modbus: Modbus, news: str, state: str, run: int) -> tuple[int, int]:
    """Return how many effects were done twice, and how many are missing, by what the world itself has counted."""
    twice = lost = 0
    lines = news.splitlines()
    done = {"done": 1, "compensated": 2}.get(state, 0)
    for number in range(STEPS):
        if number % 2 == 0:
            prefix = f"10.{run % 250}.{number}.0/24"
            added = sum(prefix in line and not line.startswith("Deleted") for line in lines)
            removed = sum(prefix in line and line.startswith("Deleted") for line in lines)
            twice += max(0, added - 1) + max(0, removed - (done == 2))
            lost += (added < 1) + (done == 2 and removed < 1) if done else 0
        elif done == 1 or number < STEPS - 1:
            writes, value = modbus.look(modbus.counts, number), modbus.look(modbus.values, number)
            twice += max(0, writes - done) if done else max(0, writes - 2)
            lost += (value != (number if done == 1 else 0)) or writes < done if done else 0
    return twice, lost


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
