"""Holds the inventory against what devices say of their interfaces, addresses and neighbours. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from lifeline.devices.recording import Value, text_of
from lifeline.model.inventory import Inventory

IF_NAME: Final = "1.3.6.1.2.1.2.2.1.2"
IF_OPER: Final = "1.3.6.1.2.1.2.2.1.8"
IP_IF_INDEX: Final = "1.3.6.1.2.1.4.20.1.2"
IP_NEIGHBOUR: Final = "1.3.6.1.2.1.4.35.1.4"
"""ipNetToPhysicalPhysAddress (RFC 4293): the index tells interface and address."""
ARP: Final = "1.3.6.1.2.1.4.22.1.2"
LLDP_NAME: Final = "1.0.8802.1.1.2.1.4.1.1.9"
LLDP_PORT: Final = "1.0.8802.1.1.2.1.3.7.1.3"
ASKED: Final = (IF_NAME, IF_OPER, IP_IF_INDEX, ARP, LLDP_NAME, LLDP_PORT)


class Kind(StrEnum):
    """How the inventory and the network differ."""

    NO_INTERFACE = "no-interface"
    OTHER_ADDRESS = "other-address"
    OTHER_NEIGHBOUR = "other-neighbour"
    NO_NEIGHBOUR = "no-neighbour"
    UNKNOWN_NETWORK = "unknown-network"


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference."""

    kind: Kind
    site: str
    subject: str
    """The link it is about, or the address that no link has."""
    text: str


@dataclass(slots=True)
class Seen:
    """What one site's router says."""

    interfaces: dict[str, str] = field(default_factory=dict)
    """Index to name."""
    addresses: dict[str, str] = field(default_factory=dict)
    """IPv4 address to interface's name."""
    arp: dict[str, set[str]] = field(default_factory=dict)
    """Interface's name to its neighbours' addresses."""
    lldp: dict[str, set[str]] = field(default_factory=dict)
    """Interface's name to its neighbours' names."""


def seen(answers: Mapping[str, Value]) -> Seen:
    """Return what a device's tables say.

    Args:
        answers: what lies below `ASKED`, by OID.
    """
    told = Seen()
    rows = {column: _rows(answers, column) for column in ASKED}
    told.interfaces = {index: text_of(name, 40) for index, name in rows[IF_NAME].items()}
    for address, index in rows[IP_IF_INDEX].items():
        told.addresses[address] = told.interfaces.get(text_of(index, 12), "")
    for row in rows[ARP]:
        index, _dot, address = row.partition(".")
        told.arp.setdefault(told.interfaces.get(index, ""), set()).add(address)
    ports = {index: text_of(name, 40) for index, name in rows[LLDP_PORT].items()}
    for row, name in rows[LLDP_NAME].items():
        port = row.split(".")[1] if row.count(".") == 2 else ""
        told.lldp.setdefault(ports.get(port, ""), set()).add(text_of(name, 80))
    return told


def differences(inventory: Inventory, told: Mapping[str, Seen]) -> list[Finding]:
    """Return how what is seen differs from the inventory.

    Args:
        inventory: what should be.
        told: by site; sites that were not asked are not judged.
    """
    found: list[Finding] = []
    known: set[str] = {str(it.address) for site in inventory.sites.values() for it in site.devices.values()}
    for link, one in inventory.links.items():
        for end, other in ((one.a, one.b), (one.b, one.a)):
            known.add(str(end.address.ip))
            if (there := told.get(end.site)) is not None:
                found += _end(
                    link, end.site, end.interface, str(end.address.ip), str(other.address.ip), other.site, there
                )
    networks = [prefix for site in inventory.sites.values() for prefix in site.prefixes]
    from ipaddress import ip_address

    for site, there in told.items():
        for address in there.addresses:
            ip = ip_address(address)
            if address not in known and not ip.is_loopback and not any(ip in network for network in networks):
                text = (
                    f"{site} has the address {address} at {there.addresses[address]}, which the inventory does not know"
                )
                found.append(Finding(Kind.UNKNOWN_NETWORK, site, address, text))
    return found


def _end(
    link: str, site: str, interface: str, address: str, neighbour: str, far: str, there: Seen
) -> Sequence[Finding]:
    if interface not in there.interfaces.values():
        text = f"{site} has no interface {interface}, at which {link} should end"
        return [Finding(Kind.NO_INTERFACE, site, link, text)]
    if there.addresses.get(address) != interface:
        at = there.addresses.get(address)
        text = f"{site} has {address} at {at}, not at {interface}" if at else f"{site} does not have {address}"
        return [Finding(Kind.OTHER_ADDRESS, site, link, f"{text} ({link})")]
    found = []
    if (names := there.lldp.get(interface)) and far not in names:
        text = f"{link} at {site} {interface}: the neighbour calls itself {', '.join(sorted(names))}, not {far}"
        found.append(Finding(Kind.OTHER_NEIGHBOUR, site, link, text))
    if (heard := there.arp.get(interface)) is not None and neighbour not in heard:
        text = f"{link} at {site} {interface}: {neighbour} is not among the neighbours {', '.join(sorted(heard))}"
        found.append(Finding(Kind.NO_NEIGHBOUR, site, link, text))
    return found


def _rows(answers: Mapping[str, Value], column: str) -> dict[str, Value]:
    start = f"{column}."
    return {oid[len(start) :]: value for oid, value in answers.items() if oid.startswith(start)}
