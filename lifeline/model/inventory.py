"""The inventory: what exists, how it hangs together, what is expected of it.

One definition serves YAML validation, the published JSON Schema and the program: frozen, slotted pydantic
dataclasses. Identifiers are the mapping keys of the YAML. Units stand in field names. Cross references (a link's
sites, a group's paths) are checked by `lifeline.config`, which knows the positions in the file.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""An identifier: lower-case letters, digits and hyphens, at most 63 characters, as in a DNS label."""

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network
PositiveMs = Annotated[int, Field(gt=0, le=3_600_000)]


class SiteKind(StrEnum):
    """What a site is to the plan (mission rows S1-S21)."""

    CORE_ROOM_WIRED = "core-room-wired"
    CORE_ROOM_800M = "core-room-800m"
    SUPER_BASE_STATION = "super-base-station"
    RADIO_BASE_STATION = "radio-base-station"
    COMMAND_CENTRE = "command-centre"
    RELAY = "relay"
    SATELLITE_HUB = "satellite-hub"
    MOBILE_UNIT = "mobile-unit"


class Media(StrEnum):
    """What carries a link."""

    FIBRE = "fibre"
    SATELLITE = "satellite"
    MICROWAVE = "microwave"
    COPPER = "copper"
    RADIO = "radio"


class DeviceKind(StrEnum):
    """What a device is; netwatch, power and timesync choose profiles by it."""

    ROUTER = "router"
    SWITCH = "switch"
    SERVER = "server"
    RADIO_CONTROLLER = "radio-controller"
    BASE_STATION = "base-station"
    SATELLITE_MODEM = "satellite-modem"
    MICROWAVE_RADIO = "microwave-radio"
    UPS = "ups"
    GENERATOR = "generator"
    RECTIFIER = "rectifier"
    TRANSFER_SWITCH = "transfer-switch"
    GNSS_CLOCK = "gnss-clock"
    SENSOR = "sensor"


class TimeSourceKind(StrEnum):
    """Where time comes from."""

    BEIDOU = "beidou"
    GPS = "gps"
    GNSS_CLOCK = "gnss-clock"
    NTP = "ntp"
    PTP = "ptp"
    HOLDOVER = "holdover"


@dataclass(frozen=True, slots=True, config=_STRICT)
class District:
    """An administrative district."""

    name: str
    name_zh: str = ""


@dataclass(frozen=True, slots=True, config=_STRICT)
class SecretRef:
    """Where a secret is kept; never the secret itself. Exactly one of the two."""

    env: str | None = None
    """Name of an environment variable."""
    file: str | None = None
    """Path of a file readable by the daemon's user only."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class Credential:
    """How to log in to devices, by reference."""

    kind: Literal["snmp-v2c", "snmp-v3", "ssh", "token", "bfd-sha1"]
    secret: SecretRef
    """Community, authentication password, SSH password, token or key."""
    user: str | None = None
    privacy_secret: SecretRef | None = None
    """SNMPv3 privacy password; authPriv needs it."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class Device:
    """A thing with an address at a site."""

    kind: DeviceKind
    address: Address | None = None
    profile: str | None = None
    credential: Id | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class UtilityFeed:
    """An external supply."""

    rated_kw: Annotated[float, Field(gt=0)]
    substation: str = ""


@dataclass(frozen=True, slots=True, config=_STRICT)
class Generator:
    """A standby generator set with its own tank."""

    rated_kw: Annotated[float, Field(gt=0)]
    tank_l: Annotated[float, Field(ge=0)]
    usable_fraction: Annotated[float, Field(gt=0, le=1)] = 0.9
    burn_l_per_h_full_load: Annotated[float, Field(gt=0)] | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class Ups:
    """A UPS group of equal modules."""

    module_kw: Annotated[float, Field(gt=0)]
    modules: Annotated[int, Field(ge=1)] = 1
    modules_needed: Annotated[int, Field(ge=1)] = 1
    battery_kwh: Annotated[float, Field(ge=0)] = 0.0


