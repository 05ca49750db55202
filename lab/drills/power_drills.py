"""The drills of power, as scripts: what happens to a core room's plant, and what must be kept alive and told."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lifeline.i18n import N_
from lifeline.model.inventory import Inventory
from lifeline.model.power import PowerPlant

from .power_play import PowerScript, Seen, Sees, Step, Wish

TOLD_S = 5.0
"""Beside two polls: the UPS's driver and upsd, a look of the daemon, a look of the drill."""
CLEARED_S = 90.0
"""Conditions clear a minute after what they told of."""
HASTENED_S = 120.0
"""How long the target autonomy takes, hastened."""
RACE_H, RACE_S = 60.0, 120.0
RACE_LEVEL_PCT = 25.0
_OFF = 0.12
"""Meters 3 %, gauges 2 % of the tank, burn 3 %; and cooling, which nobody measures, is taken at its design load."""


# ---------------------------------------------------------------- what can be seen


def _alarm(what: str, name: str) -> Sees:
    return lambda seen: (what, name) in seen.alarms


def _on(what: str) -> Sees:
    return lambda seen: seen.state.get("runs_on") == what


def _dark(seen: Seen) -> bool:
    return seen.plant["dark_at_s"] is not None


def promise_kept(seen: Seen) -> bool:
    """Tell whether the site lasts what the daemon promises at least, and as long as it foretells, within a tenth or so.

    The promise is the system's figure; it counts no batteries behind the last fuel. What is foretold is when it will be
    dark, batteries and all.
    """
    foretold_h = (seen.state.get("outage") or {}).get("dark_h")
    if seen.dark_in_h is None or seen.low_h is None or foretold_h is None:
        return False
    return seen.low_h <= seen.dark_in_h and abs(foretold_h - seen.dark_in_h) <= _OFF * seen.dark_in_h


def promises_too_much(seen: Seen) -> bool:
    """Tell whether the daemon promises more than there is, even as of some seconds ago when it last heard."""
    lag_h = 15.0 * seen.rate / 3600
    return seen.low_h is not None and seen.dark_in_h is not None and seen.low_h > seen.dark_in_h + lag_h


_NEVER_DARK: Mapping[str, Sees] = {N_("the site was dark"): _dark}
_NEVER_WRONG: Mapping[str, Sees] = {**_NEVER_DARK, N_("more was promised than there was"): promises_too_much}


@dataclass(frozen=True, slots=True)
class Aim:
    """A site that a drill hits."""

    site: str
    plant: PowerPlant
    broken: str
    """The generator that is hit."""

    def fault(self, part: str, mode: str = "", size: float = 0.0) -> tuple[str, str, float]:
        """Return a fault at the site; without a mode, its end."""
        return f"{self.site}/{part}", mode, size

    def wish(self, task: str, sees: Sees, within_s: float) -> Wish:
        """Return a task at the site."""
        return Wish(self.site, task, sees, within_s)

    @property
    def told_s(self) -> float:
        """How long it may take until what happens is told."""
        monitors = [
            *(it.monitor for it in self.plant.ups.values()),
            *(it.monitor for it in self.plant.generators.values()),
        ]
        return 2 * max([it.poll_s for it in monitors if it is not None], default=10.0) + TOLD_S


def _lost(aim: Aim, *others: tuple[str, str, float]) -> Step:
    """Return the step in which all utility is lost; generators carry the site unless something else is broken."""
    starts_s = max(it.start_s for it in aim.plant.generators.values())
    transfer_s = max([it.transfer_s for it in aim.plant.switches.values()], default=1.0)
    carries = aim.wish(N_("generator carries"), _on("generator"), starts_s + transfer_s + aim.told_s)
    return Step(
        N_("all utility lost"), (*others, aim.fault("feeds", "lost")),
        (aim.wish(N_("loss told"), _alarm("", "utility-lost"), aim.told_s), *(() if others else (carries,))),
        _NEVER_DARK,
    )  # fmt: skip


def _lasts(aim: Aim, name: str, *faults: tuple[str, str, float]) -> Step:
    """Return the step in which what the daemon says the site lasts is held against the plant, stepped ahead."""
    return Step(name, faults, (aim.wish(N_("promise kept"), promise_kept, 30.0),), _NEVER_DARK, 5.0, ahead=True)


def _back(aim: Aim, *healed: str) -> Step:
    return Step(
        N_("utility is back"), tuple(map(aim.fault, healed)),
        (aim.wish(N_("on utility"), _on("utility"), 30.0),
         aim.wish(N_("alarms cleared"), lambda seen: not seen.alarms, CLEARED_S + 30.0)),
        _NEVER_DARK,
    )  # fmt: skip


# ---------------------------------------------------------------- the scripts


def _utility_loss(aim: Aim) -> tuple[Step, ...]:
    return (_lost(aim), _lasts(aim, N_("how long it lasts")), _back(aim, "feeds"))


