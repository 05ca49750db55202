"""The gate between receivers and chronyd: what has not been judged sound does not pass.

A sample waits in quarantine until the arbiter has had time to see what is wrong with it; when its source is rejected,
what waits is dropped. So chronyd never sees the beginning of an attack, and has no history to unlearn. While no source
is sound it is fed what the oscillator's model says; once that can no longer be vouched for, it is made to withdraw.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import structlog

from lifeline.clock import free_running
from lifeline.model.timing import TimeService, TimeSource, TimeSourceKind
from lifeline.runtime.logging import EdgeLog

from .core.reasons import ClockState
from .core.verdicts import Decision
from .io.chrony import Chronyc, ChronyError, Feeder, SockSample, Tracking
from .io.listen import Origin

VERIFY_S: Final = 4.0
MAX_WAITING: Final = 256


class Gate:
    """One site's gate.

    Attributes:
        trouble: what is wrong with chronyd, with the next step; empty where nothing is, None where nobody is fed.
        tracking: what chronyd said last.
        withdrawn: whether it has been made to withdraw, and has not taken up the time since.
    """

    def __init__(self, service: TimeService, sources: Mapping[str, TimeSource], origin: Origin) -> None:
        """Open nothing yet but our own ends of the sockets."""
        self._service = service
        self._origin = origin
        self._feeders = {name: Feeder(it.chrony) for name, it in sources.items() if it.chrony is not None}
        self._holdover = next(
            (n for n, it in sources.items() if it.kind is TimeSourceKind.HOLDOVER and n in self._feeders), None
        )
        self._waiting: dict[str, deque[tuple[float, SockSample]]] = {
            name: deque(maxlen=MAX_WAITING) for name in self._feeders if name != self._holdover
        }
        self._chronyc = Chronyc(service.chrony.command_socket) if service.chrony else None
        self._edges = EdgeLog(structlog.get_logger(__name__))
        self._verified_s = self._held_s = 0.0
        self._unvouched_s: float | None = None
        self._vouched = False
        self.trouble: str | None = "" if self._feeders or self._chronyc else None
        self.tracking: Tracking | None = None
        self.refclocks: list[dict[str, Any]] = []
        self.withdrawn = False
        self.dropped = 0

    def take(self, source: str, sample: SockSample, now_s: float) -> None:
        """Put a sample into quarantine."""
        if source in self._waiting:
            self._waiting[source].append((now_s, sample))

    def pass_on(self, decision: Decision, now_s: float, leap: int = 0) -> None:
        """Give on what has waited long enough and is sound; drop what is not.

        Args:
            decision: what holds.
            now_s: oscillator's time.
            leap: what chronyd is told of a leap second to come, by the table: no receiver is believed in that.
        """
        for name, waiting in self._waiting.items():
            if name not in decision.selected:
                self.dropped += len(waiting)
                waiting.clear()
            while waiting and now_s - waiting[0][0] >= self._service.quarantine_s:
                _since, sample = waiting.popleft()
                if decision.serve:
                    self._send(name, replace(sample, leap=leap))
        held = decision.state is ClockState.HOLDOVER_IN_SPEC and decision.serve and decision.model is not None
        if self._holdover and held and now_s - self._held_s >= 1.0:
            assert decision.model is not None
            self._held_s = now_s
            raw_ns, wall_ns, _half = free_running()
            true_ns = raw_ns + self._origin.ns + decision.model.phase_ns(raw_ns / 1e9)
            self._send(self._holdover, SockSample(wall_ns, (true_ns - wall_ns) / 1e9, leap=leap))

    def _send(self, name: str, sample: SockSample) -> None:
        feeder = self._feeders[name]
        if feeder.send(sample):
            self._edges.succeeded(name, "chronyd takes samples", source=name)
        else:
            self._edges.failed(name, "chronyd takes no samples", OSError(feeder.error), source=name)

    async def verify(self, decision: Decision, now_s: float) -> None:
        """Ask chronyd what it makes of it, and make it withdraw when the time cannot be vouched for."""
        due = now_s - self._verified_s >= VERIFY_S or (self._vouched and not decision.serve)
        self._vouched = decision.serve
        if self._chronyc is None or not due:
            self.trouble = self._feeding() if self._feeders else self.trouble
            return
        self._verified_s = now_s
        try:
            self.tracking = await self._chronyc.tracking()
            spans = await self._chronyc.spans()
            self.refclocks = [
                {"name": it.name, "state": it.state, "reach": it.reach, "last_rx_s": it.last_rx_s,
                 "offset_ns": round(it.offset_s * 1e9), "samples": spans.get(it.name, (None, None))[0]}
                for it in await self._chronyc.sources()
            ]  # fmt: skip
            if self._must_withdraw(decision, now_s) and self.tracking.synchronised:
                await self._chronyc.withdraw()
                self.tracking = await self._chronyc.tracking()
                self.withdrawn = not self.tracking.synchronised
            elif decision.serve and self.tracking.synchronised:
                self.withdrawn = False
        except ChronyError as error:
            self.tracking, self.refclocks, self.trouble = None, [], str(error)
        else:
            self.trouble = self._feeding() or self._doubt(decision)

    def _must_withdraw(self, decision: Decision, now_s: float) -> bool:
        """Tell whether chronyd must not go on: at once when the budget is spent, after a while when nothing locks."""
        assert self._service.chrony is not None
        if decision.serve or not self._service.chrony.withdraw:
            self._unvouched_s = None
            return False
        self._unvouched_s = now_s if self._unvouched_s is None else self._unvouched_s
        starting = decision.state in {ClockState.FREE_RUN, ClockState.ACQUIRING}
        return not starting or now_s - self._unvouched_s > self._service.qualification_s + 60

    def _feeding(self) -> str:
        return next((it.error for it in self._feeders.values() if it.error), "")

    def _doubt(self, decision: Decision) -> str:
        """Return how chronyd's own word differs from the arbiter's; its stratum is no evidence of anything."""
        assert self.tracking is not None
        if not decision.serve:
            return "" if not self.tracking.synchronised else "chronyd still serves a time that nobody vouches for"
        liars = [it["name"] for it in self.refclocks if it["state"] == "x"]
        if liars:
            return f"chronyd takes {', '.join(liars)} for falsetickers"
        return ""

    def to_json(self) -> dict[str, Any]:
        """Return what is given on, and what chronyd makes of it."""
        tracking = self.tracking
        return {
            "feeds": {name: it.sent for name, it in self._feeders.items()},
            "dropped": self.dropped,
            "withdrawn": self.withdrawn,
            "trouble": self.trouble,
            "refclocks": self.refclocks,
            "tracking": None if tracking is None else {
                "reference": tracking.reference, "synchronised": tracking.synchronised,
                "system_offset_ns": round(tracking.system_offset_s * 1e9),
                "root_dispersion_ns": round(tracking.root_dispersion_s * 1e9),
            },
        }  # fmt: skip

    def close(self) -> None:
        """Close the sockets."""
        for feeder in self._feeders.values():
            feeder.close()
