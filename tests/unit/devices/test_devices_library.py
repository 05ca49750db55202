"""Profiles are checked as the inventory is: every mistake with its place and what was meant."""

from __future__ import annotations

import textwrap

import jsonschema
import pytest

from lifeline.config import ConfigError
from lifeline.config.document import Document
from lifeline.devices import load_library, shipped
from lifeline.devices.library import json_schema
from lifeline.devices.units import converter

HEAD = "profile: 1\ntitle: A test\nkind: ups\n"


def told(tmp_path, text):
    (tmp_path / "mine.yml").write_text(HEAD + textwrap.dedent(text))
    with pytest.raises(ConfigError) as caught:
        load_library(tmp_path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("readings: {battery.chrage: [{oid: 1.3.6.1}]}", "4:12", ["battery.chrage", "did you mean 'battery.charge'"]),
        ("readings:\n  battery.runtime_s:\n  - {oid: 1.3.6.1, unit: minuts}", "6:26", ["units", "is 'minuts'"]),
        ("readings:\n  battery.runtime_s:\n  - {oid: 1.3.6.1, unit: V}", "6:26", ["V does not convert to s"]),
        ("readings:\n  battery.charge:\n  - {unit: '%'}", "6:5", ["exactly one of 'oid', 'column' and 'register'"]),
        ("readings:\n  battery.charge:\n  - {oid: 1.3.x, unit: '%'}", "6:11", ["1.3.x"]),
        (
            "readings:\n  battery.charge:\n  - {oid: 1.3.6.1, unit: '%', range: [9, 1]}",
            "6:38",
            ["the least and the greatest"],
        ),
        (
            "states:\n  ups.source:\n  - {oid: 1.3.6.1, values: {2: onlien}}",
            "6:32",
            ["onlien", "did you mean 'online'"],
        ),
        ("states:\n  ups.source:\n  - {oid: 1.3.6.1}", "6:5", ["a state needs 'values'"]),
        ("includes: [rfc1682]", "4:12", ["rfc1682", "did you mean 'rfc1628'"]),
        ("identify: [{sys_descr: '('}]", "4:24", ["regular expression"]),
        ("identify: [{sys_descr: '(a+)+b'}]", "4:24", ["repeat"]),
        ("identify: [{priority: 3}]", "4:12", ["sys_object_id"]),
        ("idenitfy: []", "4:1", ["unknown key", "identity"]),
        (
            "limits: {battery.charge: [{condition: low, severity: major, cause: lowBattery}]}",
            "4:27",
            ["'above', 'below', 'deviates' and 'still_s'"],
        ),
    ],
)
def test_a_mistake_names_its_place_and_what_was_meant(tmp_path, text, line, words):
    message = told(tmp_path, text)
    assert f"mine.yml:{line}:" in message
    assert all(word in message for word in words)


def test_an_installations_own_profile_goes_before_the_one_that_ships(tmp_path):
    (tmp_path / "siklu.yml").write_text("profile: 1\ntitle: Ours\nkind: microwave-radio\n")
    assert load_library(tmp_path).profiles["siklu"].title == "Ours"
    assert "apc-ups" in load_library(tmp_path).profiles


def test_the_published_schema_admits_every_profile_that_ships():
    from lifeline.devices import library as module

    validator = jsonschema.Draft202012Validator(json_schema())
    for name in shipped().profiles:
        data = Document.read(module._SHIPPED / "profiles" / f"{name}.yml").data
        assert not [error.message for error in validator.iter_errors(data)], name


def test_every_source_that_ships_names_its_object_and_every_family_its_documents():
    for name, family in shipped().families.items():
        assert all(source.object for source in family.sources()), name
        assert family.profile.mibs or not family.profile.identify, name


@pytest.mark.parametrize(
    ("raw", "unit", "target", "value"),
    [(1902, "min", "s", 114120), (8304, "0.01 °F", "°C", 28.3556), (152200, "0.01 s", "s", 1522), (3, "kW", "W", 3000),
     (2, "ms", "us", 2000), (30, "psi", "kPa", 206.8427), (1, "g", "m/s2", 9.80665)],
)  # fmt: skip
def test_units_convert(raw, unit, target, value):
    line = converter(unit, target)
    assert raw * line.factor + line.offset == pytest.approx(value, rel=1e-5)
