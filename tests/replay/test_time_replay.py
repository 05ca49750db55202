"""Recordings of receivers: what gpsd made of them, and what our own decoder makes of the same bytes.

The recordings are kept outside the repository (LIFELINE_RECORDINGS). Dates are not compared: gpsd guesses at weeks.
"""

import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from timesync.io.gpsd import GpsdView, parse
from timesync.io.stream import StreamView

ROOT = Path(os.environ.get("LIFELINE_RECORDINGS", Path(__file__).parents[3] / "shared" / "recordings")) / "gnss"
if not ROOT.exists():
    pytest.skip(f"no recordings at {ROOT} (LIFELINE_RECORDINGS)", allow_module_level=True)
LOGS = sorted(ROOT.glob("*.log"))
TALKS = [it for it in LOGS if b"$G" in it.read_bytes() or b"\xb5\x62" in it.read_bytes()]
NAMES = {0: "gps", 1: "sbas", 2: "galileo", 3: "beidou", 5: "qzss", 6: "glonass", 7: "irnss"}


def reports(log):
    for line in log.with_name(log.name + ".chk").read_bytes().splitlines():
        if line.startswith(b"{") and (report := parse(line)).get("class") in {"TPV", "SKY"}:
            yield report


@pytest.mark.parametrize("log", LOGS, ids=lambda it: it.stem)
def test_what_gpsd_reports_is_decoded_constellation_by_constellation(log):
    view, seen = GpsdView(), 0
    for report in reports(log):
        said = view.report(report, 0.0, 0.0)
        assert said is not None
        if report["class"] == "TPV":
            assert said.fix == (report.get("mode") or None)
            assert (said.position is not None) is ("lat" in report)
        elif "satellites" in report:
            seen += 1
            expected = Counter(NAMES[it["gnssid"]] for it in report["satellites"])
            assert Counter(it.constellation for it in said.satellites) == expected
            assert sum(it.used for it in said.satellites) == sum(it["used"] for it in report["satellites"])
            assert len(said.satellites) == report["nSat"]
    assert seen or log.stem in {"meinberg-gps164", "trimble-res720"} or "satellites" not in log.read_text("latin1")


def _by_gpsd(log):
    satellites, positions, used = Counter(), set(), Counter()
    for report in reports(log):
        for it in report.get("satellites", ()):
            satellites[NAMES[it["gnssid"]], it["svid"]] += 1
            used[NAMES[it["gnssid"]], it["svid"]] += it["used"]
        if "lat" in report:
            positions.add((round(report["lat"], 5), round(report["lon"], 5)))
    return set(satellites), {it for it, n in used.items() if n}, positions


def _by_ourselves(data, step=97):
    view, satellites, used, positions = StreamView(), set(), set(), set()
    for at in range(0, len(data), step):
        view.feed(data[at : at + step], 0.0, 0.0)
        for it in view.satellites() or ():
            satellites.add((it.constellation, it.number))
            if it.used:
                used.add((it.constellation, it.number))
        said = view.telemetry(0.0, 0.0)
        if said.position:
            positions.add((round(said.position[0], 5), round(said.position[1], 5)))
    return view, satellites, used, positions


@pytest.mark.parametrize("log", TALKS, ids=lambda it: it.stem)
def test_our_own_decoder_sees_the_satellites_and_places_that_gpsd_sees(log):
    satellites, used, positions = _by_gpsd(log)
    view, ours, our_used, our_positions = _by_ourselves(log.read_bytes())
    assert view.good
    assert {it for it in satellites if it[1] > 0} - ours == set()
    assert used - our_used == set()
    assert positions - our_positions == set()


@pytest.mark.parametrize("log", LOGS, ids=lambda it: it.stem)
def test_mutated_streams_crash_nothing(log):
    rng = random.Random(log.stem)
    data = log.read_bytes()[:20_000]
    for _ in range(3):
        mutated = bytearray(data)
        for _ in range(len(data) // 30):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        del mutated[rng.randrange(len(mutated)) :]
        view = StreamView()
        for at in range(0, len(mutated), 61):
            view.feed(bytes(mutated[at : at + 61]), 0.0, 0.0)
        assert view.telemetry(0.0, 0.0) is not None
    lines = log.with_name(log.name + ".chk").read_bytes().splitlines()[:400]
    gpsd = GpsdView()
    for line in lines:
        broken = bytearray(line)
        for _ in range(3):
            if broken:
                broken[rng.randrange(len(broken))] = rng.randrange(256)
        gpsd.report(parse(bytes(broken)), 0.0, 0.0)
        shuffled = parse(line)
        if shuffled:
            key = rng.choice(sorted(shuffled))
            odd = rng.choice([None, [], {}, "x", -1, 1e300, True])
            gpsd.report(shuffled | {key: odd}, 0.0, 0.0)
            if isinstance(shuffled.get("satellites"), list):
                gpsd.report(
                    shuffled | {"satellites": [odd, {"PRN": odd}, {"PRN": 1, "gnssid": odd, "ss": odd}]}, 0.0, 0.0
                )
    assert json.dumps(len(lines))