def _start_failure(aim: Aim) -> tuple[Step, ...]:
    broken, it = aim.broken, aim.plant.generators[aim.broken]
    within_s = it.start_attempts * it.crank_cycle_s + aim.told_s
    return (
        _lost(aim, aim.fault(broken, "no-start")),
        Step(
            N_("it does not start"), (),
            (aim.wish(N_("start failure told"), _alarm(f"/{broken}", "start-failed"), within_s),
             aim.wish(N_("counted out"), lambda seen: broken in seen.state.get("situation", {}).get("lost", ()),
                      within_s)),
            _NEVER_DARK,
        ),
        _lasts(aim, N_("how long it lasts")),
        _back(aim, broken, "feeds"),
    )  # fmt: skip


def _target(aim: Aim) -> tuple[Step, ...]:
    hours = aim.plant.target_autonomy_h
    return (
        _lost(aim),
        _lasts(aim, N_("how long it lasts")),
        Step(
            N_("the hours of its target pass"), (aim.fault("clock", "hasten", hours * 3600 / HASTENED_S),),
            (aim.wish(N_("target reached"), lambda seen: seen.since_h >= hours, HASTENED_S + 10.0),),
            _NEVER_WRONG,
        ),
        _lasts(aim, N_("what is left"), aim.fault("clock")),
        _back(aim, "feeds"),
    )  # fmt: skip


def _race(aim: Aim) -> tuple[Step, ...]:
    tanks = tanks_of(aim.plant)
    return (
        _lost(aim),
        Step(
            N_("fuel is short"), tuple(aim.fault(tank, "level", RACE_LEVEL_PCT) for tank in tanks),
            (aim.wish(N_("low fuel told"), _low_fuel(tanks), 60.0 + aim.told_s),
             aim.wish(N_("dark soon without fuel"), lambda seen: seen.dark_in_h is not None
                      and seen.dark_in_h < RACE_H, 10.0)),
            _NEVER_DARK, ahead=True,
        ),
        Step(
            N_("the tanker goes round"), (aim.fault("clock", "hasten", RACE_H * 3600 / RACE_S),),
            (aim.wish(N_("end of the race"), lambda seen: seen.since_h >= RACE_H, RACE_S + 15.0),),
            _NEVER_DARK,
        ),
        _back(aim, "clock", *tanks, "feeds"),
    )  # fmt: skip


def tanks_of(plant: PowerPlant) -> list[str]:
    """Return the tanks that a tanker fills."""
    bulk = [name for name, it in plant.tanks.items() if it.refill_from is None]
    return bulk + [name for name, it in plant.generators.items() if it.tank is None]


def _low_fuel(tanks: list[str]) -> Sees:
    return lambda seen: all((f"/{tank}", "low-fuel") in seen.alarms for tank in tanks)


def _together(scripts: list[tuple[Step, ...]]) -> tuple[Step, ...]:
    """Return scripts of several sites as one, step by step."""
    return tuple(
        replace(steps[0], faults=tuple(it for step in steps for it in step.faults),
                wishes=tuple(it for step in steps for it in step.wishes))
        for steps in zip(*scripts, strict=True)
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """A drill of power.

    Attributes:
        objective: a sentence.
        write: its steps at a site.
        everywhere: whether it hits every fit site at once.
    """

    objective: str
    write: Callable[[Aim], tuple[Step, ...]]
    everywhere: bool = False


KINDS: Mapping[str, Kind] = {
    "utility-loss": Kind(
        N_("All utility is lost: batteries bridge, generators carry, and how long it lasts is told and true."),
        _utility_loss,
    ),
    "generator-start-failure": Kind(
        N_("Utility is lost and a generator does not start: told, counted out, and the loads stay fed."), _start_failure
    ),
    "72h": Kind(
        N_("Utility stays away for the room's target, 72 h or 8 h, in hastened time: it is never dark."), _target
    ),
    "fuel-race": Kind(
        N_("All rooms burn the last of their fuel and one tanker serves them: as planned, nobody is dark."), _race,
        everywhere=True,
    ),
}  # fmt: skip


def candidates(inventory: Inventory) -> list[str]:
    """Return the sites with generators whose controllers and whose UPS are all asked."""
    found = []
    for name, site in inventory.sites.items():
        plant = site.power
        if plant is None or not plant.generators:
            continue
        if all(it.monitor for it in plant.generators.values()) and all(it.monitor for it in plant.ups.values()):
            found.append(name)
    return sorted(found)


def write(name: str, inventory: Inventory, *, site: str | None, seed: int) -> PowerScript:
    """Return a drill's script, its draws following the seed.

    Args:
        name: one of `KINDS`.
        inventory: of the lab.
        site: a site that the drill shall hit; drawn otherwise. One that hits all sites takes none.
        seed: of every draw.

    Raises:
        ValueError: no site is fit, or that one is not.
    """
    draw, kind, fit = random.Random(seed), KINDS[name], candidates(inventory)
    if not fit:
        raise ValueError("no site of the inventory has generators and UPS that are all asked")
    if site is not None and (kind.everywhere or site not in fit):
        raise ValueError(f"{name} does not fit {site!r}; it fits {', '.join(fit)}{' together' * kind.everywhere}")
    sites = fit if kind.everywhere else [site or draw.choice(fit)]
    aims = []
    for at in sites:
        plant = inventory.sites[at].power
        assert plant is not None
        aims.append(Aim(at, plant, draw.choice(sorted(plant.generators))))
    return PowerScript(name, kind.objective, tuple(sites), _together([kind.write(aim) for aim in aims]))
