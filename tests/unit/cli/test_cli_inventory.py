"""`lifeline inventory`: data on stdout, mistakes on stderr, exit codes for programs."""

import json
from pathlib import Path

import jsonschema
import pytest

from lifeline.config.document import Document
from lifeline.config.shape import json_schema
from lifeline.i18n import choose_language
from noc.cli.main import main

GOVNET = str(Path(__file__).parents[3] / "containerlab" / "govnet.inventory.yml")


@pytest.fixture(autouse=True)
def _in_english(monkeypatch):
    monkeypatch.setenv("LIFELINE_LANG", "en")
    choose_language()
    yield
    monkeypatch.undo()
    choose_language()


@pytest.fixture
def faulty(tmp_path):
    file = tmp_path / "faulty.yaml"
    file.write_text("lifeline: 1\nsites:\n  a: {knd: relay, name: A}\n  b: {kind: relay}\n", encoding="utf-8")
    return file


def run(capsys, *arguments):
    code = main(["inventory", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_good_file_is_counted(capsys):
    code, out, err = run(capsys, "validate", GOVNET)
    assert (code, err) == (0, "")
    assert out == f"{GOVNET}: no problems; 11 sites, 16 links, 6 protection groups\n"


def test_a_faulty_file_is_told_on_stderr_with_exit_code_2(capsys, faulty):
    code, out, err = run(capsys, "validate", faulty)
    assert (code, out) == (2, "")
    assert err.startswith(f"{faulty}:3:7: sites.a.knd: unknown key; did you mean 'kind'?\n")
    assert err.endswith("2 problems\n")


def test_programs_get_the_problems_as_json(capsys, faulty):
    code, out, err = run(capsys, "validate", faulty, "--json")
    told = json.loads(out)
    assert (code, err, told["schema"], told["valid"]) == (2, "", "lifeline.validation/1", False)
    assert [(it["line"], it["column"], it["path"]) for it in told["problems"]] == [
        (3, 7, "sites.a.knd"),
        (4, 3, "sites.b"),
    ]
    code, out, _err = run(capsys, "validate", GOVNET, "--json")
    assert (code, json.loads(out)["valid"], json.loads(out)["sites"]) == (0, True, 11)


def test_secrets_are_fetched_on_demand(capsys, monkeypatch, tmp_path):
    file = tmp_path / "inventory.yml"
    file.write_text("lifeline: 1\ncredentials:\n  radios: {kind: snmp-v2c, secret: {env: RADIOS_COMMUNITY}}\n")
    monkeypatch.delenv("RADIOS_COMMUNITY", raising=False)
    assert run(capsys, "validate", str(file))[0] == 0
    code, _out, err = run(capsys, "validate", str(file), "--secrets")
    assert code == 2
    assert "RADIOS_COMMUNITY is not set" in err


def test_the_schema_is_printed_and_describes_the_lab_inventory(capsys):
    code, out, _err = run(capsys, "schema")
    printed = json.loads(out)
    assert (code, printed.pop("schema")) == (0, "lifeline.inventory-schema/1")
    assert printed == json.loads(json.dumps(json_schema()))
    jsonschema.validate(Document.read(Path(GOVNET)).data, printed)


def test_everything_is_shown_in_tables(capsys):
    code, out, _err = run(capsys, "show", GOVNET)
    assert code == 0
    assert [line for line in out.splitlines() if line in {"Districts", "Sites", "Links", "Protection groups"}] == [
        "Districts", "Sites", "Links", "Protection groups",
    ]  # fmt: skip
    assert "有线政务专网核心层主机房" in out
    assert "10 ms x 3" in out


def test_one_site_is_shown_with_what_hangs_on_it(capsys):
    code, out, _err = run(capsys, "show", GOVNET, "--site", "sbs-fengtai")
    assert code == 0
    assert "3 kW must last 8 h alone" in out
    assert "sat-fengtai" in out
    assert "sat-haidian" not in out


def test_the_shown_json_is_an_inventory_again(capsys):
    _code, out, _err = run(capsys, "show", GOVNET, "--json")
    shown = json.loads(out)
    assert shown.pop("schema") == "lifeline.inventory/1"
    jsonschema.validate(shown, json_schema())
    _code, out, _err = run(capsys, "show", GOVNET, "--site", "sathub", "--json")
    assert list(json.loads(out)["sites"]) == ["sathub"]
    assert len(json.loads(out)["links"]) == 6


def test_an_unknown_site_is_told_with_the_nearest(capsys):
    code, out, err = run(capsys, "show", GOVNET, "--site", "sbs-fengtay")
    assert (code, out, err) == (2, "", "there is no site 'sbs-fengtay'; did you mean 'sbs-fengtai'?\n")
