"""When a cut took effect: between the command that makes it and the first thing that shows it."""

from __future__ import annotations

from lab.drills.judge import NS_PER_MS, Sighting, Story, Targets, date, rate
from lab.drills.record import Target

TARGET = Target(site="sbs-a", core="core", group="pg-a", working="fibre-a", protection="sat-a")
BEGAN_NS = 100 * NS_PER_MS
HELD_NS = BEGAN_NS + 6 * NS_PER_MS


def lost_session(site: str, at_ms: float) -> Sighting:
    body = {"site": site, "previous": "Up", "state": "Down", "diag": "Path Down"}
    at_ns = BEGAN_NS + int(at_ms * NS_PER_MS)
    return Sighting(at_ns, at_ns, {"node": f"{site}/agent", "kind": "bfd", "subject": "link:fibre-a", "body": body})


def story(site_ms: float, core_ms: float) -> Story:
    return Story(TARGET, (lost_session("sbs-a", site_ms), lost_session("core", core_ms)), cut_ns=BEGAN_NS)


def test_the_last_probe_that_came_through_dates_the_cut() -> None:
    lost_ns = BEGAN_NS + 5 * NS_PER_MS
    assert date(story(30, 31), [lost_ns, None], HELD_NS).cut_ns == lost_ns - NS_PER_MS


def test_an_end_that_noticed_before_a_probe_was_lost_dates_it_and_is_not_overlooked() -> None:
    noticed = story(3.6, 29)
    dated = date(noticed, [None, BEGAN_NS + 5 * NS_PER_MS], HELD_NS)
    assert dated.cut_ns == noticed.sightings[0].happened_ns
    detect = rate(dated, Targets())[0]
    assert (detect.name, detect.actual_ms) == ("detect", 25.4)


def test_what_is_lost_long_after_dates_nothing_and_neither_does_what_is_noticed() -> None:
    assert date(story(30, 31), [BEGAN_NS + 50 * NS_PER_MS], HELD_NS).cut_ns == BEGAN_NS
