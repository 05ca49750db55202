"""Loads the vocabulary and the profiles; every mistake names file, line, column and the nearest valid name.

The profiles that ship lie beside this module. A directory of an installation's own goes before them: a file of the
same name replaces one that ships.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from ..config.document import Document
from ..config.problems import ConfigError, Finding, did_you_mean
from ..config.shape import SchemaWriter, tell
from ..i18n import _
from .model import Profile, Source
from .units import converter
from .vocabulary import Vocabulary

_SHIPPED = Path(__file__).parent
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Tier:
    """The sources that one profile has for a name; a later tier is asked where an earlier one has no good answer."""

    profile: Profile
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Family:
    """A profile with what it includes: what the engine decodes by. Compared by identity, made once per library."""

    name: str
    profile: Profile
    vocabulary: Vocabulary
    readings: Mapping[str, tuple[Tier, ...]]
    states: Mapping[str, tuple[Tier, ...]]
    identity: Mapping[str, tuple[Tier, ...]]
    limits: Mapping[str, Any]
    traps: tuple[Any, ...]

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def sources(self) -> Iterator[Source]:
        """Yield every source, the included profiles' as well."""
        for table in (self.identity, self.readings, self.states):
            for tiers in table.values():
                for tier in tiers:
                    yield from tier.sources

    def scalars(self) -> list[str]:
        """Return the OIDs to GET."""
        found: dict[str, None] = {}
        for source in self.sources():
            found.update(dict.fromkeys(oid for oid in (source.oid, *(it.oid for it in source.where)) if oid))
        return list(found)

    def columns(self) -> list[str]:
        """Return the columns to walk, those that name or choose rows as well."""
        found: dict[str, None] = {}
        for source in self.sources():
            if source.column:
                conditions = (condition.column for condition in source.where)
                others = (source.label, *conditions, source.precision_column, source.scale_column)
                found.update(dict.fromkeys(column for column in (source.column, *others) if column))
        return list(found)

    def registers(self, gap: int = 8, most: int = 100) -> list[tuple[int, int]]:
        """Return the spans (first register, count) to read.

        Args:
            gap: read on over this many registers nobody asked for rather than start a new request.
            most: registers in one request; Modbus allows 125.
        """
        wanted = sorted({(s.register, s.words) for s in self.sources() if s.register is not None})
        page = 256 if self.profile.modbus and self.profile.modbus.gencomm else 65536
        spans: list[tuple[int, int]] = []
        for first, words in wanted:
            if spans:
                start, count = spans[-1]
                near = first <= start + count + gap and first // page == start // page
                if near and first + words - start <= most:
                    spans[-1] = (start, max(count, first + words - start))
                    continue
            spans.append((first, words))
        return spans


@dataclass(frozen=True)
class Library:
    """All profiles, checked against one another and the vocabulary."""

    vocabulary: Vocabulary
    profiles: Mapping[str, Profile]
    families: Mapping[str, Family] = field(default_factory=dict)

    def family(self, name: str) -> Family:
        """Return a profile's family.

        Raises:
            KeyError: there is no profile of that name; the text says which is near.
        """
        if name not in self.families:
            raise KeyError(did_you_mean(name, self.families, _("there are"))[1])
        return self.families[name]


@cache
def shipped() -> Library:
    """Return the library that ships, read once.

    Raises:
        ConfigError: a shipped file has a mistake, which tests keep from happening.
    """
    return load_library()


