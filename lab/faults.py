"""Faults that can always be undone: the undo is on disk before the fault is in the network.

A fault is a list of acts, each of which knows how to be done, undone and looked at. `inject` writes the acts, does
them, looks whether they hold; `heal` undoes them in reverse and looks again. Both do the same when they are done twice
or were interrupted anywhere, by kill -9 or otherwise: an act that was never done is undone without effect.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from lifeline.clock import monotonic_ns, wall_ns
from lifeline.config.problems import did_you_mean
from lifeline.i18n import _
from lifeline.model.inventory import Media

from .driver import Driver, LabError
from .place import Place, write_durably
from .plants import FAULTS as POWER_FAULTS
from .simulators.time_ntp import NTP, NTP_FAULTS
from .simulators.time_sky import FAULTS as SKY_FAULTS
from .topology import Impairment, Link, Topology

SCHEMA = "lifeline.lab-fault/1"
MODES = ("silent", "oneway", "carrier")
DIRECTIONS = ("to-site", "to-core")
Options = Mapping[str, Any]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Act:
    """One change to the lab: the name of an operation and what it needs to be done and undone."""

    operation: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and where it is in its life: injecting, standing, healed."""

    id: str
    kind: str
    targets: tuple[str, ...]
    options: Options
    acts: tuple[Act, ...]
    phase: str = "injecting"
    began_ns: int = 0
    """CLOCK_MONOTONIC just before the first act."""
    took_hold_ns: int | None = None
    """CLOCK_MONOTONIC just after the last act was done."""
    began_wall_ns: int = field(default=0)
    healed_wall_ns: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the record as it is kept on disk."""
        body = {name: getattr(self, name) for name in self.__slots__}
        acts = [{"operation": act.operation, "args": dict(act.args)} for act in self.acts]
        return {"schema": SCHEMA, **body, "targets": list(self.targets), "options": dict(self.options), "acts": acts}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        """Return the fault of a record."""
        known = {name: body[name] for name in cls.__slots__}
        acts = tuple(Act(act["operation"], act["args"]) for act in body["acts"])
        return cls(**known | {"targets": tuple(body["targets"]), "acts": acts})


@dataclass(frozen=True, slots=True)
class _Operation:
    """How an act is done and undone, and how much of it stands: 0 nothing, 1 all."""

    do: Callable[[Driver, Mapping[str, Any]], None]
    undo: Callable[[Driver, Mapping[str, Any]], None]
    stands: Callable[[Driver, Mapping[str, Any]], float]


def _ends(args: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(link, node) for link, node in args["ends"]]


_OPERATIONS: Mapping[str, _Operation] = {
    "mute": _Operation(
        lambda driver, args: driver.mute(_ends(args)),
        lambda driver, args: driver.unmute(_ends(args)),
        lambda driver, args: len(driver.muted() & set(_ends(args))) / len(args["ends"]),
    ),
    "make-lossy": _Operation(
        lambda driver, args: driver.make_lossy(_ends(args), args["loss_pct"]),
        lambda driver, args: driver.make_lossless(_ends(args)),
        lambda driver, args: len(driver.lossy().keys() & set(_ends(args))) / len(args["ends"]),
    ),
    "darken": _Operation(
        lambda driver, args: driver.set_light((args["link"], args["node"]), on=False),
        lambda driver, args: driver.set_light((args["link"], args["node"]), on=True),
        lambda driver, args: not driver.has_light((args["link"], args["node"])),
    ),
    "power-off": _Operation(
        lambda driver, args: driver.power_off(args["node"]),
        lambda driver, args: driver.power_on(args["node"]),
        lambda driver, args: not driver.is_on(args["node"]),
    ),
    "impair": _Operation(
        lambda driver, args: driver.impair(args["link"], Impairment.from_json(args["impairment"])),
        lambda driver, args: driver.impair(args["link"], Impairment.from_json(args["before"])),
        lambda driver, args: driver.impairment(args["link"]) == Impairment.from_json(args["impairment"]),
    ),
    "sky": _Operation(
        lambda driver, args: _tell_sky(driver, args, "fault"),
        lambda driver, args: _tell_sky(driver, args, "heal"),
        lambda driver, args: _sky_fault(driver, args) == args["wanted"]["kind"],
    ),
    "device": _Operation(
        lambda driver, args: _tell_device(driver, args, "fault"),
        lambda driver, args: _tell_device(driver, args, "heal"),
        lambda driver, args: _device_fault(driver, args) == args["wanted"]["kind"],
    ),
    "plant": _Operation(
        lambda driver, args: _tell_plant(driver, args, "fault"),
        lambda driver, args: _tell_plant(driver, args, "heal"),
        lambda driver, args: _plant_fault(driver, args) == args["wanted"]["kind"],
    ),
}


def _tell_sky(driver: Driver, args: Mapping[str, Any], act: str) -> None:
    driver.ask_sky(args["node"], args["wanted"] | {"act": act})


def _sky_fault(driver: Driver, args: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a simulated receiver, or a simulated NTP server."""
    seen, at = driver.ask_sky(args["node"], {"act": "look"}), args["wanted"]["at"]
    fault: str | None = seen["ntp"] if at == NTP else seen["receivers"][at]["fault"]
    return fault


