"""The drills of the playbooks that ship, as scripts: what breaks, which run it starts, what must have come of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lifeline.i18n import N_
from lifeline.model.inventory import Inventory

from . import fibre_cut, time_drills
from .playbook_play import Break, Effect, PlaybookScript, Stage

COST = "ip ospf cost 65535"
FUEL_LEFT_PCT = 25.0
SAY_S = 15.0
"""How long the hub may take, beyond what a trigger asks for, from a fault to a run on record."""
SILENCE_S = 20.0
"""How long a silent agent may take to be told of, the hub's own patience included."""


# ---------------------------------------------------------------- what can be seen


def _noted(alarm: str) -> Effect:
    """Return what tells that the run has noted something at an alarm."""

    async def seen(stage: Stage) -> bool:
        notes = (await stage.hub.alarm(alarm))["notes"]
        return any(stage.told["run"]["run"] in it["text"] for it in notes)

    return seen


def _acknowledged(alarm: str) -> Effect:
    async def seen(stage: Stage) -> bool:
        return bool((await stage.hub.alarm(alarm))["acknowledged_by"])

    return seen


def _called(word: str) -> Effect:
    """Return what tells that whoever is on call heard a word."""

    async def seen(stage: Stage) -> bool:
        return any(word in it for it in stage.calls)

    return seen


def _costs(*, stand: bool) -> Effect:
    """Return what tells that each router around the room keeps its traffic from it, or does not."""

    async def seen(stage: Stage) -> bool:
        found = []
        for router in stage.after("around"):
            said = stage.lab.run(router["site"], ["vtysh", "-c", "show running-config"]).stdout
            _before, _name, block = said.partition(f"interface {router['interface']}\n")
            found.append(COST in block.partition("exit")[0])
        return bool(found) and all(it is stand for it in found)

    return seen


def _routed(at: str, network: str, by: str, *, goes: bool) -> Effect:
    """Return what tells whether a router sends a network's traffic out by an interface."""

    async def seen(stage: Stage) -> bool:
        said = stage.lab.run(at, ["ip", "route", "show", network]).stdout
        return bool(said.strip()) and (by in said) is goes

    return seen


def _fact(name: str, holds: Callable[[Any], bool]) -> Effect:
    async def seen(stage: Stage) -> bool:
        told = (await stage.hub.facts(name))[name]
        return told["age_s"] is not None and holds(told["value"])

    return seen


# ---------------------------------------------------------------- the scripts


def _none(value: Any) -> bool:
    return value is None


def _on_working(value: Any) -> bool:
    return bool(value["selector"] == "working" and value["health"] == "ok")


def _heard(value: Any) -> bool:
    return bool(value["agent"] == "up")


def _nobody_silent(value: Any) -> bool:
    return not value["silent"]


def _done(*steps: str) -> dict[str, str]:
    return dict.fromkeys(steps, "done")


def _fibre_cut(inventory: Inventory, draw: random.Random, site: str | None) -> PlaybookScript:
    target, _direction = fibre_cut.plan(inventory, mode="silent", site=site, direction=None, seed=draw.randrange(2**32))
    alarm = f"path-down.link.{target.working}"
    return PlaybookScript(
        _NAME["fibre-cut"], KINDS["fibre-cut"].objective, "fibre-cut", target.site,
        (Break("fibre-cut", target.working),), {"link": target.working}, 10 + SAY_S, 60.0,
        _done("group", "switched", "shaped", "order", "incident", "repair", "call"),
        {N_("the incident is noted at its alarm"): _noted(alarm),
         N_("whoever is on call heard"): _called(target.working)},
        well={f"group:{target.group}": _on_working, f"site:{target.site}": _heard,
              f"alarm:link:{target.working} path-down": _none},
    )  # fmt: skip


def _duct_cut(inventory: Inventory, draw: random.Random, site: str | None) -> PlaybookScript:
    fit = fibre_cut.candidates(inventory)
    ducts = sorted({srg for it in fit.values() for srg in inventory.links[it.working].srgs})
    if site is not None and site not in fit:
        raise ValueError(f"no duct leads to {site!r}; to {', '.join(sorted(fit))}")
    duct = inventory.links[fit[site].working].srgs[0] if site else draw.choice(ducts)
    hit = [it for it in fit.values() if duct in inventory.links[it.working].srgs]
    return PlaybookScript(
        _NAME["duct-cut"], KINDS["duct-cut"].objective, "duct-cut", hit[0].site,
        (Break("duct-cut", duct),), {"duct": duct}, 5 + 2 * SAY_S, 60.0,
        _done("all", "order", "incident", "repair", "call"),
        {N_("the incident is noted at its alarm"): _noted(f"duct-cut.srg.{duct}"),
         N_("whoever is on call heard"): _called(duct),
         N_("every fibre of the duct has its turn"): _turns({it.working for it in hit})},
        well={f"alarm:srg:{duct} duct-cut": _none} | {f"group:{it.group}": _on_working for it in hit},
    )  # fmt: skip


