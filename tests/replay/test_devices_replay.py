"""Every device recording is recognised and decoded to right values, sentinels are no values, mutations crash nothing.

The recordings and what their source project expects of them are kept outside the repository (LIFELINE_RECORDINGS). The
expectations are no truth: where ours differ on purpose, `devices_disagreements` says why.
"""

from __future__ import annotations

import json
import os
import random
from functools import cache
from pathlib import Path

import pytest
from devices_disagreements import DISAGREEMENTS, LEFT_OUT, PROFILES, SENTINELS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifeline.devices import Decoded, Health, decode, identify, parse_recording, read_recording, shipped
from lifeline.devices.identify import is_below
from lifeline.model.records import Quality

ROOT = Path(os.environ.get("LIFELINE_RECORDINGS", Path(__file__).parents[3] / "shared" / "recordings"))
if not (ROOT / "manifest.json").exists():
    pytest.skip(f"no recordings at {ROOT} (LIFELINE_RECORDINGS)", allow_module_level=True)

ITEMS = {
    item["id"]: item
    for item in json.loads((ROOT / "manifest.json").read_text())["items"]
    if item["format"] == "snmprec"
}
KINDS = {
    "ups": {"ups"}, "dc": {"rectifier"}, "genset_ats": {"generator", "transfer-switch"},
    "time": {"gnss-clock", "base-station"}, "radio": {"microwave-radio", "router", "satellite-modem"},
}  # fmt: skip
"""The source project files its base station with a GPS unit under time."""
IN_THEIR_UNITS = {
    ("runtime", "s"): 1 / 60, ("frequency", "MHz"): 1e6, ("wireless.distance", "m"): 1e-3, ("count", "us"): 1e-3,
}  # fmt: skip


@cache
def answers(name):
    return read_recording(ROOT / ITEMS[name]["file"])


@cache
def decoded(name) -> Decoded:
    [best, *_others] = identify(answers(name), shipped())
    return decode(shipped().family(best.profile), answers(name))


def expectations(name):
    """Yield (OID, class, description, state's generic health or None, value) of one recording."""
    healths = {(it["name"], it["value"]): it["generic"] for it in ITEMS[name].get("state_map") or []}
    for it in ITEMS[name]["expected"]:
        oid = it["oid"].strip('[]" ').lstrip(".")
        yield oid, it["class"], it["descr"], healths.get((it.get("type"), it["value"])), float(it["value"])


def reason(table, name, oid):
    """Return why a table excepts an expectation of a recording, by its OID or the OID's beginning."""
    return next(
        (why for (recording, start), why in table.items() if recording == name and is_below(oid, [start])), None
    )


@pytest.mark.parametrize("name", ITEMS)
def test_a_recording_is_recognised_as_what_it_is(name):
    assert decoded(name).profile == PROFILES[name]
    assert decoded(name).kind in KINDS[ITEMS[name]["kind"]]


@pytest.mark.parametrize("name", ITEMS)
def test_values_are_those_expected_or_differ_for_a_reason(name):
    told = decoded(name)
    measured = {}
    for it in told.measurements:
        measured.setdefault(it.place, it)
    wrong = []
    for oid, kind, descr, _health, value in expectations(name):
        if kind == "state" or reason(LEFT_OUT, name, oid):
            continue
        known = reason(DISAGREEMENTS, name, oid)
        it = measured.get(oid)
        ours = None if it is None or it.value is None else it.value * IN_THEIR_UNITS.get((kind, it.unit), 1)
        agrees = ours is not None and ours == pytest.approx(value, rel=2e-3, abs=1e-6)
        if agrees is bool(known):
            wrong.append((oid, descr, f"theirs {value}", f"ours {ours}", it and it.reason, known))
    assert not wrong


@pytest.mark.parametrize("name", ITEMS)
def test_states_are_as_well_as_expected_or_differ_for_a_reason(name):
    states = {}
    for it in decoded(name).states:
        states.setdefault(it.place, []).append(it)
    wrong = []
    for oid, kind, descr, health, value in expectations(name):
        if kind != "state" or health is None or reason(LEFT_OUT, name, oid):
            continue
        known = reason(DISAGREEMENTS, name, oid)
        ours = [it.health for it in states.get(oid, [])]
        agrees = bool(ours) and any((it is Health.OK) is (health == 0) for it in ours)
        if agrees is bool(known):
            wrong.append(
                (oid, descr, value, f"theirs {health}", [(it.name, it.word) for it in states.get(oid, [])], known)
            )
    assert not wrong


@pytest.mark.parametrize(("name", "oid"), SENTINELS)
def test_a_sentinel_is_no_value(name, oid):
    [it] = {it.place: it for it in decoded(name).measurements if it.place == oid}.values()
    assert (it.value, it.quality) == (None, Quality.MISSING)
    assert it.reason


@pytest.mark.parametrize("name", ITEMS)
def test_no_value_has_all_bits_set(name):
    """Whatever reads 2^15-1, 2^16-1, 2^31-1 or 2^32-1 is told as missing, if at all, unless it counts."""
    ones = {oid for oid, raw in answers(name).items() if raw in {0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 655350}}
    metrics = shipped().vocabulary.metrics
    assert not [
        it.key for it in decoded(name).measurements
        if it.place in ones and metrics[it.metric].range is not None and it.value is not None
    ]  # fmt: skip


@pytest.mark.parametrize("name", ITEMS)
def test_a_recording_says_what_it_could_not_use(name):
    told = decoded(name)
    doubted = [it for it in told.measurements if it.quality is not Quality.GOOD]
    assert all(it.reason for it in doubted)
    assert len(told.problems) >= len(doubted)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(sorted(ITEMS)),
    seed=st.integers(0, 2**32),
    rubbish=st.one_of(
        st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=40), st.binary(max_size=40),
        st.sampled_from(["", "nan", "1e999", "-", "\x1b[2J", "9" * 500, b"\xff" * 64, "NaN V", 2**64 - 1, -1]),
    ),
)  # fmt: skip
def test_mutated_answers_crash_nothing(name, seed, rubbish):
    chance = random.Random(seed)
    mutated = {
        (oid if chance.random() > 0.02 else f"{oid}.{chance.randrange(2**33)}"): (
            raw if chance.random() > 0.2 else rubbish
        )
        for oid, raw in answers(name).items()
        if chance.random() > 0.05
    }
    for match in identify(mutated, shipped()):
        told = decode(shipped().family(match.profile), mutated)
        assert all((it.value is None) is (it.quality is Quality.MISSING) for it in told.measurements)
        assert all(
            it.isprintable()
            for it in (told.vendor, told.model, told.serial, told.firmware, *(m.instance for m in told.measurements))
        )


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(ITEMS)), cut=st.integers(0, 20_000), noise=st.binary(max_size=60))
def test_a_torn_recording_crashes_nothing(name, cut, noise):
    raw = (ROOT / ITEMS[name]["file"]).read_bytes()
    parse_recording((raw[:cut] + noise + raw[cut + 7 :]).decode("utf-8", "surrogateescape"))
