"""The inventory's building blocks: identifiers, addresses and networks as YAML writes them, checked in words."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, PlainSerializer, PlainValidator, StringConstraints, WithJsonSchema

from ..i18n import _

STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)
"""How every entry of the inventory is read: no unknown key, no infinity."""


def parser(parse: Callable[[str], Any], accepted: tuple[type, ...], expected: str, *, slash: bool) -> PlainValidator:
    """Return a validator of text (or of a value parsed already) that says in words what was expected."""

    def validate(value: object) -> Any:
        if isinstance(value, accepted):
            return value
        # ipaddress would take a number for an address, a bare address for a network, and a zone for part of a plan.
        if isinstance(value, str) and "%" not in value and slash is ("/" in value):
            try:
                return parse(value)
            except ValueError as error:
                if "host bits" in str(error):
                    meant = ip_network(value, strict=False)
                    raise ValueError(_("must have no host bits, as in {network}").format(network=meant)) from None
        raise ValueError(_("must be {expected}").format(expected=expected))

    return PlainValidator(validate)


def _host_of_subnet(value: IPv4Interface | IPv6Interface) -> IPv4Interface | IPv6Interface:
    """Refuse a subnet's own address and its broadcast address; /31 (RFC 3021), /127 and host routes have neither."""
    subnet = value.network
    if value.version == 4 and subnet.prefixlen < 31 and value.ip in {subnet.network_address, subnet.broadcast_address}:
        raise ValueError(_("must be a host of {subnet}").format(subnet=subnet))
    return value


SERIALIZED = PlainSerializer(str, when_used="json")

ID_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
INTERFACE_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$"

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
"""An identifier: lower-case letters, digits and hyphens, at most 63 characters, as in a DNS label."""

Address = Annotated[
    IPv4Address | IPv6Address,
    parser(ip_address, (IPv4Address, IPv6Address), "an IP address such as 10.0.0.1", slash=False),
    SERIALIZED,
    WithJsonSchema({"type": "string", "examples": ["10.0.0.1"]}),
]
Interface = Annotated[
    IPv4Interface | IPv6Interface,
    parser(
        ip_interface, (IPv4Interface, IPv6Interface), "an address and prefix length such as 10.0.0.1/30", slash=True
    ),
    AfterValidator(_host_of_subnet),
    SERIALIZED,
    WithJsonSchema({"type": "string", "examples": ["10.0.0.1/30"]}),
]
Network = Annotated[
    IPv4Network | IPv6Network,
    parser(ip_network, (IPv4Network, IPv6Network), "a network such as 10.1.11.0/24", slash=True),
    SERIALIZED,
    WithJsonSchema({"type": "string", "examples": ["10.1.11.0/24"]}),
]