def load_library(*directories: Path) -> Library:
    """Read the vocabulary and the profiles: those that ship and, before them, those of further directories.

    Raises:
        ConfigError: with every mistake of every file.
    """
    document = Document.read(_SHIPPED / "vocabulary.yml")
    vocabulary, findings = _build(document.data, Vocabulary)
    problems = [*document.problems, *map(document.problem, findings)]
    files = {path.stem: path for where in (_SHIPPED / "profiles", *directories) for path in sorted(where.glob("*.yml"))}
    profiles: dict[str, Profile] = {}
    documents: dict[str, Document] = {}
    for name, path in files.items():
        try:
            documents[name] = document = Document.read(path)
        except ConfigError as error:
            problems += error.problems
            continue
        profile, findings = _build(document.data, Profile)
        problems += [*document.problems, *map(document.problem, findings)]
        if profile is not None:
            profiles[name] = profile
    if vocabulary is not None:
        for name, profile in profiles.items():
            findings = check(name, profile, vocabulary, files)
            problems += map(documents[name].problem, findings)
    if problems or vocabulary is None:
        raise ConfigError(sorted(problems, key=lambda it: (it.file, it.line or 0, it.column or 0)))
    families = {name: _family(name, profiles, vocabulary) for name in profiles}
    return Library(vocabulary, profiles, families)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a profile."""
    written = TypeAdapter(Profile).json_schema(schema_generator=SchemaWriter)
    return {"$schema": GenerateJsonSchema.schema_dialect, **written, "title": "lifeline device profile"}


def _build(data: Any, model: type[_T]) -> tuple[_T | None, list[Finding]]:
    try:
        # As JSON, strictly: exactly as the published schema has it.
        return TypeAdapter(model).validate_json(json.dumps(data), strict=True), []
    except ValidationError as error:
        return None, tell(error.errors(include_url=False), model)


def check(name: str, profile: Profile, vocabulary: Vocabulary, names: Iterable[str]) -> list[Finding]:
    """Return what a profile says that the vocabulary, or the other profiles, do not know."""
    findings: list[Finding] = []
    others = [it for it in names if it != name]
    for index, included in enumerate(profile.includes):
        if included not in others:
            findings.append(_unknown(("includes", index), included, others))
    for metric, sources in profile.readings.items():
        entry = vocabulary.metric(metric)
        if entry is None:
            findings.append(_unknown(("readings", metric), metric, vocabulary.metrics, at_key=True))
            continue
        for index, source in enumerate(sources):
            try:
                converter(source.unit, entry.unit)
            except ValueError as error:
                findings.append(Finding(("readings", metric, index, "unit"), str(error)))
            findings += _range(source, ("readings", metric, index, "range"))
    for state, sources in profile.states.items():
        known = vocabulary.state(state)
        if known is None:
            findings.append(_unknown(("states", state), state, vocabulary.states, at_key=True))
            continue
        for index, source in enumerate(sources):
            path = ("states", state, index)
            if not source.values:
                findings.append(Finding(path, _("a state needs 'values'")))
            findings += [
                _unknown((*path, "values", raw), word, known.words)
                for raw, word in source.values.items() if word not in known.words
            ]  # fmt: skip
    for section, used in (("limits", profile.limits), ("without", profile.without)):
        for index, metric in enumerate(used):
            if vocabulary.metric(metric) is None and (section == "limits" or vocabulary.state(metric) is None):
                step: str | int = metric if section == "limits" else index
                findings.append(_unknown((section, step), metric, vocabulary.metrics, at_key=section == "limits"))
    return findings


def _range(source: Source, path: tuple[str | int, ...]) -> list[Finding]:
    if source.range and source.range[0] > source.range[1]:
        return [Finding(path, _("must be the least and the greatest value, in this order"))]
    return []


def _unknown(path: tuple[str | int, ...], word: str, known: Iterable[str], *, at_key: bool = False) -> Finding:
    hint = did_you_mean(word, known, _("there are"))[1]
    return Finding(path, _("unknown name {word!r}").format(word=word), hint, at_key=at_key)


def _family(name: str, profiles: Mapping[str, Profile], vocabulary: Vocabulary) -> Family:
    chain = _chain(name, profiles)
    readings: dict[str, list[Tier]] = {}
    states: dict[str, list[Tier]] = {}
    identity: dict[str, list[Tier]] = {}
    limits: dict[str, Any] = {}
    dropped: set[str] = set()
    for profile in chain:
        for table, sources in ((readings, profile.readings), (states, profile.states), (identity, profile.identity)):
            for key, listed in sources.items():
                if key not in dropped:
                    table.setdefault(key, []).append(Tier(profile, tuple(listed)))
        dropped.update(profile.without)
        limits = {**profile.limits, **limits}
    return Family(
        name,
        profiles[name],
        vocabulary,
        {key: tuple(tiers) for key, tiers in readings.items()},
        {key: tuple(tiers) for key, tiers in states.items()},
        {key: tuple(tiers) for key, tiers in identity.items()},
        limits,
        tuple(trap for profile in chain for trap in profile.traps),
    )


def _chain(name: str, profiles: Mapping[str, Profile]) -> list[Profile]:
    """Return a profile and what it includes, nearest first, each once: a circle ends where it began."""
    order: dict[str, None] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop(0)
        if current not in order:
            order[current] = None
            waiting += profiles[current].includes
    return [profiles[it] for it in order]
