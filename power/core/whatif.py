"""What if: losses, loads and temperatures that are not so, for a site or for many; which goes dark first, and when."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lifeline.i18n import _
from lifeline.model.power import PowerPlant

from .autonomy import Assessment, assess
from .battery import Band
from .network import Network
from .situation import Known, LoadCase, Origin, Situation, column, holds_of, levels_of, loads_of
from .timeline import Scenario, Timeline, run

_SECTIONS = {
    "feed": "feeds",
    "genset": "generators",
    "generator": "generators",
    "switch": "switches",
    "ats": "switches",
    "tank": "tanks",
    "ups": "ups",
    "dc": "dc_plants",
    "load": "loads",
}
ALL = "all"
HORIZON_H = 240.0


class WhatIfError(ValueError):
    """A what-if cannot be understood; the text says what would be right."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is supposed to be otherwise."""

    lose: tuple[str, ...] = ()
    """`feed:1`, `feed:all`, `genset:generator-2`, `substation:East`, `string:ups-1/a`, `module:ups-1`, `pump:day`, or a
    part's name."""
    load_factor: float = 1.0
    load_kw: float | None = None
    """The site's whole load instead of what is measured."""
    temp_c: float | None = None
    """Battery temperature."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What comes of it at one site."""

    site: str
    network: Network
    """The plant with what is left."""
    situation: Situation
    """As it is supposed to be."""
    timeline: Timeline | None
    """What happens now; None where something needed is not known."""
    dark_h: Band | None
    """When the site goes dark, hours from now; the horizon where it does not."""
    missing: tuple[str, ...]

    @property
    def assessment(self) -> Assessment:
        """The figures with what is left, reckoned when asked for."""
        return assess(self.network, self.situation)


def losses(plant: PowerPlant, wanted: Iterable[str]) -> frozenset[str]:
    """Return the names of losses in the network's terms.

    Raises:
        WhatIfError: there is no such part.
    """
    return frozenset(name for word in wanted for name in _loss(plant, word))


def _loss(plant: PowerPlant, word: str) -> list[str]:
    kind, colon, name = word.partition(":")
    if not colon:
        parts = {name for section in set(_SECTIONS.values()) for name in getattr(plant, section)}
        if word in parts:
            return [word]
        raise WhatIfError(_("there is nothing {name!r} here; there are {names}").format(
            name=word, names=", ".join(sorted(parts))))  # fmt: skip
    if kind == "substation":
        return [feed for feed, it in plant.feeds.items() if it.substation.lower() == name.lower()]
    if kind in {"string", "module", "pump"}:
        return [_of_a_part(plant, kind, name)]
    if kind not in _SECTIONS:
        words = ", ".join([*_SECTIONS, "substation", "string", "module", "pump"])
        raise WhatIfError(_("{kind!r} is nothing that can be lost; there are {words}").format(kind=kind, words=words))
    parts_here = list(getattr(plant, _SECTIONS[kind]))
    if name == ALL:
        return parts_here
    if name in parts_here:
        return [name]
    if name.isdecimal() and 1 <= int(name) <= len(parts_here):
        return [parts_here[int(name) - 1]]
    message = _("there is no {kind} {name!r} here; there are {names}")
    raise WhatIfError(message.format(kind=kind, name=name, names=", ".join(parts_here) or _("none")))


def _of_a_part(plant: PowerPlant, kind: str, name: str) -> str:
    unit, _slash, string = name.partition("/")
    strings = {it: set(ups.strings or {"battery"}) for it, ups in plant.ups.items()}
    strings |= {it: set(dc.strings) for it, dc in plant.dc_plants.items()}
    known = {
        "string": string in strings.get(unit, ()),
        "module": name in strings,
        "pump": name in plant.tanks and plant.tanks[name].refill_from is not None,
    }
    if not known[kind]:
        example = {"string": "string:ups-1/a", "module": "module:ups-1", "pump": "pump:day"}[kind]
        raise WhatIfError(_("there is no {word!r} here; write it like {example}").format(
            word=f"{kind}:{name}", example=example))  # fmt: skip
    return f"{kind}:{name}"


def load_change(text: str) -> tuple[float, float | None]:
    """Return a factor, or a load in kW: `+20%`, `-10%`, `45kW`.

    Raises:
        WhatIfError: it is neither.
    """
    if found := re.fullmatch(r"([+-]\d+(?:\.\d+)?)\s*%", text.strip()):
        factor = 1 + float(found[1]) / 100
        if factor >= 0:
            return factor, None
    elif found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*kw", text.strip().lower()):
        return 1.0, float(found[1])
    raise WhatIfError(_("a load is changed by {a} or to {b}, not {text!r}").format(a="+20%", b="45kW", text=text))


