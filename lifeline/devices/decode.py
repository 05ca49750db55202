"""Turns what a device answered into measurements and states with their quality. Pure, and never surprised.

Whatever a device says, nothing here raises: an answer that cannot be understood is a missing value with its reason.
Of several sources for a metric the first good one wins, instance by instance; a profile's own sources go before those
of the profiles it includes. A sentinel is a missing value; an implausible or contradicted one is suspect.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..i18n import _
from ..model.inventory import DeviceKind
from ..model.records import Quality, Reading
from .library import Family, Tier
from .model import Profile, Source
from .places import users
from .plain import ALL_ONES, plain
from .recording import Value, text_of
from .units import Unit, converter
from .vocabulary import Check, Health, Holds, MetricEntry

Answers = Mapping[str, Value] | Mapping[int, int]
"""What a device answered: SNMP objects by OID without a leading dot, or Modbus words by register."""

_NUMBER = re.compile(r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)\s*[A-Za-z%°µ/]{0,8}\s*\Z")
_GENCOMM = (
    "unimplemented", "over the measurable range", "under the measurable range", "transducer fault", "bad data",
    "high digital input", "low digital input", "reserved",
)  # fmt: skip
"""Deep Sea GenComm 10.1: the highest codes of each type, from the highest down."""
_MOST_PLACED = 100_000


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measured value in the vocabulary's unit. `value` is None exactly when `quality` is `missing`."""

    metric: str
    instance: str
    value: float | None
    unit: str
    quality: Quality
    reason: str
    place: str
    """OID or register it came from."""
    object: str
    """Name of the object in its MIB or register map."""

    @property
    def key(self) -> str:
        """Metric and instance in one word: `output.voltage[2]`."""
        return f"{self.metric}[{self.instance}]" if self.instance else self.metric

    def reading(self, subject: str, observed_at_ns: int) -> Reading:
        """Return the measurement as a reading of a subject."""
        return Reading(subject, self.key, self.value, self.unit, observed_at_ns, self.quality)


@dataclass(frozen=True, slots=True)
class State:
    """A named state."""

    name: str
    instance: str
    word: str
    health: Health
    reason: str
    place: str
    object: str

    @property
    def key(self) -> str:
        """Name and instance in one word."""
        return f"{self.name}[{self.instance}]" if self.instance else self.name


@dataclass(frozen=True, slots=True)
class Decoded:
    """All that a device said, understood."""

    profile: str
    kind: DeviceKind
    vendor: str
    model: str
    serial: str
    firmware: str
    measurements: tuple[Measurement, ...]
    states: tuple[State, ...]
    problems: tuple[str, ...]
    """What could not be used and why, one sentence each."""

    def all(self, metric: str) -> list[Measurement]:
        """Return every instance of a metric."""
        return [it for it in self.measurements if it.metric == metric]

    def value(self, metric: str, instance: str | None = None) -> float | None:
        """Return a metric's good value, or None; of several instances the one asked for, else the first good one."""
        return next((it.value for it in self.all(metric)
                     if it.quality is Quality.GOOD and instance in {None, it.instance}), None)  # fmt: skip

    def state(self, name: str, instance: str | None = None) -> str | None:
        """Return a state's word, or None when the device does not tell it or nobody knows what it means."""
        found = (it for it in self.states if it.name == name and instance in {None, it.instance})
        return next((it.word for it in found if it.health is not Health.UNKNOWN), None)

    def readings(self, subject: str, observed_at_ns: int) -> list[Reading]:
        """Return the measurements as readings of a subject."""
        return [it.reading(subject, observed_at_ns) for it in self.measurements]


def decode(family: Family, answers: Answers) -> Decoded:
    """Return what a device of a family said.

    Args:
        family: from `Library.family`.
        answers: as `Answers` says; objects the family does not know are ignored.
    """
    return decoder(family).decode(answers)


@dataclass(frozen=True, slots=True)
class _Raw:
    """An answer and where it came from."""

    instance: str
    value: Value
    place: str


