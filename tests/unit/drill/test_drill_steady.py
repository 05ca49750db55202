"""When a network is fit to be drilled: unknown, stale and missing are not steady."""

from drill_fakes import TARGET, end_state, make_state

from lab.drills.steady import unsteady_reasons


def test_both_ends_on_working_with_both_paths_up_is_steady() -> None:
    assert unsteady_reasons(make_state(), TARGET, []) == []


def test_a_stale_end_is_not_steady() -> None:
    state = make_state(**{"core-wired": {**end_state(), "fresh": False}})
    assert unsteady_reasons(state, TARGET, []) == ["core-wired has not reported group pg-dongcheng lately"]


def test_an_end_never_heard_is_not_steady() -> None:
    state = make_state()
    del state["groups"][0]["ends"]["sbs-dongcheng"]
    assert unsteady_reasons(state, TARGET, []) == ["sbs-dongcheng has not reported group pg-dongcheng lately"]


def test_an_unknown_group_is_not_steady() -> None:
    assert unsteady_reasons({"groups": [], "alarms": []}, TARGET, []) == ["the hub does not know group pg-dongcheng"]


def test_traffic_on_protection_is_not_steady_and_says_why() -> None:
    state = make_state(**{"core-wired": end_state("protection")})
    assert unsteady_reasons(state, TARGET, []) == ["core-wired selects protection: no request stands"]


def test_active_faults_and_alarms_of_the_target_are_named() -> None:
    state = make_state()
    alarm = {"alarm_type_id": "path-down", "cleared_at_ns": None}
    state["alarms"] = [
        {**alarm, "resource": "link:sat-dongcheng"},
        {**alarm, "resource": "link:fibre-haidian"},
        {**alarm, "resource": "link:fibre-dongcheng", "cleared_at_ns": 5},
    ]
    assert unsteady_reasons(state, TARGET, ["003"]) == [
        "fault 003 is active",
        "alarm path-down on link:sat-dongcheng is active",
    ]
