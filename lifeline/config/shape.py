"""Checks a document against the model: keys, types, values. pydantic finds the mistakes, this module tells them."""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Iterable
from enum import Enum
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails, core_schema

from ..i18n import _
from ..model.actuators import ROUTER_INTERFACE_PATTERN
from ..model.fields import ID_PATTERN, INTERFACE_PATTERN, VARIABLE_PATTERN
from ..model.inventory import Inventory
from .problems import Finding, KeyPath, did_you_mean, is_private

_KEY = "[key]"  # pydantic's mark, at the end of a location, for a mapping's key
_SECRET_KEY = re.compile(r"pass|secret|communit|key|token", re.IGNORECASE)


@cache
def adapter() -> TypeAdapter[Inventory]:
    """Return the model's validator, built once."""
    return TypeAdapter(Inventory)


class SchemaWriter(GenerateJsonSchema):
    """Writes mappings as closed: pydantic leaves keys that are no identifiers open."""

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Return a mapping's schema."""
        written = super().dict_schema(schema)
        if "patternProperties" in written:
            written["additionalProperties"] = False
        return written


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the inventory file."""
    written = adapter().json_schema(schema_generator=SchemaWriter)
    return {"$schema": GenerateJsonSchema.schema_dialect, "title": "lifeline inventory", **written}


def validate(data: Any) -> tuple[Inventory, list[Finding]]:
    """Build the inventory from plain data.

    Returns:
        The inventory and the mistakes found. Entries with a mistake are left out of it, so that references among the
        sound ones can still be checked: all errors at once.
    """
    errors: list[ErrorDetails] = []
    findings: list[Finding] = []
    while True:
        try:
            # As JSON, strictly: text is no number and a number no flag, exactly as the published JSON Schema has it.
            return adapter().validate_json(json.dumps(data), strict=True), findings
        except ValidationError as error:
            errors = error.errors(include_url=False)
        findings = findings or tell(errors, Inventory)
        data = _without(data, [error["loc"] for error in errors])


def _without(data: Any, locations: Iterable[tuple[str | int, ...]]) -> dict[str, Any]:
    """Return the data without its faulty entries: single sites or links where possible, else whole sections."""
    sound = dict(data) if isinstance(data, dict) else {}
    for location in locations:
        section = str(location[0]) if location else ""
        entries = sound.get(section)
        if len(location) > 1 and isinstance(entries, dict):
            sound[section] = {key: entry for key, entry in entries.items() if key != location[1]}
        else:
            sound.pop(section, None)
    return {**sound, "lifeline": 1}


def tell(errors: Iterable[ErrorDetails], model: type) -> list[Finding]:
    """Turn pydantic's errors on a model into findings; a key that is missing because it was misspelt is told once."""
    findings: list[Finding] = []
    missing: list[KeyPath] = []
    misspelt: set[KeyPath] = set()
    for error in errors:
        path = error["loc"]
        if error["type"] == "unexpected_keyword_argument":
            finding, meant = _unknown_key(path, model)
            findings.append(finding)
            misspelt.add(meant)
        elif error["type"] == "missing":
            missing.append(path)
        else:
            findings.append(_wrong_value(path, error, model))
    return findings + [
        Finding(path[:-1], _("key {key!r} is missing").format(key=path[-1]), at_key=True)
        for path in missing
        if path not in misspelt
    ]


def _unknown_key(path: KeyPath, model: type) -> tuple[Finding, KeyPath]:
    """Tell of an unknown key; return the path that was probably meant beside it."""
    *parent, key = path
    kind = _type_at(tuple(parent), model)
    valid = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
    guess, hint = did_you_mean(str(key), valid, _("valid keys"))
    private = is_private(path)
    if private and _SECRET_KEY.search(str(key)) and guess is None:
        hint = _("a secret never stands in the inventory; write {example}").format(example="secret: {env: NAME}")
    finding = Finding(path, _("unknown key"), hint, at_key=True, private=private)
    return finding, (*parent, guess or "")


