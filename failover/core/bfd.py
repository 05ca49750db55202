"""One BFD session in asynchronous mode (RFC 5880), sans-IO: packets and time go in, effects come out.

The rules, before the tables:

1. Each end tells its state in every packet. The received state and the own one give the next (6.8.6). A session comes
   Up by a three-way handshake, Down -> Init -> Up, and once Down it stays so until the far end has left Up as well.
2. Silence for the Detection Time takes Init and Up to Down with diagnostic 1 (6.8.4), whatever the state it makes us
   forget the far end's discriminator (6.8.1). The time runs from the moment a packet *arrived*, which the caller knows
   from the kernel and tells as `now`; that `now` may be older than that of the last timer call. Nothing here assumes
   to be called in time: the caller drains its sockets before it lets the detection deadline expire, and gives the far
   end one `grace` when it was itself that woke up late.
3. AdminDown, ours or the far end's, says nothing about the path (6.8.16, RFC 5882 4.2): sessions go down, `SignalFail`
   does not move, nor does it when a far end falls silent after its AdminDown, as it may. What we receive while we are
   AdminDown changes what we know of the far end but no state.
4. Both directions negotiate on their own: we send at the slower of what we desire and what the far end can bear, and
   expect what it desires or what we can bear (6.8.2, 6.8.4). Until a session is Up we desire at least 1 s (6.8.3).
5. A changed interval starts a Poll Sequence: P in our packets until an F comes back (6.5). While Up, a longer transmit
   interval and a shorter detection time wait for that F; every other change is immediate, counted from the last packet
   sent (6.8.3).
6. A packet whose contents differ from the last one sent goes out at once, not at the next tick, and so does the answer
   to a poll (6.8.7). Periodic packets stop when the far end bears none (Required Min RX 0), when it is in Demand mode
   and both ends are Up, and when we are passive and have not heard it yet. They are jittered to 75-100 % of the
   interval, 75-90 % when Detect Mult is 1.
7. We offer neither Echo nor Demand mode.
8. `SignalFail` is what protection switching acts upon: raised when an Up session goes Down (save by rule 3), when
   something outside BFD knows that the path failed, and when a session has not come Up within `establish_s` of its
   creation or of the end of AdminDown; cleared by Up. Before the first of these nothing is known and nothing is said.
9. With authentication in use, a packet without a good authentication section is discarded, and without it one with
   (6.8.6, `auth`).
10. A far end whose *process* has gone, or begins anew, is no path that failed. Its host refuses our packets (ICMP port
   unreachable) while nobody listens, which proves both directions; a new life says Down without diagnostic and without
   knowing us, where one that lost us says why. The session goes down as ever, and `SignalFail` waits for `VACANT_S`
   after the last refusal, for `establish_s` after the new life's first word. Anybody on the link may forge a refusal:
   with authentication in use none counts.
11. The local discriminator is drawn anew whenever the session goes Down: packets recorded before bring nothing Up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf

from .auth import Authenticator, KeyRing
from .bfd_tables import DETECTION_EXPIRED, SLOW_INTERVAL_US, TRANSITIONS, VACANT_S
from .bfd_types import Effect, Send, SessionConfig, SignalFail, StateChanged
from .packet import ControlPacket, Diagnostic, State
from .poll import POLL_TRANSITIONS, Poll, PollInput

__all__ = [
    "DETECTION_EXPIRED", "SLOW_INTERVAL_US", "TRANSITIONS", "VACANT_S", "Diagnostic", "Effect", "Send", "Session",
    "SessionConfig", "SignalFail", "State", "StateChanged",
]  # fmt: skip


class Session:
    """A BFD session with one far end over one path.

    Effects come most urgent first: `SignalFail`, `Send`, `StateChanged`. After any call, ask `next_deadline()` again.

    Args:
        config: what the administrator decided.
        now: monotonic seconds.
        jitter: a source of numbers in [0, 1), drawn once for each packet sent.
        auth: authentication, when it is in use.
        draw: a source of local discriminators, unique at this system (rule 11); None: always the configured one.
    """

    __slots__ = (
        "_auth", "_config", "_contents", "_desired_min_tx_us", "_detect_at", "_detection_s", "_diagnostic",
        "_discriminator", "_draw", "_establish_by", "_graced_at", "_heard", "_interval_most_s", "_interval_span_s",
        "_interval_us", "_jitter", "_last_rx_at", "_last_tx_at", "_meticulous", "_periodic", "_poll", "_refused_at",
        "_remote_demand", "_remote_desired_min_tx_us", "_remote_detect_mult", "_remote_diagnostic",
        "_remote_discriminator", "_remote_min_rx_us", "_remote_state", "_rx_in_effect_us", "_signal_fail", "_state",
        "_tx_at", "_tx_in_effect_us", "_vacant", "discarded", "last_discard",
    )  # fmt: skip

    def __init__(
        self,
        config: SessionConfig,
        now: float,
        jitter: Callable[[], float],
        auth: Authenticator | None = None,
        draw: Callable[[], int] | None = None,
    ) -> None:
        self._config = config
        self._draw = draw
        self._discriminator = draw() if draw else config.local_discriminator
        self._auth = auth
        self._meticulous = auth is not None and auth.meticulous  # then no two packets are alike
        self._jitter = jitter
        self._state = State.DOWN
        self._diagnostic = Diagnostic.NO_DIAGNOSTIC
        self._poll = Poll.IDLE
        self._signal_fail: bool | None = None
        # "In effect" lags behind what we advertise while a Poll Sequence runs (rule 5).
        self._desired_min_tx_us = self._tx_in_effect_us = max(config.desired_min_tx_us, SLOW_INTERVAL_US)
        self._rx_in_effect_us = config.required_min_rx_us

        self._remote_state = State.DOWN
        self._remote_diagnostic = Diagnostic.NO_DIAGNOSTIC
        self._remote_detect_mult = 0
        self._remote_desired_min_tx_us = 0
        self._forget_remote()

        self._last_rx_at = self._last_tx_at = self._graced_at = self._refused_at = -inf
        self._vacant = False
        self._establish_by = now + config.establish_s
        self._tx_at = inf
        self._interval_us = 0
        self._interval_most_s = self._interval_span_s = self._detection_s = 0.0
        self._heard: ControlPacket | None = None  # a packet that, came it again, would change nothing
        self._periodic: tuple[Effect, ...] = ()  # what the next tick sends, built when first needed
        self.discarded = 0
        self.last_discard = ""
        self._contents = self._compose()
        self._schedule(now)

    # ---- what happened ----

    def receive(self, packet: ControlPacket, now: float) -> tuple[Effect, ...]:
        """Take a packet that arrived from the far end at `now`, by the kernel's clock.

        A packet that RFC 5880 6.8.6 discards changes nothing but `discarded` and `last_discard`.
        """
        if packet is not self._heard or self._meticulous:
            if refusal := self._refusal(packet, now):
                self.discarded += 1
                self.last_discard = refusal
                return ()
            if self._heard is None or not packet.same_but_for_auth(self._heard):
                return self._accept(packet, now)
        if now > self._last_rx_at:
            self._last_rx_at = now
            self._detect_at = now + self._detection_s
        return ()

    def handle_timer(self, now: float) -> tuple[Effect, ...]:
        """Do what is due at `now`: send, or find that the far end has gone silent. Early calls do nothing."""
        if now >= self._detect_at or now >= self._establish_by:
            return self._expire(now)
        if now < self._tx_at:
            return ()
        self._last_tx_at = now
        self._tx_at = now + self._interval_most_s - self._interval_span_s * self._jitter()
        if self._periodic:
            return self._periodic
        effects = (self._send(),)
        if not self._meticulous:
            self._periodic = effects
        return effects

    def next_deadline(self) -> float:
        """Return when `handle_timer` has something to do, monotonic seconds; may be past; infinite for never."""
        return min(self._tx_at, self._detect_at, self._establish_by)

    def grace(self, seconds: float, now: float) -> bool:
        """Give the far end until `now + seconds`: we woke up late, and what it sent may not have reached us yet.

        Granted once per silence, so that repeated lateness of ours cannot hide a dead path. Returns whether it was.
        """
        if self._detect_at == inf or self._graced_at == self._last_rx_at:
            return False
        self._graced_at = self._last_rx_at
        self._detect_at = max(self._detect_at, now + seconds)
        return True

    def path_failed(self, diagnostic: Diagnostic, now: float) -> tuple[Effect, ...]:
        """Take the word of something outside BFD, such as carrier loss, that the path has failed (RFC 5880 6.8.16)."""
        effects: list[Effect] = []
        if self._state is not State.ADMIN_DOWN:
            self._judge(True, f"reported locally: {diagnostic.text}", now, effects)
            self._settle(now, effects, self._become(State.DOWN, diagnostic, now))
        return tuple(effects)

    def far_end_refuses(self, now: float) -> None:
        """Take it that the far host refused a packet of ours at `now`, as nobody listens there (rule 10)."""
        if self._auth is None:
            self._refused_at = now
            if self._vacant:
                self._establish_by = now + VACANT_S

    def far_end_is_back(self, now: float) -> None:
        """Count silence after the far end's AdminDown again: another session with the same far end came Up at `now`.

        A far end that bade farewell with AdminDown and started anew behind a cut could else never be missed.
        """
        if self._remote_state is State.ADMIN_DOWN and self._state is State.DOWN:
            self._establish_by = now + self._config.establish_s
            self._heard = None  # AdminDown told once more ends the wait

    def rekey(self, ring: KeyRing) -> None:
        """Use other keys from now on, without a change of state.

        Raises:
            ValueError: the session is not authenticated, or not by this type; nothing was changed.
        """
        if self._auth is None:
            raise ValueError("the session is not authenticated")
        self._auth.rekey(ring)
        self._heard = None
        self._periodic = ()

    def admin_down(self, now: float) -> tuple[Effect, ...]:
        """Hold the session down by order, and tell the far end so for as long as it lasts (RFC 5880 6.8.16)."""
        effects: list[Effect] = []
        self._establish_by = inf
        self._settle(now, effects, self._become(State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN, now))
        return tuple(effects)

    def admin_up(self, now: float) -> tuple[Effect, ...]:
        """End `admin_down`: the session starts again from Down."""
        effects: list[Effect] = []
        if self._state is State.ADMIN_DOWN:
            if self._remote_state is not State.ADMIN_DOWN:
                self._establish_by = now + self._config.establish_s
            self._settle(now, effects, self._become(State.DOWN, Diagnostic.NO_DIAGNOSTIC, now))
        return tuple(effects)

    def reconfigure(
        self,
        now: float,
        *,
        desired_min_tx_us: int | None = None,
        required_min_rx_us: int | None = None,
        detect_mult: int | None = None,
    ) -> tuple[Effect, ...]:
        """Change timers at any time without a change of state (RFC 5880 6.8.3, 6.8.10 - 6.8.12).

        Raises:
            ValueError: a value is out of range; nothing was changed.
        """
        given = self._config
        self._config = config = replace(
            given,
            desired_min_tx_us=given.desired_min_tx_us if desired_min_tx_us is None else desired_min_tx_us,
            required_min_rx_us=given.required_min_rx_us if required_min_rx_us is None else required_min_rx_us,
            detect_mult=given.detect_mult if detect_mult is None else detect_mult,
        )
        effects: list[Effect] = []
        polls = self._desire(self._desired_for(self._state))
        if config.required_min_rx_us != given.required_min_rx_us:
            # Were it shortened before the far end speeds up, its old rate would look like silence (6.8.3).
            least = self._rx_in_effect_us if self._state is State.UP else 0
            self._rx_in_effect_us = max(least, config.required_min_rx_us)
            self._restart_detection()
            polls = True
        if polls:  # both in one packet are one change (6.8.3, first choice)
            self._poll = POLL_TRANSITIONS[self._poll, PollInput.CHANGE]
        self._settle(now, effects)
        return tuple(effects)

    # ---- what is known ----

    @property
    def config(self) -> SessionConfig:
        """What the administrator decided, as last reconfigured."""
        return self._config

    @property
    def local_discriminator(self) -> int:
        """bfd.LocalDiscr of the present attempt (rule 11)."""
        return self._discriminator

    @property
    def state(self) -> State:
        """bfd.SessionState."""
        return self._state

    @property
    def diagnostic(self) -> Diagnostic:
        """bfd.LocalDiag: the reason of the last change of state."""
        return self._diagnostic

    @property
    def remote_state(self) -> State:
        """bfd.RemoteSessionState: the last one heard."""
        return self._remote_state

    @property
    def remote_diagnostic(self) -> Diagnostic:
        """The last diagnostic heard."""
        return self._remote_diagnostic

    @property
    def remote_discriminator(self) -> int:
        """bfd.RemoteDiscr: 0 until heard, and again after a Detection Time of silence."""
        return self._remote_discriminator

    @property
    def signal_fail(self) -> bool | None:
        """Whether the path is known to have failed (rule 8); None while nothing is known."""
        return self._signal_fail

    @property
    def transmit_interval_us(self) -> int:
        """The interval between our packets before jitter (RFC 5880 6.8.2); 0 while none are sent periodically."""
        return max(self._tx_in_effect_us, self._remote_min_rx_us) if self._transmits_periodically else 0

    @property
    def detection_time_us(self) -> int:
        """How long the far end may be silent (RFC 5880 6.8.4); 0 before it was ever heard."""
        return self._remote_detect_mult * max(self._rx_in_effect_us, self._remote_desired_min_tx_us)

    @property
    def detection_deadline(self) -> float | None:
        """When silence takes the session down, monotonic seconds; None while none is measured."""
        return None if self._detect_at == inf else self._detect_at

    @property
    def poll(self) -> Poll:
        """Where our Poll Sequence stands."""
        return self._poll

    # ---- the interpreter ----

    def _refusal(self, packet: ControlPacket, now: float) -> str:
        """Return why RFC 5880 6.8.6 discards a packet, or an empty string."""
        if packet.your_discriminator not in (0, self._discriminator):
            return f"Your Discriminator {packet.your_discriminator:#010x} is not this session's"
        if self._auth is None:
            return "authenticated, but authentication is not in use" if packet.auth else ""
        if now - self._last_rx_at > 2 * self._detection_s:
            self._auth.forget()  # the far end may have restarted (6.8.1, bfd.AuthSeqKnown)
        return self._auth.refusal(packet)

    def _accept(self, packet: ControlPacket, now: float) -> tuple[Effect, ...]:
        """Go through RFC 5880 6.8.6 from the point where a packet is no longer discarded."""
        effects: list[Effect] = []
        far_end_was_admin_down = self._remote_state is State.ADMIN_DOWN
        self._remote_discriminator = packet.my_discriminator
        self._remote_state = packet.state
        self._remote_diagnostic = packet.diagnostic
        self._remote_demand = packet.demand
        self._remote_min_rx_us = packet.required_min_rx_us
        self._remote_desired_min_tx_us = packet.desired_min_tx_us
        self._remote_detect_mult = packet.detect_mult
        self._hear_poll_answer(packet)
        self._last_rx_at = max(self._last_rx_at, now)
        self._restart_detection()

        previous = self._state
        state, diagnostic = TRANSITIONS[previous, packet.state]
        if state is State.UP:
            self._judge(False, "BFD session is Up", now, effects)
        elif packet.state is State.ADMIN_DOWN:
            self._establish_by = inf
        elif previous is State.UP and state is State.DOWN and not packet.begins_anew:
            told = f": {packet.diagnostic.text}" if packet.diagnostic else ""
            self._judge(True, f"far end signalled {packet.state.text}{told}", now, effects)
        elif (far_end_was_admin_down or self._vacant or previous is State.UP) and state is not State.ADMIN_DOWN:
            self._establish_by = now + self._config.establish_s
        self._vacant = False
        changed = self._become(state, diagnostic, now)
        self._settle(now, effects, changed, final=packet.poll and state is not State.ADMIN_DOWN)
        if changed is None and not packet.poll and not packet.final:
            self._heard = packet
        return tuple(effects)

    def _expire(self, now: float) -> tuple[Effect, ...]:
        """Act on the deadlines that say that something did not happen."""
        effects: list[Effect] = []
        changed = None
        if now >= self._detect_at:
            state, diagnostic = DETECTION_EXPIRED[self._state]
            self._vacant = self._state is State.UP and self._refused_at > self._last_rx_at
            if self._vacant:
                self._establish_by = self._refused_at + VACANT_S
            elif self._state is State.UP:
                self._judge(True, "BFD detection time expired", now, effects)
            self._forget_remote()
            changed = self._become(state, diagnostic, now)
        if now >= self._establish_by:
            if self._vacant:
                self._judge(True, "far end's process had gone, now nothing answers", now, effects)
            else:
                self._judge(True, f"BFD session did not come Up within {self._config.establish_s:g} s", now, effects)
        self._settle(now, effects, changed)
        if now >= self._tx_at:
            effects.extend(self.handle_timer(now))
        return tuple(effects)

    def _become(self, state: State, diagnostic: Diagnostic | None, at: float) -> StateChanged | None:
        """Enter a state, with the transmit interval that goes with it; return what to tell, None when nothing."""
        previous = self._state
        if diagnostic is not None:
            self._diagnostic = diagnostic
        if state is previous:
            return None
        self._state = state
        if state is State.DOWN and self._draw:
            self._discriminator = self._draw()
        if state is not State.UP:
            self._rx_in_effect_us = self._config.required_min_rx_us
        if self._desire(self._desired_for(state)):
            self._poll = POLL_TRANSITIONS[self._poll, PollInput.CHANGE]
        return StateChanged(previous, state, self._diagnostic, self._remote_state, self._remote_diagnostic, at)

    def _judge(self, failed: bool, reason: str, at: float, effects: list[Effect]) -> None:
        self._establish_by = inf
        if failed is not self._signal_fail:
            self._signal_fail = failed
            effects.append(SignalFail(failed, reason, at))

    def _desired_for(self, state: State) -> int:
        return max(self._config.desired_min_tx_us, 0 if state is State.UP else SLOW_INTERVAL_US)

    def _desire(self, desired_min_tx_us: int) -> bool:
        """Set bfd.DesiredMinTxInterval; return whether that is a change, which has to be polled (rule 5)."""
        if desired_min_tx_us == self._desired_min_tx_us:
            return False
        self._desired_min_tx_us = desired_min_tx_us
        most = self._tx_in_effect_us if self._state is State.UP else desired_min_tx_us
        self._tx_in_effect_us = min(most, desired_min_tx_us)
        return True

    def _hear_poll_answer(self, packet: ControlPacket) -> None:
        previous = self._poll
        self._poll = POLL_TRANSITIONS[previous, PollInput.FINAL if packet.final else PollInput.PLAIN]
        if previous is Poll.ACTIVE and self._poll is Poll.IDLE:
            self._tx_in_effect_us = self._desired_min_tx_us
            self._rx_in_effect_us = self._config.required_min_rx_us

    def _forget_remote(self) -> None:
        """Return to RFC 5880 6.8.1's initial values: after a Detection Time of silence the far end may be another."""
        self._remote_discriminator = 0
        self._remote_demand = False
        self._remote_min_rx_us = 1  # a far end that once bore no packets would else never hear from us again
        self._detect_at = inf

    def _restart_detection(self) -> None:
        self._detection_s = self.detection_time_us / 1e6
        if self._remote_discriminator:
            self._detect_at = self._last_rx_at + self._detection_s

    @property
    def _transmits_periodically(self) -> bool:
        if not self._remote_discriminator and self._config.passive:
            return False
        demand_active = self._remote_demand and self._state is State.UP and self._remote_state is State.UP
        return self._remote_min_rx_us > 0 and (not demand_active or self._polls)

    @property
    def _polls(self) -> bool:
        return self._poll is Poll.ACTIVE or self._poll is Poll.STALE

    def _settle(
        self, now: float, effects: list[Effect], changed: StateChanged | None = None, *, final: bool = False
    ) -> None:
        """Bring what goes out in line with what is known: send what changed, re-arm the transmit timer (6.8.7)."""
        self._heard = None
        self._periodic = ()
        contents = self._compose()
        if self._auth is not None and contents != self._contents:
            self._auth.contents_changed()
        if final:  # beside the periodic packets, whose timer it leaves alone: they carry our own P
            effects.append(self._send(contents, final=True))
        elif contents != self._contents and (self._remote_discriminator or not self._config.passive):
            effects.append(self._send(contents))
            self._last_tx_at = max(now, self._last_tx_at)
            self._tx_at = inf
        self._contents = contents
        self._schedule(now)
        if changed is not None:
            effects.append(changed)

    def _schedule(self, now: float) -> None:
        """Re-arm the transmit timer if the interval changed or the timer is not running (RFC 5880 6.8.3, 6.8.7)."""
        interval_us = self.transmit_interval_us
        most, least = (0.90, 0.75) if self._config.detect_mult == 1 else (1.0, 0.75)
        self._interval_most_s = interval_us * most / 1e6
        self._interval_span_s = interval_us * (most - least) / 1e6
        if not interval_us:
            self._tx_at = inf
        elif interval_us != self._interval_us or self._tx_at == inf:
            # From the last packet on, not from now: a session that has come Up does not sit out its slow second.
            jittered_s = self._interval_most_s - self._interval_span_s * self._jitter()
            self._tx_at = max(now, self._last_tx_at + jittered_s)
        self._interval_us = interval_us

    def _compose(self) -> ControlPacket:
        """Return the next packet's contents, P and F aside (RFC 5880 6.8.7)."""
        config = self._config
        return ControlPacket(
            state=self._state,
            diagnostic=self._diagnostic,
            detect_mult=config.detect_mult,
            my_discriminator=self._discriminator,
            your_discriminator=self._remote_discriminator,
            desired_min_tx_us=self._desired_min_tx_us,
            required_min_rx_us=config.required_min_rx_us,
        )

    def _send(self, contents: ControlPacket | None = None, *, final: bool = False) -> Send:
        packet = contents or self._contents
        if final:
            packet = replace(packet, final=True)
        elif self._polls:
            packet = replace(packet, poll=True)
        return Send(packet if self._auth is None else self._auth.sign(packet))
