"""The manual shows the life of an alarm as the program has it."""

from __future__ import annotations

from pathlib import Path

from lifeline.alarms import lifecycle

PAGE = Path(__file__).parents[3] / "docs/guide/alarms.md"


def test_the_diagram_in_the_manual_is_the_table_that_runs() -> None:
    assert lifecycle.diagram().strip() in PAGE.read_text(encoding="utf-8")
