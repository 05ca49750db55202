"""One file per mistake, with all that is told of it."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from failover.playbooks import json_schema, load_playbook, shipped
from failover.steps.registry import Registry
from lifeline.config import ConfigError
from lifeline.i18n import choose_language

FOLDER = Path(__file__).parents[2] / "playbook_invalid"
FILES = sorted(FOLDER.glob("*.yml"))
REGISTRY = Registry()
BEYOND_SCHEMA = {
    "kind_unknown",
    "expression_broken",
    "expression_reaches_out",
    "name_unknown",
    "step_twice",
    "cron_short",
    "cron_impossible",
}


def told(path: Path) -> str:
    choose_language("en")
    with pytest.raises(ConfigError) as error:
        load_playbook(path, REGISTRY)
    return str(error.value).replace(f"{FOLDER}/", "") + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_told_with_its_place(path):
    assert told(path) == path.with_suffix(".expected").read_text(encoding="utf-8")


def test_the_published_schema_agrees():
    schema = jsonschema.Draft202012Validator(json_schema())
    for path in shipped().glob("*.yml"):
        schema.validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    for path in FILES:
        valid = schema.is_valid(yaml.safe_load(path.read_text(encoding="utf-8")))
        assert valid is (path.stem in BEYOND_SCHEMA), path.stem
