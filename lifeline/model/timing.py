"""A site's time: where it comes from, how well the network needs it, and how it is given on.

A source gives *pulses* (timestamps of its seconds against this machine's clock), *telemetry* (what a receiver says of
its satellites and of itself), or both. What no source gives is not assumed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic.dataclasses import dataclass

from ..i18n import _
from .fields import ID_PATTERN, STRICT, Address, Id

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


def _absolute(value: str) -> str:
    if not value.startswith("/") or not value.isprintable():
        raise ValueError(_("must be an absolute path such as /run/gps.sock"))
    return value


Path = Annotated[str, AfterValidator(_absolute)]
"""An absolute path."""
SocketPath = Annotated[str, StringConstraints(max_length=107), AfterValidator(_absolute)]
"""An absolute path that fits into sockaddr_un."""


ClientId = Annotated[str, StringConstraints(pattern=f"^({ID_PATTERN[1:-1]}/)?{ID_PATTERN[1:-1]}$")]
"""A device of the same site, or `site/device`."""


class TimeSourceKind(StrEnum):
    """Where time comes from."""

    BEIDOU = "beidou"
    GPS = "gps"
    GNSS = "gnss"
    """A receiver of several constellations that does not report them separately: one source."""
    GNSS_CLOCK = "gnss-clock"
    NTP = "ntp"
    PTP = "ptp"
    HOLDOVER = "holdover"


RECEIVERS: Final = frozenset({TimeSourceKind.BEIDOU, TimeSourceKind.GPS, TimeSourceKind.GNSS})
"""Kinds that listen to satellites and tell of them."""


class TimeProtocol(StrEnum):
    """How a source is asked."""

    GPSD = "gpsd"
    SERIAL = "serial"
    """NMEA 0183 and UBX, straight from a serial line."""
    SNMP = "snmp"
    NTP = "ntp"
    PTP = "ptp"
    """`pmc` of linuxptp on this machine."""


PROTOCOLS: Final[dict[TimeSourceKind, tuple[TimeProtocol, ...]]] = {
    TimeSourceKind.BEIDOU: (TimeProtocol.GPSD, TimeProtocol.SERIAL),
    TimeSourceKind.GPS: (TimeProtocol.GPSD, TimeProtocol.SERIAL),
    TimeSourceKind.GNSS: (TimeProtocol.GPSD, TimeProtocol.SERIAL),
    TimeSourceKind.GNSS_CLOCK: (TimeProtocol.SNMP,),
    TimeSourceKind.NTP: (TimeProtocol.NTP,),
    TimeSourceKind.PTP: (TimeProtocol.PTP,),
    TimeSourceKind.HOLDOVER: (),
}
"""By which protocols each kind can be asked, the usual one first."""

FLOOR_NS: Final[dict[TimeSourceKind, float]] = {
    TimeSourceKind.BEIDOU: 100.0,
    TimeSourceKind.GPS: 100.0,
    TimeSourceKind.GNSS: 100.0,
    TimeSourceKind.GNSS_CLOCK: 1e6,
    TimeSourceKind.NTP: 1e5,
    TimeSourceKind.PTP: 1e3,
    TimeSourceKind.HOLDOVER: 0.0,
}
"""What is assumed of a source whose accuracy is not given: a pulse as of a PRTC-A (G.8272: 100 ns), NTP in a local
network, and what the round trip of an SNMP request leaves."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Antenna:
    """Where an antenna stands, surveyed."""

    lat_deg: Annotated[float, Field(ge=-90, le=90)]
    """Latitude, degrees north, WGS 84 (CGCS2000 agrees to centimetres)."""
    lon_deg: Annotated[float, Field(ge=-180, le=180)]
    """Longitude, degrees east."""
    height_m: Annotated[float, Field(ge=-500, le=9000)] | None = None
    """Height above the ellipsoid, m; not compared where empty."""
    tolerance_m: Annotated[float, Field(ge=5, le=10_000)] = 60.0
    """How far a sound receiver's solution may lie from it, m."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Oscillator:
    """What carries the time while no source does: x(t) = x0 + y0 t + D t^2 / 2, and how far it may stray from that."""

    ageing_ppb_per_day: NotNegative = 50.0
    """Greatest frequency drift D, in parts in 10^9 per day; D itself is learnt, this bounds it."""
    random_walk_ppb: NotNegative = 20.0
    """How far the frequency wanders within an hour, 10^-9, one sigma; it grows with the square root of time."""
    white_ns: NotNegative = 20.0
    """Phase wander within a second, ns, one sigma; grows with the square root of time."""
    most_ppb: Positive = 500_000.0
    """Greatest frequency error of all, 10^-9. What moves faster is no oscillator's doing."""


OSCILLATORS: Final[dict[str, Oscillator]] = {
    "computer": Oscillator(),
    "tcxo": Oscillator(ageing_ppb_per_day=20, random_walk_ppb=5, white_ns=2, most_ppb=5000),
    "ocxo": Oscillator(ageing_ppb_per_day=1, random_walk_ppb=0.05, white_ns=0.2, most_ppb=500),
    "rubidium": Oscillator(ageing_ppb_per_day=0.02, random_walk_ppb=0.002, white_ns=0.1, most_ppb=5),
}
"""Classes of oscillators. They are wider than data sheets: a holdover that ends early does no harm."""


