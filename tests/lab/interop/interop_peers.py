"""The other implementations: FRR's bfdd and BIRD, in namespace `b`, told and asked in their own words."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from failover_world import World, until

FRR_DAEMONS = Path("/usr/lib/frr")
SECRETS = {"old": b"fibre and satellite", "new": b"satellite and fibre"}
"""By the name that stands in our plans; a peer numbers them 1 and 2."""


@dataclass(frozen=True)
class Session:
    """One BFD session of the matrix: link, interface and session have one name; `auth` is empty for none."""

    name: str
    interval_ms: int
    auth: str
    ours: str
    theirs: str


class Peer(Protocol):
    """What a peer can be told and asked.

    Attributes:
        title: the implementation, for people.
        auths: the types of authentication that it has, by the names in our plans; empty is none.
    """

    title: str
    auths: tuple[str, ...]

    def __init__(self, world: World, directory: Path, sessions: Sequence[Session]) -> None: ...

    @classmethod
    def missing(cls) -> str:
        """Return why it cannot run here, or an empty text."""

    def start(self) -> None: ...

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the BFD daemon."""

    def states(self) -> dict[str, str]:
        """Return the state of each session by name, in lower case; one that it does not know has none."""

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return by session the interval at which it sends and its detection time, in ms."""

    def hold(self, names: Iterable[str]) -> None:
        """Hold sessions down by order."""

    def let_go(self, names: Iterable[str]) -> None:
        """End `hold`."""

    def retime(self, names: Iterable[str], factor: int) -> None:
        """Multiply the intervals that were first configured, while the sessions run."""


_BIRD_WORDS = {"keyed-sha1": "keyed sha1", "meticulous-sha1": "meticulous keyed sha1"}


class Bird:
    title = "BIRD 2.0.12"
    auths = ("", "keyed-sha1", "meticulous-sha1")

    def __init__(self, world: World, directory: Path, sessions: Sequence[Session]) -> None:
        self._world, self._sessions = world, {session.name: session for session in sessions}
        self._directory = directory / "bird"
        self._directory.mkdir()
        self._factors = dict.fromkeys(self._sessions, 1)
        self._held: set[str] = set()

    @classmethod
    def missing(cls) -> str:
        return "" if shutil.which("bird") else "needs bird2"

    def _configure(self) -> None:
        lines = [
            "router id 10.0.0.2;",
            f'log "{self._directory}/bird.log" all;',
            "protocol device {}",
            "protocol bfd interop {",
        ]
        lines += ["  debug { states, events };"]
        for name, session in self._sessions.items():
            interval = session.interval_ms * self._factors[name]
            options = f"interval {interval} ms; multiplier 3;"
            if session.auth:
                options += f" authentication {_BIRD_WORDS[session.auth]};"
                for number, secret in enumerate(SECRETS.values(), start=1):
                    options += f' password "{secret.decode()}" {{ id {number}; }};'
            lines.append(f'  interface "{name}" {{ {options} }};')
        for name, session in self._sessions.items():
            if name not in self._held:
                lines.append(f'  neighbor {session.ours} dev "{name}" local {session.theirs};')
        (self._directory / "bird.conf").write_text("\n".join([*lines, "}", ""]))

    def start(self) -> None:
        self._configure()
        files = [f"{self._directory}/bird.{kind}" for kind in ("conf", "ctl", "pid")]
        argv = ["chrt", "-f", "40", "bird", "-f", "-c", files[0], "-s", files[1], "-P", files[2]]
        with (self._directory / "stderr").open("ab") as stderr:
            self._process = self._world.spawn("b", *argv, stderr=stderr)
        until("BIRD answers", lambda: "BIRD" in self._ask("show", "status"))

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        if number in {signal.SIGKILL, signal.SIGTERM}:
            self._process.wait(10)

    def _ask(self, *words: str) -> str:
        argv = ["birdc", "-s", str(self._directory / "bird.ctl"), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10).stdout

    def _lines(self) -> dict[str, list[str]]:
        lines = [line.split() for line in self._ask("show", "bfd", "sessions").splitlines()]
        return {line[1]: line for line in lines if len(line) >= 6 and line[1] in self._sessions}

    def states(self) -> dict[str, str]:
        return {name: line[2].lower() for name, line in self._lines().items()}

    def intervals(self) -> dict[str, tuple[float, float]]:
        return {name: (float(line[-2]) * 1000, float(line[-1]) * 1000) for name, line in self._lines().items()}

    def hold(self, names: Iterable[str]) -> None:
        """Take the neighbours out of its configuration: BIRD has no order that holds a session down."""
        self._held |= set(names)
        self._reconfigure()

    def let_go(self, names: Iterable[str]) -> None:
        self._held -= set(names)
        self._reconfigure()

    def retime(self, names: Iterable[str], factor: int) -> None:
        self._factors |= dict.fromkeys(names, factor)
        self._reconfigure()

    def _reconfigure(self) -> None:
        self._configure()
        answer = self._ask("configure")
        if "Reconfigured" not in answer and "in progress" not in answer:
            raise RuntimeError(answer)


_FRR = """mount --make-rprivate / && mkdir -p /run/frr /var/tmp/frr || exit 1
mount --bind {run} /run/frr && mount -t tmpfs none /var/tmp/frr || exit 1
exec {command}
"""


class Frr:
    title = "FRR 8.4.4 bfdd"
    auths = ("",)

    def __init__(self, world: World, directory: Path, sessions: Sequence[Session]) -> None:
        self._world, self._sessions = world, {session.name: session for session in sessions}
        self._run = directory / "frr"
        self._run.mkdir()
        shutil.chown(self._run, "frr", "frr")
        (self._run / "zebra.conf").write_text("hostname interop\n")
        self._zebra: subprocess.Popen[bytes] | None = None

    @classmethod
    def missing(cls) -> str:
        return "" if (FRR_DAEMONS / "bfdd").exists() and shutil.which("vtysh") else "needs frr"

    def _spawn(self, *argv: str) -> subprocess.Popen[bytes]:
        script = _FRR.format(run=self._run, command=" ".join(argv))
        with (self._run / "stderr").open("ab") as stderr:
            return self._world.spawn("b", "unshare", "-m", "sh", "-c", script, stderr=stderr, stdout=stderr)

    def start(self) -> None:
        if self._zebra is None:
            self._zebra = self._spawn(f"{FRR_DAEMONS}/zebra", "-f", f"{self._run}/zebra.conf", "-P", "0")
            until("zebra listens", (self._run / "zserv.api").exists)
        lines = ["bfd"]
        for session in self._sessions.values():
            lines += self._in_peer(session, *_frr_timers(session.interval_ms))
        (self._run / "bfdd.conf").write_text("\n".join([*lines, ""]))
        (self._run / "bfdd.vty").unlink(missing_ok=True)
        daemon = ["chrt", "-f", "40", f"{FRR_DAEMONS}/bfdd", "-f", f"{self._run}/bfdd.conf", "-P", "0"]
        self._process = self._spawn(*daemon)
        until("bfdd answers", lambda: bool(self.states()))

    def _in_peer(self, session: Session, *words: str) -> list[str]:
        head = f"peer {session.ours} local-address {session.theirs} interface {session.name}"
        return [head, *words, "exit"]

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        if number in {signal.SIGKILL, signal.SIGTERM}:
            self._process.wait(10)

    def _vtysh(self, *commands: str) -> str:
        argv = ["vtysh", "--vty_socket", str(self._run), "-d", "bfdd"]
        for command in commands:
            argv += ["-c", command]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20).stdout

    def _peers(self) -> dict[str, dict[str, object]]:
        try:
            peers = json.loads(self._vtysh("show bfd peers json") or "[]")
        except ValueError:
            return {}
        return {peer["interface"]: peer for peer in peers if peer.get("interface") in self._sessions}

    def states(self) -> dict[str, str]:
        return {name: str(peer["status"]) for name, peer in self._peers().items()}

    def intervals(self) -> dict[str, tuple[float, float]]:
        found = {}
        for name, peer in self._peers().items():
            ours = {
                key: int(str(peer[key])) for key in peer if re.fullmatch(r"(remote-)?\w+-(interval|multiplier)", key)
            }
            sends = max(ours["transmit-interval"], ours["remote-receive-interval"])
            expects = max(ours["receive-interval"], ours["remote-transmit-interval"])
            found[name] = (sends, expects * int(str(peer["remote-detect-multiplier"])))
        return found

    def _tell(self, words: dict[str, list[str]]) -> None:
        commands = ["configure terminal", "bfd"]
        for name, lines in words.items():
            commands += self._in_peer(self._sessions[name], *lines)
        if said := self._vtysh(*commands).strip():
            raise RuntimeError(said)

    def hold(self, names: Iterable[str]) -> None:
        self._tell({name: ["shutdown"] for name in names})

    def let_go(self, names: Iterable[str]) -> None:
        self._tell({name: ["no shutdown"] for name in names})

    def retime(self, names: Iterable[str], factor: int) -> None:
        self._tell({name: _frr_timers(self._sessions[name].interval_ms * factor) for name in names})

    def words_of_a_peer(self) -> str:
        """Return all that can be said of a peer, by bfdd's own account."""
        session = next(iter(self._sessions.values()))
        return self._vtysh("configure terminal", "bfd", self._in_peer(session)[0], "list")


def _frr_timers(interval_ms: int) -> list[str]:
    return ["detect-multiplier 3", f"receive-interval {interval_ms}", f"transmit-interval {interval_ms}"]


PEERS: dict[str, type[Frr | Bird]] = {"frr": Frr, "bird": Bird}