def _wrong_value(path: KeyPath, error: ErrorDetails, model: type) -> Finding:
    """Tell of a wrong value, or of a mapping's key that is no identifier."""
    at_key = path[-1:] == (_KEY,)
    path = path[:-1] if at_key else path
    private = is_private(path)
    value = error["input"]
    if error["type"] in {"enum", "literal_error"} and isinstance(value, str):
        _guess, hint = did_you_mean(value, _words_at(path, model), _("valid values"))
        return Finding(path, _("unknown value {value!r}").format(value=value), hint)
    message, hint = _expectation(path, error, model), ""
    if error["type"] == "string_type" and isinstance(value, int | float):
        hint = _("put it in quotes")
    elif error["type"] == "string_pattern_mismatch" and error["ctx"]["pattern"] == ID_PATTERN:
        slug = re.sub("[^a-z0-9]+", "-", value.lower()).strip("-")[:63]
        hint = _("did you mean {nearest!r}?").format(nearest=slug) if slug else ""
    if error["type"] != "value_error" or not (private or isinstance(value, dict | list)):  # else the text says it all
        message = _("{message}, is {value}").format(message=message, value=_shown(value, private=private))
    return Finding(path, message, hint, at_key=at_key, private=private)


def _expectation(path: KeyPath, error: ErrorDetails, model: type) -> str:
    """Return what a value must be, in words."""
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return str(context["error"])
        case "string_type":
            return _("must be text")
        case "int_type" | "int_from_float":
            return _("must be a whole number")
        case "float_type":
            return _("must be a number")
        case "bool_type":
            return _("must be true or false")
        case "list_type":
            return _("must be a list")
        case "dict_type" | "dataclass_type":
            return _("must be a mapping")
        case "enum" | "literal_error":
            return _("must be {words}").format(words=" | ".join(_words_at(path, model)))
        case "greater_than":
            return _("must be more than {n:g}").format(n=context["gt"])
        case "greater_than_equal":
            return _("must be at least {n:g}").format(n=context["ge"])
        case "less_than_equal":
            return _("must be at most {n:g}").format(n=context["le"])
        case "multiple_of":
            return _("must be a multiple of {n:g}").format(n=context["multiple_of"])
        case "string_pattern_mismatch" if context["pattern"] == ID_PATTERN:
            return _("must be an identifier of at most 63 lower-case letters, digits and inner hyphens")
        case "string_pattern_mismatch" if context["pattern"] == INTERFACE_PATTERN:
            return _("must be an interface name of at most 15 letters, digits, '_', '.' and '-'")
        case "string_pattern_mismatch" if context["pattern"] == ROUTER_INTERFACE_PATTERN:
            return _("must be an interface name as the router writes it: letters, digits and / . : _ - after a letter")
        case "string_pattern_mismatch" if context["pattern"] == VARIABLE_PATTERN:
            return _("must be the name of an environment variable")
        case _other:
            return re.sub("^.*? should ", "must ", error["msg"])


def _shown(value: Any, *, private: bool) -> str:
    """Return a value for a message."""
    match value:
        case None:
            return _("nothing")
        case dict():
            return _("a mapping")
        case list():
            return _("a list")
        case str():
            return _("text") if private else repr(value if len(value) <= 80 else value[:77] + "...")
        case _other:
            return _("a number") if private else json.dumps(value)


def _words_at(path: KeyPath, model: type) -> list[str]:
    """Return the words that an enumeration at a path admits."""
    kind = _type_at(path, model)
    if typing.get_origin(kind) is Literal:
        return [str(word) for word in typing.get_args(kind)]
    return [str(member.value) for member in kind] if isinstance(kind, type) and issubclass(kind, Enum) else []


def _type_at(path: KeyPath, model: type) -> Any:
    """Return the model's type at a path, `| None` taken off; None where the model has nothing there."""
    kind: Any = model
    for step in path:
        if dataclasses.is_dataclass(kind):
            kind = typing.get_type_hints(kind).get(str(step))
        elif typing.get_origin(kind) in {dict, list}:
            kind = typing.get_args(kind)[-1]
        else:
            return None
        if isinstance(kind, types.UnionType):
            kind = next(member for member in typing.get_args(kind) if member is not type(None))
    return kind
