from __future__ import annotations

import pytest
from shell_bodies import group, path, quality

from failover.core.conditions import judge_fast_path, judge_group, judge_path
from lifeline.model.judgement import changes, doubtful, orphans
from lifeline.model.records import PerceivedSeverity

FIBRE, SAT = ("link:fibre", "path-down"), ("link:sat", "path-down")
ON, NONE, REFUSED = (("group:pg", name) for name in ("on-protection", "no-path", "switch-refused"))

DEGRADED = ("link:fibre", "path-degraded")
MISMATCH, NO_RESPONSE = (("group:pg", name) for name in ("aps-mismatch", "aps-no-response"))
ALWAYS_JUDGED = {DEGRADED, ("link:sat", "path-degraded"), MISMATCH, NO_RESPONSE}


@pytest.mark.parametrize(
    ("end", "raised", "cleared"),
    [
        (group(), set(), {FIBRE, SAT, ON, NONE, REFUSED}),
        (group("protection", working=True), {FIBRE, ON}, {SAT, NONE, REFUSED}),
        (group("protection"), {ON}, {FIBRE, SAT, NONE, REFUSED}),  # wait to restore
        (group(protection=True), {SAT}, {FIBRE, ON, NONE, REFUSED}),
        (group(working=True, protection=True), {FIBRE, SAT, NONE}, {ON, REFUSED}),
        (group(working=None, protection=None), set(), {ON, REFUSED}),  # just started: nothing known, nothing cleared
        (group(working=True, protection=None), {FIBRE}, {ON, REFUSED}),
        (group(trouble="Network is down"), {REFUSED}, {FIBRE, SAT, ON, NONE}),
        (group(working=True, protection=True, trouble="Network is down"), {FIBRE, SAT, NONE}, {ON}),
    ],
)
def test_conditions_follow_from_the_state(end: dict[str, object], raised: set[object], cleared: set[object]) -> None:
    judged = judge_group(end)
    assert {key for key, condition in judged.items() if condition is not None} == raised
    assert {key for key, condition in judged.items() if condition is None} == cleared | ALWAYS_JUDGED


def test_severities() -> None:
    judged = judge_group(group("protection", working=True, protection=True))
    severities = {key[1]: condition.perceived_severity for key, condition in judged.items() if condition}
    assert severities == {
        "path-down": PerceivedSeverity.MAJOR,
        "on-protection": PerceivedSeverity.WARNING,
        "no-path": PerceivedSeverity.CRITICAL,
    }


@pytest.mark.parametrize(
    ("carrier", "words"), [(True, "BFD is Down"), (False, "no carrier"), (None, "the interface is gone")]
)
def test_the_text_names_the_symptom(carrier: bool | None, words: str) -> None:
    condition = judge_path(path("fibre", failed=True, carrier=carrier), "site-a")[FIBRE]
    assert condition is not None
    assert words in condition.text


def test_only_changes_are_told() -> None:
    broken, whole = judge_group(group("protection", working=True)), judge_group(group())
    standing = {(c.subject, c.name): c for c in changes({}, broken)}
    assert set(standing) == {FIBRE, ON}
    assert changes(standing, broken) == []
    assert changes(standing, judge_group(group("protection", working=None))) == []
    ended = changes(standing, whole)
    assert {(c.subject, c.name) for c in ended} == {FIBRE, ON}
    assert not any(c.raised for c in ended)


def test_conditions_on_what_left_the_inventory_end() -> None:
    standing = {(c.subject, c.name): c for c in changes({}, judge_group(group("protection", working=True)))}
    assert orphans(standing, {"group:pg"}) == {FIBRE: None}


def test_after_a_lost_record_what_does_not_hold_is_cleared_for_certain() -> None:
    judged = judge_group(group("protection", working=True))
    told = changes(doubtful(judged), judged)
    assert {(c.subject, c.name): c.raised for c in told} == {
        FIBRE: True,
        ON: True,
        SAT: False,
        NONE: False,
        REFUSED: False,
        **dict.fromkeys(ALWAYS_JUDGED, False),
    }


def test_a_silent_fast_path_is_a_condition_of_its_daemon() -> None:
    ((key, condition),) = judge_fast_path("site-a", silent=True).items()
    assert key == ("daemon:site-a/fastpath", "fastpath-silent")
    assert condition is not None
    assert judge_fast_path("site-a", silent=False) == {key: None}


def test_a_degraded_path_is_told_with_its_reasons_and_cleared_only_when_known_to_be_good() -> None:
    lossy = judge_path(path("fibre", quality=quality("forward loss 5 %, raised at 1")), "site-a")[DEGRADED]
    assert lossy is not None
    assert lossy.perceived_severity is PerceivedSeverity.WARNING
    assert lossy.text == "site-a finds fibre degraded: forward loss 5 %, raised at 1"
    assert DEGRADED not in judge_path(path("fibre", quality=quality(known=False)), "site-a")
    assert judge_path(path("fibre", quality=quality()), "site-a")[DEGRADED] is None
    assert judge_path(path("fibre"), "site-a")[DEGRADED] is None


@pytest.mark.parametrize(
    ("defects", "key", "severity"),
    [
        (["aps-revertive-mismatch"], MISMATCH, PerceivedSeverity.MINOR),
        (["aps-revertive-mismatch", "aps-on-working"], MISMATCH, PerceivedSeverity.MAJOR),
        (["aps-silent"], NO_RESPONSE, PerceivedSeverity.MINOR),
        (["aps-no-response"], NO_RESPONSE, PerceivedSeverity.MAJOR),
    ],
)
def test_of_several_defects_of_the_protocol_the_worst_is_told(
    defects: list[str], key: tuple[str, str], severity: PerceivedSeverity
) -> None:
    judged = judge_group(group(defects=[(defect, "so it is") for defect in defects]))
    condition = judged[key]
    assert condition is not None
    assert condition.perceived_severity is severity
    assert condition.detail["defects"] == defects[::-1]
