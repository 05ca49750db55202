"""The drills of protection switching, as scripts: what is broken in which order, what must be seen, what may be lost.

Times follow the inventory: a detection takes the BFD multiplier's intervals, a revert the wait to restore.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lifeline.i18n import N_
from lifeline.model.inventory import Inventory

from .fibre_cut import REVERT_MARGIN_MS, candidates
from .judge import Sighting
from .record import Target
from .script import Expect, Heal, Inject, Kill, Pause, Phase, Script

SWITCH_MS = 50
"""G.8031 clause 7.4 asks 50 ms of the transfer; here it bounds detection and transfer together."""
ALARM_MS = 1000
DEAD = {"loss_pct": 100.0}


# ---------------------------------------------------------------- what can be seen


def selects(path: str) -> Callable[[Sighting, Target], bool]:
    """Return what tells that an end carries traffic on a path."""
    return lambda seen, aim: seen.concerns("protection", f"group:{aim.group}") and seen.body["selector"] == path


def requests(*names: str) -> Callable[[Sighting, Target], bool]:
    """Return what tells that one of these requests stands at an end."""
    return lambda seen, aim: seen.concerns("protection", f"group:{aim.group}") and seen.body["request"] in names


def raises(name: str, path: str = "") -> Callable[[Sighting, Target], bool]:
    """Return what tells that a condition is raised on a target's path, or on its group."""
    return lambda seen, aim: _condition(seen, aim, name, path) and seen.body["perceived_severity"] != "cleared"


def clears(name: str, path: str = "") -> Callable[[Sighting, Target], bool]:
    """Return what tells that a condition is cleared."""
    return lambda seen, aim: _condition(seen, aim, name, path) and seen.body["perceived_severity"] == "cleared"


def _condition(seen: Sighting, aim: Target, name: str, path: str) -> bool:
    subject = f"link:{getattr(aim, path)}" if path else f"group:{aim.group}"
    return seen.concerns("condition", subject) and bool(seen.body["name"] == name)


# ---------------------------------------------------------------- the scripts


@dataclass(frozen=True, slots=True)
class Times:
    """What the inventory promises of a target, in ms."""

    detect_working: float
    detect_protection: float
    wtr: float
    quality_window: float

    @classmethod
    def of(cls, inventory: Inventory, target: Target) -> Times:
        """Read them for a target; detection is one interval more than the multiplier, for the phase of the cut."""
        working, protection = inventory.links[target.working], inventory.links[target.protection]
        assert working.bfd is not None
        assert protection.bfd is not None
        return cls(
            detect_working=working.bfd.interval_ms * (working.bfd.detect_mult + 1),
            detect_protection=protection.bfd.interval_ms * (protection.bfd.detect_mult + 1),
            wtr=inventory.protection_groups[target.group].wtr_ms,
            quality_window=working.quality.window_ms if working.quality else 0,
        )

    @property
    def revert(self) -> float:
        """Wait to restore, up to a second for BFD to come Up (RFC 5880 6.8.3), and a margin."""
        return self.wtr + REVERT_MARGIN_MS


def _switch(*, at_hub: bool = True) -> tuple[Expect, ...]:
    switch = Expect("switch", selects("protection"), SWITCH_MS, awaited=at_hub)
    if not at_hub:
        return (switch,)
    return (switch, Expect("alarm raised", raises("path-down", "working"), ALARM_MS, at="core", at_hub=True))


def _revert(times: Times) -> Phase:
    return Phase(
        N_("fibre repaired"),
        (Heal("working"),),
        (
            Expect("revert", selects("working"), times.revert),
            Expect("alarm cleared", clears("path-down", "working"), times.revert),
        ),
        once={"reverted": selects("working")},
    )


def _flapping(times: Times, draw: random.Random) -> tuple[Phase, ...]:
    flaps: list[Inject | Heal | Pause] = []
    for last in (False, False, False, True):
        flaps += [Inject("fibre-cut", "working"), Pause(draw.uniform(0.1, 0.4))]
        if not last:  # long enough for BFD to come Up again, too short for the wait to restore to end
            flaps += [Heal("working"), Pause(draw.uniform(1.2, 1.5))]
    return (
        Phase(
            N_("fibre flaps"), tuple(flaps), _switch(), lost_ms=SWITCH_MS,
            never={"back on the flapping fibre": selects("working")},
        ),
        _revert(times),
    )  # fmt: skip


