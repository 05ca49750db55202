"""Every text of the code is translated, and the committed files are in step."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def catalogue() -> ModuleType:
    spec = importlib.util.spec_from_file_location("catalogue", ROOT / "packaging" / "catalogue.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_text_is_translated_with_its_gaps(catalogue: ModuleType) -> None:
    found = list(catalogue.problems(catalogue.extract(), catalogue.read()))
    assert found == [], "run `python packaging/catalogue.py`, translate, run it again"


def test_the_template_holds_the_texts_of_the_code(catalogue: ModuleType) -> None:
    assert catalogue.POT.read_bytes() == catalogue.po_bytes(catalogue.extract())


def test_the_compiled_catalogue_is_up_to_date(catalogue: ModuleType) -> None:
    assert catalogue.MO.read_bytes() == catalogue.mo_bytes(catalogue.read())
