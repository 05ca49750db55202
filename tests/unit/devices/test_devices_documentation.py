"""The manual's tables are the data's."""

from pathlib import Path

from lifeline.devices import shipped
from lifeline.devices.documentation import renewed

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "devices.md"


def test_the_manuals_tables_are_up_to_date():
    """Renew them with: python -m lifeline.devices.documentation docs/guide/devices.md."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == renewed(page, shipped())
