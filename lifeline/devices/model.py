"""The device profile: what a device is recognised by, what it can be asked, and what the answers mean.

One definition serves YAML validation, the published JSON Schema and the engine, as the inventory's does. A profile
knows no arithmetic but units, and no judgement but what the device's own documents say of a value.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic.dataclasses import dataclass

from ..i18n import _
from ..model.fields import STRICT, Id
from ..model.inventory import DeviceKind
from ..model.records import EventType, PerceivedSeverity, ProbableCause
from .units import parse_unit

OID_PATTERN = r"^[0-2](\.(0|[1-9][0-9]*))+$"
METRIC_PATTERN = r"^[a-z][a-z0-9_]*(\.[a-z0-9_-]+)*(\.\*)?$"
_NESTED = re.compile(r"\([^()]*[+*][^()]*\)[+*{]")
"""A repeated group that repeats inside: `(a+)+` takes a hostile sysDescr exponential time."""


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(_("must be a regular expression: {reason}").format(reason=error)) from None
    if _NESTED.search(text):
        raise ValueError(_("must not repeat a group that repeats inside: a device could make it take forever"))
    return text


def _unit(text: str) -> str:
    parse_unit(text)
    return text


def no_flag(value: object) -> object:
    """Refuse true where 1 is meant: Python holds them equal."""
    if isinstance(value, bool):
        raise ValueError(_("must be a number"))
    return value


def _numbers(value: object) -> object:
    """Refuse flags in lists of numbers: Python holds true and 1 equal."""
    if isinstance(value, list) and any(isinstance(item, bool) for item in value):
        raise ValueError(_("must be numbers"))
    return value


Oid = Annotated[str, StringConstraints(pattern=OID_PATTERN)]
"""An object identifier in dotted numbers, without a leading dot."""
Metric = Annotated[str, StringConstraints(pattern=METRIC_PATTERN)]
"""A name of the vocabulary (lifeline/devices/vocabulary.yml)."""
Regex = Annotated[str, AfterValidator(_regex)]
"""A regular expression, Python's kind."""
UnitText = Annotated[str, AfterValidator(_unit)]
"""A unit, with a number in front where the raw value counts parts of it: `0.1 V`."""
Numbers = Annotated[list[float], BeforeValidator(_numbers)]
"""A list of numbers."""
Register = Annotated[int, Field(ge=0, le=0xFFFF)]
"""Address of a Modbus holding register, from 0."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Identify:
    """Signs by which a device is recognised; all that are given must hold."""

    sys_object_id: list[Oid] = Field(default_factory=list)
    """SNMPv2-MIB::sysObjectID is one of these or lies below one."""
    sys_descr: Regex | None = None
    """SNMPv2-MIB::sysDescr matches, anywhere, whatever the case."""
    has: list[Oid] = Field(default_factory=list)
    """The agent has objects at or below every one of these."""
    priority: Annotated[int, Field(ge=0, le=100)] = 50
    """Higher wins when several profiles recognise a device; among equals the longest sysObjectID does."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.sys_object_id or self.sys_descr or self.has):
            raise ValueError(_("needs 'sys_object_id', 'sys_descr' or 'has'"))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Where:
    """Keeps values for which another object says something: a scalar, or the same row's cell in another column."""

    oid: Oid | None = None
    """A scalar; in traps, a variable binding's OID or a prefix of it."""
    column: Oid | None = None
    """Another column of the same rows."""
    equals: list[str] = Field(default_factory=list)
    """It is one of these, as text."""
    matches: Regex | None = None
    """It matches, anywhere, whatever the case."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.oid is None) is (self.column is None):
            raise ValueError(_("needs exactly one of 'oid' and 'column'"))
        if bool(self.equals) is (self.matches is not None):
            raise ValueError(_("needs exactly one of 'equals' and 'matches'"))
        return self

    def keeps(self, text: str) -> bool:
        """Tell whether a value satisfies it."""
        return text in self.equals if self.equals else bool(re.search(self.matches or "", text, re.IGNORECASE))


@dataclass(frozen=True, slots=True, config=STRICT)
class Source:
    """A place where a device tells something, and how it writes it. Exactly one of oid, column and register."""

    oid: Oid | None = None
    """A scalar, with its instance: ends in .0 as a rule."""
    column: Oid | None = None
    """A table's column: one value per row below it."""
    register: Register | None = None
    """A Modbus holding register, the first of its words."""
    object: str = ""
    """Name of the object in its MIB or register map, for whoever reads the profile."""
    unit: UnitText = "1"
    """What the raw number counts."""
    missing: Numbers = Field(default_factory=list)
    """Raw values by which the device says that it has no figure."""
    pattern: Regex | None = None
    """For values given as text: group 1 is the value."""
    mask: Annotated[int, Field(gt=0)] | None = None
    """Bits of the raw number that count, shifted down to bit 0."""
    range: Annotated[Numbers, Field(min_length=2, max_length=2)] | None = None
    """Least and greatest plausible value, in the vocabulary's unit; the vocabulary's own range where empty."""
    instance: str = ""
    """Which of several like things a scalar tells of, such as a phase."""
    label: Oid | None = None
    """Column with the rows' names; the rows' index where empty."""
    where: list[Where] = Field(default_factory=list)
    """What must hold for a value to count."""
    words: Literal[1, 2] = 1
    """Registers that make the number, the high word first."""
    signed: bool = False
    """Whether the registers, or a MIB's unsigned 32 bits, hold a signed number."""
    values: dict[str, str] = Field(default_factory=dict)
    """For states: raw value (or a /regular expression/ for text) to the vocabulary's word."""
    precision_column: Oid | None = None
    """Column with the number of decimal digits (RFC 3433 entPhySensorPrecision)."""
    scale_column: Oid | None = None
    """Column with the power of ten (RFC 3433 SensorDataScale: 9 is units, each step a thousand)."""
    doubt: str = ""
    """Why a value from here is only suspect, where it is."""
    note: str = ""
    """What an engineer should know of it."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.oid, self.column, self.register)) != 1:
            raise ValueError(_("needs exactly one of 'oid', 'column' and 'register'"))
        if self.column is None and (self.label or self.precision_column or self.scale_column):
            raise ValueError(_("only a column has 'label', 'precision_column' and 'scale_column'"))
        if self.column is None and any(condition.column for condition in self.where):
            raise ValueError(_("only a column can depend on another column"))
        if self.register is None and self.words != 1:
            raise ValueError(_("only a register has 'words'"))
        for key in self.values:
            if key.startswith("/") and key.endswith("/"):
                _regex(key[1:-1])
        return self

    @property
    def place(self) -> str:
        """Where it is, as text."""
        return self.oid or self.column or f"0x{self.register:04X}"


@dataclass(frozen=True, slots=True, config=STRICT)
class Limit:
    """From where on a metric is worth a condition, and until where it stays one."""

    condition: Id
    """Name of the condition."""
    severity: PerceivedSeverity
    """Its X.733 severity."""
    cause: ProbableCause
    """Its X.733 probable cause."""
    above: float | None = None
    """Raised above this value, in the vocabulary's unit."""
    below: float | None = None
    """Raised below this value."""
    clear: float | None = None
    """Cleared once back to this value; the threshold itself where empty."""
    deviates: Annotated[float, Field(gt=0)] | None = None
    """Raised when further from what is usual for this value than so many standard deviations."""
    still_s: Annotated[float, Field(gt=0)] | None = None
    """Raised when the value has not moved for so long: a sensor that is stuck."""

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if sum(it is not None for it in (self.above, self.below, self.deviates, self.still_s)) != 1:
            raise ValueError(_("needs exactly one of 'above', 'below', 'deviates' and 'still_s'"))
        if self.clear is not None and self.above is None and self.below is None:
            raise ValueError(_("only 'above' and 'below' have a 'clear'"))
        if self.clear is not None and (
            (self.above is not None and self.clear > self.above) or (self.below is not None and self.clear < self.below)
        ):
            raise ValueError(_("'clear' must lie on the good side of the threshold"))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Trap:
    """What a notification means: which condition of the device it raises or clears."""

    oid: Oid
    """snmpTrapOID.0; for SNMPv1 enterprise + .0. + specific (RFC 3584 3.1)."""
    condition: Id
    """Name of the condition; raising and clearing traps of one pair name the same."""
    severity: PerceivedSeverity
    """`cleared` ends the condition."""
    cause: ProbableCause
    """X.733 probable cause."""
    event_type: EventType = EventType.EQUIPMENT
    """X.733 event type."""
    object: str = ""
    """Name of the notification in its MIB."""
    when: list[Where] = Field(default_factory=list)
    """Variable bindings that must be there, by OID prefix, for this meaning to hold."""
    instance: Oid | None = None
    """Variable binding that says which part of the device it is."""

    @model_validator(mode="after")
    def _bindings(self) -> Self:
        if any(condition.column for condition in self.when):
            raise ValueError(_("a trap has no columns: write 'oid'"))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Modbus:
    """How a device's registers are written."""

    gencomm: bool = False
    """Page * 256 + offset, and the eight highest codes of each type say why there is no figure (GenComm)."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Write:
    """Registers written in one request."""

    register: Register
    """The first register."""
    values: Annotated[list[Register], Field(min_length=1)]
    """The words, in order."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Profile:
    """A family of devices that speak alike."""

    profile: Annotated[Literal[1], BeforeValidator(no_flag)]
    """Format version."""
    title: str
    """What the family is, for people."""
    kind: DeviceKind
    """What these devices are."""
    vendor: str = ""
    """Who makes them; the device's own word goes before."""
    mibs: list[str] = Field(default_factory=list)
    """MIB modules or register maps that were read for it."""
    note: str = ""
    """What an engineer should know of the family."""
    includes: list[Id] = Field(default_factory=list)
    """Profiles asked where this one has no good answer, in order."""
    identify: list[Identify] = Field(default_factory=list)
    """Ways to recognise the family; any of them is enough. None: chosen by the inventory only."""
    missing: Numbers = Field(default_factory=list)
    """Raw values that mean `no figure` everywhere in this profile."""
    modbus: Modbus | None = None
    """For devices asked over Modbus."""
    identity: dict[Literal["model", "vendor", "serial", "firmware"], list[Source]] = Field(default_factory=dict)
    """Where the device says what it is; the first that answers wins."""
    readings: dict[Metric, list[Source]] = Field(default_factory=dict)
    """Measured values by metric; of several sources the first good one wins, instance by instance."""
    states: dict[Metric, list[Source]] = Field(default_factory=dict)
    """States by name; of several sources the first whose value has a word wins, instance by instance."""
    without: list[Metric] = Field(default_factory=list)
    """Metrics and states of included profiles that this family gets wrong."""
    limits: dict[Metric, list[Limit]] = Field(default_factory=dict)
    """Thresholds worth a condition where the inventory has none of its own."""
    traps: list[Trap] = Field(default_factory=list)
    """What its notifications mean."""
    commands: dict[Id, list[Write]] = Field(default_factory=dict)
    """Register writes by the name of what they do. Nothing here acts: whoever may, asks for them."""
