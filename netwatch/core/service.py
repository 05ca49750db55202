"""Judges one service of a device by what its probes found. Sans-IO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lifeline.i18n import _
from lifeline.model.inventory import Service
from lifeline.model.judgement import Judgement
from lifeline.model.records import Condition, EventType, PerceivedSeverity, ProbableCause

from .reach import Patience, Reach

CERTIFICATE_LEFT: Final = "tls.certificate_left_s"
_DAY_S: Final = 86400
_SOON_S: Final = 30 * _DAY_S
_AT_ONCE_S: Final = 7 * _DAY_S


class ServiceWatch:
    """One service as it is known: soft and hard states as for a device, and how long its certificate lasts.

    Attributes:
        name: probe and port in one word, such as `tls:443`.
        reach: whether it serves.
        why: why not, in words.
        took_s: how long its last probe took.
        values: what its last good probe measured, by metric.
    """

    def __init__(self, subject: str, service: Service, port: int, patience: Patience | None = None) -> None:
        """Know nothing yet.

        Args:
            subject: its device's.
            service: the inventory's entry.
            port: of it.
            patience: when a failure is a fact.
        """
        self.subject = subject
        self.service = service
        self.port = port
        self.name = f"{service.probe}:{port}"
        self.reach = Reach(patience or Patience())
        self.why = ""
        self.took_s = 0.0
        self.values: Mapping[str, float] = {}

    def served(self, took_s: float, values: Mapping[str, float], now_s: float) -> Judgement:
        """Take a probe that went well; return what it changes."""
        self.reach.answer(now_s)
        self.why, self.took_s, self.values = "", took_s, values
        return self._judged(now_s) | self._certificate(values.get(CERTIFICATE_LEFT))

    def failed(self, why: str, took_s: float, now_s: float, *, reached: bool) -> Judgement:
        """Take a probe that failed; return what it changes.

        Args:
            why: in words.
            took_s: how long it took.
            now_s: monotonic.
            reached: whether its device answers otherwise; a device that does not is the whole story.
        """
        self.why, self.took_s = why, took_s
        if not reached:
            return {}
        self.reach.silence(now_s)
        return self._judged(now_s)

    def body(self) -> dict[str, Any]:
        """Return how it is, for the live state."""
        return {
            "service": self.name,
            "reach": self.reach.standing.value,
            "why": self.why,
            "took_ms": round(1000 * self.took_s, 1),
            **({"certificate_left_d": int(left // _DAY_S)}
               if (left := self.values.get(CERTIFICATE_LEFT)) is not None else {}),
        }  # fmt: skip

    def _judged(self, now_s: float) -> Judgement:
        key = self.subject, f"service-down[{self.name}]"
        flapping = self.reach.flapping(now_s)
        if not self.reach.down and not flapping:
            return {key: None} if self.reach.known else {}
        text = _("{service} does not serve: {why}").format(service=self.name, why=self.why or _("it comes and goes"))
        return {key: Condition(
            *key, PerceivedSeverity.MAJOR, EventType.PROCESSING_ERROR,
            ProbableCause.SOFTWARE_PROGRAM_ABNORMALLY_TERMINATED, text, {"flapping": flapping},
        )}  # fmt: skip

    def _certificate(self, left_s: float | None) -> Judgement:
        if left_s is None:
            return {}
        key = self.subject, f"certificate-ends[{self.name}]"
        if left_s > _SOON_S:
            return {key: None}
        severity = PerceivedSeverity.MAJOR if left_s <= _AT_ONCE_S else PerceivedSeverity.WARNING
        text = _("The certificate of {service} ends in {days:.0f} days").format(
            service=self.name, days=left_s // _DAY_S)  # fmt: skip
        return {key: Condition(*key, severity, EventType.PROCESSING_ERROR, ProbableCause.TIMING_PROBLEM, text)}