@dataclass(frozen=True, slots=True, config=_STRICT)
class PowerPlant:
    """A site's power: what feeds it, what bridges, what it must reach alone."""

    target_autonomy_h: Annotated[float, Field(gt=0)]
    design_load_kw: Annotated[float, Field(gt=0)]
    feeds: dict[Id, UtilityFeed] = Field(default_factory=dict)
    generators: dict[Id, Generator] = Field(default_factory=dict)
    ups: dict[Id, Ups] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, config=_STRICT)
class TimeSource:
    """A source of time at a site."""

    kind: TimeSourceKind
    address: Address | None = None
    device: Id | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class Site:
    """A place that must keep talking."""

    kind: SiteKind
    name: str
    name_zh: str = ""
    district: Id | None = None
    prefixes: list[Network] = Field(default_factory=list)
    """Networks that live at this site; no two sites' prefixes may overlap."""
    agent: bool = False
    """Whether a lifeline agent runs here: its silence is then an alarm."""
    devices: dict[Id, Device] = Field(default_factory=dict)
    power: PowerPlant | None = None
    time_sources: dict[Id, TimeSource] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, config=_STRICT)
class SharedRiskGroup:
    """What fails together: a duct, a bridge, a building entry."""

    name: str
    name_zh: str = ""


@dataclass(frozen=True, slots=True, config=_STRICT)
class BfdTimers:
    """RFC 5880 asynchronous-mode timers of both ends of a link; RFC 7419 lists the common intervals."""

    interval_ms: Annotated[int, Field(ge=3, le=60_000)]
    """Desired Min TX and Required Min RX Interval."""
    detect_mult: Annotated[int, Field(ge=1, le=255)] = 3


@dataclass(frozen=True, slots=True, config=_STRICT)
class LinkEnd:
    """One end of a link."""

    site: Id
    interface: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,15}$")]
    """The kernel's interface name, at most 15 characters."""
    address: Interface
    """The interface's address with prefix length; the other end's address is the next hop."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class Link:
    """A path between two sites as IP sees it: one hop, whatever media segments carry it."""

    media: Media
    a: LinkEnd
    b: LinkEnd
    srgs: list[Id] = Field(default_factory=list)
    """Shared-risk groups this link runs through."""
    via: list[Id] = Field(default_factory=list)
    """Sites it passes transparently, such as a satellite hub."""
    bfd: BfdTimers | None = None
    """Continuity check; a link that belongs to a protection group needs it."""
    capacity_kbps: Annotated[int, Field(gt=0)] | None = None

    def end_at(self, site: str) -> LinkEnd | None:
        """Return the link's end at a site, or None."""
        return self.a if self.a.site == site else self.b if self.b.site == site else None

    def far_end(self, site: str) -> LinkEnd:
        """Return the end that is not at `site`."""
        return self.b if self.a.site == site else self.a


@dataclass(frozen=True, slots=True, config=_STRICT)
class ProtectionGroup:
    """Linear 1:1 bidirectional protection (ITU-T G.8031) between the two sites that both links join.

    Traffic to the far site's `prefixes` (or those listed per end) follows the selector.
    """

    working: Id
    protection: Id
    prefixes: dict[Id, list[Network]]
    """Per site: the networks that the site reaches through this group."""
    revertive: bool = True
    wtr_ms: Annotated[int, Field(ge=0, le=720_000)] = 300_000
    """Wait to restore; G.8031 11.13: 5 to 12 minutes in service, 0 allowed in labs."""
    hold_off_ms: Annotated[int, Field(ge=0, le=10_000, multiple_of=100)] = 0
    """G.8031 11.12: 0 to 10 s in steps of 100 ms."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class Inventory:
    """The whole network."""

    lifeline: Literal[1]
    """Format version."""
    districts: dict[Id, District] = Field(default_factory=dict)
    credentials: dict[Id, Credential] = Field(default_factory=dict)
    sites: dict[Id, Site] = Field(default_factory=dict)
    srgs: dict[Id, SharedRiskGroup] = Field(default_factory=dict)
    links: dict[Id, Link] = Field(default_factory=dict)
    protection_groups: dict[Id, ProtectionGroup] = Field(default_factory=dict)

    def groups_at(self, site: str) -> dict[str, ProtectionGroup]:
        """Return the protection groups with an end at a site."""
        return {k: g for k, g in self.protection_groups.items() if self.links[g.working].end_at(site)}