def _degraded(times: Times, draw: random.Random) -> tuple[Phase, ...]:
    loss_pct = round(draw.uniform(3, 8), 1)
    direction = draw.choice(("to-site", "to-core", None))
    options = {"loss_pct": loss_pct} | ({"direction": direction} if direction else {})
    noticed_ms = times.quality_window + 2000
    return (
        Phase(
            N_("fibre loses frames"), (Inject("fibre-degrade", "working", options),),
            (Expect("left the lossy path", selects("protection"), noticed_ms),),
            lost_ms=None, hold_s=0,
        ),
        Phase(N_("on satellite"), lost_ms=0, hold_s=1.5, never={"back on the lossy fibre": selects("working")}),
        Phase(
            N_("fibre repaired"), (Heal("working"),),
            (Expect("revert", selects("working"), times.quality_window + 2000 + times.revert),),
        ),
    )  # fmt: skip


def _both_lost(times: Times, first: str) -> tuple[Phase, ...]:
    second = "protection" if first == "working" else "working"
    names = {"working": N_("fibre repaired"), "protection": N_("satellite back")}
    no_path_ms = times.detect_protection + ALARM_MS
    back_ms = 2000 + times.detect_protection
    back = Expect("a path again", clears("no-path"), back_ms)
    others = {
        # Repaired first, the fibre carries at once: nothing else does, so there is nothing to wait for.
        "working": (_satellite_back(names[second]),),
        "protection": (_revert(times),),
    }[first]  # fmt: skip
    return (
        Phase(
            N_("both paths lost"),
            (Inject("fibre-cut", "working"), Inject("satellite-degrade", "protection", DEAD)),
            (Expect("no path left", raises("no-path"), no_path_ms, at="core", at_hub=True),),
            lost_ms=None, hold_s=1,
        ),
        Phase(
            names[first], (Heal(first),),
            (back, Expect("carries again", selects(first), back_ms)) if first == "protection" else (back,),
            lost_ms=back_ms, hold_s=0,
        ),
        Phase(N_("on the one path"), hold_s=1),
        *others,
    )  # fmt: skip


def _satellite_lost(times: Times) -> tuple[Phase, ...]:
    return (
        Phase(N_("fibre cut"), (Inject("fibre-cut", "working"),), _switch(), lost_ms=SWITCH_MS, hold_s=1),
        Phase(
            N_("fibre repaired"), (Heal("working"),), (Expect("waits to restore", requests("WTR"), 2000),), hold_s=0,
        ),
        Phase(
            N_("satellite lost while on satellite"), (Inject("satellite-degrade", "protection", DEAD),),
            (Expect("back on the fibre", selects("working"), times.detect_protection + SWITCH_MS),),
            lost_ms=times.detect_protection + SWITCH_MS,
        ),
        _satellite_back(N_("satellite back")),
    )  # fmt: skip


def _satellite_back(name: str) -> Phase:
    return Phase(name, (Heal("protection"),), (Expect("protected again", clears("path-down", "protection"), 3000),))


def _duct_cut(times: Times, duct: str) -> tuple[Phase, ...]:
    return (
        Phase(N_("duct cut"), (Inject("duct-cut", duct),), _switch(), lost_ms=SWITCH_MS, hold_s=1),
        Phase(
            N_("duct repaired"), (Heal(duct),),
            (
                Expect("revert", selects("working"), times.revert),
                Expect("alarm cleared", clears("path-down", "working"), times.revert),
            ),
        ),
    )  # fmt: skip


def _agent_killed(times: Times) -> tuple[Phase, ...]:
    return (
        Phase(
            N_("fibre cut, agent killed"), (Inject("fibre-cut", "working"), Kill("agent")),
            (
                *_switch(),
                Expect("told after the restart", raises("path-down", "working"), 15_000, at="site", at_hub=True),
            ),
            lost_ms=SWITCH_MS, hold_s=1, once={"switched": selects("protection")},
        ),
        _revert(times),
    )  # fmt: skip