@dataclass(frozen=True, slots=True, config=STRICT)
class TimeSource:
    """A source of time at a site."""

    kind: TimeSourceKind
    """Where the time comes from."""
    address: Address | None = None
    """Where it is asked; gpsd on this machine where empty."""
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """UDP or TCP port; the protocol's own where empty."""
    device: Id | None = None
    """The device of this site that receives it; it has the address and the credential then."""
    protocol: TimeProtocol | None = None
    """How it is asked; what is usual for its kind where empty."""
    line: Path | None = None
    """The receiver's serial line; with gpsd, the name by which gpsd knows it, where gpsd serves several; with PTP,
    ptp4l's `uds_address`."""
    baud: Annotated[int, Field(ge=1200, le=921_600)] = 115_200
    """Speed of the line, bit/s."""
    pulses: SocketPath | None = None
    """Where its pulses are told, in the form of chrony's SOCK driver: what gpsd writes for a receiver with a pulse."""
    chrony: SocketPath | None = None
    """The socket of chrony's refclock for this source: samples are given on there, once they have been judged. A
    holdover's is fed what the oscillator's model says, and only while no source is sound."""
    uncertainty_ns: Positive | None = None
    """How far a sound source of this make may be off, one sigma, ns: receiver, antenna cable, path."""
    antenna: Antenna | None = None
    """Its surveyed antenna, where it is not the site's."""
    credential: Id | None = None
    """NTP: the symmetric key (RFC 5905 appendix A, RFC 8573)."""
    key_id: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """NTP: the key's number."""
    poll_s: Annotated[float, Field(ge=0.25, le=1024)] = 1.0
    """How often it speaks, or is asked, s."""
    oscillator: Literal["computer", "tcxo", "ocxo", "rubidium"] | Oscillator | None = None
    """Holdover: a class of oscillators, or its own figures."""

    @model_validator(mode="after")
    def _asked_as_its_kind_is(self) -> Self:
        fit = PROTOCOLS[self.kind]
        if self.protocol is not None and self.protocol not in fit:
            message = _("a source of kind {kind} is not asked by {protocol}; it can be: {fit}")
            fits = ", ".join(fit) or _("not at all")
            raise ValueError(message.format(kind=self.kind, protocol=self.protocol, fit=fits))
        if self.protocol is TimeProtocol.SERIAL and self.line is None:
            raise ValueError(_("a serial receiver needs its 'line', such as /dev/ttyS0"))
        if self.kind is TimeSourceKind.NTP and (self.address is None) is (self.device is None):
            raise ValueError(_("an NTP server needs exactly one of 'address' and 'device'"))
        if (self.key_id is None) is not (self.credential is None):
            raise ValueError(_("'key_id' and 'credential' need one another"))
        if self.credential is not None and self.kind is not TimeSourceKind.NTP:
            raise ValueError(_("only NTP sources have a key of their own; a device has its 'credential'"))
        if (self.oscillator is not None) is not (self.kind is TimeSourceKind.HOLDOVER):
            raise ValueError(_("a holdover source has an 'oscillator', and no other has one"))
        if self.chrony is not None and self.pulses is None and self.kind is not TimeSourceKind.HOLDOVER:
            raise ValueError(_("only what gives 'pulses', or a holdover, can be given on to 'chrony'"))
        if self.chrony is not None and self.chrony == self.pulses:
            raise ValueError(_("'pulses' and 'chrony' must differ: lifeline stands between them"))
        return self

    @property
    def asked_by(self) -> TimeProtocol | None:
        """How it is asked; None for an oscillator, which is not."""
        return self.protocol or next(iter(PROTOCOLS[self.kind]), None)

    @property
    def sigma_ns(self) -> float:
        """How far a sound source of this make may be off, one sigma, ns."""
        return self.uncertainty_ns or FLOOR_NS[self.kind]

    @property
    def figures(self) -> Oscillator:
        """The oscillator's figures."""
        own = self.oscillator or "computer"
        return OSCILLATORS[own] if isinstance(own, str) else own


@dataclass(frozen=True, slots=True, config=STRICT)
class Chrony:
    """The chronyd that gives the site's time on."""

    command_socket: SocketPath = "/run/chrony/chronyd.sock"
    """Its command socket (`bindcmdaddress`); the directory must be its own, with mode 0750."""
    withdraw: bool = True
    """Whether it is made to say that it is not synchronised once the time can no longer be vouched for."""


@dataclass(frozen=True, slots=True, config=STRICT)
class TimeService:
    """What a site's network asks of the time, and how its sources are judged."""

    limit_ns: Positive
    """Greatest error the network bears, ns: 1500 for TDD (G.8271 class 4), 10000 or 1000000 for slower uses."""
    antenna: Antenna | None = None
    """The surveyed antenna of the site's receivers."""
    qualification_s: Annotated[float, Field(ge=10, le=86_400)] = 300.0
    """How long a source that was not sound must be sound, without a break, before it counts again, s."""
    quarantine_s: Annotated[float, Field(ge=0, le=20)] = 4.0
    """How long a sample waits before it is given on, s: nothing reaches chrony before it has been judged."""
    chrony: Chrony | None = None
    """The chronyd that is fed; where absent lifeline only watches."""
    leap_table: Path = "/usr/share/zoneinfo/leap-seconds.list"
    """The IERS's table of leap seconds, as tzdata has it."""
    clients: dict[ClientId, Positive] = Field(default_factory=dict)
    """Devices whose NTP time is sampled, here or as `site/device` elsewhere, and how far each may be off, ns."""

    @staticmethod
    def place_of(client: str, site: str) -> tuple[str, str]:
        """Return the site and the device of a client of a site."""
        elsewhere, _slash, device = client.rpartition("/")
        return elsewhere or site, device
