"""A site's power plant: what feeds it, what bridges, what burns, what it must keep alive, and how these hang together.

The plant is a graph. Feeds and generators are its sources, transfer switches choose or join them, UPS groups and DC
plants convert and bridge, loads end it. A part names what it is fed from; a part that names nothing is fed from the
plant's main distribution, an automatic transfer switch behind all feeds and generators that nothing else takes.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from ..i18n import _
from .fields import STRICT, Id

MAIN = "main"
"""The distribution that feeds whatever names no input."""

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]

BURN_LOADS_PCT = (0, 25, 50, 75, 100)
"""Loads of a burn table, per cent of the rating."""
_LEAST_L_PER_KWH = 0.18
"""Diesel holds 10 kWh a litre; an engine that burnt less than this would turn 55 % of it into electricity."""
_MOST_L_PER_KWH = 1.0


class Technology(StrEnum):
    """What a battery is made of; temperature, ageing and discharge follow from it."""

    VRLA = "vrla"
    FLOODED = "flooded"
    NICD = "nicd"
    LFP = "lfp"


class Control(StrEnum):
    """What may be commanded at a part of the plant, once the inventory lists it."""

    START = "start"
    STOP = "stop"
    BATTERY_TEST = "battery-test"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True, config=STRICT)
class Monitor:
    """How a part of the plant is asked how it is."""

    device: Id
    """The site's device that answers."""
    protocol: Literal["nut", "snmp", "modbus"]
    """What it speaks."""
    name: str = ""
    """NUT: the UPS's name at its upsd; Modbus: the register map, the device's profile where empty."""
    unit: Annotated[int, Field(ge=0, le=247)] = 1
    """Modbus: the device's unit identifier."""
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """TCP or UDP port; the protocol's own where empty."""
    poll_s: Annotated[float, Field(ge=1, le=3600)] = 10.0
    """How often it is asked, s. What is older than three of these is stale."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.protocol == "nut" and not self.name:
            raise ValueError(_("NUT needs the UPS's 'name' at its upsd"))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class UtilityFeed:
    """An external supply."""

    rated_kw: Positive
    """Real power it may deliver, kW."""
    substation: str = ""
    """The substation behind it: feeds from one substation fail together."""
    monitor: Monitor | None = None
    """What tells whether it is there."""


@dataclass(frozen=True, slots=True, config=STRICT)
class TransferSwitch:
    """A switch between sources, or a bus that joins them."""

    inputs: Annotated[list[Id], Field(min_length=1)]
    """What feeds it, preferred first."""
    kind: Literal["ats", "sts", "bus"] = "ats"
    """ats, sts: takes the first input that lives. bus: all that live; generators on it run in parallel, as many as the
    load needs."""
    rated_kw: Positive | None = None
    """Rating, kW."""
    transfer_s: NotNegative = 1.0
    """Time from a source's readiness until it carries, s."""
    monitor: Monitor | None = None
    """What tells its position."""
    controls: list[Control] = Field(default_factory=list)
    """Commands that are admitted; none by default."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Tank:
    """A fuel tank of its own: shared by generators, or a day tank that a pump refills."""

    capacity_l: Positive
    """Volume, litres."""
    usable_fraction: Share = 0.9
    """Share of the volume above the suction pipe."""
    refill_from: Id | None = None
    """The bulk tank that a pump refills this day tank from."""
    pump_l_per_h: Positive | None = None
    """What that pump delivers, litres per hour."""
    filled: date | None = None
    """When its fuel was delivered or last polished."""
    monitor: Monitor | None = None
    """What tells its level; the generator's controller where empty."""

    @model_validator(mode="after")
    def _pumped(self) -> Self:
        if (self.refill_from is None) is not (self.pump_l_per_h is None):
            raise ValueError(_("'refill_from' and 'pump_l_per_h' need one another"))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Generator:
    """A standby generator set, with a tank of its own or fed from one of the plant's tanks."""

    rated_kw: Positive
    """Standby rating, kW."""
    tank_l: NotNegative | None = None
    """Volume of its own tank, litres."""
    tank: Id | None = None
    """The plant's tank that feeds it, instead of its own."""
    usable_fraction: Share = 0.9
    """Share of its own tank above the suction pipe."""
    filled: date | None = None
    """When the fuel in its own tank was delivered or last polished."""
    burn_l_per_h: Annotated[list[Positive], Field(min_length=4, max_length=5)] | None = None
    """Fuel burnt at 25, 50, 75 and 100 % of the rating, from the data sheet, l/h; with five figures the first is at
    0 %. What the data sheet does not give below 25 % is extrapolated."""
    burn_l_per_h_full_load: Positive | None = None
    """Fuel burnt at full load, l/h, where the data sheet gives no table."""
    start_s: NotNegative = 10.0
    """From the start command until it can carry load, s."""
    start_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Attempts before its controller gives up."""
    crank_cycle_s: Positive = 30.0
    """Cranking and rest of an attempt that fails, s; NFPA 110 has 15 and 15."""
    start_probability: Share = 0.995
    """Chance that it starts when called, all attempts together."""
    mttf_h: Positive = 1700.0
    """Mean time to failure while it runs, h; NREL/TP-5C00-76553 found 1,662 for well-kept sets and 61 for neglected."""
    monitor: Monitor | None = None
    """Its controller."""
    controls: list[Control] = Field(default_factory=list)
    """Commands that are admitted; none by default."""

    @model_validator(mode="after")
    def _one_tank(self) -> Self:
        if (self.tank is None) is (self.tank_l is None):
            raise ValueError(_("needs exactly one of 'tank_l', its own tank, and 'tank', one of the plant's"))
        return self

    @model_validator(mode="after")
    def _burns_as_engines_do(self) -> Self:
        table = self.burn_l_per_h
        if table is not None and self.burn_l_per_h_full_load is not None:
            raise ValueError(_("give 'burn_l_per_h' or 'burn_l_per_h_full_load', not both"))
        if table is not None and any(more <= less for less, more in pairwise(table)):
            raise ValueError(_("'burn_l_per_h' must grow with the load, is {table}").format(table=table))
        full_l_per_h = table[-1] if table else self.burn_l_per_h_full_load
        if full_l_per_h is not None:
            l_per_kwh = full_l_per_h / self.rated_kw
            if not _LEAST_L_PER_KWH <= l_per_kwh <= _MOST_L_PER_KWH:
                message = _("{burn:g} l/h at {rated:g} kW are {each:.2g} l/kWh; diesel engines burn {least} to {most}")
                raise ValueError(
                    message.format(
                        burn=full_l_per_h,
                        rated=self.rated_kw,
                        each=l_per_kwh,
                        least=_LEAST_L_PER_KWH,
                        most=_MOST_L_PER_KWH,
                    )
                )
        if table is not None and 2 * table[-4] - table[-3] < 0:
            message = _("'burn_l_per_h' is {quarter:g} at 25 % and {half:g} at 50 %: idling would make fuel")
            raise ValueError(message.format(quarter=table[-4], half=table[-3]))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Discharge:
    """A point of the manufacturer's constant-power table, at 20 to 25 degrees and the end voltage in use."""

    minutes: Positive
    """How long."""
    kw: Positive
    """Power of one string over that time, kW."""


