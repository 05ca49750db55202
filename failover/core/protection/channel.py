"""The APS channel: what is told to the far end and when, what it last said, and what is wrong between the two.

The rules:

1. A change is told three times, 3.3 ms apart, and then once each 5 s (G.8031 11.2.4). Beyond the standard: news of the
   far end is answered at once, since after a cut or a restart it may have forgotten us; and while it carries traffic
   elsewhere we repeat each second, for one of us has not understood.
2. A message counts once: its epoch and sequence must be beyond the last ones. After 17.5 s without any the far end's
   numbers are learned anew, so that it may restart with its clock set back.
3. The far end's last word stands until another comes (11.2.4). It is forgotten when protection fails, for then it
   cannot take it back; and after 17.5 s of silence, unless it was an operator's command, which silence does not undo.
4. A far end that was never heard asks for nothing: each end then acts on what it sees itself.
"""

from __future__ import annotations

import copy
from math import inf
from typing import Final

from ..aps import ApsMessage, ProtectionType, RequestCode, Signal
from .logic import FarRequest
from .requests import CODES, Request, Selector
from .settings import ApsConfig, Defect, DefectChanged, Effect, SendAps

BURST: Final = 3
BURST_INTERVAL_S: Final = 0.0033
PERIOD_S: Final = 5.0
UNANSWERED_PERIOD_S: Final = 1.0
SILENCE_S: Final = 3.5 * PERIOD_S

_COMMANDS: Final = (Request.LO, Request.FS, Request.MS_W, Request.MS_P)
_SIGNALS: Final = {Selector.WORKING: Signal.NULL, Selector.PROTECTION: Signal.NORMAL}
_SELECTORS: Final = {Signal.NULL: Selector.WORKING, Signal.NORMAL: Selector.PROTECTION}
_MUST_AGREE: Final = ProtectionType.APS | ProtectionType.BRIDGE | ProtectionType.BIDIRECTIONAL
_REQUESTS: Final = {
    (code, signal): request for request, code in CODES.items() for signal in Signal
    if code not in {RequestCode.MS, RequestCode.SD}
} | {
    (RequestCode.MS, Signal.NULL): Request.MS_W,
    (RequestCode.MS, Signal.NORMAL): Request.MS_P,
    (RequestCode.SD, Signal.NULL): Request.SD_P,  # it asks for what it does not degrade
    (RequestCode.SD, Signal.NORMAL): Request.SD_W,
}  # fmt: skip
_TEXTS: Final = {
    Defect.NO_RESPONSE: "the far end carries traffic on the other path",
    Defect.SILENCE: "the far end is not heard by APS although the protection path works",
    Defect.WRONG_PATH: "APS comes over the working path: the paths are swapped at one end",
    Defect.REVERTIVE: "one end is revertive and the other is not",
}


