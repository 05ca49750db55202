"""Whether a plant would do what is asked of it if utility were lost now: ready, not ready, or unknown, and why.

Stations, vehicles and containers are judged alike: own generators, batteries, fuel. A mobile unit is sent out by this
answer, so that what nobody knows is not called ready.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from lifeline.i18n import _

from .autonomy import Assessment, Kind, Verdict
from .explain import hours_text, sentence
from .network import Network
from .observe import Observed, PartView

LEAST_CHARGE_PCT = 90.0
LEAST_FUEL_PCT = 40.0


class Readiness(StrEnum):
    """Whether a plant is ready."""

    READY = "ready"
    NOT_READY = "not-ready"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Ready:
    """The answer, and what stands against it."""

    verdict: Readiness
    because: tuple[str, ...]
    """Sentences: what is not as it must be, then what is not known."""


def readiness(network: Network, observed: Observed, assessment: Assessment) -> Ready:
    """Return whether a plant is ready. While it does not run on utility, what is left decides.

    Args:
        network: the plant, nothing lost.
        observed: as its devices show it.
        assessment: its figures.
    """
    wrong, unknown = [], []
    for holds, text in _asked(network, observed, assessment):
        if holds is None:
            unknown.append(text)
        elif not holds:
            wrong.append(text)
    verdict = Readiness.NOT_READY if wrong else Readiness.UNKNOWN if unknown else Readiness.READY
    return Ready(verdict, (*wrong, *unknown))


def _asked(network: Network, observed: Observed, assessment: Assessment) -> Iterator[tuple[bool | None, str]]:
    """Yield what must hold, whether it does, and the sentence for when it does not or nobody knows."""
    plant = network.plant
    for name, unit in network.units.items():
        if unit.parts:
            yield from _charged(name, observed)
    for name in plant.generators:
        yield from _starts(observed.views[name])
    for name, tank in network.tanks.items():
        level = observed.situation.fuel_l.get(name)
        pct = None if level is None or level.value is None else 100 * level.value / tank.capacity_l
        text = _("The fuel in {tank} is not known.") if pct is None else _("{tank} holds {pct:.0f} % of its fuel.")
        yield None if pct is None else pct >= LEAST_FUEL_PCT, text.format(tank=name, pct=pct)
    figure, target_h = assessment.figure(Kind.SYSTEM), plant.target_autonomy_h
    verdict = figure.verdict(target_h)
    if verdict is Verdict.UNKNOWN:
        yield None, sentence(assessment, figure)
    else:
        text = _("It lasts {low} at least; its target is {target:g} h.")
        yield verdict is Verdict.MET, text.format(low=hours_text(figure.low_h), target=target_h)


def _charged(name: str, observed: Observed) -> Iterator[tuple[bool | None, str]]:
    known = observed.situation.charge.get(name)
    if known is None or known.value is None:
        yield None, _("The state of charge of {part} is not known.").format(part=name)
    elif observed.runs_on == "utility":
        text = _("{part} is charged to {n:.0f} %.").format(part=name, n=100 * known.value)
        yield 100 * known.value >= LEAST_CHARGE_PCT, text
    if name in observed.situation.lost:
        yield False, _("{part} is off or on bypass: nothing bridges.").format(part=name)


def _starts(view: PartView) -> Iterator[tuple[bool | None, str]]:
    if not view.fresh:
        yield None, _("{part} is not heard: nobody knows whether it would start.").format(part=view.part)
        return
    mode, volts = view.states.get("genset.mode"), view.values.get("engine.battery_voltage")
    runs = view.state in {"running", "loaded"}
    if mode is not None or not runs:
        text = (
            _("Nobody knows whether {part} is in automatic mode.")
            if mode is None
            else _("{part} is not in automatic mode.")
        )
        yield runs or (None if mode is None else mode == "auto"), text.format(part=view.part)
    failed = view.state in {"failed", "locked"} or view.states.get("genset.start") == "failed"
    yield not failed, _("{part} failed to start.").format(part=view.part)
    yield view.states.get("genset.alarm") not in {"raised", "shutdown"}, _("{part} has an alarm.").format(
        part=view.part)  # fmt: skip
    if volts is not None:
        least = 11.8 if volts < 18 else 23.6
        yield volts >= least, _("The start battery of {part} has {n:.1f} V.").format(part=view.part, n=volts)