def _turns(links: set[str]) -> Effect:
    async def seen(stage: Stage) -> bool:
        return set(stage.after("order")["links"]) == links

    return seen


def _core_room_lost(_inventory: Inventory, _draw: random.Random, site: str | None) -> PlaybookScript:
    """Take the room through which no station hangs: of the other none could be reached by any other way."""
    if site not in (None, "core-800m"):
        raise ValueError("the lab's stations hang on the other room; core-800m can be lost")
    by_room = {"at": "noc-b", "network": "10.0.1.1", "by": "b-core800m"}
    return PlaybookScript(
        _NAME["core-room-lost"], KINDS["core-room-lost"].objective, "core-room-lost", "core-800m",
        (Break("node-off", "core-800m"),), {"site": "core-800m"}, 10 + SILENCE_S, 120.0,
        _done("around", "gone", "hold-1", "hold-2", "carried", "vehicle", "call"),
        {N_("both neighbours hold it off"): _costs(stand=True),
         N_("whoever is on call heard"): _called("core-network vehicle")},
        people=2,
        well={"site:core-800m": _heard, "sites": _nobody_silent, "alarm:site:core-800m unreachable": _none},
        well_within_s=120.0,
        held={N_("the room is back, and traffic still goes round it"): _routed(**by_room, goes=False)},
        back="core-room-back",
        back_steps=_done("around", "seen", "back-1", "back-2"),
        back_effects={N_("neither neighbour holds it off"): _costs(stand=False),
                      N_("traffic goes through it again"): _routed(**by_room, goes=True)},
    )  # fmt: skip


def _centre_lost(_inventory: Inventory, _draw: random.Random, site: str | None) -> PlaybookScript:
    if site not in (None, "noc-b"):
        raise ValueError("the lab's hub is at the other centre; noc-b can be lost")
    return PlaybookScript(
        _NAME["centre-lost"], KINDS["centre-lost"].objective, "centre-lost", "noc-b",
        (Break("node-off", "noc-b"),), {"site": "noc-b"}, 10 + SILENCE_S, 120.0,
        _done("gone", "others", "charge", "call"),
        {N_("the alarm says who is in charge"): _acknowledged("agent-silent.site.noc-b"),
         N_("whoever is on call heard"): _called("in charge")},
        people=2,
        well={"site:noc-b": _heard, "sites": _nobody_silent, "alarm:site:noc-b unreachable": _none},
        well_within_s=120.0,
    )  # fmt: skip


def _time_diverges(inventory: Inventory, draw: random.Random, site: str | None) -> PlaybookScript:
    fit = time_drills.candidates(inventory, poor=True)
    if not fit or (site is not None and site not in fit):
        raise ValueError(f"needs a clock room with a poor oscillator: {', '.join(fit)}")
    at, liar = site or draw.choice(fit), draw.choice(sorted(time_drills.RECEIVERS))

    def well(value: Any) -> bool:
        selected = set(time_drills.RECEIVERS) <= set(value["selected"])
        return bool(value["state"] == "locked" and value["serve"] and value["chosen"] is None and selected)

    return PlaybookScript(
        _NAME["time-diverges"], KINDS["time-diverges"].objective, "time-diverges", at,
        (Break("gnss", f"{at}/{liar}", {"mode": "ramp", "size": time_drills.CREEP_NS_PER_S}),), {"site": at},
        60 + SAY_S, 240.0,
        _done("gate", "hold", "known", "call", "agreed", "release"),
        {N_("sources may be selected again"): _fact(f"live:time:{at}", lambda it: it["chosen"] is None),
         N_("whoever is on call heard"): _called(f"Time sources of {at} diverge")},
        heals_at="agreed", agrees_at="agreed",
        well={f"live:time:{at}": well}, well_within_s=150.0,
    )  # fmt: skip


def _on_utility(value: Any) -> bool:
    return bool(value["runs_on"] == "utility" and not value["situation"]["lost"])


def _power(site: str, *faults: tuple[str, str, float]) -> tuple[Break, ...]:
    return tuple(Break("power", f"{site}/{part}", {"mode": mode, "size": size}) for part, mode, size in faults)


def _steady_power(site: str, *alarms: str) -> dict[str, Callable[[Any], bool]]:
    return {f"live:power:{site}": _on_utility} | {f"alarm:power:{site}{it}": _none for it in alarms}


