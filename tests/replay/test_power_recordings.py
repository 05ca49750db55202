"""Recordings of real UPS, DC plants, transfer switches and gensets, through the power core: never a crash, never a lie.

The recordings are not part of the project; LIFELINE_RECORDINGS says where they are.
"""

from __future__ import annotations

import os
import random
from datetime import date
from pathlib import Path

import pytest

from bench.power_recordings import PLANTS
from lifeline.devices import decode, identify, read_recording, shipped
from power.core.autonomy import Kind, assess
from power.core.judge import Judge
from power.core.network import Network
from power.core.observe import Answer, observe

RECORDINGS = Path(os.environ.get("LIFELINE_RECORDINGS", "../shared/recordings")) / "snmprec"
LIBRARY = shipped()
SENTINEL_H = 600.0


def recordings() -> list[Path]:
    return sorted(RECORDINGS.rglob("*.snmprec")) if RECORDINGS.is_dir() else []


if not recordings():
    pytest.skip(f"no recordings in {RECORDINGS}: set LIFELINE_RECORDINGS", allow_module_level=True)


@pytest.mark.parametrize("path", recordings(), ids=lambda path: path.stem)
def test_a_recording_is_understood_or_stays_unknown(path: Path) -> None:
    answers = read_recording(path)
    matches = identify(answers, LIBRARY)
    if not matches or LIBRARY.profiles[matches[0].profile].kind not in PLANTS:
        return  # no device of power; whether it should be one is for the profiles' own tests
    family = LIBRARY.family(matches[0].profile)
    rng = random.Random(path.stem)
    for round_ in range(6):
        heard = answers if round_ == 0 else {k: v for k, v in answers.items() if rng.random() < 0.9 - round_ / 10}
        decoded = decode(family, heard)
        network = Network(PLANTS[decoded.kind])
        observed = observe(network, {"part": Answer(decoded, 0.0)}, 0.0, date(2026, 5, 12))
        assessment = assess(network, observed.situation)
        Judge("site").judge(observed, assessment, 0.0)
        for known in observed.situation.charge.values():
            assert known.value is None or 0 <= known.value <= 1
        for known in observed.situation.runtime_h.values():
            assert known.value is not None
            assert known.value < SENTINEL_H
        figure = assessment.figure(Kind.BATTERY)
        assert figure.device_h is None or figure.device_h < SENTINEL_H