class Decoder:
    """A family made ready: units resolved, words and patterns compiled, places of OIDs remembered."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self._columns = set(family.columns())
        self._placed: dict[str, tuple[str, str] | None] = {}
        self._units: dict[tuple[str, str], Unit] = {}
        self._words: dict[int, tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]] = {}
        self._users = users(family)
        self._plain = plain(family)
        for tiers in family.states.values():
            for source in (source for tier in tiers for source in tier.sources):
                self._words[id(source)] = _compiled(source.values)

    def decode(self, answers: Answers) -> Decoded:
        """Decode one set of answers."""
        rows = self.rows(answers)
        measurements = [
            it for metric, tiers in self.family.readings.items() for it in self._metric(metric, tiers, answers, rows)
        ]
        states = [it for name, tiers in self.family.states.items() for it in self._state(name, tiers, answers, rows)]
        measurements = self._checked(measurements, states)
        told = [f"{measured.key}: {measured.reason}" for measured in measurements if measured.reason]
        told += [f"{state.key}: {state.reason}" for state in states if state.reason]
        profile = self.family.profile
        who = {key: self._identity(tiers, answers, rows) for key, tiers in self.family.identity.items()}
        if profile.vendor and "vendor" not in profile.identity:
            who["vendor"] = profile.vendor  # an included profile knows no better than the family's own
        return Decoded(
            profile=self.family.name,
            kind=profile.kind,
            vendor=who.get("vendor") or profile.vendor,
            model=who.get("model", ""),
            serial=who.get("serial", ""),
            firmware=who.get("firmware", ""),
            measurements=tuple(measurements),
            states=tuple(states),
            problems=tuple(told),
        )

    def users(self, oid: str) -> frozenset[str]:
        """Return the metrics and states that an object has a part in."""
        place = self._placed.get(oid, _UNPLACED)
        if place is _UNPLACED:
            place = self._placed[oid] = self._place(oid)
        return self._users.get(place[0] if place else oid, _NOBODY)

    def again(self, before: Measurement, value: Value) -> Measurement | None:
        """Return a good measurement with a new raw value; None where that takes more than its unit and range.

        Args:
            before: as told in the round before.
            value: what its object holds now.
        """
        place = self._placed[before.place]
        found = self._plain.get(place[0] if place else before.place)
        if found is None or before.quality is not Quality.GOOD:
            return None
        now = found.value(value)
        if now is None:
            return None
        return Measurement(before.metric, before.instance, now, before.unit, Quality.GOOD, "", before.place,
                           before.object)  # fmt: skip

    def some(
        self, names: Iterable[str], answers: Answers, rows: Mapping[str, Mapping[str, Value]]
    ) -> tuple[list[Measurement], list[State]]:
        """Decode some metrics and states only; what they contradict is not looked at.

        Args:
            names: of metrics and states.
            answers: all of the device's.
            rows: its tables' cells, as `rows` returns them.
        """
        measurements: list[Measurement] = []
        states: list[State] = []
        for name in names:
            if (tiers := self.family.readings.get(name)) is not None:
                measurements += self._metric(name, tiers, answers, rows)
            elif (tiers := self.family.states.get(name)) is not None:
                states += self._state(name, tiers, answers, rows)
        return measurements, states

    def rows(self, answers: Answers) -> dict[str, dict[str, Value]]:
        """Return the tables' cells: column -> index -> value."""
        rows: dict[str, dict[str, Value]] = {}
        if not self._columns:
            return rows
        if len(self._placed) > _MOST_PLACED:
            self._placed.clear()  # an agent that invents new instances for ever
        for oid, value in answers.items():
            if not isinstance(oid, str):
                break
            place = self._placed.get(oid, _UNPLACED)
            if place is _UNPLACED:
                place = self._placed[oid] = self._place(oid)
            if place is not None:
                rows.setdefault(place[0], {})[place[1]] = value
        return rows

    def place(self, oid: str) -> tuple[str, str] | None:
        """Return the column and the row of a cell; None for a scalar."""
        self.users(oid)
        return self._placed[oid]

    def _place(self, oid: str) -> tuple[str, str] | None:
        cut = len(oid)
        while (cut := oid.rfind(".", 0, cut)) > 0:
            if oid[:cut] in self._columns:
                return oid[:cut], oid[cut + 1 :]
        return None

    def _raws(self, source: Source, answers: Answers, rows: Mapping[str, Mapping[str, Value]]) -> Iterator[_Raw]:
        """Yield what a source was answered: nothing, one scalar or register, or a column's rows."""
        asked: Mapping[Any, Any] = answers
        for condition in source.where:
            if condition.oid and not (condition.oid in asked and condition.keeps(text_of(asked[condition.oid], 80))):
                return
        if source.column is not None:
            yield from _cells(source, rows)
        elif source.register is not None:
            words = [asked.get(source.register + n) for n in range(source.words)]
            if all(isinstance(word, int) and 0 <= word <= 0xFFFF for word in words):
                number = 0
                for word in words:
                    number = number << 16 | int(word or 0)
                yield _Raw(source.instance, number, source.place)
        elif isinstance(value := asked.get(source.oid), int | float | str | bytes):
            yield _Raw(source.instance, value, source.place)

    def _metric(
        self, metric: str, tiers: Iterable[Tier], answers: Answers, rows: Mapping[str, Mapping[str, Value]]
    ) -> list[Measurement]:
        """Return the best measurement of each instance of a metric."""
        entry = self.family.vocabulary.metrics[metric]
        best: dict[str, tuple[int, Measurement]] = {}
        for tier in tiers:
            for source in tier.sources:
                if _absent(source, answers, rows):
                    continue
                for raw in self._raws(source, answers, rows):
                    found = self._measured(metric, entry, tier.profile, source, raw, rows)
                    rank = _rank(found, source)
                    if raw.instance not in best or rank < best[raw.instance][0]:
                        best[raw.instance] = rank, found
            if any(rank == 0 for rank, _found in best.values()):
                break  # included profiles would only tell the same again, under other instances
        return [found for _rank_of_it, found in best.values()]

    def _measured(
        self, metric: str, entry: MetricEntry, profile: Profile, source: Source, raw: _Raw,
        rows: Mapping[str, Mapping[str, Value]],
    ) -> Measurement:  # fmt: skip
        """Return one raw answer as a measurement."""
        number, reason = _number(source, profile, raw.value, ranged=entry.range is not None)
        value = None
        quality = Quality.MISSING
        if number is not None:
            unit = self._unit(source.unit, entry.unit)
            value, reason = _scaled(number * _exponent(source, raw, rows), unit)
            low, high = source.range or entry.range or (-math.inf, math.inf)
            if value is None:
                pass
            elif low <= value <= high:
                quality, reason = (Quality.SUSPECT, source.doubt) if source.doubt else (Quality.GOOD, "")
            elif number == -1 and low >= 0:
                value, reason = None, _("-1 stands for no figure")
            else:
                quality = Quality.SUSPECT
                reason = _("{value:g} {unit} lies outside {low:g} to {high:g}").format(
                    value=value, unit=entry.unit, low=low, high=high)  # fmt: skip
        return Measurement(metric, raw.instance, value, entry.unit, quality, reason, raw.place, source.object)

    def _unit(self, source: str, target: str) -> Unit:
        unit = self._units.get((source, target))
        if unit is None:
            unit = self._units[source, target] = converter(source, target)
        return unit

    def _state(
        self, name: str, tiers: Iterable[Tier], answers: Answers, rows: Mapping[str, Mapping[str, Value]]
    ) -> list[State]:
        """Return each instance of a state, from the first source whose value has a word."""
        entry = self.family.vocabulary.state(name)
        assert entry is not None
        found: dict[str, State] = {}
        for tier in tiers:
            for source in tier.sources:
                if _absent(source, answers, rows):
                    continue
                exact, patterns = self._words[id(source)]
                for raw in self._raws(source, answers, rows):
                    known = found.get(raw.instance)
                    if known is not None and not known.reason:
                        continue
                    text = _state_text(source, raw.value)
                    word = exact.get(text.lower()) or next((w for p, w in patterns if p.search(text)), None)
                    if word is not None:
                        health = entry.words[word]
                        found[raw.instance] = State(name, raw.instance, word, health, "", raw.place, source.object)
                    elif known is None:
                        reason = _("{value!r} has no meaning that is known").format(value=text[:40])
                        found[raw.instance] = State(
                            name, raw.instance, "unknown", Health.UNKNOWN, reason, raw.place, source.object
                        )
            if any(not state.reason for state in found.values()):
                break
        return list(found.values())

    def _identity(self, tiers: Iterable[Tier], answers: Answers, rows: Mapping[str, Mapping[str, Value]]) -> str:
        for source in (source for tier in tiers for source in tier.sources if not _absent(source, answers, rows)):
            for raw in self._raws(source, answers, rows):
                text = text_of(raw.value, 200)
                if source.pattern:
                    match = re.search(source.pattern, text)
                    text = (match.group(1) if match and match.re.groups else "") or ""
                if text:
                    return text
        return ""

    def _checked(self, measurements: list[Measurement], states: list[State]) -> list[Measurement]:
        """Return the measurements with those doubted that contradict something else the device says."""
        for check in self.family.vocabulary.checks:
            if self.family.profile.kind in check.kinds and all(_holds(it, measurements, states) for it in check.when):
                measurements = [_doubted(it, check) if it.metric in check.metrics else it for it in measurements]
        return measurements


