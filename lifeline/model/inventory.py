"""The inventory: what exists, how it hangs together, what is expected of it.

One definition serves YAML validation, the published JSON Schema and the program: frozen, slotted pydantic
dataclasses. Identifiers are the mapping keys of the YAML. Units stand in field names. Cross references (a link's
sites, a group's paths) are checked by `lifeline.config`, which knows the positions in the file.
"""

from __future__ import annotations

from enum import StrEnum
from math import ceil
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator
from pydantic.dataclasses import dataclass

from ..i18n import _
from .actuators import Actuator
from .fields import INTERFACE_PATTERN, STRICT, VARIABLE_PATTERN, Address, Id, Interface, Network
from .power import PowerPlant
from .protection import BfdAuthentication, Damping, KeyRing
from .timing import TimeService, TimeSource
from .traffic import TrafficClass, TrafficProfile


def _no_flag(value: object) -> object:
    """Refuse true where 1 is meant: Python holds them equal."""
    if isinstance(value, bool):
        raise ValueError(_("must be a number"))
    return value


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


@dataclass(frozen=True, slots=True, config=STRICT)
class District:
    """An administrative district; coverage is judged by district."""

    name: str
    """Name in English."""
    name_zh: str = ""
    """Name in Chinese; the English one where empty."""


@dataclass(frozen=True, slots=True, config=STRICT)
class SecretRef:
    """Where a secret is kept; never the secret itself. Exactly one of the two."""

    env: Annotated[str, StringConstraints(pattern=VARIABLE_PATTERN)] | None = None
    """Name of an environment variable."""
    file: Annotated[str, StringConstraints(min_length=1)] | None = None
    """Path of a file readable by the daemon's user only."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_inline(cls, value: Any) -> Any:
        if isinstance(value, str | int | float):
            raise ValueError(_("a secret never stands in the inventory; write {env: NAME} or {file: PATH}"))
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.env is None) is (self.file is None):
            raise ValueError(_("needs exactly one of 'env' and 'file'"))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Credential:
    """How to log in to devices, by reference."""

    kind: Literal["snmp-v2c", "snmp-v3", "ssh", "token", "bfd-sha1", "aps-sha256", "ntp"]
    """What the secret opens."""
    secret: SecretRef
    """Community, authentication password, SSH password, token or key."""
    user: str | None = None
    """User name; SNMPv3 and SSH need one."""
    privacy_secret: SecretRef | None = None
    """SNMPv3 privacy password; authPriv needs it."""
    auth: Literal["md5", "sha1", "sha256", "sha512"] = "sha1"
    """SNMPv3 authentication protocol (RFC 3414, RFC 7860)."""
    privacy: Literal["des", "aes128", "aes256"] = "aes128"
    """SNMPv3 privacy protocol (RFC 3826)."""

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        if self.kind in {"snmp-v3", "ssh"} and not self.user:
            raise ValueError(_("{kind} needs 'user'").format(kind=self.kind))
        if self.privacy_secret is not None and self.kind != "snmp-v3":
            raise ValueError(_("only snmp-v3 has a 'privacy_secret'"))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Service:
    """Something that a device serves over TCP, and that is probed."""

    probe: Literal["tcp", "tls", "http", "ssh"]
    """How: a connection, a certificate, a status line, an identification."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """TCP port; the service's own where empty. A bare connection needs one."""
    period_s: Annotated[float, Field(ge=1, le=86400)] = 30.0
    """Between probes."""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 3.0
    """For all of one."""

    @model_validator(mode="after")
    def _port(self) -> Self:
        if self.probe == "tcp" and self.port is None:
            raise ValueError(_("a tcp probe needs 'port'"))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Device:
    """A thing at a site that can be asked how it is."""

    kind: DeviceKind
    """What it is."""
    address: Address | None = None
    """Where it is asked; a device without an address is only listed."""
    profile: str | None = None
    """Make and model profile; the kind's default where empty."""
    credential: Id | None = None
    """The credential that opens it."""
    services: list[Service] = Field(default_factory=list)
    """What it serves and is probed for."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Site:
    """A place that must keep talking."""

    kind: SiteKind
    """What it is to the plan."""
    name: str
    """Name in English."""
    name_zh: str = ""
    """Name in Chinese; the English one where empty."""
    district: Id | None = None
    """The district it covers."""
    prefixes: list[Network] = Field(default_factory=list)
    """Networks that live at this site; no two sites' prefixes may overlap."""
    agent: bool = False
    """Whether a lifeline agent runs here: its silence is then an alarm."""
    devices: dict[Id, Device] = Field(default_factory=dict)
    """Devices by id."""
    power: PowerPlant | None = None
    """Its power, where known."""
    time_sources: dict[Id, TimeSource] = Field(default_factory=dict)
    """Time sources by id."""
    timing: TimeService | None = None
    """What its network asks of the time, and how the time is given on."""


