"""A clock room in virtual time: receivers and oscillator of the simulator, the arbiter of the product."""

from __future__ import annotations

import random
from collections.abc import Callable

from lifeline.model.timing import OSCILLATORS, Antenna, TimeService, TimeSourceKind
from timesync.core.arbiter import Arbiter
from timesync.core.reasons import Reason
from timesync.core.source import Sample, Satellite, SourceState, Telemetry
from timesync.core.verdicts import Change, Decision

from .time_sky import Receiver, TrueOscillator

LAT, LON, HEIGHT = 39.905, 116.397, 60.0
SIGMA_NS, NTP_SIGMA_NS = 100.0, 1e5
NTP_POLL_S = 4.0


class World:
    """Steps by a second.

    Attributes:
        now: virtual time, s.
        receivers: by the name of the source that they are.
        leap_s: by source, what it says GPS time less UTC is.
        utc_lag_s: by source, by how much its UTC lags behind.
        changes: every change that the arbiter told of, with its time.
    """

    def __init__(
        self,
        seed: int = 1,
        *,
        limit_ns: float = 1500.0,
        qualification_s: float = 300.0,
        oscillator: str = "ocxo",
        ntp: bool = False,
    ) -> None:
        """Make the room; chance follows the seed."""
        self._rng, self.now = random.Random(seed), 0.0
        names = ("beidou", "gps")
        self.receivers = {name: Receiver(name, LAT, LON, HEIGHT, self._chance(), bias_ns=self._rng.gauss(0, 25))
                          for name in names}  # fmt: skip
        figures = OSCILLATORS[oscillator]
        # Half of what the class admits: an oscillator as good as it is said to be.
        self.oscillator = TrueOscillator(
            self._chance(), self._rng.uniform(-0.06, 0.06) * figures.most_ppb, figures.random_walk_ppb / 2,
            figures.white_ns / 2, figures.ageing_ppb_per_day / 2,
        )  # fmt: skip
        sources = {name: SourceState(name, TimeSourceKind(name), SIGMA_NS) for name in names}
        if ntp:
            sources["ntp"] = SourceState("ntp", TimeSourceKind.NTP, NTP_SIGMA_NS, poll_s=NTP_POLL_S)
        service = TimeService(limit_ns=limit_ns, qualification_s=qualification_s, antenna=Antenna(LAT, LON, HEIGHT))
        self.arbiter = Arbiter.of(service, sources, figures)
        self.leap_s = dict.fromkeys(names, 18)
        self.utc_lag_s = dict.fromkeys(names, 0.0)
        self.changes: list[tuple[float, Change]] = []
        self.decision: Decision = self.arbiter.decide(0.0)

    def _chance(self) -> random.Random:
        return random.Random(self._rng.random())

    def step(self) -> Decision:
        """Let a second pass."""
        self.now += 1.0
        x_ns = self.oscillator.ahead(self.now)
        for name, receiver in self.receivers.items():
            if receiver.speaks(self.now):
                self.arbiter.telemetry(name, self._said(name, receiver))
            if (error_ns := receiver.pulse_ns(self.now)) is not None:
                self.arbiter.sample(name, Sample(self.now, x_ns + error_ns + self.utc_lag_s[name] * 1e9, 0.0))
        if "ntp" in self.arbiter.sources and self.now % NTP_POLL_S == 0:
            self.arbiter.sample("ntp", Sample(self.now, x_ns + self._rng.gauss(0, 2e4), 5e4))
        self.decision = self.arbiter.decide(self.now)
        self.changes += [(self.now, change) for change in self.decision.changes]
        return self.decision

    def _said(self, name: str, receiver: Receiver) -> Telemetry:
        satellites = tuple(
            Satellite(it.constellation, it.number, it.cn0_db_hz, it.used, it.elevation_deg)
            for it in receiver.satellites(self.now)
        )
        fix = 3 if any(it.used for it in satellites) else 1
        return Telemetry(self.now, fix, satellites, position=receiver.position(self.now), leap_s=self.leap_s[name])

    def run(self, seconds: float) -> Decision:
        """Let time pass and return the last decision."""
        for _ in range(int(seconds)):
            self.step()
        return self.decision

    def until(self, holds: Callable[[Decision], bool], within_s: float) -> int:
        """Let time pass until a decision is as wanted, and return how many seconds it took.

        Raises:
            TimeoutError: it did not come in time.
        """
        for n in range(int(within_s)):
            if holds(self.step()):
                return n + 1
        raise TimeoutError(f"not within {within_s} s; {self.changes[-6:]}")

    def reason(self, name: str) -> Reason | None:
        """Return why a source is not selected."""
        return self.decision.sources[name].reason