_UNPLACED = ("", "")
_NOBODY: frozenset[str] = frozenset()


def _absent(source: Source, answers: Answers, rows: Mapping[str, Mapping[str, Value]]) -> bool:
    """Tell at once that a source was answered nothing: true of most sources of most families, in every round."""
    if source.column is not None:
        return source.column not in rows
    return (source.oid or source.register) not in answers


def _rank(measurement: Measurement, source: Source) -> int:
    """Order by worth: good, doubted by its profile, implausible, missing."""
    if measurement.quality is Quality.SUSPECT:
        return 1 if measurement.reason == source.doubt else 2
    return 0 if measurement.quality is Quality.GOOD else 3


@lru_cache(maxsize=256)
def decoder(family: Family) -> Decoder:
    """Return what decodes a family's answers, made once."""
    return Decoder(family)


def _compiled(values: Mapping[str, str]) -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    exact, patterns = {}, []
    for key, word in values.items():
        if len(key) > 2 and key.startswith("/") and key.endswith("/"):
            patterns.append((re.compile(key[1:-1], re.IGNORECASE), word))
        else:
            exact[key.lower()] = word
    return exact, patterns


def _cells(source: Source, rows: Mapping[str, Mapping[str, Value]]) -> Iterator[_Raw]:
    """Yield a column's cells under their rows' names."""
    assert source.column is not None
    labels = rows.get(source.label, {}) if source.label else {}
    conditions = [(it, rows.get(it.column, {})) for it in source.where if it.column]
    taken: set[str] = set()
    for index, value in rows.get(source.column, {}).items():
        if not all(it.keeps(text_of(cells.get(index, ""), 80)) for it, cells in conditions):
            continue
        name = text_of(labels[index], 64) if index in labels else ""
        name = name or index
        if name in taken:
            name = f"{name} {index}"
        taken.add(name)
        yield _Raw(f"{source.instance} {name}" if source.instance else name, value, f"{source.column}.{index}")