_MONITORED_RATE_H = {Technology.VRLA: 10.0, Technology.FLOODED: 10.0, Technology.NICD: 5.0, Technology.LFP: 5.0}


@dataclass(frozen=True, slots=True, config=STRICT)
class BatteryString:
    """Equal strings of cells in parallel."""

    technology: Technology
    """What they are made of."""
    capacity_kwh: Positive
    """Energy of one new string at its rated discharge time and 25 degrees, kWh."""
    count: Annotated[int, Field(ge=1)] = 1
    """Strings of this kind in parallel."""
    rate_h: Positive | None = None
    """Discharge time that the capacity is stated for, h; 10 for lead, 5 for others where empty."""
    installed: date | None = None
    """When it was installed; unknown counts as at the end of its life."""
    design_life_y: Positive = 10.0
    """Years until it holds 80 % (IEEE 450, IEEE 1188)."""
    constant_power: list[Discharge] = Field(default_factory=list)
    """The manufacturer's constant-power table of one string, the best model there is."""
    kibam_c: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Kinetic battery model: share of the charge that is available at once."""
    kibam_k_per_h: Positive | None = None
    """Kinetic battery model: rate constant k', 1/h."""
    peukert: Annotated[float, Field(ge=1, le=1.6)] | None = None
    """Peukert's exponent."""

    @property
    def rated_h(self) -> float:
        """The discharge time that the capacity is stated for, h."""
        return self.rate_h or _MONITORED_RATE_H[self.technology]

    @model_validator(mode="after")
    def _models(self) -> Self:
        if (self.kibam_c is None) is not (self.kibam_k_per_h is None):
            raise ValueError(_("'kibam_c' and 'kibam_k_per_h' need one another"))
        table = self.constant_power
        if len(table) == 1:
            raise ValueError(_("'constant_power' needs two points or more"))
        for less, more in pairwise(table):
            if more.minutes <= less.minutes or more.kw >= less.kw:
                raise ValueError(_("'constant_power' must give less power for more minutes"))
            if more.minutes * more.kw < less.minutes * less.kw:
                message = _("'constant_power' gives less energy in {more:g} minutes than in {less:g}")
                raise ValueError(message.format(more=more.minutes, less=less.minutes))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Ups:
    """A UPS group of equal modules."""

    module_kw: Positive
    """Rating of one module, kW."""
    modules: Annotated[int, Field(ge=1)] = 1
    """Modules installed."""
    modules_needed: Annotated[int, Field(ge=1)] = 1
    """Modules that the design load needs; the others are the redundancy."""
    battery_kwh: NotNegative = 0.0
    """Energy of the battery when new, kWh, where its strings are not described: lead at its 10 h rate is assumed."""
    strings: dict[Id, BatteryString] = Field(default_factory=dict)
    """Its battery strings by id."""
    efficiency: Share = 0.93
    """Output by input power, on mains and on battery."""
    input: Id | None = None
    """What feeds it; the main distribution where empty."""
    bypass: bool = True
    """Whether a static bypass feeds the load when the modules cannot. On bypass nothing bridges."""
    monitor: Monitor | None = None
    """How it is asked."""
    controls: list[Control] = Field(default_factory=list)
    """Commands that are admitted; none by default."""

    @property
    def rated_kw(self) -> float:
        """Rating of all modules, kW."""
        return self.module_kw * self.modules

    @model_validator(mode="after")
    def _enough_modules(self) -> Self:
        if self.modules_needed > self.modules:
            raise ValueError(_("needs {needed} modules but has {n}").format(needed=self.modules_needed, n=self.modules))
        return self

    @model_validator(mode="after")
    def _one_battery(self) -> Self:
        if self.battery_kwh and self.strings:
            raise ValueError(_("give 'battery_kwh' or 'strings', not both"))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class DcPlant:
    """A rectifier plant with its batteries on the DC bus."""

    rectifier_kw: Positive
    """Rating of one rectifier, kW."""
    rectifiers: Annotated[int, Field(ge=1)] = 1
    """Rectifiers installed."""
    rectifiers_needed: Annotated[int, Field(ge=1)] = 1
    """Rectifiers that the design load needs."""
    strings: dict[Id, BatteryString] = Field(default_factory=dict)
    """Its battery strings by id."""
    efficiency: Share = 0.94
    """Output by input power. On battery the load hangs on the bus and loses nothing."""
    input: Id | None = None
    """What feeds it; the main distribution where empty."""
    monitor: Monitor | None = None
    """How it is asked."""
    controls: list[Control] = Field(default_factory=list)
    """Commands that are admitted; none by default."""

    @property
    def rated_kw(self) -> float:
        """Rating of all rectifiers, kW."""
        return self.rectifier_kw * self.rectifiers

    @model_validator(mode="after")
    def _enough_rectifiers(self) -> Self:
        if self.rectifiers_needed > self.rectifiers:
            raise ValueError(
                _("needs {needed} rectifiers but has {n}").format(needed=self.rectifiers_needed, n=self.rectifiers)
            )
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Load:
    """Something that needs power."""

    kw: Positive
    """Design load, kW."""
    inputs: Annotated[list[Id], Field(min_length=1)]
    """What feeds it; a load with several inputs draws equally from those that live, and lives while one does."""
    priority: Annotated[int, Field(ge=1, le=9)] = 1
    """1 is kept to the last; the site is dark when a load of its best priority is. Higher numbers are shed first."""
    kind: Literal["equipment", "cooling", "other"] = "equipment"
    """Cooling is taken at its design load where it is not measured."""
    name: str = ""
    """Name in English; the id where empty."""
    name_zh: str = ""
    """Name in Chinese; the English one where empty."""


