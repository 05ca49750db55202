"""Checks what a power plant's parts say of one another: a graph without loops or loose ends, ratings that agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..i18n import _
from ..model.inventory import DeviceKind, Inventory, Site
from ..model.power import MAIN, Control, Monitor, PowerPlant
from .problems import Finding, KeyPath, did_you_mean

_SECTIONS = ("feeds", "switches", "tanks", "generators", "ups", "dc_plants", "loads")
_CARRIERS = ("feeds", "switches", "generators", "ups", "dc_plants")
"""What may feed something."""
_MONITORED = ("feeds", "switches", "tanks", "generators", "ups", "dc_plants")
_CONTROLS = {
    "switches": {Control.TRANSFER},
    "generators": {Control.START, Control.STOP},
    "ups": {Control.BATTERY_TEST},
    "dc_plants": {Control.BATTERY_TEST},
}
_PLAUSIBLE = 1.001
"""Ratings are written with three digits."""


def check_power(inventory: Inventory) -> list[Finding]:
    """Return the mistakes between the parts of each site's power plant."""
    return [
        finding
        for name, site in inventory.sites.items()
        if site.power is not None
        for finding in _check_plant(("sites", name, "power"), site, site.power)
    ]


def _check_plant(path: KeyPath, site: Site, plant: PowerPlant) -> Iterator[Finding]:
    yield from _check_names(path, plant)
    yield from _check_inputs(path, plant)
    yield from _check_tanks(path, plant)
    yield from _check_monitors(path, site, plant)
    if loop := find_loop(fed_from(plant)):
        section, key = _place_of(plant, loop[0])
        message = _("is fed from itself: {way}").format(way=" <- ".join([*loop, loop[0]]))
        yield Finding((*path, section, loop[0], key), message)
    else:
        yield from _check_use(path, plant)
        yield from _check_ratings(path, plant)


def fed_from(plant: PowerPlant) -> dict[str, tuple[str, ...]]:
    """Return, per part that is fed, the parts it names; a part that names none is fed from the main distribution."""
    return {
        **{name: tuple(it.inputs) for name, it in plant.switches.items()},
        **{name: (it.input or MAIN,) for name, it in plant.ups.items()},
        **{name: (it.input or MAIN,) for name, it in plant.dc_plants.items()},
        **{name: tuple(it.inputs) for name, it in plant.loads.items()},
    }