def changed(network: Network, situation: Situation, change: Change) -> Situation:
    """Return a situation as it would be."""
    load_kw: Mapping[str, Known] = situation.load_kw
    if change.load_kw is not None:
        design_kw = sum(load.kw for load in network.loads if not load.cooling)
        load_kw = {
            load.name: Known(load.kw * change.load_kw / design_kw, origin=Origin.ASSUMED)
            for load in network.loads
            if not load.cooling
        }
    if change.load_factor != 1:
        load_kw = {
            name: it if it.value is None else it._replace(value=it.value * change.load_factor, origin=Origin.ASSUMED)
            for name, it in load_kw.items()
        }
    temp_c = situation.temp_c
    if change.temp_c is not None:
        temp_c = dict.fromkeys(network.units, Known(change.temp_c, origin=Origin.ASSUMED))
    return replace(situation, load_kw=load_kw, temp_c=temp_c)


def what_if(site: str, network: Network, situation: Situation, change: Change, horizon_h: float = HORIZON_H) -> Outcome:
    """Return what comes of a change at a site.

    Raises:
        WhatIfError: something to be lost is not there.
    """
    lost = losses(network.plant, change.lose)
    supposed = changed(network, situation, change)
    # Feeds that are lost are told by the timeline; the figures hold without utility anyway.
    left = network.without(lost)
    timelines, missing = _timelines(network.without(situation.lost), supposed, lost, horizon_h)
    if not timelines:
        return Outcome(site, left, supposed, None, None, missing)
    hours = [horizon_h if it.dark_h is None else it.dark_h for it in timelines]
    return Outcome(site, left, supposed, timelines[1], Band(min(hours), hours[1], max(hours)), ())


def _timelines(
    network: Network, situation: Situation, lost: frozenset[str], horizon_h: float
) -> tuple[Sequence[Timeline], tuple[str, ...]]:
    loads, no_load = loads_of(network, situation, LoadCase.PRESENT)
    holds, no_charge = holds_of(network, situation)
    levels, no_level = levels_of(network, situation)
    missing = (*no_load, *no_charge, *(no_level if network.generators else ()))
    unknown = tuple(f"burn:{name}" for name in network.unknown_burns)
    if missing or unknown:
        return (), (*missing, *unknown)
    lose = tuple((0.0, name) for name in sorted(lost - network.lost))
    return [
        run(network, Scenario(lose, carrying=situation.carrying, profile=((0.0, tuple(column(loads, bound))),),
                              horizon_h=horizon_h, bound=bound), holds[bound], levels[bound])
        for bound in range(3)
    ], ()  # fmt: skip


def discharge_curve(outcome: Outcome, points: int = 12) -> list[tuple[float, float]]:
    """Return the batteries' state of charge from now until the site is dark, at points of equal distance."""
    if outcome.timeline is None or not outcome.timeline.dark_h:
        return []
    network, situation = outcome.network, outcome.situation
    kw = tuple(column(loads_of(network, situation, LoadCase.PRESENT)[0], 1))
    every_h = outcome.timeline.dark_h / points
    scenario = Scenario(
        tuple((0.0, name) for name in network.plant.feeds),
        carrying=situation.carrying,
        profile=tuple((n * every_h, kw) for n in range(points + 1)),
    )
    charges = run(network, scenario, holds_of(network, situation)[0][1], levels_of(network, situation)[0][1]).charges
    return [min(charges, key=lambda it: abs(it[0] - n * every_h)) for n in range(points + 1)]


def what_if_all(
    sites: Mapping[str, tuple[Network, Situation]], change: Change, horizon_h: float = HORIZON_H
) -> list[Outcome]:
    """Return what comes of a change at many sites, those that go dark first first, unknown ones before all.

    Parts that a site does not have are not lost there: `--lose feed:all` or `substation:East` fit any site.
    """
    outcomes = []
    for site, (network, situation) in sites.items():
        here = []
        for word in change.lose:
            try:
                losses(network.plant, (word,))
            except WhatIfError:
                continue
            here.append(word)
        outcomes.append(what_if(site, network, situation, replace(change, lose=tuple(here)), horizon_h))
    return sorted(outcomes, key=lambda it: (it.dark_h is not None, it.dark_h or ()))
