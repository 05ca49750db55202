"""Whoever means ill on the wire brings no session Up that is not, and none Down that is Up, at 10 ms x 3.

Both ends are ours. Everything is said in the name of the far end, with the discriminators of the living session, unless
the case is about just that.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import hostile_flood
import pytest
from failover_world import World, until
from hostile_wire import Envelope, Wire
from interop_ours import Ours

from failover.core.auth import Authenticator, AuthType, KeyRing
from failover.core.packet import ControlPacket, Diagnostic, State
from failover.keys import KeyPlan
from failover.plan import FastPathPlan, SessionPlan

pytestmark = pytest.mark.lab

OURS, THEIRS, STRANGER = "10.64.0.1", "10.64.0.2", "10.64.0.9"
SECRET, WRONG_SECRET = b"fibre and satellite", b"guessed"
METICULOUS = "meticulous-sha1"
INTERVAL_US, DETECT_MULT = 10_000, 3
WATCHED_S = 0.15
"""Five detection times: what has not gone Down by then was not brought Down."""


class Stand:
    """Two fast paths on one link, with somebody in the middle.

    `heard` is the last packet of the far end, and `claims` the state that is claimed in its name.
    """

    claims = State.DOWN

    def __init__(self, world: World, directory: Path, auth: str) -> None:
        self.world, self.auth = world, auth
        world.link("fibre", "fibre", f"{OURS}/30", f"{THEIRS}/30")
        keys = {"key": SECRET}
        self.ours = Ours(world, self._plan("a", OURS, THEIRS), directory, keys)
        self.theirs = world.fast_path("b", self._plan("b", THEIRS, OURS), directory, keys)
        self.wire = Wire(world, "fibre")
        self.envelope = Envelope(self.wire.mac, THEIRS, OURS)

    def _plan(self, site: str, local: str, remote: str) -> FastPathPlan:
        keys = KeyPlan(((1, "key"),), 1, self.auth) if self.auth else None
        session = SessionPlan("fibre", "fibre", local, remote, 1, INTERVAL_US, DETECT_MULT, auth=keys)
        return FastPathPlan(site, (), (session,), ())

    def up(self) -> None:
        """Wait until both ends are Up at their intervals, and hear the far end as it then is."""

        def settled() -> bool:
            path = self.ours.now("fibre")
            return (path["bfd"], path["remote_bfd"], path["interval_ms"], path["detect_ms"]) == ("Up", "Up", 10, 30)

        until("both ends are Up", settled)
        self.hear()

    def hear(self) -> None:
        self.wire.forget()
        self.payload, self.heard = next(self.wire.hear(THEIRS))

    def impersonate(self) -> None:
        """Have no far end, and what it would say to come Up: our packets tell the discriminator of this attempt."""
        self.world.cut("fibre")
        until("ours is Down", lambda: self.ours.now("fibre")["bfd"] == "Down")
        self.wire.forget()
        _payload, ours = next(self.wire.hear(OURS))
        self.heard = replace(self.heard, your_discriminator=ours.my_discriminator)
        self.claims = State.INIT

    def begin_anew(self) -> None:
        """Restart both ends: neither has learned a number from a recording."""
        self.claims = State.DOWN
        self.world.heal()
        for end in (self.ours, self.theirs):
            end.stop(signal.SIGKILL)
            end.start()

    @property
    def changes(self) -> list[str]:
        """Our changes of state until now."""
        return [report["state"] for report in self.ours.reports["fibre"]]


@contextmanager
def standing(auth: str) -> Iterator[Stand]:
    world = World(f"evil{auth[:1]}")
    stand = None
    try:
        with tempfile.TemporaryDirectory(prefix="lifeline-hostile-") as directory:
            stand = Stand(world, Path(directory), auth)
            stand.up()
            yield stand
            stand.ours.stop()
    finally:
        if stand is not None:
            stand.wire.close()
        world.close()


@pytest.fixture(scope="module")
def open_stand() -> Iterator[Stand]:
    with standing("") as stand:
        yield stand


@pytest.fixture(scope="module")
def signed_stand() -> Iterator[Stand]:
    with standing(METICULOUS) as stand:
        yield stand


def claim(stand: Stand) -> ControlPacket:
    """What the far end would say to take the session down, or up."""
    return replace(stand.heard, state=stand.claims, diagnostic=Diagnostic.CONTROL_DETECTION_TIME_EXPIRED, auth=b"")


def spoilt(stand: Stand, offset: int, value: int) -> bytes:
    data = bytearray(claim(stand).encode())
    data[offset] = value
    return bytes(data)


def signed(stand: Stand, secret: bytes, ahead: int, packet: ControlPacket | None = None) -> bytes:
    """Sign a packet as the far end would, `ahead` of the last number that it sent."""
    last = int.from_bytes(stand.heard.auth[4:8], "big")
    ring = KeyRing(AuthType.METICULOUS_KEYED_SHA1, {1: secret}, 1)
    return Authenticator(ring, last + ahead - 1).sign(packet or claim(stand)).encode()


Attack = Callable[[Stand], list[bytes]]
"""Returns the frames to send."""

OPEN: dict[str, Attack] = {
    "TTL 254": lambda s: [s.envelope.frame(claim(s).encode(), ttl=254)],
    "TTL 1": lambda s: [s.envelope.frame(claim(s).encode(), ttl=1)],
    "another's discriminator": lambda s: [
        s.envelope.frame(replace(claim(s), your_discriminator=s.heard.your_discriminator ^ bit).encode())
        for bit in (1, 1 << 12, 1 << 31)
    ],
    "spoofed source": lambda s: [s.envelope.frame(claim(s).encode(), source=STRANGER)],
    "stranger who knows nobody": lambda s: [
        s.envelope.frame(replace(claim(s), your_discriminator=0).encode(), source=STRANGER)
    ],
    "truncated": lambda s: [s.envelope.frame(claim(s).encode()[:length]) for length in (0, 1, 4, 12, 23)],
    "length too small": lambda s: [s.envelope.frame(spoilt(s, 3, value)) for value in (0, 1, 23)],
    "length too large": lambda s: [s.envelope.frame(spoilt(s, 3, value)) for value in (25, 52, 255)],
    "UDP length lies": lambda s: [s.envelope.frame(claim(s).encode(), udp_length=n) for n in (0, 7, 20, 200)],
    "wrong version": lambda s: [s.envelope.frame(spoilt(s, 0, version << 5)) for version in (0, 2, 7)],
    "multipoint": lambda s: [s.envelope.frame(spoilt(s, 1, claim(s).encode()[1] | 1))],
    "Detect Mult 0": lambda s: [s.envelope.frame(spoilt(s, 2, 0))],
    "My Discriminator 0": lambda s: [s.envelope.frame(claim(s).encode()[:4] + bytes(4) + claim(s).encode()[8:])],
    "Your Discriminator 0 in Init and Up": lambda s: [
        s.envelope.frame(replace(claim(s), state=state, your_discriminator=0).encode())
        for state in (State.INIT, State.UP)
    ],
    "authentication added": lambda s: [s.envelope.frame(claim(s).encode_with(b"\x05\x1c\x01" + bytes(25)))],
    "authentication of one byte": lambda s: [s.envelope.frame(spoilt(s, 1, claim(s).encode()[1] | 4))],
}
SIGNED: dict[str, Attack] = {
    "authentication stripped": lambda s: [s.envelope.frame(claim(s).encode())],
    "wrong key": lambda s: [s.envelope.frame(signed(s, WRONG_SECRET, ahead)) for ahead in range(1, 9)],
    "unknown Key ID": lambda s: [s.envelope.frame(_with(signed(s, SECRET, 2), 26, 9))],
    "another type": lambda s: [s.envelope.frame(_with(signed(s, SECRET, 2), 24, kind)) for kind in (0, 1, 2, 3, 4, 6)],
    "Auth Len lies": lambda s: [s.envelope.frame(_with(signed(s, SECRET, 2), 25, n)) for n in (0, 8, 27, 29, 255)],
    "right key, a number of the past": lambda s: [s.envelope.frame(signed(s, SECRET, -ahead)) for ahead in (0, 1, 99)],
    "right key, a number too far ahead": lambda s: [s.envelope.frame(signed(s, SECRET, 1000))],
    "hash of other contents": lambda s: [s.envelope.frame(_with(signed(s, SECRET, 2, s.heard), 0, 0x21))],
    "replayed": lambda s: [s.envelope.frame(s.payload)] * 20,
}


def _with(payload: bytes, offset: int, value: int) -> bytes:
    data = bytearray(payload)
    data[offset] = value
    return bytes(data)


def _loses_nothing(stand: Stand, attack: Attack) -> None:
    stand.up()
    before = len(stand.changes)
    ends = time.monotonic() + WATCHED_S
    while time.monotonic() < ends:
        stand.hear()
        for frame in attack(stand):
            stand.wire.send(frame)
    assert stand.changes[before:] == []
    assert (stand.ours.now("fibre")["bfd"], stand.theirs.path("fibre")["bfd"]) == ("Up", "Up")


@pytest.mark.parametrize("attack", OPEN)
def test_no_session_is_lost(open_stand: Stand, attack: str) -> None:
    _loses_nothing(open_stand, OPEN[attack])


@pytest.mark.parametrize("attack", SIGNED)
def test_no_authenticated_session_is_lost(signed_stand: Stand, attack: str) -> None:
    _loses_nothing(signed_stand, SIGNED[attack])


@pytest.mark.parametrize("auth", ["", METICULOUS])
def test_nothing_brings_a_dead_session_up(open_stand: Stand, signed_stand: Stand, auth: str) -> None:
    stand = signed_stand if auth else open_stand
    stand.up()
    stand.impersonate()
    before = len(stand.changes)
    for name, attack in {**OPEN, **(SIGNED if auth else {})}.items():
        if "right key" not in name:  # who has it may bring a session up, and no number is known of one that is Down
            for frame in attack(stand):
                stand.wire.send(frame)
    changes = [*stand.changes[before:], stand.ours.now("fibre")["bfd"]]  # it drains before it answers
    stand.begin_anew()
    assert changes == ["Down"]


def test_the_attacks_reach_their_aim(open_stand: Stand) -> None:
    """Without authentication, whoever sits on the link and says all that the far end would say is believed."""
    stand = open_stand
    stand.up()
    before = len(stand.changes)
    stand.wire.send(stand.envelope.frame(claim(stand).encode()))
    until("it is believed", lambda: "Down" in stand.changes[before:])
    stand.up()
    stand.impersonate()
    stand.wire.send(stand.envelope.frame(claim(stand).encode()))
    until("it is believed", lambda: stand.changes[-1] == "Up")
    stand.begin_anew()


def _floods(stand: Stand) -> dict[str, list[bytes]]:
    numbers = range(1, 2001)
    floods = {
        "wrong TTL": [stand.envelope.frame(claim(stand).encode(), ttl=254)],
        "wrong version": [stand.envelope.frame(spoilt(stand, 0, 0x40))],
        "spoofed sources": [
            stand.envelope.frame(claim(stand).encode(), source=f"10.9.{n >> 8}.{n & 255}") for n in numbers
        ],
        "wrong discriminators": [
            stand.envelope.frame(replace(claim(stand), your_discriminator=n * 2_000_003 & 0xFFFFFFFF).encode())
            for n in numbers
            if n * 2_000_003 & 0xFFF != 1
        ],
    }
    if stand.auth:
        floods["replayed"] = [stand.envelope.frame(stand.payload)]
    return floods


RATE, FLOOD_S = 50_000, 0.6


@pytest.mark.skipif("SOAK" not in os.environ, reason="a flood takes a processor to itself: SOAK=1 runs it")
@pytest.mark.parametrize(
    ("auth", "flood"),
    [(auth, flood) for auth in ("", METICULOUS) for flood in ("wrong TTL", "spoofed sources", "wrong discriminators")]
    + [(METICULOUS, "replayed")],
)
def test_a_flood_drowns_no_session(
    open_stand: Stand, signed_stand: Stand, tmp_path: Path, auth: str, flood: str
) -> None:
    stand = signed_stand if auth else open_stand
    frames = tmp_path / "frames"
    program = str(Path(hostile_flood.__file__))
    argv = [sys.executable, program, stand.wire.port, str(RATE), str(FLOOD_S), str(frames)]
    for _attempt in range(3):  # a flood keeps a processor busy, and where others do too, the kernel may deliver late
        stand.up()
        before = len(stand.changes)
        frames.write_bytes(hostile_flood.write(_floods(stand)[flood]))
        sender = stand.world.spawn("mid", *argv, stdout=subprocess.PIPE)
        reached = json.loads(sender.communicate(timeout=30)[0])
        stand.wire.forget()
        if not (changes := stand.changes[before:]):
            break
    assert reached["sent"] / reached["elapsed_s"] > RATE / 5  # a machine that is busy sends less
    assert changes == []
    assert (stand.ours.now("fibre")["bfd"], stand.theirs.path("fibre")["bfd"]) == ("Up", "Up")


@pytest.mark.parametrize("auth", ["", METICULOUS])
@pytest.mark.parametrize("forgotten", ["by a cut", "by a restart"])
def test_a_recording_brings_nothing_up(open_stand: Stand, signed_stand: Stand, auth: str, forgotten: str) -> None:
    """A whole session is recorded from its first packet to Up, and played back when nobody is there."""
    stand = signed_stand if auth else open_stand
    stand.up()
    stand.theirs.stop(signal.SIGKILL)
    until("ours is Down", lambda: stand.ours.now("fibre")["bfd"] == "Down")
    stand.wire.forget()
    stand.theirs.start()
    recording = []
    for payload, packet in stand.wire.hear(THEIRS):
        recording.append(stand.envelope.frame(payload))
        if packet.state is State.UP and len(recording) > 20:
            break
    stand.up()
    stand.world.cut("fibre")
    until("ours is Down", lambda: stand.ours.now("fibre")["bfd"] == "Down")
    if forgotten == "by a restart":
        stand.ours.stop()
        stand.ours.start()
    before = len(stand.changes)
    for _ in range(10):
        for frame in recording:
            stand.wire.send(frame)
    seen = stand.ours.now("fibre")["bfd"]  # it drains before it answers
    changes = [*stand.changes[before:], seen]
    stand.begin_anew()
    assert "Up" not in changes