@dataclass(frozen=True, slots=True, config=STRICT)
class PowerPlant:
    """A site's power: what feeds it, what bridges, what it must reach alone."""

    target_autonomy_h: Positive
    """Hours it must last alone; the plan asks 72 of a wired core room and 8 of an 800 MHz core room."""
    design_load_kw: Positive
    """Load it was designed for, cooling not included, kW."""
    feeds: dict[Id, UtilityFeed] = Field(default_factory=dict)
    """External supplies by id."""
    switches: dict[Id, TransferSwitch] = Field(default_factory=dict)
    """Transfer switches and buses by id."""
    tanks: dict[Id, Tank] = Field(default_factory=dict)
    """Fuel tanks by id, beside those that are a generator's own."""
    generators: dict[Id, Generator] = Field(default_factory=dict)
    """Standby generator sets by id."""
    ups: dict[Id, Ups] = Field(default_factory=dict)
    """UPS groups by id."""
    dc_plants: dict[Id, DcPlant] = Field(default_factory=dict)
    """Rectifier plants by id."""
    loads: dict[Id, Load] = Field(default_factory=dict)
    """Loads by id; one load on all UPS groups and DC plants where empty."""
    fuel_delivery_h: Positive | None = None
    """Time from calling for fuel until it is in the tank, h."""
    start_margin: Annotated[float, Field(ge=1)] = 2.0
    """How many times all start attempts and the transfer the battery must bridge for the generators to count."""
    design_margin: Annotated[float, Field(ge=1, le=2)] = 1.1
    """Design margin on batteries (IEEE 485 6.2.2): the lower end of a battery's interval is divided by it."""
    common_cause: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of generator failures that take all sets at once: fuel quality, ventilation, controls (beta factor)."""
    test_every_d: Positive | None = None
    """Days within which batteries and generators must have been tested."""
