"""The matrix as data: which sessions, what befalls them, and what both ends must then say.

`python interop_cases.py` prints the table that stands in docs/guide/bfd.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

INTERVALS_MS: Final = (10, 50, 300)
FAMILIES: Final = {
    "IPv4": ("10.64.{n}.1", "10.64.{n}.2", 30),
    "IPv6": ("fd00:{n}::1", "fd00:{n}::2", 64),
    "IPv6 link-local": ("fe80::1", "fe80::2", 64),
}
DETECT_MULT: Final = 3

EXPIRED = "Control Detection Time Expired"
SIGNALLED = "Neighbor Signaled Session Down"
DOWN = frozenset({"down", "init"})
"""A peer whose packets still reach us goes on to Init by our own Down."""


@dataclass(frozen=True)
class Outcome:
    """What our first report says, whether the path counts as failed, and in which state the peer is found.

    Empty texts are not looked at, nor is a peer of which no state is named.
    """

    ours: tuple[str, str, str]
    """Our state, our diagnostic, and the state last heard from the peer."""
    failed: bool
    theirs: frozenset[str]
    in_words: str = "ok"
    """As the guide's table has it."""


@dataclass(frozen=True)
class Case:
    """Something that befalls every session at once; `act` and `undo` are methods of the runner.

    `default` holds for each peer that `peers` does not name; None: a change that no session may notice by going Down.
    """

    title: str
    act: str
    undo: str
    default: Outcome | None
    peers: dict[str, Outcome] | None = None
    authenticated: Outcome | None = None
    """What holds instead for sessions with authentication."""
    needs_auth: bool = False

    def outcome(self, peer: str, auth: str) -> Outcome | None:
        if auth and self.authenticated is not None:
            return self.authenticated
        return (self.peers or {}).get(peer, self.default)


_SILENCE = Outcome(("Down", EXPIRED, "Up"), failed=True, theirs=DOWN)
VACANT = Outcome(("Down", EXPIRED, "Up"), failed=False, theirs=frozenset(), in_words="no path failure")
_FORGED = Outcome(("Down", EXPIRED, "Up"), failed=True, theirs=frozenset())

CASES: Final = (
    Case("peer's packets cut", "cut_towards_us", "heal", _SILENCE),
    Case("our packets cut", "cut_towards_them", "heal", Outcome(("Down", SIGNALLED, "Down"), failed=True, theirs=DOWN)),
    Case("peer stalls (SIGSTOP)", "stall_peer", "resume_peer", Outcome(_SILENCE.ours, failed=True, theirs=frozenset())),
    Case("peer killed (SIGKILL)", "kill_peer", "start_peer", VACANT, authenticated=_FORGED),
    Case("peer stopped (SIGTERM)", "stop_peer", "start_peer", VACANT, authenticated=_FORGED),
    Case(
        "peer held down by order",
        "hold_peer",
        "let_peer_go",
        Outcome(("Down", SIGNALLED, "AdminDown"), failed=False, theirs=frozenset({"shutdown"}), in_words="AdminDown"),
        {"bird": Outcome(_SILENCE.ours, failed=True, theirs=frozenset(), in_words="falls silent: has no AdminDown")},
    ),
    Case(
        "ours held down by order",
        "hold_ours",
        "let_ours_go",
        Outcome(("AdminDown", "Administratively Down", "Up"), failed=False, theirs=frozenset({"down"})),
    ),
    Case("our timers doubled while Up", "double_ours", "restore_ours", None),
    Case("peer's timers doubled while Up", "double_theirs", "restore_theirs", None),
    Case("our signing key changed while Up", "roll_key", "roll_key_back", None, needs_auth=True),
    Case(
        "ours stopped (SIGTERM)",
        "stop_ours",
        "start_ours",
        Outcome(("AdminDown", "Administratively Down", "Up"), failed=False, theirs=frozenset({"down"})),
    ),
    Case(
        "ours killed (SIGKILL)",
        "kill_ours",
        "start_ours",
        Outcome(("", "", ""), failed=False, theirs=frozenset({"down"})),
    ),
)


def table(peers: dict[str, tuple[str, tuple[str, ...]]]) -> str:
    """Return the guide's table; `peers`: key -> (title, types of authentication, empty for none)."""
    rows = [["", *(title for title, _auths in peers.values())]]
    each = f"{', '.join(map(str, INTERVALS_MS))} ms x {DETECT_MULT}"
    rows += [[f"Up over {family}, {each}", *("ok" for _ in peers)] for family in FAMILIES]
    for auth in ("keyed-sha1", "meticulous-sha1"):
        rows.append(
            [f"authentication `{auth}`", *("ok" if auth in auths else "has none" for _t, auths in peers.values())]
        )
    for case in CASES:
        row = [case.title]
        for key, (_title, auths) in peers.items():
            outcome, authenticated = case.outcome(key, ""), case.outcome(key, "keyed-sha1")
            words = "stays Up" if outcome is None else outcome.in_words
            if outcome != authenticated and len(auths) > 1:
                words += "; with authentication a path failure"
            row.append("has none" if case.needs_auth and len(auths) == 1 else words)
        rows.append(row)
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:], ""])


if __name__ == "__main__":
    from interop_peers import PEERS

    sys.stdout.write(table({key: (peer.title, peer.auths) for key, peer in PEERS.items()}))
