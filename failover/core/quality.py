"""The quality of a path in each direction, measured by STAMP probes, sans-IO: answers and time go in, effects come out.

The rules, before the code:

1. A probe is lost once three later ones have been answered or its time-out has passed. An answer that comes after all
   is late: it is counted, and changes nothing.
2. Losses are booked when the next answer arrives, because only that tells where they happened: the reflector numbers
   its answers (RFC 8762 4.3.1), so numbers that we miss were lost on the way back, and the remaining probes never got
   there. Reordering makes the numbers run ahead and fall back again; the balance is kept until the next judgement.
3. Silence is BFD's to tell. Probes lost in a silence as long as the time-out are an outage and no figure's business; a
   path that answers nothing at all is unknown, not degraded. The caller suspends the measurement while it knows the
   path to have failed.
4. Two-way delay is from our transmission to our reception without the time spent in the reflector. One-way delays of
   two clocks compare only with one another: what counts is how far they spread (RFC 5481 4.2), where the clocks'
   offset cancels. A spread beyond the two-way one is the reflector's clock drifting or jumping, and is cut there.
5. Figures are judged ten times per window, once it is half full. Each quantity is degraded from its `raise_at` on until
   its `clear_at`; one lost probe is chance and degrades nothing; the path is degraded while any quantity is. Unknown
   changes nothing: neither raises nor clears.
6. Nothing here assumes to be called in time. `now` of an answer is the kernel's; `sent` corrects when a probe left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Final

from .quality_types import Effect, Figures, QualityConfig, Send, SignalDegrade, Threshold
from .quality_window import Window
from .stamp import FREE_RUNNING, ReflectedPacket, SenderPacket, Timescale, ntp_from_ptp, seconds_between

__all__ = ["Effect", "Figures", "Quality", "QualityConfig", "Send", "SignalDegrade", "Threshold"]

LATER_ANSWERS: Final = 3
"""So many answers to later probes and one is lost: beyond it, reordering is as good as loss (RFC 5681 3.2's number)."""
MOST_REORDERING: Final = 64
"""A reflector whose numbers jump further than this has started anew."""
CORRECTION_MAX_S: Final = 1.0
CLOCK_ERROR_S: Final = 0.001
"""Times may contradict one another by this much: kernels' times are of another clock than ours."""
_MASK: Final = 0xFFFFFFFF
_HALF: Final = 1 << 31
_UNANSWERED: Final = -1


@dataclass(frozen=True, slots=True)
class _Quantity:
    """Something that is judged: its name, its unit, its limits."""

    name: str
    unit: str
    threshold: Threshold


class Quality:
    """The measurement of one path from one end.

    After any call, ask `next_deadline()` again. One call of `handle_timer` does one thing.

    Args:
        config: what the administrator decided.
        timescale: writes the probes' timestamps.
        now: monotonic seconds.
        phase: share of an interval before the first probe, so that paths do not probe in step.

    Attributes:
        raised: whether the path counts as degraded.
        reasons: why, clauses for people; empty when it does not.
        figures: of the last window judged.
        outages: silences longer than the time-out.
        strange: answers to probes never sent, or whose timestamps contradict one another.
    """

    __slots__ = (
        "_answered_at", "_balance", "_booked_at", "_config", "_degraded", "_first", "_given_up", "_held",
        "_highest_probe", "_last_answer", "_pending", "_quantities", "_timescale", "_tx_at", "_unbooked", "_window",
        "_zero", "figures", "outages", "raised", "reasons", "strange",
    )  # fmt: skip

    def __init__(self, config: QualityConfig, timescale: Timescale, now: float, phase: float = 0.0) -> None:
        self._config = config
        self._timescale = timescale
        self._window = Window(config.window_s, now)
        self._quantities = tuple(_quantities(config))
        self._degraded: set[str] = set()
        self._first = 0  # the number of the oldest pending probe; wider than the wire's 32 bits
        self._pending: deque[list[float]] = deque()  # [sent at, number of the answer or -1], in order
        self._given_up: deque[int] = deque(maxlen=256)
        self._held = 0  # how many of them are answered
        self._unbooked = 0  # lost, but not yet known where
        self._balance = 0  # answers missed, less those that came after all
        self._last_answer: int | None = None
        self._highest_probe = -1
        self._booked_at = self._answered_at = now
        self._zero = 0
        self.raised = False
        self.reasons: tuple[str, ...] = ()
        self.figures = self._window.figures(directions=config.stateful)
        self.outages = self.strange = 0
        self._tx_at = now + phase * config.interval_s

    # ---- what happened ----

    def handle_timer(self, now: float) -> tuple[Effect, ...]:
        """Do what is due at `now`: send a probe, or judge. Early calls do nothing."""
        if now >= self._tx_at:
            interval_s = self._config.interval_s
            self._tx_at += interval_s
            if self._tx_at <= now:  # late: the pace matters, not the count
                self._tx_at = now + interval_s
            number = self._first + len(self._pending)
            self._pending.append([now, _UNANSWERED])
            timestamp = self._timescale.stamp(now)
            return (Send(SenderPacket(number & _MASK, timestamp, FREE_RUNNING, self._config.ssid)),)
        if now >= self._window.step_ends_at and self._tx_at != inf:
            return self._judge(now)
        return ()

    def sent(self, sequence: int, at: float) -> None:
        """Learn from the kernel when a probe left; a time that cannot be is ignored."""
        offset = (sequence - self._first) & _MASK
        if offset < len(self._pending):
            entry = self._pending[offset]
            if 0 <= at - entry[0] < CORRECTION_MAX_S:
                entry[0] = at

    def unsent(self) -> None:
        """Take back the last probe: the kernel did not take it, so the path cannot have lost it."""
        if self._pending and self._pending[-1][1] == _UNANSWERED:
            self._pending.pop()

    def receive_reflection(self, packet: ReflectedPacket, now: float) -> None:
        """Take an answer that arrived at `now`, by the kernel's clock. It is judged at the next step of the window."""
        offset = (packet.sender_sequence - self._first) & _MASK
        if offset >= len(self._pending):
            self._receive_again(packet, offset)
            return
        entry = self._pending[offset]
        if entry[1] != _UNANSWERED:
            self._window.step.duplicates += 1
            self._balance -= packet.sequence != entry[1]  # a number of its own: the probe came there twice
            return
        entry[1] = packet.sequence
        self._answered_at = now
        probe = self._first + offset
        if probe < self._highest_probe:
            self._window.step.reordered += 1  # RFC 4737 3.3
        else:
            self._highest_probe = probe
        self._measure(packet, entry[0], now)
        self._held += 1
        if not offset or self._held >= LATER_ANSWERS:
            self._settle(-inf)

    def suspend(self, now: float) -> None:
        """Stop: the path is known to have failed. What was found stays found until something else is known."""
        self._forget(now)
        self._tx_at = inf

    def resume(self, now: float) -> None:
        """Start with an empty window; does nothing while it is running."""
        if self._tx_at == inf:
            self._forget(now)
            self._tx_at = now

    # ---- what is known ----

    def next_deadline(self) -> float:
        """Return when `handle_timer` has something to do, monotonic seconds; infinite while suspended."""
        return inf if self._tx_at == inf else min(self._tx_at, self._window.step_ends_at)

    @property
    def config(self) -> QualityConfig:
        """What the administrator decided."""
        return self._config

    @property
    def suspended(self) -> bool:
        """Whether nothing is being measured."""
        return self._tx_at == inf

    @property
    def known(self) -> bool:
        """Whether the last window held enough probes to be judged."""
        return self.figures.probes >= self._config.least_probes

    def silent_s(self, now: float) -> float:
        """Return for how long nothing has been answered, seconds; 0 while that is less than the time-out."""
        silence_s = now - self._answered_at
        return silence_s if silence_s > self._config.timeout_s and not self.suspended else 0.0

    # ---- delays ----

    def _measure(self, packet: ReflectedPacket, sent_at: float, now: float) -> None:
        """Record the delays of one probe (rule 4)."""
        arrived, left = packet.receive_timestamp, packet.timestamp
        if packet.ptp:
            arrived, left = ntp_from_ptp(arrived), ntp_from_ptp(left)
        zero = self._zero = self._zero or arrived
        arrived_s, left_s = seconds_between(zero, arrived), seconds_between(zero, left)
        delay_s = now - sent_at - (left_s - arrived_s)
        if min(delay_s, left_s - arrived_s) < -CLOCK_ERROR_S:  # the reflector's clock jumped while it held the probe
            self.strange += 1
            return
        step = self._window.step
        step.delays.append(max(delay_s, 0.0))
        step.forward.append(arrived_s - sent_at)
        step.backward.append(now - left_s)

    # ---- losses ----

    def _settle(self, horizon: float) -> None:
        """Decide the fate of the oldest probes, in order, as far as it is known (rule 1).

        Args:
            horizon: probes sent no later than this have timed out.
        """
        pending = self._pending
        while pending:
            sent_at, answer = pending[0]
            if answer != _UNANSWERED:
                self._held -= 1
                self._book(sent_at, int(answer))
            elif self._held >= LATER_ANSWERS or sent_at <= horizon:
                self._unbooked += 1
                self._given_up.append(self._first & _MASK)
            else:
                return
            pending.popleft()
            self._first += 1

    def _book(self, sent_at: float, answer: int) -> None:
        """Count an answered probe, and by its answer's number the losses before it (rule 2)."""
        step = self._window.step
        step.answered += 1
        lost, last, booked_at = self._unbooked, self._last_answer, self._booked_at
        self._unbooked, self._last_answer, self._booked_at = 0, answer, sent_at
        if last is None:  # the first answer: what went before it found nobody there
            return
        missed = _signed(answer - last) - 1
        if missed:
            started_anew = abs(missed) > lost + MOST_REORDERING
            self._balance = 0 if started_anew else self._balance + missed
        if not lost:
            return
        if sent_at - booked_at > self._config.timeout_s:  # rule 3
            self.outages += 1
            self._balance = 0
            return
        backward = min(max(self._balance, 0), lost)
        self._balance -= backward
        step.lost += lost
        step.lost_backward += backward
        step.lost_forward += lost - backward
        step.burst = max(step.burst, lost)

    def _receive_again(self, packet: ReflectedPacket, offset: int) -> None:
        """Take an answer to a probe that is not pending: settled, or never sent."""
        if offset < _HALF or _MASK + 1 - offset > self._first:
            self.strange += 1
            return
        late = packet.sender_sequence in self._given_up
        if late:
            self._given_up.remove(packet.sender_sequence)
            self._window.step.late += 1
        else:
            self._window.step.duplicates += 1
        # A number ahead of the last will not be missed by the next; one behind it was missed already.
        ahead = self._last_answer is not None and _signed(packet.sequence - self._last_answer) > 0
        self._balance -= ahead or (late and self._balance > 0)

    # ---- judgement ----

    def _judge(self, now: float) -> tuple[Effect, ...]:
        """Close a step of the window and judge what the window holds (rule 5)."""
        self._settle(now - self._config.timeout_s)
        self._balance = 0
        self._window.turn(now)
        self.figures = figures = self._window.figures(directions=self._config.stateful)
        if not self.known:
            return ()
        reasons: list[str] = []
        for quantity, value in zip(self._quantities, _values(figures, self._config), strict=True):
            limits = quantity.threshold
            was = quantity.name in self._degraded
            if limits.judge(value, degraded=was) if value is not None else was:
                self._degraded.add(quantity.name)
                reasons.append(_reason(quantity, value, now_raised=not was))
            else:
                self._degraded.discard(quantity.name)
        self.reasons = tuple(reasons)
        if self.raised is bool(reasons):
            return ()
        self.raised = bool(reasons)
        return (SignalDegrade(self.raised, self.reasons, figures, now),)

    def _forget(self, now: float) -> None:
        """Drop what is pending and what the window holds."""
        self._given_up.extend((self._first + offset) & _MASK for offset in range(len(self._pending)))
        self._first += len(self._pending)
        self._pending.clear()
        self._held = self._unbooked = self._balance = 0
        self._last_answer = None
        self._booked_at = self._answered_at = now
        self._window.clear(now)


def _quantities(config: QualityConfig) -> Iterator[_Quantity]:
    """Yield what a configuration judges, in the order of `_values`."""
    if config.loss_pct:
        for name in ("forward loss", "backward loss") if config.stateful else ("loss",):
            yield _Quantity(name, "%", config.loss_pct)
    if config.delay_ms:
        yield _Quantity("two-way delay", "ms", config.delay_ms)
    if config.jitter_ms:
        for name in ("forward jitter", "backward jitter"):
            yield _Quantity(name, "ms", config.jitter_ms)


def _values(figures: Figures, config: QualityConfig) -> Iterator[float | None]:
    """Yield the figures that a configuration judges, in the order of `_quantities`."""
    if config.loss_pct:
        chance_pct = 150 / figures.probes  # more than one lost probe, less than two
        losses = (figures.loss_forward_pct, figures.loss_backward_pct) if config.stateful else (figures.loss_pct,)
        for loss in losses:
            yield 0.0 if loss is not None and loss < chance_pct else loss
    if config.delay_ms:
        yield figures.delay_ms
    if config.jitter_ms:
        yield figures.jitter_forward_ms
        yield figures.jitter_backward_ms


def _reason(quantity: _Quantity, value: float | None, *, now_raised: bool) -> str:
    if value is None:
        return f"{quantity.name} was too high and is not known now"
    limits = quantity.threshold
    limit = f"raised at {limits.raise_at:g}" if now_raised else f"clears at {limits.clear_at:g}"
    return f"{quantity.name} {value:.3g} {quantity.unit}, {limit}"


def _signed(difference: int) -> int:
    """Return the difference of two 32-bit numbers the short way round."""
    return ((difference + _HALF) & _MASK) - _HALF
