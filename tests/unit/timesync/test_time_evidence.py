"""Each test by itself: what convicts, what does not, and that unknown does neither."""

import pytest

from lifeline.model.timing import Antenna, TimeSourceKind
from timesync.core.evidence import Setting, against, suspicions
from timesync.core.reasons import Reason
from timesync.core.source import Sample, Satellite, SourceState, Telemetry

ANTENNA = Antenna(39.905, 116.397, 60.0)


def source(kind=TimeSourceKind.GPS, **said):
    it = SourceState("gps", kind, 100.0)
    for t in (8.0, 9.0, 10.0):
        it.samples.append(Sample(t, 0.0, 0.0))
    it.heard_s = 10.0
    it.telemetry = Telemetry(10.0, **said) if said else None
    it.usual_cn0, it.usual_used = 42.0, 9.0
    return it


def sky(n=9, cn0=42.0, spread=3.0, constellation="gps", used=True):
    return tuple(Satellite(constellation, i, cn0 + spread * ((i % 3) - 1), used) for i in range(n))


def reasons(it, now=10.5, **setting):
    return [e.reason for e in against(it, Setting(now, setting.get("antenna", ANTENNA), setting.get("leap_s", 18)))]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"fix": 3, "satellites": sky()}, []),
        ({"fix": 1}, [Reason.NO_FIX]),
        ({"jamming": "raised"}, [Reason.JAMMED]),
        ({"jamming": "mitigated"}, []),
        ({"jamming": None}, []),
        ({"spoofing": "raised"}, [Reason.SPOOFED]),
        ({"spoofing": "indicated"}, []),
        ({"satellites": sky(cn0=31.0)}, [Reason.JAMMED]),
        ({"satellites": sky(cn0=34.0)}, []),
        ({"satellites": (), "fix": 0}, [Reason.JAMMED]),
        ({"satellites": sky(constellation="beidou")}, [Reason.FOREIGN]),
        ({"leap_s": 17}, [Reason.LEAP]),
        ({"leap_s": None}, []),
        ({"date_error_s": -1024 * 604_800.0}, [Reason.WEEK]),
        ({"date_error_s": 2.0}, []),
        ({"synchronised": False}, [Reason.FAILED]),
        ({"synchronised": None}, []),
        ({"stands_still": True}, [Reason.FROZEN]),
    ],
)
def test_what_convicts_and_what_does_not(said, expected):
    assert reasons(source(**said)) == expected


def test_what_was_said_long_ago_convicts_nobody():
    it = source(jamming="raised")
    it.heard_s = 29.5
    assert reasons(it, now=30.0) == []


def test_a_leap_second_that_nobody_knows_convicts_nobody():
    assert reasons(source(leap_s=17), leap_s=None) == []


def test_one_far_fix_is_an_outlier_and_three_are_a_move():
    it = source(position=(39.915, 116.397, 60.0))
    assert reasons(it) == []
    it.far_fixes = 3
    assert reasons(it) == [Reason.MOVED]
    assert reasons(it, antenna=None) == []


def test_a_far_fix_under_an_even_sky_is_a_replay():
    it = source(position=(39.915, 116.397, 60.0), satellites=sky(cn0=47.0, spread=0.3))
    it.far_fixes = 3
    assert reasons(it) == [Reason.MEACONED]


def test_a_clock_that_stands_still_is_frozen():
    it = source()
    it.samples.clear()
    for t in (8.0, 9.0, 10.0):
        it.samples.append(Sample(t, -1e9 * t, 0.0))
    assert reasons(it) == [Reason.FROZEN]


def test_silence_is_measured_in_polls():
    it = source()
    assert reasons(it, now=13.9) == []
    assert reasons(it, now=14.2) == [Reason.SILENT]
    it.poll_s = 16.0
    assert reasons(it, now=70.0) == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"satellites": sky(cn0=46.0, spread=0.3)}, ["cn0-even"]),
        ({"satellites": sky(cn0=42.0, spread=0.3)}, []),
        ({"satellites": sky(cn0=49.0)}, ["cn0-rise"]),
        ({"jamming": "mitigated", "spoofing": "indicated"}, ["jam-flag", "spoof-flag"]),
    ],
)
def test_what_only_tips_the_balance(said, expected):
    assert [it.what for it in suspicions(source(**said), Setting(10.5, ANTENNA, 18))] == expected
