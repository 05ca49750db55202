"""The scorecard: 80 columns, every state in words and symbol, readable without colour and without Unicode."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drill_fakes import TARGET
from rich.cells import cell_len

from lab.drills.record import DrillReport, Moment, Task, Verdict
from lab.probe import Traffic
from lab.scorecard import render
from lifeline.i18n import choose_language

REPORT = DrillReport(
    drill="fibre-cut",
    objective="A super base station that loses its fibre keeps talking over satellite, and comes back without a loss.",
    target=TARGET,
    mode="oneway",
    direction="to-core",
    seed=42,
    started_at_ns=1_790_000_000_000_000_000,
    verdict=Verdict.FAIL,
    reasons=("switch: 61 ms, target 50 ms",),
    tasks=(Task("detect", 40, 28.1), Task("switch", 50, 61.2), Task("revert", 3500, None)),
    traffic={
        "site_to_hub": {"cut": Traffic(812, 61, 61, 61, 0, 0), "revert": Traffic(3012, 0, 0, 0, 0, 269)},
        "hub_to_site": {"cut": Traffic(812, 0, 0, 0, 0, 0), "revert": Traffic(3012, 1, 1, 1, 0, 269)},
    },
    timeline=(
        Moment(0.0, "cut", {"link": "fibre-dongcheng"}),
        Moment(28.1, "bfd", {"site": "core-wired", "state": "Down", "diag": "Control Detection Time Expired"}),
        Moment(29.0, "bfd", {"site": "core-wired", "state": "Init", "diag": "No Diagnostic"}),
        Moment(812.0, "repair", {"link": "fibre-dongcheng"}),
    ),
    took_s=4.7,
)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("colour", [False, True])
def test_no_line_is_wider_than_80_columns(language: str, colour: bool) -> None:
    choose_language(language)
    try:
        text = render(REPORT.to_json(), colour=False)
        assert "\x1b[" in render(REPORT.to_json(), colour=True) or not colour
    finally:
        choose_language("en")
    assert max(map(cell_len, text.splitlines())) <= 80


def test_it_says_what_was_met_what_was_not_and_why() -> None:
    text = render(REPORT.to_json())
    assert "✖ FAIL   drill fibre-cut at sbs-dongcheng" in text
    assert "✔ detect" in text
    assert "✖ switch" in text
    assert "did not happen" in text
    assert "✖ switch: 61 ms, target 50 ms" in text
    assert "✖ site to hub, cut" in text
    assert "✖ hub to site, revert" in text
    assert "✔ site to hub, revert" in text
    in_one_line = " ".join(text.split())
    assert "28.1 ms core-wired: BFD Down on the fibre (Control Detection Time Expired)" in in_one_line
    assert "The lab is healed." in text


def test_it_is_plain_ascii_when_asked() -> None:
    assert render(REPORT.to_json(), ascii_only=True).isascii()


def test_a_drill_that_was_not_run_says_why() -> None:
    record = replace(REPORT, verdict=Verdict.NOT_RUN, tasks=(), traffic={}, timeline=(), reasons=("no hub",))
    text = render(record.to_json())
    assert "⚠ NOT RUN" in text
    assert "⚠ no hub" in text


def test_a_lab_that_is_not_healed_says_so() -> None:
    assert "NOT healed" in render(replace(REPORT, healed=False).to_json())