@dataclass(frozen=True, slots=True, config=STRICT)
class SharedRiskGroup:
    """What fails together: a duct, a bridge, a building entry."""

    name: str
    """Name in English."""
    name_zh: str = ""
    """Name in Chinese; the English one where empty."""


@dataclass(frozen=True, slots=True, config=STRICT)
class BfdTimers:
    """RFC 5880 asynchronous-mode timers of both ends of a link; RFC 7419 lists the common intervals."""

    interval_ms: Annotated[int, Field(ge=3, le=60_000)]
    """Desired Min TX and Required Min RX Interval, ms."""
    detect_mult: Annotated[int, Field(ge=1, le=255)] = 3
    """Packets missed in a row before the path counts as down."""
    auth: BfdAuthentication | None = None
    """How packets are authenticated; where absent they are not."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Limits:
    """From when on a measured quantity is too high, and until when; what lies between changes nothing."""

    raise_at: Annotated[float, Field(gt=0)]
    """Too high from here on."""
    clear_at: Annotated[float, Field(ge=0)]
    """No longer too high from here down."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.clear_at >= self.raise_at:
            raise ValueError(
                _("clear_at must be less than raise_at, is {clear:g} and {raised:g}").format(
                    clear=self.clear_at, raised=self.raise_at
                )
            )
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class LinkQuality:
    """How a link's quality is measured by STAMP probes (RFC 8762), and from when on it is degraded (G.8031: SD)."""

    interval_ms: Annotated[int, Field(ge=10, le=10_000)]
    """Between probes of each end, ms."""
    window_ms: Annotated[int, Field(ge=1000, le=600_000)] = 10_000
    """How far back the figures look, ms."""
    timeout_ms: Annotated[int, Field(ge=50, le=10_000)] = 2000
    """An answer later than this is a lost probe, ms."""
    loss_pct: Limits | None = None
    """Share of packets lost in either direction, %."""
    delay_ms: Limits | None = None
    """Median two-way delay, ms."""
    jitter_ms: Limits | None = None
    """Spread of the one-way delay in either direction: 95th percentile above the least (RFC 5481 4.2), ms."""
    reflector: Literal["stateful", "stateless"] = "stateful"
    """Whether the far end numbers its answers, as lifeline does; a stateless one tells losses but no direction."""

    @model_validator(mode="after")
    def _measurable(self) -> Self:
        probes = round(self.window_ms / self.interval_ms)
        if not 20 <= probes <= 10_000:
            raise ValueError(
                _("{n} probes in a window; window_ms must be 20 to 10000 times interval_ms").format(n=probes)
            )
        if (loss := self.loss_pct) and (loss.raise_at * probes < 200 or loss.raise_at > 100):
            raise ValueError(
                _("loss_pct.raise_at must be {least:.3g} to 100: two of the {n} probes in a window, or more").format(
                    least=200 / probes, n=probes
                )
            )
        if self.delay_ms is not None and self.delay_ms.raise_at >= self.timeout_ms:
            raise ValueError(
                _("delay_ms.raise_at must be less than timeout_ms, which is {n}: later answers count as lost").format(
                    n=self.timeout_ms
                )
            )
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class LinkEnd:
    """One end of a link."""

    site: Id
    """The site it stands at."""
    interface: Annotated[str, StringConstraints(pattern=INTERFACE_PATTERN)]
    """The kernel's interface name, at most 15 characters."""
    address: Interface
    """The interface's address with prefix length; the other end's address is the next hop."""


