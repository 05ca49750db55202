"""One file per mistake; beside it, word for word, what the user is told. LIFELINE_UPDATE_EXPECTED=1 writes it anew."""

import os
from pathlib import Path

import pytest

from lifeline.config import ConfigError, load_inventory
from lifeline.i18n import choose_language

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _in_english(monkeypatch):
    monkeypatch.chdir(HERE)
    choose_language("en")
    yield
    choose_language()


@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("*.yaml")))
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(name):
    with pytest.raises(ConfigError) as caught:
        load_inventory(f"{name}.yaml", secrets=name.startswith("secrets_"))
    told = f"{caught.value}\n"
    expected = HERE / f"{name}.expected"
    if os.environ.get("LIFELINE_UPDATE_EXPECTED"):
        expected.write_text(told, encoding="utf-8")
    assert told == expected.read_text(encoding="utf-8")


def test_no_expected_text_is_left_without_its_file():
    assert {path.stem for path in HERE.glob("*.expected")} == {path.stem for path in HERE.glob("*.yaml")}


def test_an_inline_secret_is_never_shown():
    assert all("hunter" not in path.read_text(encoding="utf-8") for path in HERE.glob("*.expected"))
