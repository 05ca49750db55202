"""Traffic classes and profiles: what kinds of traffic there are, and what each may have of a narrow link."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator
from pydantic.dataclasses import dataclass

from ..i18n import _
from .fields import STRICT, Id, Network

CONTROL = "control"
"""The class that every shaped link has by itself: continuity checks, probes, protection messages, routing (CS6, CS7),
ARP and neighbour discovery. A flood of anything else never makes a path look dead."""

MAX_CLASSES = 16


class Dscp(StrEnum):
    """Code points by their names in IANA's registry (RFC 2474, 2597, 3246, 5865, 8622)."""

    CS0 = "CS0"
    LE = "LE"
    CS1 = "CS1"
    AF11 = "AF11"
    AF12 = "AF12"
    AF13 = "AF13"
    CS2 = "CS2"
    AF21 = "AF21"
    AF22 = "AF22"
    AF23 = "AF23"
    CS3 = "CS3"
    AF31 = "AF31"
    AF32 = "AF32"
    AF33 = "AF33"
    CS4 = "CS4"
    AF41 = "AF41"
    AF42 = "AF42"
    AF43 = "AF43"
    CS5 = "CS5"
    VOICE_ADMIT = "VOICE-ADMIT"
    EF = "EF"
    CS6 = "CS6"
    CS7 = "CS7"

    @property
    def code_point(self) -> int:
        """The number in the packet, 0 to 63."""
        match self.value[:2]:
            case "CS":
                return int(self.value[2]) * 8
            case "AF":  # RFC 2597: class and drop precedence
                return int(self.value[2]) * 8 + int(self.value[3]) * 2
            case _other:
                return {"LE": 1, "VOICE-ADMIT": 44, "EF": 46}[self.value]


_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


def _ports(value: object) -> tuple[int, int]:
    """Return the first and last port of a number or of a text such as `16384-32767`."""
    if isinstance(value, tuple):
        return value
    if not isinstance(value, bool) and (found := _PORTS.fullmatch(str(value))):
        first, last = int(found[1]), int(found[2] or found[1])
        if 0 < first <= last <= 65_535:
            return first, last
    raise ValueError(_("must be a port or a range such as 16384-32767, from 1 to 65535"))


Ports = Annotated[
    tuple[int, int],
    PlainValidator(_ports),
    PlainSerializer(lambda ports: ports[0] if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}", when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 65_535},
                {"type": "string", "pattern": r"^[0-9]{1,5}(-[0-9]{1,5})?$"},
            ],
            "examples": [5060, "16384-32767"],
        }
    ),
]


@dataclass(frozen=True, slots=True, config=STRICT)
class TrafficMatch:
    """Packets by where they go, come from, and what they are; all that is given must hold.

    Prefixes and ports hold for either side, so that both directions of a conversation match.
    """

    prefixes: list[Network] = Field(default_factory=list)
    """Networks, one of which is source or destination."""
    protocol: Literal["tcp", "udp", "sctp", "icmp", "esp", "gre"] | None = None
    """IP protocol; icmp means ICMPv6 in IPv6."""
    ports: list[Ports] = Field(default_factory=list)
    """Ports or ranges, one of which is source or destination port."""

    @model_validator(mode="after")
    def _meaningful(self) -> Self:
        if self.ports and self.protocol not in {"tcp", "udp", "sctp"}:
            raise ValueError(_("'ports' need a protocol that has ports: tcp, udp or sctp"))
        if not self.prefixes and self.protocol is None:
            raise ValueError(_("matches everything; give 'prefixes', 'protocol' or both"))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class TrafficClass:
    """A kind of traffic. A packet belongs to the class of the best priority that one of its marks or matches names.

    The one class that has neither takes what is left.
    """

    priority: Annotated[int, Field(ge=1, le=7)]
    """Who may take first what the guarantees leave over: 1 before 7; equals share."""
    name: str = ""
    """Name in English; the id where empty."""
    name_zh: str = ""
    """Name in Chinese; the English one where empty."""
    dscp: list[Dscp] = Field(default_factory=list)
    """Marks that belong to this class."""
    match: list[TrafficMatch] = Field(default_factory=list)
    """Unmarked traffic that belongs to this class."""

    @property
    def takes_the_rest(self) -> bool:
        """Whether this class takes what no other class takes."""
        return not self.dscp and not self.match

    @model_validator(mode="after")
    def _leaves_control_alone(self) -> Self:
        if {Dscp.CS6, Dscp.CS7} & set(self.dscp):
            raise ValueError(_("CS6 and CS7 are network control, which every shaped link serves by itself"))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class ClassShare:
    """What a class may have of a link, each way."""

    guaranteed_kbps: Annotated[int, Field(ge=0)] = 0
    """What it has whenever it wants it, kbit/s; 0: only when there is room."""
    ceiling_kbps: Annotated[int, Field(gt=0)] | None = None
    """What it never exceeds, kbit/s; all of the link where empty."""
    queue_ms: Annotated[int, Field(ge=5, le=5000)] = 300
    """Longest wait in its queue at its ceiling, ms; what would wait longer is dropped."""

    @model_validator(mode="after")
    def _ceiling_above(self) -> Self:
        if self.ceiling_kbps is not None and self.ceiling_kbps < self.guaranteed_kbps:
            raise ValueError(
                _("ceiling_kbps is {ceiling}, less than guaranteed_kbps, which is {guaranteed}").format(
                    ceiling=self.ceiling_kbps, guaranteed=self.guaranteed_kbps
                )
            )
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class TrafficProfile:
    """How a link is divided among the traffic classes."""

    classes: dict[Id, ClassShare]
    """Shares by traffic class; what belongs to a class that is not listed goes with the rest."""
    fill_pct: Annotated[int, Field(ge=50, le=100)] = 95
    """Share of the link's capacity that is used: what waits must wait here, where the classes are told apart, and not
    in the modem, where they are not."""
    overhead_bytes: Annotated[int, Field(ge=0, le=256)] = 0
    """What the link adds to each packet beyond its Ethernet frame, such as a modem's encapsulation."""
    round_trip_ms: Annotated[int, Field(ge=1, le=5000)] = 100
    """The path's usual round trip, ms, by which self-managing queues judge a standing queue (RFC 8289)."""

    def rate_kbps(self, capacity_kbps: int) -> int:
        """Return what is used of a link of that capacity, kbit/s."""
        return capacity_kbps * self.fill_pct // 100
