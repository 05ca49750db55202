"""The sentence behind a figure, and what it was reckoned from: every input with its age and where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lifeline.i18n import _

from .autonomy import Assessment, Figure, Kind
from .network import Network, carried
from .situation import Known, LoadCase, Origin, Situation, column, levels_of, loads_of, share_of
from .steady import ENDLESS_H, set_burns


class Input(NamedTuple):
    """A value that a figure was reckoned from."""

    name: str
    value: float | None
    unit: str
    age_s: float
    origin: Origin


def hours_text(hours: float | None) -> str:
    """Return hours as people say them: minutes below two hours."""
    if hours is None:
        return _("unknown")
    if hours >= ENDLESS_H:
        return _("a year or more")
    return _("{n:.0f} min").format(n=hours * 60) if hours < 2 else _("{n:.1f} h").format(n=hours)


def sentence(assessment: Assessment, figure: Figure) -> str:
    """Return the sentence that explains a figure."""
    if figure.missing:
        return _("Unknown, for nobody knows {missing}.").format(missing=", ".join(map(_missing, figure.missing)))
    head = _("{what} {mid} ({low} to {high})").format(
        what=_heads()[figure.kind], mid=hours_text(figure.mid_h), low=hours_text(figure.low_h),
        high=hours_text(figure.high_h))  # fmt: skip
    return " ".join([f"{head}.", *_reasons(assessment, figure)])


def _heads() -> dict[Kind, str]:
    return {
        Kind.BATTERY: _("Batteries alone:"),
        Kind.FUEL: _("Fuel alone:"),
        Kind.SYSTEM: _("The site:"),
    }


def _missing(name: str) -> str:
    kind, _colon, part = name.partition(":")
    texts = {
        "load": _("the load of {part}"),
        "charge": _("the state of charge of {part}"),
        "fuel": _("the fuel in {part}"),
        "burn": _("what {part} burns"),
    }
    return texts[kind].format(part=part)


def loss_text(name: str) -> str:
    """Return a loss in words."""
    kind, colon, part = name.partition(":")
    texts = {"string": _("a string of {part}"), "module": _("a module of {part}"), "pump": _("the pump of {part}")}
    return texts[kind].format(part=part) if colon else name


def _reasons(assessment: Assessment, figure: Figure) -> Iterator[str]:
    network, situation = assessment.network, assessment.situation
    if figure.worst:
        yield _("The worst single failure is {worst}.").format(worst=loss_text(figure.worst))
        network = network.without((figure.worst,))
    loads, _missing_loads = loads_of(network, situation, figure.case)
    kw = column(loads, 1)
    if figure.kind is Kind.BATTERY:
        yield from _battery_reasons(network, situation, kw)
        if figure.device_h is not None and figure.model is not None:
            words = _("The devices say {device}, the model {model}: the lower counts.")
            yield words.format(device=hours_text(figure.device_h), model=hours_text(figure.model.mid))
        if figure.disagrees:
            yield _("They are further apart than their tolerances explain: one of them is wrong.")
    elif figure.kind is Kind.FUEL:
        yield from _fuel_reasons(network, situation, kw)
    elif not network.generators:
        yield _("There is no generator to count on: batteries carry alone.")
    elif situation.carrying and not figure.worst:
        names = ", ".join(sorted(situation.carrying))
        yield _("{names} carries the load already: nothing has to be bridged.").format(names=names)
    elif figure.covered:
        words = _("Batteries bridge the {n:.0f} s that start attempts, transfer and margin take, so that fuel counts.")
        yield words.format(n=network.cover_h * 3600)
    else:
        words = _("Batteries may not bridge the {n:.0f} s that start attempts, transfer and margin take.")
        yield words.format(n=network.cover_h * 3600)


def _battery_reasons(network: Network, situation: Situation, kw: list[float]) -> Iterator[str]:
    flow = network.flow(frozenset(), frozenset(name for name, unit in network.units.items() if unit.parts))
    if not flow.units:
        yield _("No battery carries the loads that count.")
    for it in flow.units:
        for part in it.unit.parts:
            text = _("{part}: {kwh:g} kWh when new, {share:.0f} % of it usable, {method}, at {kw:.1f} kW.")
            yield text.format(part=part.name, kwh=part.capacity_kwh, method=_methods()[part.method],
                              share=share_of(part, it.unit.name, situation).mid * 100,
                              kw=carried(it.factors, kw))  # fmt: skip


def _methods() -> dict[str, str]:
    return {
        "table": _("by the manufacturer's table"),
        "kinetic": _("by the kinetic model"),
        "peukert": _("by Peukert's law"),
    }


def _fuel_reasons(network: Network, situation: Situation, kw: list[float]) -> Iterator[str]:
    if not network.generators:
        yield _("There is no generator.")
        return
    levels, _missing_levels = levels_of(network, situation)
    usable_l = sum(max(0.0, levels[1][name] - tank.floor_l) for name, tank in network.tanks.items())
    flow = network.flow(frozenset(network.generators), frozenset())
    burns, overloaded = set_burns(flow, kw, 1)
    if overloaded:
        yield _("The load is more than {names} can carry.").format(names=", ".join(sorted(overloaded)))
        return
    yield _("{usable:.0f} l are usable, {burn:.1f} l/h are burnt at {load:.1f} kW.").format(
        usable=usable_l, burn=sum(burns.values()), load=sum(carried(it.factors, kw) for it in flow.sets))  # fmt: skip
    if any(it.burn_basis == "full-load" for it in network.generators.values()):
        yield _("Burn at part load is the typical one: the inventory has no table.")
    old = [name for name, age_d in fuel_ages_d(network, situation) if age_d > OLD_FUEL_D]
    if old:
        yield _("Fuel in {names} is older than a year and may not burn well.").format(names=", ".join(old))
    delivery_h = network.plant.fuel_delivery_h
    if delivery_h is not None:
        yield _("A delivery takes {n:g} h.").format(n=delivery_h)


OLD_FUEL_D = 365
"""Diesel keeps 6 to 12 months without treatment."""


def fuel_ages_d(network: Network, situation: Situation) -> Iterator[tuple[str, int]]:
    """Yield each tank whose filling date is known, and how old its fuel is, days."""
    filled = {name: it.filled for name, it in network.plant.tanks.items()}
    filled |= {name: it.filled for name, it in network.plant.generators.items()}
    for name in network.tanks:
        day = filled[name]
        if day is not None:
            yield name, (situation.today - day).days


def inputs(assessment: Assessment, figure: Figure) -> list[Input]:
    """Return what a figure was reckoned from."""
    return list(_inputs(assessment, figure))


def _inputs(assessment: Assessment, figure: Figure) -> Iterator[Input]:
    network, situation = assessment.network, assessment.situation
    for load in network.loads:
        if figure.case is LoadCase.DESIGN or load.cooling:
            known = situation.load_kw.get(load.name) if figure.case is LoadCase.PRESENT else None
            yield Input(f"load:{load.name}", *_shown(known or Known(load.kw, origin=Origin.DESIGN), "kW"))
    if figure.case is not LoadCase.DESIGN:
        yield from _told("load", situation.load_kw, "kW", network.units)
    if figure.kind is not Kind.FUEL:
        yield from _told("charge", situation.charge, "1", network.units)
        yield from _told("temperature", situation.temp_c, "Cel", network.units)
        yield from _told(
            "health", situation.health, "1", [it.name for unit in network.units.values() for it in unit.parts]
        )
        yield from _told("runtime", situation.runtime_h, "h", network.units)
    if figure.kind is not Kind.BATTERY:
        yield from _told("fuel", situation.fuel_l, "l", network.tanks)


def _told(kind: str, known: object, unit: str, names: Iterable[str]) -> Iterator[Input]:
    assert isinstance(known, dict)
    for name in names:
        if name in known:
            yield Input(f"{kind}:{name}", *_shown(known[name], unit))


def _shown(known: Known, unit: str) -> tuple[float | None, str, float, Origin]:
    return known.value, unit, known.age_s, known.origin