_CONTROL_BASE_KBPS = 32
_CONTROL_PACKET_BITS = 120 * 8
"""A probe with its IPv6, UDP and Ethernet headers is the largest: 106 bytes."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Link:
    """A path between two sites as IP sees it: one hop, whatever media segments carry it."""

    media: Media
    """What carries it."""
    a: LinkEnd
    """One end; by habit the one farther from the core."""
    b: LinkEnd
    """The other end."""
    srgs: list[Id] = Field(default_factory=list)
    """Shared-risk groups this link runs through."""
    via: list[Id] = Field(default_factory=list)
    """Sites it passes transparently, such as a satellite hub."""
    bfd: BfdTimers | None = None
    """Continuity check; a link that belongs to a protection group needs it."""
    quality: LinkQuality | None = None
    """Measurement of loss, delay and jitter; a degraded path is left as a failed one is."""
    capacity_kbps: Annotated[int, Field(gt=0)] | None = None
    """What it carries in each direction, kbit/s."""
    traffic_profile: Id | None = None
    """How it is divided among the traffic classes; it needs 'capacity_kbps'."""
    ct_mark: Annotated[int, Field(gt=0, lt=2**32)] | None = None
    """Connection mark by which other software pins flows to this link; a switch away from it resets them."""

    @property
    def control_kbps(self) -> int:
        """What its continuity check, its probes and the protocols beside them need in each direction, kbit/s."""
        packets_per_s = 1000 / self.bfd.interval_ms if self.bfd else 0.0
        packets_per_s += 2000 / self.quality.interval_ms if self.quality else 0.0  # probes, and answers to the other's
        return ceil(_CONTROL_BASE_KBPS + packets_per_s * _CONTROL_PACKET_BITS / 1000)

    def end_at(self, site: str) -> LinkEnd | None:
        """Return the link's end at a site, or None."""
        return self.a if self.a.site == site else self.b if self.b.site == site else None

    def far_end(self, site: str) -> LinkEnd:
        """Return the end that is not at `site`."""
        return self.b if self.a.site == site else self.a


@dataclass(frozen=True, slots=True, config=STRICT)
class ProtectionGroup:
    """Linear 1:1 bidirectional protection (ITU-T G.8031) between the two sites that both paths join.

    Traffic to the networks in `prefixes` follows the selector. The protection path is a link, or another group: fibre,
    under it microwave, under that satellite.
    """

    working: Id
    """The link that carries traffic while it is sound."""
    protection: Id
    """The link, or the group, that carries traffic when the working link has failed."""
    prefixes: dict[Id, list[Network]] = Field(default_factory=dict)
    """Per site, for both sites: the networks that the site reaches through this group; none for one that is a path."""
    revertive: bool = True
    """Whether traffic goes back to the working link once it is sound again."""
    wtr_ms: Annotated[int, Field(ge=0, le=720_000)] = 300_000
    """Wait to restore, ms; G.8031 11.13: 5 to 12 minutes in service, 0 allowed in labs."""
    hold_off_ms: Annotated[int, Field(ge=0, le=10_000, multiple_of=100)] = 0
    """Hold-off, ms; G.8031 11.12: 0 to 10 s in steps of 100 ms."""
    damping: Damping | None = None
    """How flapping paths are judged; where absent they are not."""
    auth: KeyRing | None = None
    """Keys of the kind aps-sha256 that sign what the two ends tell each other; where absent nothing is signed."""
    actuators: dict[Id, Actuator] = Field(default_factory=dict)
    """Per site, where needed: the router there that carries the traffic and has to follow the selector."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Inventory:
    """The whole network."""

    lifeline: Annotated[Literal[1], BeforeValidator(_no_flag)]
    """Format version."""
    districts: dict[Id, District] = Field(default_factory=dict)
    """Administrative districts by id."""
    credentials: dict[Id, Credential] = Field(default_factory=dict)
    """Ways to log in to devices by id; secrets by reference only."""
    sites: dict[Id, Site] = Field(default_factory=dict)
    """Sites by id."""
    srgs: dict[Id, SharedRiskGroup] = Field(default_factory=dict)
    """Shared-risk groups by id."""
    links: dict[Id, Link] = Field(default_factory=dict)
    """Links by id."""
    protection_groups: dict[Id, ProtectionGroup] = Field(default_factory=dict)
    """Protection groups by id."""
    traffic_classes: dict[Id, TrafficClass] = Field(default_factory=dict)
    """Kinds of traffic by id."""
    traffic_profiles: dict[Id, TrafficProfile] = Field(default_factory=dict)
    """Ways to divide a link among the traffic classes, by id."""

    def groups_at(self, site: str) -> dict[str, ProtectionGroup]:
        """Return the protection groups with an end at a site."""
        return {k: g for k, g in self.protection_groups.items() if self.links[g.working].end_at(site)}

    def links_of_path(self, path: str) -> tuple[str, ...]:
        """Return the links by which a link or a group may carry traffic, the one to be preferred first."""
        group = self.protection_groups.get(path) if path not in self.links else None
        return (path,) if group is None else (group.working, *self.links_of_path(group.protection))
