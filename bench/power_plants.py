"""Random power plants and load profiles, valid and as mixed as real ones; the same seed gives the same plants."""

from __future__ import annotations

import random
from typing import Any

from pydantic import TypeAdapter

from lifeline.model.power import PowerPlant

_PLANT = TypeAdapter(PowerPlant)


def random_plant(rng: random.Random) -> PowerPlant:
    """Return a plant: one path or two, batteries of every model, tanks of their own, shared, or with a day tank."""
    equipment_kw = rng.choice([3, 6, 15, 40, 60]) * rng.uniform(0.7, 1.3)
    cooling_kw = equipment_kw * rng.uniform(0.2, 0.6)
    direct_current = equipment_kw < 10 and rng.random() < 0.5
    two_paths = not direct_current and rng.random() < 0.4
    sets = rng.choice([0, 1, 1, 2, 2, 3])
    total_kw = (equipment_kw + cooling_kw) * 1.4
    data: dict[str, Any] = {
        "target_autonomy_h": rng.choice([8, 24, 72]),
        "design_load_kw": equipment_kw,
        "feeds": {"feed-a": {"rated_kw": total_kw * 2}, "feed-b": {"rated_kw": total_kw * 2}},
        **_sets(rng, sets, total_kw),
    }
    names = list(data["generators"])
    units = ["a", "b"] if two_paths else ["a"]
    if rng.random() < 0.5 or two_paths:
        feeders = names
        if len(names) > 1:
            data["switches"] = {"bus": {"inputs": names, "kind": "bus", "transfer_s": 2}}
            feeders = ["bus"]
        ats = {f"ats-{it}": {"inputs": ["feed-a", "feed-b", *feeders], "transfer_s": 3} for it in units}
        data["switches"] = {**data.get("switches", {}), **ats}
        sources = {it: f"ats-{it}" for it in units}
    else:
        data["switches"] = {"main": {"inputs": ["feed-a", "feed-b", *names], "kind": "bus"}}
        sources = {"a": "main"}
    section = "dc_plants" if direct_current else "ups"
    data[section] = {f"unit-{it}": _unit(rng, equipment_kw, sources[it], direct_current=direct_current) for it in units}
    inputs = list(data[section])
    core_kw = equipment_kw * rng.uniform(0.4, 0.9)
    data["loads"] = {
        "core": {"kw": core_kw, "inputs": inputs},
        "edge": {"kw": equipment_kw - core_kw, "inputs": [rng.choice(inputs)], "priority": 2},
        "cooling": {"kw": cooling_kw, "inputs": [rng.choice(list(sources.values()))], "priority": 3, "kind": "cooling"},
    }
    return _PLANT.validate_python(data)


def station_plant(rng: random.Random) -> PowerPlant:
    """Return a base station: one DC plant or UPS, and a generator at every third."""
    load_kw = rng.uniform(1.5, 5)
    direct_current = rng.random() < 0.7
    data: dict[str, Any] = {
        "target_autonomy_h": 8,
        "design_load_kw": load_kw,
        "feeds": {"feed-a": {"rated_kw": load_kw * 4}},
        "dc_plants" if direct_current else "ups": {
            "unit": {**_unit(rng, load_kw, "main", direct_current=direct_current), "input": None}
        },
    }
    if rng.random() < 1 / 3:
        burn = [load_kw * 2 * 0.3 * share for share in (0.35, 0.55, 0.77, 1.0)]
        data["generators"] = {"set": {"rated_kw": load_kw * 2, "tank_l": load_kw * 20, "burn_l_per_h": burn}}
    return _PLANT.validate_python(data)


def _sets(rng: random.Random, sets: int, total_kw: float) -> dict[str, Any]:
    """Return generators and their tanks."""
    hours = rng.choice([4, 12, 30, 80])
    tanks: dict[str, Any] = {}
    kind = rng.choice(["own", "shared", "day"])
    if sets and kind != "own":
        tanks["bulk"] = {"capacity_l": total_kw * 0.27 * hours * rng.uniform(0.7, 1.5)}
    if sets and kind == "day":
        pump = total_kw * 0.3 * rng.choice([0.3, 1.2, 3])
        tanks["day"] = {"capacity_l": total_kw * 0.27 * 3, "refill_from": "bulk", "pump_l_per_h": pump}
    generators = {}
    for n in range(sets):
        rated_kw = total_kw * rng.choice([0.7, 1.0, 1.5]) if sets > 1 else total_kw * rng.uniform(1.0, 2.0)
        specific = rng.uniform(0.25, 0.3)
        idle = rng.uniform(0.08, 0.16)
        burn = [rated_kw * specific * (idle + (1 - idle) * (share**1.05)) for share in (0, 0.25, 0.5, 0.75, 1.0)]
        tank = {"tank": "bulk" if kind == "shared" else "day"} if kind != "own" else {
            "tank_l": rated_kw * specific * hours * rng.uniform(0.5, 1.2)}  # fmt: skip
        generators[f"set-{n}"] = {"rated_kw": rated_kw, "burn_l_per_h": burn[rng.choice([0, 1]) :], **tank}
    return {"generators": generators, "tanks": tanks}


def _unit(rng: random.Random, load_kw: float, source: str, *, direct_current: bool) -> dict[str, Any]:
    strings = {f"string-{n}": _string(rng, load_kw) for n in range(rng.choice([1, 1, 2]))}
    module_kw = load_kw * 1.4 / 2
    if direct_current:
        return {"rectifier_kw": module_kw, "rectifiers": 3, "rectifiers_needed": 2, "strings": strings, "input": source}
    return {"module_kw": module_kw, "modules": 3, "modules_needed": 2, "strings": strings, "input": source,
            "efficiency": rng.uniform(0.88, 0.97)}  # fmt: skip


def _string(rng: random.Random, load_kw: float) -> dict[str, Any]:
    hours = rng.choice([0.5, 1, 3, 8])
    capacity_kwh = load_kw * hours * rng.uniform(0.8, 1.6)
    count = rng.choice([1, 2, 4])
    each_kwh = capacity_kwh / count
    base = {"technology": rng.choice(["vrla", "flooded", "lfp", "nicd"]), "capacity_kwh": each_kwh, "count": count,
            "installed": f"{rng.randint(2014, 2026)}-03-01", "design_life_y": rng.choice([10, 12, 15])}  # fmt: skip
    match rng.choice(["table", "kinetic", "peukert"]):
        case "table":
            exponent = rng.uniform(1.05, 1.3)
            minutes = [2, 5, 10, 30, 60, 120, 300, 600]
            points = [{"minutes": m, "kw": each_kwh / 10 * (600 / m) ** (1 / exponent)} for m in minutes]
            return {**base, "rate_h": 10, "constant_power": points}
        case "kinetic":
            return {**base, "kibam_c": rng.uniform(0.2, 0.6), "kibam_k_per_h": rng.uniform(0.5, 4.0)}
        case _peukert:
            return {**base, "peukert": rng.uniform(1.03, 1.3)}


def random_profile(rng: random.Random, plant: PowerPlant, horizon_h: float) -> list[tuple[float, dict[str, float]]]:
    """Return loads that change every few minutes to hours: from when on, and the loads by name, kW."""
    profile, at_h = [], 0.0
    while at_h < horizon_h:
        busy = rng.uniform(0.3, 1.0)
        profile.append((at_h, {name: load.kw * busy * rng.uniform(0.85, 1.0) for name, load in plant.loads.items()}))
        at_h += rng.choice([0.1, 0.5, 2, 6]) * rng.uniform(0.5, 1.5)
    return profile