def _tell_plant(driver: Driver, args: Mapping[str, Any], act: str) -> None:
    driver.ask_plant(args["node"], args["wanted"] | {"act": act})


def _plant_fault(driver: Driver, args: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a part of a simulated power plant."""
    fault: str | None = driver.ask_plant(args["node"], {"act": "look"})["faults"].get(args["wanted"]["at"])
    return fault


def _tell_device(driver: Driver, args: Mapping[str, Any], act: str) -> None:
    driver.ask_devices(args["node"], args["wanted"] | {"act": act})


def _device_fault(driver: Driver, args: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a simulated device."""
    seen = driver.ask_devices(args["node"], {"act": "look"})["devices"]
    fault: str | None = seen.get(args["wanted"]["at"], {}).get("fault")
    return fault


class Faults:
    """The faults of one lab, kept in its folder `faults`, one file each."""

    def __init__(self, topology: Topology, driver: Driver, place: Place) -> None:
        self._topology = topology
        self._driver = driver
        self._place = place

    def inject(self, kind: str, target: str | Iterable[str], **options: Any) -> Fault:
        """Inject a fault and return it once it holds.

        Args:
            kind: fibre-cut, duct-cut, fibre-degrade, node-off, satellite-degrade, gnss, power.
            target: what it hits, one or several: links, shared-risk groups, nodes, receivers (`node/receiver`), parts
                of a power plant (`node/part`).
            **options: for cuts `mode` (silent, oneway, carrier) and, if one-way, `direction` (to-site, to-core);
                for a degraded fibre `loss_pct` and, if only one way loses, `direction`; for satellites what changes of
                `Impairment`; for receivers `mode` and `size` as `lab.simulators.time_sky.Fault` has them; for
                power plants as `lab.simulators.power_room.Room.fault` has them.

        Raises:
            LabError: nothing of that name, not a thing this fault can hit, hit already, or it did not take hold (it is
                undone then).
        """
        targets = tuple(dict.fromkeys([target] if isinstance(target, str) else target))
        if not targets:
            raise LabError(_("a fault needs a target"), exit_code=2)
        plan = _one_of(kind, _PLANS, _("fault"), _("faults"))
        wanted = {name: value for name, value in options.items() if value is not None}
        with self._place.locked():
            acts = tuple(plan(self._topology, self._driver, targets, wanted))
            self._refuse_double(acts)
            fault = Fault(self._next_id(), kind, targets, wanted, acts, began_wall_ns=wall_ns())
            self._keep(fault)
            return self._do(fault)

    def active(self) -> list[Fault]:
        """Return the faults that are not healed, those whose injection was interrupted included."""
        return [fault for fault in self.all() if fault.phase != "healed"]

    def all(self) -> list[Fault]:
        """Return every fault of the lab's life, in the order of injection."""
        return [self._read(path) for path in sorted(self._place.faults.glob("*.json"))]

    def heal(self, fault_id: str | None = None) -> list[Fault]:
        """Undo one fault, or all that stand, and return those that were healed by this call; harmless when none stands.

        Healing all also starts again whatever of the lab has died.

        Raises:
            LabError: there never was a fault of that id, or one could not be undone; the others are healed then.
        """
        with self._place.locked():
            if fault_id is not None:
                known = {fault.id: fault for fault in self.all()}
                fault = known[_known(fault_id.zfill(3), known, _("fault"), _("faults"))]
                return [] if fault.phase == "healed" else [self._undo(fault)]
            healed, failed = [], []
            for fault in reversed(self.active()):
                try:
                    healed.append(self._undo(fault))
                except LabError as error:
                    failed.append(f"{fault.id}: {error}")
            if failed:
                raise LabError("\n".join(failed))
            self._driver.mend()
            return healed

    def _do(self, fault: Fault) -> Fault:
        fault = replace(fault, began_ns=monotonic_ns())
        try:
            for act in fault.acts:
                _OPERATIONS[act.operation].do(self._driver, act.args)
            fault = replace(fault, phase="standing", took_hold_ns=monotonic_ns())
            self._verify(fault)
        except BaseException:
            self._undo(fault)
            raise
        self._keep(fault)
        return fault

    def _verify(self, fault: Fault) -> None:
        for act in fault.acts:
            if _OPERATIONS[act.operation].stands(self._driver, act.args) < 1:
                raise LabError(_("{kind} did not take hold: {act}").format(kind=fault.kind, act=dict(act.args)))

    def _undo(self, fault: Fault) -> Fault:
        for act in reversed(fault.acts):
            _OPERATIONS[act.operation].undo(self._driver, act.args)
        for act in fault.acts:
            if _OPERATIONS[act.operation].stands(self._driver, act.args) > 0:
                raise LabError(_("fault {id} still holds: {act}").format(id=fault.id, act=dict(act.args)))
        fault = replace(fault, phase="healed", healed_wall_ns=wall_ns())
        self._keep(fault)
        return fault

    def _refuse_double(self, acts: Iterable[Act]) -> None:
        things = {thing for act in acts for thing in _touched(act)}
        for fault in self.active():
            for thing in sorted(things & {thing for act in fault.acts for thing in _touched(act)}):
                raise LabError(
                    _("{thing} is hit by fault {id} ({kind}) already: heal that first").format(
                        thing=thing, id=fault.id, kind=fault.kind
                    )
                )

    def _next_id(self) -> str:
        return f"{max((int(fault.id) for fault in self.all()), default=0) + 1:03d}"

    def _keep(self, fault: Fault) -> None:
        write_durably(self._place.faults / f"{fault.id}.json", fault.to_json())

    @staticmethod
    def _read(path: Path) -> Fault:
        return Fault.from_json(json.loads(path.read_text()))


# What each kind of fault does


def _fibre_cut(topology: Topology, driver: Driver, targets: Iterable[str], options: Options) -> list[Act]:
    return _cut(_fibres(topology, driver, targets), options)


def _fibres(topology: Topology, driver: Driver, targets: Iterable[str]) -> list[Link]:
    links = [topology.links[_known(target, topology.links, _("link"), _("links"))] for target in targets]
    for link in links:
        if link.media is not Media.FIBRE or not driver.has_mid_span(link.id):
            fibres = [each.id for each in topology.links.values() if each.media is Media.FIBRE]
            raise LabError(
                _("{link} is no fibre but {media}; fibres: {fibres}").format(
                    link=link.id, media=link.media.value, fibres=", ".join(fibres)
                ),
                exit_code=2,
            )
    return links


def _duct_cut(topology: Topology, driver: Driver, targets: Iterable[str], options: Options) -> list[Act]:
    ducts = [_known(target, topology.srgs, _("shared-risk group"), _("shared-risk groups")) for target in targets]
    links = {link.id: link for duct in ducts for link in topology.links_in(duct)}
    return _fibre_cut(topology, driver, links, options)


def _cut(links: list[Link], options: Options) -> list[Act]:
    """Return the acts of a cut: silent loses both directions, oneway one, carrier takes the light from the site."""
    _only(options, ("mode", "direction"))
    mode = _one_of(options.get("mode", "silent"), {mode: mode for mode in MODES}, _("mode"), _("modes"))
    direction = options.get("direction")
    if mode != "oneway" and direction is not None:
        raise LabError(_("a {mode} cut has no direction").format(mode=mode), exit_code=2)
    if mode == "carrier":
        return [Act("darken", {"link": link.id, "node": link.site.node}) for link in links]
    if mode == "oneway":
        direction = direction or "to-site"
    return [Act("mute", {"ends": _senders(links, direction)})]


def _fibre_degrade(topology: Topology, driver: Driver, targets: Iterable[str], options: Options) -> list[Act]:
    _only(options, ("loss_pct", "direction"))
    links, loss_pct = _fibres(topology, driver, targets), options.get("loss_pct", 0)
    if not 0 < loss_pct <= 100:
        raise LabError(_("say how much is lost: loss_pct, above 0 and at most 100"), exit_code=2)
    return [Act("make-lossy", {"ends": _senders(links, options.get("direction")), "loss_pct": loss_pct})]


def _senders(links: list[Link], direction: str | None) -> list[list[str]]:
    """Return the ends that send in a direction; in both where none is given."""
    from_hub = [[link.id, link.hub.node] for link in links]
    from_site = [[link.id, link.site.node] for link in links]
    if direction is None:
        return [*from_hub, *from_site]
    senders = dict(zip(DIRECTIONS, (from_hub, from_site), strict=True))
    return _one_of(direction, senders, _("direction"), _("directions"))


def _node_off(topology: Topology, driver: Driver, targets: Iterable[str], options: Options) -> list[Act]:
    _only(options, ())
    nodes = [_known(target, topology.nodes, _("node"), _("nodes")) for target in targets]
    for node in nodes:
        if not driver.is_on(node):
            raise LabError(_("{node} is off already").format(node=node))
    return [Act("power-off", {"node": node}) for node in nodes]


def _satellite_degrade(topology: Topology, driver: Driver, targets: Iterable[str], options: Options) -> list[Act]:
    satellites = {link.id: link for link in topology.links.values() if link.impairment}
    acts = []
    for target in targets:
        link = _known(target, satellites, _("satellite link"), _("satellite links"))
        before = driver.impairment(link).to_json()
        _only(options, before)
        if not options:
            raise LabError(_("say what degrades: {options}").format(options=", ".join(before)), exit_code=2)
        try:
            after = Impairment.from_json(before | dict(options))
        except ValueError as error:
            raise LabError(str(error), exit_code=2) from error
        if after.to_json() == before:
            raise LabError(_("{link} is like that already").format(link=link), exit_code=2)
        acts.append(Act("impair", {"link": link, "impairment": after.to_json(), "before": before}))
    return acts


def _sky(topology: Topology, driver: Driver, targets: Iterable[str], options: Options) -> list[Act]:
    """Return the acts of a fault of receivers: `node/receiver`, or `node/ntp` for a simulated NTP server."""
    _only(options, ("mode", "size"))
    acts = []
    for target in targets:
        node, _slash, at = target.partition("/")
        _known(node, [it.name for it in topology.nodes.values() if "sky" in it.services], _("sky"), _("skies"))
        _known(at, [*driver.ask_sky(node, {"act": "look"})["receivers"], NTP], _("receiver"), _("receivers"))
        modes = NTP_FAULTS if at == NTP else SKY_FAULTS
        kind = _one_of(options.get("mode", modes[0]), {mode: mode for mode in modes}, _("mode"), _("modes"))
        acts.append(Act("sky", {"node": node, "wanted": {"at": at, "kind": kind, "size": options.get("size", 0.0)}}))
    return acts


def _plant(topology: Topology, driver: Driver, targets: Iterable[str], options: Options) -> list[Act]:
    """Return the acts of a fault of a power plant: `node/part`, `node/ups/string`, `node/device`, `node/feeds`."""
    _only(options, ("mode", "size"))
    mode = _one_of(options.get("mode", ""), {mode: mode for mode in POWER_FAULTS}, _("mode"), _("modes"))
    acts = []
    for target in targets:
        node, _slash, at = target.partition("/")
        plants = [it.name for it in topology.nodes.values() if "plant" in it.services]
        _known(node, plants, _("power plant"), _("power plants"))
        seen = driver.ask_plant(node, {"act": "look"})
        living = [feed for feed, lives in seen["feeds"].items() if lives]
        whole = mode == "lost" and at == "feeds" and living
        hit = living if whole else [_known(at, seen["fits"][mode], _("part"), _("parts"))]
        wanted = {"kind": mode, "size": options.get("size", 0.0)}
        acts += [Act("plant", {"node": node, "wanted": {"at": part, **wanted}}) for part in hit]
    return acts


def _device(topology: Topology, driver: Driver, targets: Iterable[str], options: Options) -> list[Act]:
    """Return the acts of a fault of devices: `node/device`."""
    _only(options, ("mode", "size"))
    acts = []
    for target in targets:
        node, _slash, at = target.partition("/")
        staffed = [it.name for it in topology.nodes.values() if "devices" in it.services]
        _known(node, staffed, _("room of devices"), _("rooms of devices"))
        devices = driver.ask_devices(node, {"act": "look"})["devices"]
        _known(at, devices, _("device"), _("devices"))
        mode = _known(options.get("mode", ""), devices[at]["fits"], _("mode"), _("modes"))
        acts.append(Act("device", {"node": node, "wanted": {"at": at, "kind": mode, "size": options.get("size", 0.0)}}))
    return acts


_PLANS: Mapping[str, Callable[[Topology, Driver, Iterable[str], Options], list[Act]]] = {
    "fibre-cut": _fibre_cut,
    "duct-cut": _duct_cut,
    "fibre-degrade": _fibre_degrade,
    "node-off": _node_off,
    "satellite-degrade": _satellite_degrade,
    "gnss": _sky,
    "power": _plant,
    "device": _device,
}
KINDS = tuple(_PLANS)


def _touched(act: Act) -> set[str]:
    """Return the links and nodes that an act changes."""
    if "ends" in act.args:
        return {link for link, _node in act.args["ends"]}
    if "wanted" in act.args:
        return {f"{act.args['node']}/{act.args['wanted']['at']}"}
    return {act.args["link"] if "link" in act.args else act.args["node"]}


def _known(name: str, known: Iterable[str], what: str, plural: str) -> str:
    candidates = list(known)
    if name not in candidates:
        _guess, hint = did_you_mean(name, candidates, plural)
        text = _("there is no {what} {name!r}").format(what=what, name=name)
        raise LabError(f"{text}; {hint}" if hint else text, exit_code=2)
    return name


def _one_of(name: str, table: Mapping[str, _T], what: str, plural: str) -> _T:
    return table[_known(name, table, what, plural)]


def _only(options: Options, known: Iterable[str]) -> None:
    for name in options:
        _known(name, known, _("option"), _("options"))
