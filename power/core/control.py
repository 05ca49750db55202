"""What may be commanded at a plant, and what stands in the way: interlocks as a table, sans-IO.

An interlock answers with a sentence where it forbids, else with nothing. What is not known forbids: nothing acts
blindly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from lifeline.i18n import N_, _
from lifeline.model.power import Control, PowerPlant

from .observe import Observed, PartView

AGAIN_AFTER_S: Final = {Control.START: 60.0, Control.STOP: 60.0, Control.TRANSFER: 300.0, Control.BATTERY_TEST: 3600.0}
"""The same command at the same part is refused within this time, s."""
LEAST_CHARGE_PCT: Final = 90.0
"""A battery is tested when charged: what a test takes must not be missing in an outage."""
_RUNNING: Final = frozenset({"pre-heat", "starting", "cranking", "warming", "running", "loaded", "cooling"})
_SOUND: Final = frozenset({"online", "eco", "boost", "trim"})


class Plan(NamedTuple):
    """How a command is carried out, by the device's protocol, and what is to be seen of it."""

    writes: tuple[str, ...]
    """Modbus: names of the profile's commands, in this order."""
    instant: str
    """NUT: the instant command."""
    state: str
    """The state that shows that it was taken, by the vocabulary's name."""
    words: frozenset[str]
    """What that state then says."""
    effect: str
    """What is to be expected, as an English sentence for `_`."""


PLANS: Final[Mapping[Control, Plan]] = {
    Control.START: Plan(
        ("manual", "start"), "", "genset.mode", frozenset({"manual"}),
        N_("{part} starts and runs without load. It stays in manual mode until `stop` gives it back to automatic."),
    ),
    # Never the controller's own stop mode: a set in it does not start when utility fails.
    Control.STOP: Plan(
        ("auto",), "", "genset.mode", frozenset({"auto"}),
        N_("{part} goes back to automatic: it stops while utility is there, and starts when utility fails."),
    ),
    Control.TRANSFER: Plan(
        ("transfer",), "", "ats.source", frozenset({"b"}),
        N_("{part} goes over to its other source."),
    ),
    Control.BATTERY_TEST: Plan(
        (), "test.battery.start", "", frozenset(),
        N_("{part} runs on its batteries for the time of its test, then goes back to utility."),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """A command, and all that is known when it is asked for."""

    part: str
    control: Control
    plant: PowerPlant
    observed: Observed
    since_s: float | None
    """Time since the same command was last given here, s; None: never."""

    @property
    def view(self) -> PartView | None:
        """The part as its device shows it."""
        return self.observed.views.get(self.part)


def refusal(request: Request) -> str:
    """Return why a command is refused, as a sentence; empty where nothing stands in its way."""
    return next((sentence for lock in (*COMMON, *LOCKS[request.control]) if (sentence := lock(request))), "")


def effect(request: Request) -> str:
    """Return what is to be expected of a command, as a sentence."""
    return _(PLANS[request.control].effect).format(part=request.part)


def _not_enabled(it: Request) -> str:
    plant = it.plant
    part = next((section[it.part] for section in (plant.generators, plant.ups, plant.dc_plants, plant.switches)
                 if it.part in section), None)  # fmt: skip
    if part is not None and it.control in part.controls:
        return ""
    return _("The inventory does not admit {control} at {part}.").format(control=it.control.value, part=it.part)


def _not_fresh(it: Request) -> str:
    if it.view is not None and it.view.fresh and it.view.state is not None:
        return ""
    return _("What {part} does is not known now.").format(part=it.part)


def _doubtful(it: Request) -> str:
    if it.view is None or not it.view.doubts:
        return ""
    return _("What {part} says is doubtful: {doubt}.").format(part=it.part, doubt=it.view.doubts[0])


def _again(it: Request) -> str:
    wait_s = AGAIN_AFTER_S[it.control]
    if it.since_s is None or it.since_s >= wait_s:
        return ""
    return _("{control} was commanded at {part} {n:.0f} s ago; wait {wait:.0f} s between two.").format(
        control=it.control.value, part=it.part, n=it.since_s, wait=wait_s)  # fmt: skip


def _runs_already(it: Request) -> str:
    return _("{part} runs already.").format(part=it.part) if it.view and it.view.state in _RUNNING else ""


def _alarmed(it: Request) -> str:
    alarmed = it.view and it.view.states.get("genset.alarm") in {"raised", "shutdown"}
    return (
        _("{part} has an alarm; whoever resets it looks at the engine first.").format(part=it.part) if alarmed else ""
    )


def _carries_alone(it: Request) -> str:
    fed = it.observed.runs_on == "utility" or any(
        view.section == "feeds" and view.fresh and view.state == "ok" for view in it.observed.views.values()
    )
    return (
        ""
        if fed
        else _("No feed is known to be healthy: {part} may be all that carries the load.").format(part=it.part)
    )


def _no_utility(it: Request) -> str:
    return "" if it.observed.runs_on == "utility" else _("The site does not run on utility.")


def _bridge_missing(it: Request) -> str:
    units = [*it.plant.ups, *it.plant.dc_plants]
    weak = [name for name in units if not _charged(it.observed.views.get(name))]
    return _("{unit} could not bridge a transfer that fails.").format(unit=weak[0]) if weak else ""


def _charged(view: PartView | None) -> bool:
    return view is not None and view.fresh and view.values.get("battery.charge", 0.0) >= LEAST_CHARGE_PCT


def _on_battery(it: Request) -> str:
    if it.view is None or it.view.state in _SOUND:
        return ""
    return _("{part} is {state}; batteries are tested only while it runs on utility.").format(
        part=it.part, state=it.view.state)  # fmt: skip


def _not_charged(it: Request) -> str:
    if _charged(it.view):
        return ""
    return _("The batteries of {part} are not known to be charged to {least:.0f} %.").format(
        part=it.part, least=LEAST_CHARGE_PCT)  # fmt: skip


Interlock = Callable[[Request], str]
COMMON: Final[tuple[Interlock, ...]] = (_not_enabled, _not_fresh, _doubtful, _again)
LOCKS: Final[Mapping[Control, tuple[Interlock, ...]]] = {
    Control.START: (_runs_already, _alarmed),
    Control.STOP: (_carries_alone,),
    Control.TRANSFER: (_no_utility, _bridge_missing),
    Control.BATTERY_TEST: (_on_battery, _no_utility, _not_charged),
}