def _hub_dead(times: Times, hub: str) -> tuple[Phase, ...]:
    told_late_ms = 60_000
    return (
        Phase(N_("hub dies"), (Inject("node-off", hub),), hold_s=1),
        Phase(N_("fibre cut"), (Inject("fibre-cut", "working"),), _switch(at_hub=False), lost_ms=SWITCH_MS, hold_s=2),
        Phase(
            N_("fibre repaired"), (Heal("working"),),
            (
                Expect("revert", selects("working"), times.revert, awaited=False),
                Expect("whole story told", clears("path-down", "working"), told_late_ms, at_hub=True, awaited=False),
            ),
            hold_s=(times.revert + 1000) / 1000,
        ),
        Phase(N_("hub is back"), (Heal(hub),)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """A drill that can be run: what it shows, and how its script is written for targets."""

    objective: str
    write: Callable[[Inventory, tuple[Target, ...], random.Random, str], tuple[Phase, ...]]
    whole_duct: bool = False


KINDS: Mapping[str, Kind] = {
    "flapping": Kind(
        N_("A fibre that comes and goes is left once and taken back once, when it has stood for the wait to restore."),
        lambda inventory, aims, draw, _hub: _flapping(Times.of(inventory, aims[0]), draw),
    ),
    "degraded": Kind(
        N_("A fibre that is up but loses frames is left in time, and taken back when it is sound."),
        lambda inventory, aims, draw, _hub: _degraded(Times.of(inventory, aims[0]), draw),
    ),
    "both-lost-fibre-first": Kind(
        N_("Both paths are lost; the fibre is repaired first and carries again at once."),
        lambda inventory, aims, _draw, _hub: _both_lost(Times.of(inventory, aims[0]), "working"),
    ),
    "both-lost-satellite-first": Kind(
        N_("Both paths are lost; the satellite comes back first and carries until the fibre has stood again."),
        lambda inventory, aims, _draw, _hub: _both_lost(Times.of(inventory, aims[0]), "protection"),
    ),
    "satellite-lost": Kind(
        N_("The satellite is lost while it carries the traffic: a fibre that is whole again takes it without waiting."),
        lambda inventory, aims, _draw, _hub: _satellite_lost(Times.of(inventory, aims[0])),
    ),
    "duct-cut": Kind(
        N_("A duct is cut: every super base station in it keeps talking over satellite, and comes back unhurt."),
        lambda inventory, aims, _draw, _hub: _duct_cut(Times.of(inventory, aims[0]), _duct_of(inventory, aims)),
        whole_duct=True,
    ),
    "agent-killed": Kind(
        N_("The agent is killed as the fibre is cut: the switch does not need it, and the record is whole afterwards."),
        lambda inventory, aims, _draw, _hub: _agent_killed(Times.of(inventory, aims[0])),
    ),
    "hub-dead": Kind(
        N_("The hub is dead from before the cut until after the revert: the sites switch and come back alone."),
        lambda inventory, aims, _draw, hub: _hub_dead(Times.of(inventory, aims[0]), hub),
    ),
}  # fmt: skip


def write(name: str, inventory: Inventory, *, hub: str, site: str | None, seed: int) -> Script:
    """Return a drill's script, its draws following the seed.

    Args:
        name: one of `KINDS`.
        inventory: of the lab.
        hub: the node that runs the hub.
        site: a site that the drill shall hit; drawn otherwise.
        seed: of every draw.

    Raises:
        ValueError: no protected fibre ends at that site.
    """
    draw = random.Random(seed)
    fit = candidates(inventory)
    if site is not None and site not in fit:
        raise ValueError(f"no protected fibre ends at {site!r}; there are {', '.join(sorted(fit))}")
    if not fit:
        raise ValueError("no protection group of the inventory works over a fibre")
    aim = fit[site or draw.choice(sorted(fit))]
    kind = KINDS[name]
    aims: tuple[Target, ...] = (aim,)
    if kind.whole_duct:
        duct = _duct_of(inventory, aims)
        aims = tuple(each for each in fit.values() if duct in inventory.links[each.working].srgs)
    return Script(name, kind.objective, aims, kind.write(inventory, aims, draw, hub))


def _duct_of(inventory: Inventory, aims: tuple[Target, ...]) -> str:
    srgs = inventory.links[aims[0].working].srgs
    if not srgs:
        raise ValueError(f"{aims[0].working} lies in no shared-risk group")
    return srgs[0]