def find_loop(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the names along a loop of a graph, or nothing."""
    done: set[str] = set()
    way: list[str] = []

    def visit(name: str) -> list[str]:
        if name in way:
            return way[way.index(name) :]
        if name in done:
            return []
        way.append(name)
        for after in edges.get(name, ()):
            if loop := visit(after):
                return loop
        done.add(way.pop())
        return []

    return next((loop for name in edges if (loop := visit(name))), [])


def _check_names(path: KeyPath, plant: PowerPlant) -> Iterator[Finding]:
    """Check that a name stands for one part."""
    owners: dict[str, str] = {}
    for section in _SECTIONS:
        for name in getattr(plant, section):
            if name == MAIN and section != "switches":
                yield Finding((*path, section, name), _("{name!r} is the main distribution").format(name=name),
                              at_key=True)  # fmt: skip
            elif owners.setdefault(name, section) != section:
                message = _("{name!r} stands in '{section}' already").format(name=name, section=owners[name])
                yield Finding((*path, section, name), message, at_key=True)


def _check_inputs(path: KeyPath, plant: PowerPlant) -> Iterator[Finding]:
    """Check that inputs exist and can feed, and that none stands twice."""
    carriers = [*(name for section in _CARRIERS for name in getattr(plant, section)), MAIN]
    for section, name, where, inputs in _inputs(plant):
        for index, source in enumerate(inputs):
            place = (*path, section, name, *where, *((index,) if where == ("inputs",) else ()))
            if source not in carriers:
                hint = did_you_mean(source, carriers, _("there are"))[1]
                yield Finding(place, _("there is nothing {name!r} here that can feed it").format(name=source), hint)
            elif source in inputs[:index]:
                yield Finding(place, _("{name!r} stands twice in this list").format(name=source))


def _inputs(plant: PowerPlant) -> Iterator[tuple[str, str, tuple[str, ...], list[str]]]:
    for section in ("switches", "loads"):
        for name, it in getattr(plant, section).items():
            yield section, name, ("inputs",), it.inputs
    for section in ("ups", "dc_plants"):
        for name, it in getattr(plant, section).items():
            if it.input is not None:
                yield section, name, ("input",), [it.input]


def _place_of(plant: PowerPlant, name: str) -> tuple[str, str]:
    return next((section, where[0]) for section, it, where, _names in _inputs(plant) if it == name)


def _check_tanks(path: KeyPath, plant: PowerPlant) -> Iterator[Finding]:
    """Check what tanks are filled from and what empties them."""
    for name, generator in plant.generators.items():
        if generator.tank is not None and generator.tank not in plant.tanks:
            hint = did_you_mean(generator.tank, plant.tanks, _("there are"))[1]
            message = _("there is no tank {name!r} here").format(name=generator.tank)
            yield Finding((*path, "generators", name, "tank"), message, hint)
    for name, tank in plant.tanks.items():
        if tank.refill_from is None:
            continue
        place = (*path, "tanks", name, "refill_from")
        bulk = plant.tanks.get(tank.refill_from)
        if bulk is None:
            hint = did_you_mean(tank.refill_from, plant.tanks, _("there are"))[1]
            yield Finding(place, _("there is no tank {name!r} here").format(name=tank.refill_from), hint)
        elif bulk.refill_from is not None:
            message = _("{name!r} is refilled itself; a day tank is refilled from a bulk tank")
            yield Finding(place, message.format(name=tank.refill_from))
    used = {it.tank for it in plant.generators.values()} | {it.refill_from for it in plant.tanks.values()}
    for name in plant.tanks:
        if name not in used:
            yield Finding((*path, "tanks", name), _("no generator burns from this tank"), at_key=True)


def _check_monitors(path: KeyPath, site: Site, plant: PowerPlant) -> Iterator[Finding]:
    """Check that what is asked exists, and that what is commanded can be asked and can do it."""
    for section in _MONITORED:
        for name, part in getattr(plant, section).items():
            place = (*path, section, name)
            if (monitor := part.monitor) is not None:
                yield from _check_monitor((*place, "monitor", "device"), site, monitor)
            for index, control in enumerate(getattr(part, "controls", ())):
                if control not in _CONTROLS[section]:
                    hint = _("it can {words}").format(words=", ".join(sorted(_CONTROLS[section])))
                    message = _("nothing of this kind can {control!r}").format(control=str(control))
                    yield Finding((*place, "controls", index), message, hint)
                elif part.monitor is None:
                    message = _("needs a 'monitor': nothing is commanded that cannot be watched")
                    yield Finding((*place, "controls", index), message)


def _check_monitor(path: KeyPath, site: Site, monitor: Monitor) -> Iterator[Finding]:
    device = site.devices.get(monitor.device)
    if device is None:
        hint = did_you_mean(monitor.device, site.devices, _("there are"))[1]
        yield Finding(path, _("there is no device {name!r} at this site").format(name=monitor.device), hint)
    elif device.address is None:
        yield Finding(path, _("device {name!r} has no address to ask at").format(name=monitor.device))
    elif device.kind in {DeviceKind.ROUTER, DeviceKind.SWITCH, DeviceKind.GNSS_CLOCK}:
        message = _("device {name!r} is a {kind}, which tells nothing of power")
        yield Finding(path, message.format(name=monitor.device, kind=device.kind.value))


def _check_use(path: KeyPath, plant: PowerPlant) -> Iterator[Finding]:
    """Check that what is there feeds something, and that what is fed can live."""
    feeding = {source for _section, _name, _where, inputs in _inputs(plant) for source in inputs}
    inputs = [*(it.input for it in plant.ups.values()), *(it.input for it in plant.dc_plants.values())]
    implied = not plant.loads or None in inputs or MAIN in feeding
    for section in _CARRIERS:
        for name in getattr(plant, section):
            to_main = section in {"feeds", "generators"} and implied and MAIN not in plant.switches
            to_all = section in {"ups", "dc_plants"} and not plant.loads
            leads_off = section == "switches" and not plant.loads and not (plant.ups or plant.dc_plants)
            if name not in feeding and not (to_main or to_all or leads_off or name == MAIN):
                yield Finding((*path, section, name), _("feeds nothing"), at_key=True)


def _check_ratings(path: KeyPath, plant: PowerPlant) -> Iterator[Finding]:
    """Check that no part was planned for less than what hangs on it."""
    equipment_kw = sum(it.kw for it in plant.loads.values() if it.kind != "cooling")
    if equipment_kw > plant.design_load_kw * _PLAUSIBLE:
        message = _("the loads here need {loads:g} kW, cooling not counted; the plant was designed for {design:g}")
        yield Finding((*path, "design_load_kw"), message.format(loads=equipment_kw, design=plant.design_load_kw))
    needed_kw = dict.fromkeys((*plant.ups, *plant.dc_plants), 0.0)
    for load in plant.loads.values():
        if len(load.inputs) == 1 and load.inputs[0] in needed_kw:
            needed_kw[load.inputs[0]] += load.kw
    for section in ("ups", "dc_plants"):
        for name, part in getattr(plant, section).items():
            if needed_kw[name] > part.rated_kw * _PLAUSIBLE:
                message = _("is rated {rated:g} kW, but the loads that only it feeds need {needed:g}")
                text = message.format(rated=part.rated_kw, needed=needed_kw[name])
                yield Finding((*path, section, name), text, at_key=True)
    if not plant.loads and (plant.ups or plant.dc_plants):
        rated_kw = sum(it.rated_kw for it in plant.ups.values()) + sum(it.rated_kw for it in plant.dc_plants.values())
        if plant.design_load_kw > rated_kw * _PLAUSIBLE:
            message = _("the UPS groups and DC plants here are rated {rated:g} kW, less than that")
            yield Finding((*path, "design_load_kw"), message.format(rated=rated_kw))
