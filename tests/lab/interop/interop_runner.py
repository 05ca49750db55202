"""The runner of the matrix: all sessions with one peer stand at once, and each case befalls all of them."""

from __future__ import annotations

import itertools
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from failover_world import World
from interop_cases import CASES, DETECT_MULT, FAMILIES, INTERVALS_MS, VACANT, Case, Outcome
from interop_ours import Ours
from interop_peers import PEERS, SECRETS, Session

from failover.keys import KeyPlan
from failover.plan import FastPathPlan, SessionPlan

LONGEST_S = 15.0
"""How long a condition may take on a machine that is busy with other tests."""


def cells(peer: str) -> list[tuple[str, int, str]]:
    """Return the sessions with a peer: family, interval in ms, type of authentication."""
    auths = [auth for auth in PEERS[peer].auths if auth]
    kinds = [*((family, "") for family in FAMILIES), *(("IPv4", auth) for auth in auths)]
    return [(family, interval, auth) for (family, auth), interval in itertools.product(kinds, INTERVALS_MS)]


class Matrix:
    """Runs all cases with one peer; `findings[case title, cell]` is empty where all went as it must."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.findings: dict[tuple[str, tuple[str, int, str]], str] = {}
        self._cells = {f"s{number}": cell for number, cell in enumerate(cells(key), start=1)}
        self._sessions = [self._session(name) for name in self._cells]
        self._names = list(self._cells)

    def _session(self, name: str) -> Session:
        family, interval_ms, auth = self._cells[name]
        ours, theirs, _length = FAMILIES[family]
        return Session(name, interval_ms, auth, ours.format(n=name[1:]), theirs.format(n=name[1:]))

    def _plan(self, signing: int = 1) -> FastPathPlan:
        sessions = []
        for number, each in enumerate(self._sessions, start=1):
            keys = KeyPlan(((1, "old"), (2, "new")), signing, each.auth) if each.auth else None
            interval_us = each.interval_ms * 1000
            sessions.append(
                SessionPlan(each.name, each.name, each.ours, each.theirs, number, interval_us, DETECT_MULT, auth=keys)
            )
        return FastPathPlan("a", (), tuple(sessions), ())

    def run(self) -> None:
        """Run every case, whatever becomes of the one before."""
        self._world = World(f"io{self._key}")
        directory = Path(tempfile.mkdtemp(prefix="lifeline-interop-"))
        directory.chmod(0o755)  # FRR's daemons run as a user of their own
        try:
            self._lay_links()
            self._ours = Ours(self._world, self._plan(), directory, SECRETS)
            self.peer = PEERS[self._key](self._world, directory, self._sessions)
            self.peer.start()
            self._come_up("Up")
            for case in CASES:
                self._befall(case)
            self.words = self.peer.words_of_a_peer() if hasattr(self.peer, "words_of_a_peer") else ""
            self._ours.stop()
        finally:
            self._world.close()
            shutil.rmtree(directory)

    def _lay_links(self) -> None:
        for site in "ab":  # no address that we have not given
            self._world.sysctl(site, "net.ipv6.conf.default.addr_gen_mode=1")
        for each in self._sessions:
            length = FAMILIES[self._cells[each.name][0]][2]
            self._world.link(each.name, each.name, f"{each.ours}/{length}", f"{each.theirs}/{length}")

    # ------------------------------------------------------------ judging

    def _befall(self, case: Case) -> None:
        names = [name for name in self._names if self._cells[name][2] or not case.needs_auth]
        if not names:
            return
        self._marks = {name: len(reports) for name, reports in self._ours.reports.items()}
        getattr(self, case.act)()
        outcomes = [case.outcome(self._key, self._cells[name][2]) for name in names]
        there = any(outcome is None or outcome.theirs for outcome in outcomes)
        self._expect(case.title, names, lambda name: self._judge(case, name), ask=there)
        getattr(self, case.undo)()
        self._come_up(case.title)

    def _come_up(self, title: str) -> None:
        self._expect(title, self._names, self._is_up)

    def _expect(self, title: str, names: list[str], judge: Callable[[str], str], *, ask: bool = True) -> None:
        """Wait until nobody has anything to find fault with; what remains then is a finding."""
        deadline = time.monotonic() + LONGEST_S
        while True:
            self._refresh(ask=ask)
            found = {name: fault for name in names if (fault := judge(name))}
            if not found or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        for name in names:
            cell = title, self._cells[name]
            self.findings[cell] = self.findings.get(cell, "") or found.get(name, "")

    def _refresh(self, *, ask: bool) -> None:
        if ask:  # a peer that is not there, or stalls, would not answer
            self._states, self._intervals = self.peer.states(), self.peer.intervals()
        if self._ours.process.poll() is None:
            self._ours.now(self._names[0])

    def _is_up(self, name: str) -> str:
        seen = self._ours.paths[name]["bfd"], self._states.get(name), self._ours.paths[name]["signal_fail"]
        if seen != ("Up", "up", False):
            return f"ours {seen[0]}, theirs {seen[1]}, signal fail {seen[2]}"
        return self._timers(name, 1)

    def _timers(self, name: str, factor: int) -> str:
        """Both ends were configured alike: both send at the slower interval and expect as much."""
        interval_ms = self._cells[name][1] * factor
        wanted = (interval_ms, interval_ms * DETECT_MULT)
        path = self._ours.paths[name]
        ours, theirs = (path["interval_ms"], path["detect_ms"]), self._intervals.get(name)
        return "" if ours == theirs == wanted else f"timers {ours} and {theirs}, must be {wanted}"

    def _judge(self, case: Case, name: str) -> str:
        outcome = case.outcome(self._key, self._cells[name][2])
        reports = self._ours.reports[name][self._marks[name] :]
        if outcome is None:
            if reports:
                return f"went {reports[0]['state']}: {reports[0]['diag']}"
            return self._timers(name, 2 if "timers" in case.title else 1)
        return self._differs(outcome, name, reports)

    def _differs(self, outcome: Outcome, name: str, reports: list[dict[str, Any]]) -> str:
        state = self._states.get(name)
        if outcome.theirs and state not in outcome.theirs:
            return f"theirs is {state}"
        if not outcome.ours[0]:
            return ""
        if not reports:
            return "ours says nothing"
        first = reports[0]
        said = first["state"], first["diag"], first["remote_state"]
        failed = any(report["path"]["signal_fail"] for report in reports)
        if said == outcome.ours and (failed is outcome.failed or self._may_miss_the_refusal(outcome, name)):
            return ""
        return f"ours says {said}, having heard {first['remote_diag']}; path failed: {failed}"

    def _may_miss_the_refusal(self, outcome: Outcome, name: str) -> bool:
        """A daemon that was killed holds its port for a moment, and 30 ms of silence may be over before."""
        return outcome is VACANT and self._cells[name][1] == min(INTERVALS_MS)

    # ------------------------------------------------------------ what befalls

    def cut_towards_us(self) -> None:
        self._world.cut(*self._names, towards="a")

    def cut_towards_them(self) -> None:
        self._world.cut(*self._names, towards="b")

    def heal(self) -> None:
        self._world.heal()

    def stall_peer(self) -> None:
        self.peer.signal(signal.SIGSTOP)

    def resume_peer(self) -> None:
        self.peer.signal(signal.SIGCONT)

    def kill_peer(self) -> None:
        self.peer.signal(signal.SIGKILL)

    def stop_peer(self) -> None:
        self.peer.signal(signal.SIGTERM)

    def start_peer(self) -> None:
        self.peer.start()

    def hold_peer(self) -> None:
        self.peer.hold(self._names)

    def let_peer_go(self) -> None:
        self.peer.let_go(self._names)

    def hold_ours(self) -> None:
        for name in self._names:
            self._ours.tell(name, "admin_down")

    def let_ours_go(self) -> None:
        for name in self._names:
            self._ours.tell(name, "admin_up")

    def double_ours(self, factor: int = 2) -> None:
        for each in self._sessions:
            interval_us = each.interval_ms * 1000 * factor
            self._ours.tell(each.name, "reconfigure", desired_min_tx_us=interval_us, required_min_rx_us=interval_us)

    def restore_ours(self) -> None:
        self.double_ours(1)

    def double_theirs(self) -> None:
        self.peer.retime(self._names, 2)

    def restore_theirs(self) -> None:
        self.peer.retime(self._names, 1)

    def roll_key(self, signing: int = 2) -> None:
        self._ours.write(self._plan(signing))
        self._ours.rekey()

    def roll_key_back(self) -> None:
        self.roll_key(1)

    def stop_ours(self) -> None:
        self._ours.stop()

    def kill_ours(self) -> None:
        self._ours.stop(signal.SIGKILL)

    def start_ours(self) -> None:
        self._ours.start()