def _utility_lost(_inventory: Inventory, _draw: random.Random, site: str | None) -> PlaybookScript:
    at = site or "core-800m"
    return PlaybookScript(
        _NAME["utility-lost"], KINDS["utility-lost"].objective, "utility-lost", at,
        _power(at, ("feeds", "lost", 0.0)), {"site": at}, 15 + 2 * SAY_S, 240.0,
        _done("transfer", "stands", "autonomy", "call") | {"start": "skipped"},
        {N_("its generator carries"): _fact(f"live:power:{at}", lambda it: it["runs_on"] == "generator"),
         N_("whoever is on call heard"): _called(f"Utility lost at {at}: on generator")},
        well=_steady_power(at, " utility-lost"), well_within_s=150.0,
    )  # fmt: skip


def _start_failed(_inventory: Inventory, _draw: random.Random, site: str | None) -> PlaybookScript:
    at, unit = site or "core-wired", "generator-1"
    return PlaybookScript(
        _NAME["generator-start-failed"], KINDS["generator-start-failed"].objective, "generator-start-failed", at,
        _power(at, (unit, "no-start", 0.0), ("feeds", "lost", 0.0)), {"site": at, "unit": unit}, 120.0, 240.0,
        _done("stands", "mobile", "call") | {"again": "failed"},
        {N_("whoever is on call heard"): _called(f"{at}: {unit} does not start")},
        well=_steady_power(at, " utility-lost", f"/{unit} start-failed"), well_within_s=150.0,
    )  # fmt: skip


def _autonomy(inventory: Inventory, _draw: random.Random, site: str | None) -> PlaybookScript:
    at = site or "core-wired"
    plant = inventory.sites[at].power
    tanks = () if plant is None else tuple(plant.generators)
    return PlaybookScript(
        _NAME["autonomy-below-target"], KINDS["autonomy-below-target"].objective, "autonomy-below-target", at,
        _power(at, *((it, "level", FUEL_LEFT_PCT) for it in tanks)), {"site": at}, 120.0, 60.0,
        _done("stands", "fuel", "order", "call"),
        {N_("the order says how much and by when"): _ordered,
         N_("whoever is on call heard"): _called("l of fuel, there by")},
        well=_steady_power(at, " autonomy-below-target"), well_within_s=150.0,
    )  # fmt: skip


async def _ordered(stage: Stage) -> bool:
    text = next(it["args"]["text"] for it in stage.told["record"] if it["step"] == "order" and it["leg"] == "do")
    fuel = stage.after("fuel")
    return fuel["litres"] > 0 and str(fuel["litres"]) in text and fuel["need_by"] in text


@dataclass(frozen=True, slots=True)
class Kind:
    """A drill of a playbook."""

    objective: str
    write: Callable[[Inventory, random.Random, str | None], PlaybookScript]


KINDS: Mapping[str, Kind] = {
    "fibre-cut": Kind(N_("A cut fibre starts its playbook: switch and classes are verified, the incident is noted."),
                      _fibre_cut),
    "duct-cut": Kind(N_("A cut duct is one incident, and each of its fibres has its turn to be spliced."), _duct_cut),
    "core-room-lost": Kind(
        N_("A core room is lost: two people agree, routing goes round it until it is given back."),
        _core_room_lost,
    ),
    "centre-lost": Kind(N_("The other operations centre is lost: two people agree who is in charge."), _centre_lost),
    "time-diverges": Kind(
        N_("Time sources diverge: no other is selected until a person agrees, then the clock locks again."),
        _time_diverges,
    ),
    "utility-lost": Kind(
        N_("Utility is lost: the transfer is watched, whoever is on call hears what carries the site."),
        _utility_lost,
    ),
    "generator-start-failed": Kind(
        N_("A generator does not start: its interlocks forbid a second attempt, a mobile one is asked for."),
        _start_failed,
    ),
    "autonomy-below-target": Kind(
        N_("Fuel is short: the order says how much, by when it must be there, and when it must leave."), _autonomy
    ),
}  # fmt: skip
_NAME: Mapping[str, str] = {name: f"playbook-{name}" for name in KINDS}
NAMES: Mapping[str, str] = {drill: name for name, drill in _NAME.items()}
"""By the drill's name the playbook's."""


def write(name: str, inventory: Inventory, *, site: str | None, seed: int) -> PlaybookScript:
    """Return a drill's script, its draws following the seed.

    Args:
        name: of the drill, one of `NAMES`.
        inventory: of the lab.
        site: a site that the drill shall hit; drawn otherwise.
        seed: of every draw.

    Raises:
        ValueError: no site is fit, or that one is not.
    """
    return KINDS[NAMES[name]].write(inventory, random.Random(seed), site)
