"""The table of leap seconds, and what arbiter, chronyd and phases make of a second that is put in."""

from pathlib import Path

import pytest

from lab.simulators.time_leap import leap_file
from lifeline.model.timing import OSCILLATORS, TimeService
from timesync.core.arbiter import Arbiter
from timesync.core.leap import LeapTable
from timesync.io.listen import Origin
from timesync.leaps import INSERT, Leaps

NTP_S = 2_208_988_800
NOW_S = 1_795_000_000
LEAP_S = NOW_S + 3600
SYSTEM = Path("/usr/share/zoneinfo/leap-seconds.list")


def table(leap_s: int = LEAP_S, expires_s: int = NOW_S + 10**7) -> str:
    return f"#$ 1\n#@ {expires_s + NTP_S}\n3692217600 37 # 1 Jan 2017\n{leap_s + NTP_S} 38\n"


def leaps(path: Path, text: str) -> tuple[Leaps, Arbiter]:
    path.write_text(text)
    return Leaps(str(path), Origin(0)), Arbiter.of(TimeService(limit_ns=1500.0), {}, OSCILLATORS["ocxo"])


def test_a_table_says_what_holds_and_what_comes():
    read = LeapTable.parse(leap_file(NOW_S))
    assert read.gps_utc_s(NOW_S) == 18
    assert read.next(NOW_S) is None
    read = LeapTable.parse(table())
    assert read.next(NOW_S) == (LEAP_S, 1)
    assert [read.gps_utc_s(it) for it in (LEAP_S - 1, LEAP_S)] == [18, 19]


@pytest.mark.skipif(not SYSTEM.exists(), reason="no tzdata")
def test_the_table_of_the_system_is_read_and_its_checksum_holds():
    read = LeapTable.parse(SYSTEM.read_text())
    assert read.last_gps_utc_s(1_500_000_000) == 18
    with pytest.raises(ValueError, match="checksum"):
        LeapTable.parse(SYSTEM.read_text().replace("3692217600      37", "3692217600      38"))


@pytest.mark.parametrize("text", ["", "#@ 5\n", "3692217600 37\n", "#@ x\n", "garbage", "#@ 9\n3 37\n2 36\n"])
def test_what_is_no_table_is_told(text, tmp_path):
    with pytest.raises((ValueError, IndexError)):
        LeapTable.parse(text)
    kept, arbiter = leaps(tmp_path / "leap", text)
    kept.look(arbiter, 0.0, NOW_S)
    assert arbiter.leap_s is None
    assert "tzdata" in kept.trouble


def test_an_expired_table_knows_nothing_and_says_what_to_do(tmp_path):
    kept, arbiter = leaps(tmp_path / "leap", table(expires_s=NOW_S - 1))
    kept.look(arbiter, 0.0, NOW_S)
    assert arbiter.leap_s is None
    assert "expired" in kept.trouble
    assert "tzdata" in kept.trouble


def test_a_leap_second_is_announced_passed_quietly_and_leaves_phases_as_they_were(tmp_path):
    kept, arbiter = leaps(tmp_path / "leap", table())
    origin = kept._origin
    kept.look(arbiter, 0.0, NOW_S - 86_400)
    assert (kept.pending, arbiter.leap_at_s) == (0, None)
    kept.look(arbiter, 100.0, LEAP_S - 3.0)
    assert (kept.pending, arbiter.leap_s, arbiter.leap_at_s) == (INSERT, 18, 103.0)
    # UTC has been told a second less since, and so has every source: phases must not jump.
    kept.look(arbiter, 105.0, LEAP_S + 1.0)
    assert (kept.pending, arbiter.leap_s, origin.ns) == (0, 19, -1_000_000_000)
    kept.look(arbiter, 106.0, LEAP_S + 2.0)
    assert origin.ns == -1_000_000_000