def _number(source: Source, profile: Profile, value: Value, *, ranged: bool) -> tuple[float | None, str]:
    """Return a raw answer as a number, or None and why it is none."""
    if isinstance(value, str | bytes):
        text = text_of(value)
        if source.pattern:
            match = re.search(source.pattern, text)
            text = (match.group(1) if match and match.re.groups else "") or ""
        found = _NUMBER.match(text)
        if found is None:
            return None, _("{text!r} is no number").format(text=text[:40])
        number = float(found.group(1))
        raw = number
    else:
        if not -(2**64) <= value <= 2**64:
            return None, _("beyond 64 bits")
        if source.mask is not None:
            value = (int(value) & source.mask) >> (source.mask & -source.mask).bit_length() - 1
        raw = value
        number = float(value)
    if raw in source.missing or raw in profile.missing:
        return None, _("{raw:g} stands for no figure").format(raw=raw)
    bits = 16 * source.words if source.register is not None else 32
    if profile.modbus and profile.modbus.gencomm and source.register is not None:
        top = (1 << bits - source.signed) - 1
        if 0 <= top - raw < len(_GENCOMM):
            return None, _GENCOMM[int(top - raw)]
    if source.signed and raw >= 1 << bits - 1 and raw < 1 << bits:
        number -= float(1 << bits)
    if ranged and raw in ALL_ONES:
        return None, _("{raw} has all bits set: no figure").format(raw=int(raw))
    return number, ""


def _exponent(source: Source, raw: _Raw, rows: Mapping[str, Mapping[str, Value]]) -> float:
    """Return the factor that a row's own columns name (RFC 3433)."""
    if source.column is None or (source.precision_column is None and source.scale_column is None):
        return 1.0
    index = raw.place[len(source.column) + 1 :]
    precision = rows.get(source.precision_column or "", {}).get(index, 0)
    scale = rows.get(source.scale_column or "", {}).get(index, 9)
    power = 0
    if isinstance(precision, int) and -8 <= precision <= 9:
        power -= precision
    if isinstance(scale, int) and 1 <= scale <= 17:
        power += 3 * (scale - 9)
    return float(10.0**power)


def _scaled(number: float, unit: Unit) -> tuple[float | None, str]:
    if unit.factor == 1 and not unit.offset and number.is_integer():
        return number, ""  # a counter's every digit counts
    value = number * unit.factor + unit.offset
    if not math.isfinite(value):
        return None, _("not finite")
    return float(f"{value:.12g}"), ""  # 408 tenths are 40.8, not 40.800000000000004


def _state_text(source: Source, value: Value) -> str:
    if source.mask is not None and isinstance(value, int):
        return str((value & source.mask) >> (source.mask & -source.mask).bit_length() - 1)
    text = text_of(value)
    if source.pattern:
        match = re.search(source.pattern, text)
        text = (match.group(1) if match and match.re.groups else "") or ""
    return text.strip()


def _holds(what: Holds, measurements: Iterable[Measurement], states: Iterable[State]) -> bool:
    if what.state is not None:
        return any(it.name == what.state and it.word in what.words for it in states)
    values = [it.value for it in measurements if it.metric == what.metric and it.quality is Quality.GOOD]
    return bool(values) and all(
        value is not None and (what.below is None or value < what.below) and (what.above is None or value > what.above)
        for value in values
    )


def _doubted(measurement: Measurement, check: Check) -> Measurement:
    if measurement.quality is not Quality.GOOD:
        return measurement
    value = None if check.quality is Quality.MISSING else measurement.value
    return dataclasses.replace(measurement, quality=check.quality, value=value, reason=check.because)