class Channel:
    """One end of the APS channel of a group.

    Attributes:
        sent, received, stale, refused: messages counted; stale ones were late, doubled or of an earlier life.
    """

    __slots__ = (
        "_burst_left", "_config", "_defects", "_far", "_far_epoch", "_far_sequence", "_heard_at", "_kind",
        "_misaligned_since", "_next_at", "_protection_failed", "_sequence", "_telling", "_until", "received", "refused",
        "sent", "stale",
    )  # fmt: skip

    def __init__(self, config: ApsConfig, now: float, *, revertive: bool) -> None:
        self._config = config
        self._kind = _MUST_AGREE | (ProtectionType.REVERTIVE if revertive else ProtectionType(0))
        self._telling: tuple[Request, Selector] | None = None
        self._burst_left = 0
        self._next_at = inf
        self._sequence = 0
        self._far: FarRequest | None = None
        self._far_epoch = -1
        self._far_sequence = -1
        self._heard_at = now
        """Last heard, or when there was first a chance to."""
        self._protection_failed = False
        self._misaligned_since = inf
        self._defects: dict[Defect, str] = {}
        self._until: dict[Defect, float] = {}
        """When a defect that shows itself by messages is over, as none came any more."""
        self.sent = self.received = self.stale = self.refused = 0

    @property
    def far(self) -> FarRequest | None:
        """What the far end last asked for; None while that is not known."""
        return None if self._protection_failed else self._far

    @property
    def heard(self) -> bool:
        """Whether the far end speaks APS."""
        return self.far is not None

    @property
    def defects(self) -> dict[Defect, str]:
        """What is wrong between the ends, with a clause for people."""
        return dict(self._defects)

    @property
    def telling(self) -> tuple[Request, Selector] | None:
        """What the far end is being told."""
        return self._telling

    def fork(self) -> Channel:
        """Return a channel that is as this one and goes its own way from here."""
        other = copy.copy(self)
        other._defects, other._until = dict(self._defects), dict(self._until)  # noqa: SLF001 - one of our own
        return other

    # ---- what happened ----

    def protection_failed(self, failed: bool, now: float) -> None:
        """Take it that nothing, or again something, may be heard over the protection path."""
        if failed is not self._protection_failed:
            self._protection_failed = failed
            self._far = None
            self._heard_at = now

    def receive(self, message: ApsMessage, now: float, path: Selector, effects: list[Effect]) -> None:
        """Take a message that came over a path."""
        if path is Selector.WORKING:
            self._show(Defect.WRONG_PATH, _TEXTS[Defect.WRONG_PATH], now, effects)
            return
        if message.group != self._config.group:
            text = f"the far end speaks for group {message.group}, this is group {self._config.group}"
            self._show(Defect.GROUP, text, now, effects)
            return
        if not self._is_news(message, now):
            self.stale += 1
            return
        new_life = message.epoch != self._far_epoch
        self._far_epoch, self._far_sequence = message.epoch, message.sequence
        differs = (message.protection_type ^ self._kind) & _MUST_AGREE
        if differs:
            bits = ", ".join(flag.name or "" for flag in ProtectionType if flag & differs)
            self._show(Defect.PROVISIONING, f"the far end is set otherwise in {bits}", now, effects)
            return
        self._set(Defect.PROVISIONING, "", now, effects)
        mixed = bool((message.protection_type ^ self._kind) & ProtectionType.REVERTIVE)
        self._set(Defect.REVERTIVE, _TEXTS[Defect.REVERTIVE] if mixed else "", now, effects)
        self.received += 1
        self._heard_at = now
        self._set(Defect.SILENCE, "", now, effects)
        far = FarRequest(_REQUESTS[message.request, message.requested], _SELECTORS[message.requested])
        if far != self._far or new_life:
            self._far = far
            self._next_at = min(self._next_at, now)

    def _is_news(self, message: ApsMessage, now: float) -> bool:
        beyond = (message.epoch, message.sequence) > (self._far_epoch, self._far_sequence)
        return beyond or now >= self._heard_at + SILENCE_S

    def expire(self, now: float, effects: list[Effect]) -> None:
        """Act on what is due at `now`: silence, an answer that does not come, defects that are over."""
        for defect, until in list(self._until.items()):
            if now >= until:
                del self._until[defect]
                self._set(defect, "", now, effects)
        if self._protection_failed:
            self._set(Defect.SILENCE, "", now, effects)
        elif now >= self._heard_at + SILENCE_S:
            self._set(Defect.SILENCE, _TEXTS[Defect.SILENCE], now, effects)
            if self._far is not None and self._far.request not in _COMMANDS:
                self._far = None

    def tell(self, request: Request, selector: Selector, now: float, effects: list[Effect]) -> SendAps | None:
        """Return what to tell the far end at `now`: what this end requests and where it carries traffic."""
        if self._telling != (request, selector):
            self._telling = (request, selector)
            self._burst_left = BURST
            self._next_at = now
        aligned = self.far is None or self.far.signal is selector
        if aligned:
            self._misaligned_since = inf
            self._set(Defect.NO_RESPONSE, "", now, effects)
        else:
            self._misaligned_since = min(self._misaligned_since, now)
            if now >= self._misaligned_since + self._config.no_response_s:
                self._set(Defect.NO_RESPONSE, _TEXTS[Defect.NO_RESPONSE], now, effects)
        period = PERIOD_S if aligned else UNANSWERED_PERIOD_S
        if self._burst_left == 0:
            self._next_at = min(self._next_at, now + period)
        if now < self._next_at:
            return None
        self._burst_left = max(0, self._burst_left - 1)
        self._next_at = now + (BURST_INTERVAL_S if self._burst_left else period)
        return SendAps(self._message(request, selector))

    def deadline(self) -> float:
        """Return when there is something to do, monotonic seconds."""
        deadline = min(self._next_at, *self._until.values()) if self._until else self._next_at
        if Defect.NO_RESPONSE not in self._defects:
            deadline = min(deadline, self._misaligned_since + self._config.no_response_s)
        if not self._protection_failed and Defect.SILENCE not in self._defects:
            deadline = min(deadline, self._heard_at + SILENCE_S)
        return deadline

    # ---- the rest ----

    def _message(self, request: Request, selector: Selector) -> ApsMessage:
        self._sequence += 1
        self.sent += 1
        signal = _SIGNALS[selector]
        config = self._config
        return ApsMessage(CODES[request], self._kind, signal, signal, config.group, config.epoch, self._sequence)

    def _show(self, defect: Defect, text: str, now: float, effects: list[Effect]) -> None:
        self.refused += 1
        self._until[defect] = now + SILENCE_S
        self._set(defect, text, now, effects)

    def _set(self, defect: Defect, text: str, now: float, effects: list[Effect]) -> None:
        if not text:
            self._until.pop(defect, None)
        if bool(text) != (defect in self._defects):
            if text:
                self._defects[defect] = text
            else:
                del self._defects[defect]
            effects.append(DefectChanged(defect, bool(text), text, now))
