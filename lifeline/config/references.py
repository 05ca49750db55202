"""Checks what no single entry can know: that names exist, that ends meet, that nothing is planned twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..i18n import _
from ..model.fields import Address, Network
from ..model.inventory import Inventory, Link, LinkEnd, LinkQuality, Media
from .actuators import check_actuators
from .power import check_power
from .problems import Finding, KeyPath, did_you_mean
from .protection import check_protection
from .timing import check_timing
from .traffic import check_traffic

_SHARED_MEDIA = frozenset({Media.SATELLITE, Media.MICROWAVE, Media.RADIO})
"""One interface of these may reach many far ends in one subnet, one link to each."""

_Place = tuple[str, str]
"""A site and an interface or device there."""

_PROBE_BITS = 72 * 8
"""A STAMP packet with UDP and IPv4 headers. Each way go one end's probes, and the answers to the other's."""
_PROBE_SHARE = 0.05

_MAX_HINTS = 32
"""A search for the nearest name takes 10 ms among a thousand; a file with a wrong prefix everywhere needs no 1,000."""


def check(inventory: Inventory, data: Any) -> list[Finding]:
    """Return the mistakes between entries.

    Args:
        inventory: the sound entries.
        data: the whole document, to know an entry that exists but is faulty from one that does not exist.
    """
    checker = _Checker(inventory, data if isinstance(data, dict) else {})
    checker.check_sites()
    checker.check_links()
    checker.check_addresses()
    checker.check_networks()
    return [
        *checker.findings,
        *check_protection(inventory, data),
        *check_traffic(inventory, data),
        *check_actuators(inventory),
        *check_power(inventory),
        *check_timing(inventory),
    ]


class _Checker:
    """One pass over an inventory; findings gather."""

    def __init__(self, inventory: Inventory, data: Mapping[str, Any]) -> None:
        self._inventory = inventory
        self._data = data
        self._hints = 0
        self._media: dict[_Place, str] = {}
        self.findings: list[Finding] = []

    def _find(self, path: KeyPath, message: str, hint: str = "", *, at_key: bool = False) -> None:
        self.findings.append(Finding(path, message, hint, at_key))

    def _refer(self, path: KeyPath, section: str, name: str | None, what: str) -> None:
        """Note a reference to nothing. A malformed section, told already, may hold any name."""
        declared = self._data.get(section, {})
        if name is None or not isinstance(declared, dict) or name in declared:
            return
        self._missing(path, _("there is no {what} {name!r}").format(what=what, name=name), name, declared)

    def _missing(self, path: KeyPath, message: str, name: str, declared: Iterable[str]) -> None:
        self._hints += 1
        hint = did_you_mean(name, declared, _("there are"))[1] if self._hints <= _MAX_HINTS else ""
        self._find(path, message, hint)

    def _once(self, path: KeyPath, names: Iterable[str]) -> None:
        """Note a name that stands twice in a list."""
        seen: set[str] = set()
        for index, name in enumerate(names):
            if name in seen:
                self._find((*path, index), _("{name!r} stands twice in this list").format(name=name))
            seen.add(name)

    def check_sites(self) -> None:
        """Check what sites refer to."""
        for name, site in self._inventory.sites.items():
            self._refer(("sites", name, "district"), "districts", site.district, _("district"))
            for device_name, device in site.devices.items():
                self._refer(
                    ("sites", name, "devices", device_name, "credential"),
                    "credentials",
                    device.credential,
                    _("credential"),
                )

    def check_links(self) -> None:
        """Check each link by itself: sites, risk groups, one subnet."""
        for name, link in self._inventory.links.items():
            path = ("links", name)
            for side, end in (("a", link.a), ("b", link.b)):
                self._refer((*path, side, "site"), "sites", end.site, _("site"))
            for index, srg in enumerate(link.srgs):
                self._refer((*path, "srgs", index), "srgs", srg, _("shared-risk group"))
            for index, site in enumerate(link.via):
                self._refer((*path, "via", index), "sites", site, _("site"))
                if link.end_at(site):
                    self._find((*path, "via", index), _("{site!r} is an end of this link").format(site=site))
            self._once((*path, "srgs"), link.srgs)
            self._once((*path, "via"), link.via)
            if link.a.site == link.b.site:
                message = _("both ends are at {site!r}; a link joins two sites").format(site=link.a.site)
                self._find((*path, "b", "site"), message)
            if link.a.address.network != link.b.address.network:
                message = _("the ends are in different subnets, {a} and {b}").format(
                    a=link.a.address.network, b=link.b.address.network)  # fmt: skip
                self._find((*path, "b", "address"), message)
            if link.quality is not None:
                self._check_quality((*path, "quality"), link, link.quality)

    def _check_quality(self, path: KeyPath, link: Link, quality: LinkQuality) -> None:
        """Check that somebody measures, that somebody answers, and that traffic still finds room."""
        ends = [(end.site, self._inventory.sites.get(end.site)) for end in (link.a, link.b)]
        silent = [name for name, site in ends if site is not None and not site.agent]
        if len(silent) == 2:
            self._find(path, _("nobody would measure: neither end has an agent"), at_key=True)
        elif silent and quality.reflector == "stateful":
            message = _("nobody would answer at {site!r}, which has no agent")
            hint = _("if its router answers STAMP, write {example}").format(example="reflector: stateless")
            self._find(path, message.format(site=silent[0]), hint, at_key=True)
        kbps = 2 * _PROBE_BITS / quality.interval_ms
        if link.capacity_kbps is not None and kbps > _PROBE_SHARE * link.capacity_kbps:
            message = _("probes and answers would take {kbps:.3g} of {capacity} kbit/s; they may take 5 %")
            self._find((*path, "interval_ms"), message.format(kbps=kbps, capacity=link.capacity_kbps))

    def check_addresses(self) -> None:
        """Check that an address is at one place, an interface on one link (or one shared medium)."""
        users: dict[_Place, tuple[str, LinkEnd]] = {}
        places: dict[Address, _Place] = {}
        for name, link in self._inventory.links.items():
            for side, end in (("a", link.a), ("b", link.b)):
                path: KeyPath = ("links", name, side)
                place = (end.site, end.interface)
                user, known = users.setdefault(place, (name, end))
                if user != name and not (link.media in _SHARED_MEDIA and known.address == end.address):
                    message = _("interface {interface!r} at {site!r} belongs to link {link!r} already").format(
                        interface=end.interface, site=end.site, link=user)  # fmt: skip
                    self._find((*path, "interface"), message)
                elif places.setdefault(end.address.ip, place) != place:
                    self._taken((*path, "address"), end.address.ip, places[end.address.ip])
        devices: dict[Address, _Place] = {}
        for name, site in self._inventory.sites.items():
            for device_name, device in site.devices.items():
                if device.address is None:
                    continue
                path = ("sites", name, "devices", device_name, "address")
                if devices.setdefault(device.address, (name, device_name)) != (name, device_name):
                    self._taken(path, device.address, devices[device.address])
                elif places.get(device.address, (name, ""))[0] != name:
                    self._taken(path, device.address, places[device.address])

    def _taken(self, path: KeyPath, address: Address, place: _Place) -> None:
        site, where = place
        message = _("{address} is the address of {where!r} at {site!r} already")
        self._find(path, message.format(address=address, where=where, site=site))

    def check_networks(self) -> None:
        """Check that sites' prefixes do not overlap, nor links' subnets."""
        prefixes = [
            (network, name, ("sites", name, "prefixes", index))
            for name, site in self._inventory.sites.items()
            for index, network in enumerate(site.prefixes)
        ]
        for path, network, other, owner in _overlaps(prefixes):
            message = _("{network} overlaps {other} of site {owner!r}")
            self._find(path, message.format(network=network, other=other, owner=owner))
        subnets = [
            (link.a.address.network, self._medium(name, link), ("links", name, "a", "address"))
            for name, link in self._inventory.links.items()
            if link.a.address.network == link.b.address.network
        ]
        for path, network, other, owner in _overlaps(subnets):
            message = _("subnet {network} overlaps {other} of link {owner!r}")
            self._find(path, message.format(network=network, other=other, owner=owner))

    def _medium(self, name: str, link: Link) -> str:
        """Return the first link on the same shared medium: links that share an interface share its subnet."""
        if link.media in _SHARED_MEDIA:
            for end in (link.a, link.b):
                name = self._media.setdefault((end.site, end.interface), name)
        return name


def _overlaps(items: Sequence[tuple[Network, str, KeyPath]]) -> Iterator[tuple[KeyPath, Network, Network, str]]:
    """Yield, for each network that lies within (or equals) another owner's: where, it, the other, its owner.

    Args:
        items: (network, owner, path) in the order of the file.
    """
    around: list[tuple[Network, str, KeyPath]] = []  # networks that contain the present one, outermost first
    for item in sorted(items, key=lambda item: (item[0].version, int(item[0].network_address), item[0].prefixlen)):
        network, owner, path = item
        while around and not _contains(around[-1][0], network):
            around.pop()
        for other, other_owner, _other_path in reversed(around):
            if other_owner != owner:
                yield path, network, other, other_owner
                break
        around.append(item)


def _contains(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and inner.network_address in outer
