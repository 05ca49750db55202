"""Reads playbook files: all mistakes at once, each with its place, and nothing loaded from a file that has one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from lifeline.config.document import Document
from lifeline.config.problems import ConfigError, Finding, KeyPath, Problem, did_you_mean
from lifeline.config.shape import SchemaWriter, tell
from lifeline.i18n import _

from .core.playbook.expressions import ExpressionError, holes, names_in, parse
from .core.playbook.model import Playbook
from .schedules import ScheduleError, trigger_of

SUFFIX: Final = ".yml"
_EXPRESSIONS: Final = frozenset({"that", "when"})
"""Keys whose whole text is an expression."""
_KNOWN: Final = frozenset({"trigger", "steps", "value", "age_s", "run"})


@cache
def _adapter() -> TypeAdapter[Playbook]:
    return TypeAdapter(Playbook)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a playbook file."""
    written = _adapter().json_schema(schema_generator=SchemaWriter)
    return {"$schema": GenerateJsonSchema.schema_dialect, "title": "lifeline playbook", **written}


def load_playbook(path: Path, kinds: Iterable[str]) -> Playbook:
    """Read and check a file.

    Args:
        path: the YAML file.
        kinds: the kinds of steps there are.

    Raises:
        ConfigError: with every problem of the file, in its order.
    """
    return _checked(Document.read(path), kinds)


def parse_playbook(text: str, kinds: Iterable[str], file: str = "playbook") -> Playbook:
    """Check a playbook given as text.

    Raises:
        ConfigError: with every problem of the text, in its order.
    """
    return _checked(Document(text, file), kinds)


def shipped() -> Path:
    """Return the directory of the playbooks that come with the program."""
    return Path(str(files("failover"))) / "playbooks"


def load_all(directories: Iterable[Path], kinds: Iterable[str]) -> tuple[dict[str, Playbook], list[Problem]]:
    """Read all playbooks of some directories; a later directory's replaces an earlier one's of the same name.

    Returns:
        The sound ones by name, and the problems of the others.
    """
    known, names = tuple(kinds), dict[str, Playbook]()
    problems: list[Problem] = []
    for directory in directories:
        for path in sorted(directory.glob(f"*{SUFFIX}")):
            try:
                playbook = load_playbook(path, known)
            except ConfigError as error:
                problems += error.problems
            else:
                names[playbook.playbook] = playbook
    return names, problems


def _checked(document: Document, kinds: Iterable[str]) -> Playbook:
    playbook: Playbook | None = None
    try:
        playbook = _adapter().validate_json(json.dumps(document.data), strict=True)
        findings: list[Finding] = []
    except ValidationError as error:
        findings = tell(error.errors(include_url=False), Playbook)
    if playbook is not None:
        findings += _calendars(playbook)
    findings += _kinds(document.data, frozenset(kinds))
    findings += _expressions(document.data)
    problems = list(document.problems)
    told = {(problem.line, problem.column) for problem in problems}
    for problem in map(document.problem, findings):
        if (problem.line, problem.column) not in told:
            told.add((problem.line, problem.column))
            problems.append(problem)
    if problems or playbook is None:
        raise ConfigError(sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0)))
    return playbook


def _calendars(playbook: Playbook) -> Iterator[Finding]:
    for number, schedule in enumerate(playbook.schedules):
        try:
            trigger_of(schedule)
        except ScheduleError as error:
            yield Finding(("schedules", number), str(error))


def _steps(data: Any) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """Yield the steps and compensations of a document, whatever else is wrong with it."""
    steps = data.get("steps") if isinstance(data, dict) else None
    for number, step in enumerate(steps if isinstance(steps, list) else ()):
        if isinstance(step, dict):
            yield ("steps", number), step
            if isinstance(step.get("compensate"), dict):
                yield ("steps", number, "compensate"), step["compensate"]


def _kinds(data: Any, kinds: frozenset[str]) -> list[Finding]:
    findings = []
    for path, step in _steps(data):
        kind = step.get("do")
        if isinstance(kind, str) and kind not in kinds:
            _guess, hint = did_you_mean(kind, sorted(kinds), _("kinds of steps"))
            findings.append(Finding((*path, "do"), _("there is no kind of step {kind!r}").format(kind=kind), hint))
    return findings


def _expressions(data: Any) -> list[Finding]:
    parameters = data.get("parameters") if isinstance(data, dict) else None
    names = _KNOWN | set(parameters if isinstance(parameters, dict) else ())
    findings = []
    for path, text in _texts(data, ()):
        expressions = [text] if path[-1] in _EXPRESSIONS and "args" not in path else list(holes(text))
        for expression in expressions:
            try:
                parse(expression)
            except ExpressionError as error:
                findings.append(Finding(path, str(error)))
                continue
            for name in sorted(names_in(expression) - names):
                _guess, hint = did_you_mean(name, sorted(names), _("names"))
                findings.append(Finding(path, _("there is no name {name!r} here").format(name=name), hint))
    return findings


def _texts(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    match value:
        case str():
            yield path, value
        case dict():
            for key, one in value.items():
                yield from _texts(one, (*path, key))
        case list():
            for number, one in enumerate(value):
                yield from _texts(one, (*path, number))
