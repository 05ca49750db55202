"""`lifeline device`: data on stdout, mistakes on stderr, exit codes for programs."""

from __future__ import annotations

import json

import pytest

from lifeline.i18n import choose_language
from noc.cli.main import main
from noc.cli.output import ExitCode

UPS = "1.3.6.1.2.1.33.1"
RECORDING = f"""\
1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.4242.1
{UPS}.1.2.0|4|Made up
{UPS}.2.3.0|2|65535
{UPS}.2.4.0|2|97
{UPS}.4.1.0|2|5
"""


@pytest.fixture(autouse=True)
def _in_english(monkeypatch):
    monkeypatch.setenv("LIFELINE_LANG", "en")
    choose_language()
    yield
    monkeypatch.undo()
    choose_language()


@pytest.fixture
def recording(tmp_path):
    file = tmp_path / "ups.snmprec"
    file.write_text(RECORDING)
    return file


def run(capsys, *arguments):
    code = main(["device", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_recording_is_recognised(capsys, recording):
    code, out, _err = run(capsys, "identify", "--recording", recording, "--json")
    told = json.loads(out)
    assert code == ExitCode.OK
    assert (told["schema"], told["profile"], told["model"]) == ("lifeline.device-identity/1", "rfc1628", "Made up")
    assert told["matches"][0]["because"]


def test_a_device_nobody_knows_is_degraded(capsys, tmp_path):
    (tmp_path / "x.snmprec").write_text("1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.4242.1\n")
    assert run(capsys, "identify", "--recording", tmp_path / "x.snmprec")[0] == ExitCode.DEGRADED


def test_a_recording_is_decoded_with_quality_and_reason(capsys, recording):
    code, out, _err = run(capsys, "decode", "--recording", recording, "--json")
    told = json.loads(out)
    runtime = next(it for it in told["measurements"] if it["metric"] == "battery.runtime_s")
    assert code == ExitCode.OK
    assert (runtime["value"], runtime["quality"]) == (None, "missing")
    assert "all bits set" in runtime["reason"]
    assert {it["name"]: it["word"] for it in told["states"]}["ups.source"] == "on-battery"


def test_tables_name_what_they_show(capsys, recording):
    assert "battery.charge" in run(capsys, "decode", "--recording", recording)[1]
    assert "rfc1628" in run(capsys, "profiles")[1]
    assert "ups.source" in run(capsys, "profiles", "--vocabulary")[1]
    assert json.loads(run(capsys, "profiles", "--vocabulary", "--json")[1])["metrics"]["battery.charge"]["unit"] == "%"
    assert json.loads(run(capsys, "schema")[1])["title"] == "lifeline device profile"


def test_a_misspelt_profile_names_the_nearest(capsys, recording):
    code, _out, err = run(capsys, "decode", "--recording", recording, "--profile", "rfc1682")
    assert code == ExitCode.USAGE
    assert "rfc1628" in err


def test_a_profile_with_a_mistake_is_a_usage_error(capsys, recording, tmp_path):
    (tmp_path / "mine.yml").write_text("profile: 1\ntitle: Mine\nkind: upz\n")
    code, _out, err = run(capsys, "decode", "--recording", recording, "--profiles", tmp_path)
    assert code == ExitCode.USAGE
    assert "mine.yml:3:7" in err


def test_what_is_missing_is_said(capsys, tmp_path):
    assert run(capsys, "identify")[0] == ExitCode.USAGE
    assert run(capsys, "identify", "127.0.0.1")[0] == ExitCode.USAGE
    assert run(capsys, "decode", "--recording", tmp_path / "none")[0] == ExitCode.USAGE


def test_a_device_that_is_not_there_is_unreachable_or_silent(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("A_COMMUNITY", "public")
    inventory = tmp_path / "i.yml"
    inventory.write_text("lifeline: 1\ncredentials:\n  ro: {kind: snmp-v2c, secret: {env: A_COMMUNITY}}\n")
    code, _out, err = run(
        capsys, "identify", "127.0.0.1", "--port", 1, "--inventory", inventory, "--credential", "ro"
    )  # nobody listens on tcpmux's UDP port
    assert code in {ExitCode.UNREACHABLE, ExitCode.TIMEOUT}
    assert "127.0.0.1" in err
