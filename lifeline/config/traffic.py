"""Checks what traffic classes, profiles and links say of one another: nothing promised twice, nothing forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..i18n import _
from ..model.inventory import Inventory, Link
from ..model.traffic import CONTROL, MAX_CLASSES, TrafficProfile
from .problems import Finding, KeyPath, did_you_mean


def check_traffic(inventory: Inventory, data: Any) -> list[Finding]:
    """Return the mistakes between classes, profiles and links.

    Args:
        inventory: the sound entries.
        data: the whole document, to know an entry that exists but is faulty from one that does not exist.
    """
    declared = _Declared(data if isinstance(data, dict) else {})
    return [
        *_check_classes(inventory, declared),
        *_check_profiles(inventory, declared),
        *_check_links(inventory, declared),
        *_check_shared_interfaces(inventory),
    ]


class _Declared:
    """What the document declares, faulty entries too: what refers to those is no second mistake."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def names(self, section: str) -> Mapping[str, Any] | None:
        """Return a section's entries; None where it is malformed, and may hold any name."""
        section_data = self._data.get(section, {})
        return section_data if isinstance(section_data, dict) else None

    def missing(self, path: KeyPath, section: str, name: str, what: str, *, at_key: bool = False) -> Iterator[Finding]:
        """Yield a finding when a section has no such entry."""
        names = self.names(section)
        if names is not None and name not in names:
            hint = did_you_mean(name, names, _("there are"))[1]
            yield Finding(path, _("there is no {what} {name!r}").format(what=what, name=name), hint, at_key)


def _check_classes(inventory: Inventory, declared: _Declared) -> Iterator[Finding]:
    """Check that every mark has one class, and that one class takes the rest."""
    classes = inventory.traffic_classes
    owners: dict[str, str] = {}
    for name, traffic_class in classes.items():
        path: KeyPath = ("traffic_classes", name)
        if name == CONTROL:
            yield Finding(path, _("{name!r} is the class that every shaped link has by itself").format(name=name),
                          at_key=True)  # fmt: skip
        for index, mark in enumerate(traffic_class.dscp):
            if (owner := owners.setdefault(mark, name)) != name or mark in traffic_class.dscp[:index]:
                message = _("{mark} belongs to class {owner!r} already").format(mark=mark, owner=owner)
                yield Finding((*path, "dscp", index), message)
    if not classes or len(classes) != len(declared.names("traffic_classes") or ()):
        return  # none, or faulty ones that may be the one looked for
    rest = [name for name, traffic_class in classes.items() if traffic_class.takes_the_rest]
    if len(rest) != 1:
        message = _("one class, and no other, takes the rest: it has neither 'dscp' nor 'match'; here {names}").format(
            names=", ".join(rest) or _("there is none"))  # fmt: skip
        yield Finding(("traffic_classes", rest[1]) if rest else ("traffic_classes",), message, at_key=True)
    if len(classes) > MAX_CLASSES:
        message = _("{n} classes; there may be {most}").format(n=len(classes), most=MAX_CLASSES)
        yield Finding(("traffic_classes",), message, at_key=True)


def _check_profiles(inventory: Inventory, declared: _Declared) -> Iterator[Finding]:
    """Check that profiles share out classes that exist, the one for the rest among them."""
    rest = [name for name, traffic_class in inventory.traffic_classes.items() if traffic_class.takes_the_rest]
    for name, profile in inventory.traffic_profiles.items():
        path: KeyPath = ("traffic_profiles", name, "classes")
        for class_name in profile.classes:
            yield from declared.missing(
                (*path, class_name), "traffic_classes", class_name, _("traffic class"), at_key=True
            )
        if len(rest) == 1 and rest[0] not in profile.classes:
            message = _("{rest!r} is missing, the class that takes the rest").format(rest=rest[0])
            yield Finding(path, message, at_key=True)


def _check_links(inventory: Inventory, declared: _Declared) -> Iterator[Finding]:
    """Check that no link promises more than it carries."""
    for name, link in inventory.links.items():
        if link.traffic_profile is None:
            continue
        path: KeyPath = ("links", name, "traffic_profile")
        yield from declared.missing(path, "traffic_profiles", link.traffic_profile, _("traffic profile"))
        if link.capacity_kbps is None:
            yield Finding(path, _("needs 'capacity_kbps': how much there is to divide"))
        elif (profile := inventory.traffic_profiles.get(link.traffic_profile)) is not None:
            yield from _check_shares(path, link, profile, link.capacity_kbps)


def _check_shares(path: KeyPath, link: Link, profile: TrafficProfile, capacity_kbps: int) -> Iterator[Finding]:
    rate_kbps = profile.rate_kbps(capacity_kbps)
    room = _("{rate} kbit/s, {fill} % of {capacity}").format(
        rate=rate_kbps, fill=profile.fill_pct, capacity=capacity_kbps
    )
    guaranteed_kbps = sum(share.guaranteed_kbps for share in profile.classes.values())
    if guaranteed_kbps + link.control_kbps > rate_kbps:
        message = _("guarantees {guaranteed} kbit/s, and control needs {control}; the link has {room}").format(
            guaranteed=guaranteed_kbps, control=link.control_kbps, room=room)  # fmt: skip
        yield Finding(path, message)
    for name, share in profile.classes.items():
        if share.ceiling_kbps is not None and share.ceiling_kbps > rate_kbps:
            message = _("lets class {name!r} have {ceiling} kbit/s; the link has {room}").format(
                name=name, ceiling=share.ceiling_kbps, room=room)  # fmt: skip
            yield Finding(path, message)


def _check_shared_interfaces(inventory: Inventory) -> Iterator[Finding]:
    """Check that links over one interface are all divided, or none: what nobody divides would be in everybody's way."""
    shaped: dict[tuple[str, str], str] = {}
    for name, link in inventory.links.items():
        if link.traffic_profile is not None:
            for end in (link.a, link.b):
                shaped.setdefault((end.site, end.interface), name)
    for name, link in inventory.links.items():
        for end in (link.a, link.b):
            other = shaped.get((end.site, end.interface))
            if link.traffic_profile is None and other is not None:
                message = _("needs a 'traffic_profile' too: at {site!r} it shares interface {interface!r} with link "
                            "{other!r}").format(site=end.site, interface=end.interface, other=other)  # fmt: skip
                yield Finding(("links", name), message, at_key=True)
                break
