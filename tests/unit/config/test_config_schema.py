"""The published JSON Schema and the loader say the same."""

from pathlib import Path

import jsonschema
import pytest

from lifeline.config import ConfigError, parse_inventory
from lifeline.config.document import Document
from lifeline.config.shape import json_schema

ROOT = Path(__file__).parents[3]
GOVNET = ROOT / "containerlab" / "govnet.inventory.yml"
SCHEMA = json_schema()


def test_the_schema_is_a_valid_schema_and_the_lab_inventory_follows_it():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(Document.read(GOVNET).data, SCHEMA, jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("agent: true", "agent: yes"),
        ("design_load_kw: 60", "design_load_kw: '60'"),
        ("design_load_kw: 60", "design_load_kw: 0"),
        ("kind: satellite-hub", "kind: satellite"),
        ("name: East duct", "nme: East duct"),
        ("name: Satellite hub", "name: 7"),
        ("wtr_ms: 2000", "wtr_ms: 2000.5"),
        ("detect_mult: 3", "detect_mult: 256"),
        ("  duct-east:", "  Duct East:"),
    ],
)
def test_what_the_loader_refuses_of_shape_the_schema_refuses(old, new):
    text = GOVNET.read_text(encoding="utf-8")
    assert old in text
    wrong = text.replace(old, new, 1)
    with pytest.raises(ConfigError):
        parse_inventory(wrong)
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(Document(wrong, "t").data)


def test_every_field_and_every_definition_has_a_description():
    silent = [
        f"{name}.{key}"
        for name, definition in SCHEMA["$defs"].items()
        for key, field in definition.get("properties", {}).items()
        if not field.get("description")
    ]
    silent += [name for name, definition in SCHEMA["$defs"].items() if not definition.get("description")]
    assert silent == []
