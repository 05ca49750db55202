"""One end of a link: its interface, its sending socket, its BFD session and its measurement."""

from __future__ import annotations

import dataclasses
import random
import secrets
from math import inf
from typing import Any

from lifeline import clock

from ..core.auth import Authenticator
from ..core.bfd import Session, SessionConfig, State
from ..core.packet import ControlPacket
from ..core.quality import Quality
from ..core.stamp import Timescale
from ..io.bfd_socket import Sender
from ..io.stamp_session import Prober, Refuse
from ..keys import Keys
from ..plan import SESSION_BITS, SessionPlan
from .poller import Poller
from .schedule import Schedule


class Path:
    """One end of a link.

    Attributes:
        deadline: when the session next wants `handle_timer`; its entry in the schedule is void when it says otherwise.
        carrier: light on the interface; None while there is no such interface.
        trouble: why packets cannot be sent, empty when they can.
        since_ns: wall time of the session's last change of state.
        prober: measures the path, None where nothing is to be measured.
    """

    def __init__(
        self,
        plan: SessionPlan,
        now: float,
        scale: Timescale,
        refuse: Refuse,
        poller: Poller,
        schedule: Schedule,
        keys: Keys,
    ) -> None:
        """Make the session; nothing is sent yet.

        Raises:
            KeysError: a key is missing or out of range.
        """
        self.plan = plan
        self._poller = poller
        self._schedule = schedule
        self.index: int | None = None
        self.carrier: bool | None = None
        self.trouble = f"there is no interface {plan.interface}"
        self.since_ns = clock.wall_ns()
        self.sent = self.unsent = self.received = 0
        self._sender: Sender | None = None
        self._packet: ControlPacket | None = None
        self._payload = b""
        self.session = Session(
            SessionConfig(
                local_discriminator=plan.discriminator,
                desired_min_tx_us=plan.interval_us,
                required_min_rx_us=plan.interval_us,
                detect_mult=plan.detect_mult,
            ),
            now,
            random.random,
            Authenticator(keys.bfd(plan.auth), secrets.randbits(32)) if plan.auth else None,
            draw=lambda: secrets.randbits(32 - SESSION_BITS) << SESSION_BITS | plan.discriminator,
        )
        self.deadline = inf
        self.reschedule()
        self.prober: Prober | None = None
        if plan.quality is not None:
            phase = random.random()  # noqa: S311 - keeps paths from probing in step, guards nothing
            self.prober = Prober(Quality(plan.quality.config(plan.discriminator), scale, now, phase), refuse)

    def rekey(self, plan: SessionPlan, keys: Keys) -> None:
        """Use other keys from now on.

        Raises:
            KeysError: a key is missing or out of range; nothing was changed.
        """
        if plan.auth is not None:
            self.session.rekey(keys.bfd(plan.auth))
            self.plan = plan

    def reschedule(self) -> None:
        """Ask the session for its next deadline; call this after anything has happened to it."""
        deadline = self.session.next_deadline()
        if deadline != self.deadline:
            self._schedule.note(self, deadline)

    def state_is(self, state: State) -> None:
        """Measure only a path whose far end is there: elsewhere a lost probe would tell nothing new."""
        self.since_ns = clock.wall_ns()
        if self.prober is not None:
            act = self.prober.quality.resume if state is State.UP else self.prober.quality.suspend
            act(clock.monotonic_s())

    def interface_is(self, index: int | None, *, carrier: bool) -> bool:
        """Learn of the interface (index None: it is gone); return whether anything changed."""
        light = None if index is None else carrier
        if (index, light) == (self.index, self.carrier):
            return False
        if index != self.index:  # gone, or made anew under its old name: the socket belongs to the old one
            self.close()
            self.trouble = "" if index is not None else f"there is no interface {self.plan.interface}"
        self.index, self.carrier = index, light
        return True

    def open(self) -> bool:
        """Open the sending socket where it is not; return whether it is open."""
        plan = self.plan
        if self._sender is None and self.index is not None:
            try:
                self._sender = Sender(
                    plan.version, plan.interface, self.index, plan.local, plan.remote, plan.discriminator
                )
                self.trouble = ""
                self._poller.watch(self._sender.fileno(), self._hear_refusals, events=0)
            except OSError as error:
                self.trouble = f"{plan.local} on {plan.interface}: {error.strerror}"
        return self._sender is not None

    def close(self) -> None:
        """Close the sending socket."""
        if self._sender is not None:
            self._poller.forget(self._sender.fileno())
            self._sender.close()
            self._sender = None

    def _hear_refusals(self) -> None:
        if self._sender is not None and self._sender.refused():
            self.session.far_end_refuses(clock.monotonic_s())
            self.reschedule()

    def transmit(self, packet: ControlPacket) -> None:
        """Send a packet now, or count it as unsent: the next one is due soon."""
        if packet is not self._packet:  # in a steady state the session sends the very same object
            self._packet, self._payload = packet, packet.encode()
        if self._sender is None:
            self.unsent += 1
            return
        try:
            self._sender.send(self._payload)
        except OSError as error:
            self.unsent += 1
            self.trouble = f"{self.plan.remote} by {self.plan.interface}: {error.strerror}"
        else:
            self.sent += 1
            self.trouble = ""

    def repeat(self) -> None:
        """Send the last packet again."""
        if self._packet is not None:
            self.transmit(self._packet)

    def body(self) -> dict[str, Any]:
        """Return the path as reports show it; times in wall nanoseconds and milliseconds.

        `signal_fail` is None while nothing is known of the path yet.
        """
        session = self.session
        return {
            "link": self.plan.link,
            "bfd": session.state.text,
            "diag": session.diagnostic.text,
            "remote_bfd": session.remote_state.text,
            "remote_diag": session.remote_diagnostic.text,
            "signal_fail": session.signal_fail,
            "carrier": self.carrier,
            "since_ns": self.since_ns,
            "interval_ms": session.transmit_interval_us / 1000,
            "detect_ms": session.detection_time_us / 1000,
            "trouble": self.trouble,
            "auth": self._auth(),
            "quality": self._quality(),
        }

    def _auth(self) -> dict[str, Any] | None:
        """Return how packets are authenticated, and why the last one that was discarded was."""
        if (auth := self.plan.auth) is None:
            return None
        return {
            "type": auth.type,
            "keys": [number for number, _credential in auth.keys],
            "signing": auth.signing,
            "refused": self.session.last_discard,
        }

    def _quality(self) -> dict[str, Any] | None:
        if self.prober is None:
            return None
        quality = self.prober.quality
        figures = {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in dataclasses.asdict(quality.figures).items()
        }
        return {
            "degraded": quality.raised,
            "reasons": list(quality.reasons),
            "known": quality.known,
            "measuring": not quality.suspended,
            "figures": figures,
            "trouble": self.prober.trouble,
        }
