import itertools

import pytest

from failover.core.protection import (
    CODES,
    MEANINGS,
    NON_REVERTIVE,
    REQUESTS,
    REVERTIVE,
    SYMBOLS,
    WHY,
    WHY_REQUESTED,
    IllegalInputError,
    Input,
    Protection,
    ProtectionConfig,
    Request,
    Select,
    Selector,
    State,
    StateChanged,
)

W, P = Selector.WORKING, Selector.PROTECTION
CONFIG = ProtectionConfig(wtr_s=10.0, working="fibre-dongcheng", protection="sat-dongcheng")
NON_REVERTIVE_CONFIG = ProtectionConfig(revertive=False, working="fibre-dongcheng", protection="sat-dongcheng")
HOLD_OFF_CONFIG = ProtectionConfig(wtr_s=10.0, hold_off_s=0.5, working="fibre-dongcheng", protection="sat-dongcheng")


def normal(config=CONFIG, now=0.0):
    end = Protection(config, now)
    end.signal_fail("working", False, now)
    end.signal_fail("protection", False, now)
    assert end.state is State.NORMAL
    return end


def selects(effects):
    return [e.selector for e in effects if isinstance(e, Select)]


# ---- the tables ----

# State-dependent cells, both tables; a blank says that the input cannot come in this state. Whatever else wins leads to
# the same state from everywhere (WINNERS).
#   state: next state and selector for  UNKNOWN   NR        NR_W      NR_P      EXPIRED  EXER
EXPECTED_BOTH = """
    START_WORKING            START:W -  N w       N w       N w       .        .
    NORMAL                   .          N -       N -       N -       .        E:W:L -
    UNAVAILABLE              START:W -  N w       N w       N w       .        .
    NO_PATH                  START:W w  N w       N w       N w       .        .
    NO_COMMON_PATH           START:W w  N w       N w       N w       .        .
    LOCKED_OUT               START:W -  N w       N w       N w       .        .
    PROTECTION_DEGRADED      START:W -  N w       N w       N w       .        .
    MANUAL_WORKING           START:W -  N w       N w       N w       .        .
    EXERCISE_WORKING         START:W -  N w       N w       N w       .        E:W:L -
    FAR_LOCKED_OUT           START:W -  N w       N w       N w       .        .
    FAR_NO_PATH              START:W -  N w       N w       N w       .        .
    FAR_UNAVAILABLE          START:W -  N w       N w       N w       .        .
    FAR_PROTECTION_DEGRADED  START:W -  N w       N w       N w       .        .
    FAR_MANUAL_WORKING       START:W -  N w       N w       N w       .        .
    ANSWER_WORKING           START:W -  N w       N w       N w       .        E:W:L -
"""
EXPECTED_REVERTIVE = """
    START_PROTECTION         START:P -  WTR p     N w       WTR p     .        .
    PROTECTING_FAILURE       START:W w  WTR p     WTR p     WTR p     .        .
    PROTECTING_DEGRADE       START:P -  WTR p     WTR p     WTR p     .        .
    WAIT_TO_RESTORE          .          WTR -     WTR -     WTR -     N w      .
    FORCED                   START:P -  N w       N w       N w       .        .
    MANUAL_PROTECTION        START:P -  N w       N w       N w       .        .
    EXERCISE_PROTECTION      START:P -  N w       N w       N w       .        E:P:L -
    FAR_FORCED               START:P -  N w       N w       N w       .        .
    FAR_PROTECTING_FAILURE   START:P -  WTR p     N w       WTR p     .        .
    FAR_PROTECTING_DEGRADE   START:P -  WTR p     N w       WTR p     .        .
    FAR_MANUAL_PROTECTION    START:P -  N w       N w       N w       .        .
    FAR_WAIT_TO_RESTORE      START:P -  N w       N w       N w       .        .
    FAR_DO_NOT_REVERT        START:P -  N w       N w       N w       .        E:P:L -
    ANSWER_PROTECTION        START:P -  N w       N w       N w       .        E:P:L -
"""
EXPECTED_NON_REVERTIVE = """
    START_PROTECTION         START:P -  DNR p     N w       DNR p     .        .
    PROTECTING_FAILURE       START:W w  DNR p     DNR p     DNR p     .        .
    PROTECTING_DEGRADE       START:P -  DNR p     DNR p     DNR p     .        .
    DO_NOT_REVERT            START:P -  DNR -     DNR -     DNR -     .        E:P:L -
    FORCED                   START:P -  DNR p     DNR p     DNR p     .        .
    MANUAL_PROTECTION        START:P -  DNR p     DNR p     DNR p     .        .
    EXERCISE_PROTECTION      START:P -  DNR p     DNR p     DNR p     .        E:P:L -
    FAR_FORCED               START:P -  DNR p     N w       DNR p     .        .
    FAR_PROTECTING_FAILURE   START:P -  DNR p     N w       DNR p     .        .
    FAR_PROTECTING_DEGRADE   START:P -  DNR p     N w       DNR p     .        .
    FAR_MANUAL_PROTECTION    START:P -  DNR p     N w       DNR p     .        .
    FAR_WAIT_TO_RESTORE      START:P -  DNR p     N w       DNR p     .        .
    ANSWER_PROTECTION        START:P -  DNR p     DNR p     DNR p     .        E:P:L -
"""
# What wins, wherever we are.
EXPECTED_WINNERS = """
    LO UA:LO:L w         FAR_LO UA:LO:R w     SF_P UA:P:L w        FAR_SF_P UA:P:R w
    FS PF:F:L p          FAR_FS PF:F:R p      SF_W PF:W:L p        FAR_SF_W PF:W:R p
    SD_P UA:DP:L w       FAR_SD_P UA:DP:R w   SD_W PF:DW:L p       FAR_SD_W PF:DW:R p
    MS_P SA:MP:L p       FAR_MS_P SA:MP:R p   MS_W SA:MW:L w       FAR_MS_W SA:MW:R w
    SF_WP NP:L -         SF_W_FAR_SF_P NP:LR - FAR_WTR WTR:R p
    FAR_SF_WP NP:R -
    FAR_EXER_W E:W:R w   FAR_EXER_P E:P:R p
"""
INPUTS = (Input.UNKNOWN, Input.NR, Input.NR_W, Input.NR_P, Input.WTR_EXPIRED, Input.EXER)
STATES = {symbol: state for state, symbol in SYMBOLS.items()}
SELECTORS = {"w": W, "p": P, "-": None}


def parsed(rows, far_dnr):
    table = {}
    for row in rows.strip().splitlines():
        name, *cells = row.split()
        each = iter(cells)
        for what in INPUTS:
            if (cell := next(each)) != ".":
                table[State[name], what] = (STATES[cell], SELECTORS[next(each)])
        table[State[name], Input.FAR_DNR] = (far_dnr, P)
        winners = iter(EXPECTED_WINNERS.split())
        for what in winners:
            table[State[name], Input[what]] = (STATES[next(winners)], SELECTORS[next(winners)])
    return table


@pytest.mark.parametrize(
    ("table", "expected", "far_dnr"),
    [
        (REVERTIVE, EXPECTED_REVERTIVE, State.FAR_DO_NOT_REVERT),
        (NON_REVERTIVE, EXPECTED_NON_REVERTIVE, State.DO_NOT_REVERT),
    ],
)
def test_the_tables_say_what_was_reviewed(table, expected, far_dnr):
    assert table == parsed(EXPECTED_BOTH.rstrip() + expected, far_dnr)


@pytest.mark.parametrize("config", [CONFIG, NON_REVERTIVE_CONFIG])
def test_every_state_and_input_follow_the_table_or_are_refused(config):
    for state, what, before in itertools.product(State, Input, Selector):
        end = Protection(config, 0.0, before)
        end._state = state
        table = REVERTIVE if config.revertive else NON_REVERTIVE
        changes = []
        if (state, what) not in table:
            with pytest.raises(IllegalInputError, match=f"{what.name} in state {state.name}"):
                end._apply(what, 1.0, changes)
            assert (end.state, end.selector, changes) == (state, before, [])
            continue
        moved = end._apply(what, 1.0, changes)
        next_state, selector = table[state, what]
        assert end.state is next_state
        assert end.selector is (selector or before)
        assert end.request is REQUESTS[next_state]
        assert moved is (next_state is not state or end.selector is not before)
        assert [(c.previous, c.state, c.selector, c.at) for c in changes] == (
            [(state, next_state, end.selector, 1.0)] if next_state is not state else []
        )


@pytest.mark.parametrize("table", [REVERTIVE, NON_REVERTIVE])
def test_an_input_that_goes_on_standing_moves_nothing_further(table):
    for (_, what), (after, _) in table.items():
        if what is not Input.WTR_EXPIRED:
            assert table[after, what][0] is after


def test_every_state_has_a_request_a_symbol_and_a_sentence():
    assert set(REQUESTS) == set(SYMBOLS) == set(WHY) | set(WHY_REQUESTED) == set(State)
    assert not set(WHY) & set(WHY_REQUESTED)
    assert set(Request) == set(MEANINGS) == set(CODES)


def test_requests_stand_in_ascending_priority_as_they_are_sent():
    # G.8031 table 11-1
    codes = {"NR": 0, "DNR": 1, "RR": 2, "EXER": 4, "WTR": 5, "MS-W": 7, "MS-P": 7, "SD-W": 9, "SD-P": 9, "SF-W": 11,
             "FS": 13, "SF-P": 14, "LO": 15}  # fmt: skip
    assert {request.value: code.value for request, code in CODES.items()} == codes
    assert [request.value for request in Request] == list(codes)


def reachable(config, start):
    """Every situation that any sequence of failures, recoveries and timers leads to (times apart)."""
    begin = Protection(config, 0.0, start)
    seen, todo = {}, [(begin, 0.0)]
    while todo:
        end, now = todo.pop()
        key = (end.state, end.selector, *((p.failed, p.declared) for p in end._paths.values()))
        if key in seen:
            continue
        seen[key] = end
        for path, failed in itertools.product(Selector, (True, False)):
            following = end.fork()
            following.signal_fail(path, failed, now + 0.001)
            todo.append((following, now + 0.001))
        if (deadline := end.next_deadline()) is not None:
            following = end.fork()
            following.handle_timer(deadline)
            todo.append((following, deadline))
    return seen.values()


EVERY_KIND = pytest.mark.parametrize(
    ("config", "start"),
    list(itertools.product([
        CONFIG, NON_REVERTIVE_CONFIG, HOLD_OFF_CONFIG, ProtectionConfig(wtr_s=0),
        ProtectionConfig(revertive=False, hold_off_s=1),
    ], Selector)),
)  # fmt: skip


@EVERY_KIND
def test_no_situation_leads_to_an_illegal_input(config, start):
    states = {end.state for end in reachable(config, start)}
    assert states >= {State.START_WORKING, State.NORMAL, State.UNAVAILABLE, State.PROTECTING_FAILURE, State.NO_PATH}


@EVERY_KIND
def test_traffic_never_stays_on_a_failed_path_while_the_other_works_save_for_hold_off(config, start):
    for end in reachable(config, start):
        if end.failed(end.selector) and end.failed(end.selector.other) is not True:
            assert config.hold_off_s > 0
            assert end.next_deadline() is not None


@EVERY_KIND
def test_a_switch_never_goes_to_a_failed_path(config, start):
    for end in reachable(config, start):
        before = end.selector
        for path, failed in itertools.product(Selector, (True, False)):
            following = end.fork()
            following.signal_fail(path, failed, 1e6)
            assert following.selector is before or following.failed(following.selector) is not True
        following = end.fork()
        following.handle_timer(1e6)
        assert following.selector is before or following.failed(following.selector) is not True


# ---- as it is lived ----


def test_a_failed_working_path_is_left_at_once_and_the_reason_is_told():
    end = normal()
    effects = end.signal_fail("working", True, 5.0, "BFD detection time expired")
    assert effects == (
        Select(P),
        StateChanged(
            State.NORMAL,
            State.PROTECTING_FAILURE,
            Request.SF_W,
            P,
            "Working path fibre-dongcheng failed (BFD detection time expired); carrying on sat-dongcheng.",
            5.0,
        ),
    )


def test_traffic_returns_after_wtr_and_not_before():
    end = normal()
    end.signal_fail("working", True, 5.0)
    assert selects(end.signal_fail("working", False, 20.0)) == []
    assert (end.state, end.request, end.wtr_ends_at, end.next_deadline()) == (
        State.WAIT_TO_RESTORE, Request.WTR, 30.0, 30.0,
    )  # fmt: skip
    assert end.handle_timer(29.999) == ()
    assert selects(end.handle_timer(30.0)) == [W]
    assert (end.state, end.wtr_ends_at, end.next_deadline()) == (State.NORMAL, None, None)


def test_a_flap_during_wtr_cancels_it_without_a_switch_and_the_wait_starts_anew():
    end = normal()
    end.signal_fail("working", True, 5.0)
    end.signal_fail("working", False, 20.0)
    assert selects(end.signal_fail("working", True, 25.0)) == []
    assert (end.state, end.wtr_ends_at) == (State.PROTECTING_FAILURE, None)
    assert end.handle_timer(30.0) == ()
    end.signal_fail("working", False, 40.0)
    assert end.wtr_ends_at == 50.0


def test_protection_failing_during_wtr_ends_the_wait():
    end = normal()
    end.signal_fail("working", True, 5.0)
    end.signal_fail("working", False, 20.0)
    assert selects(end.signal_fail("protection", True, 21.0, "BFD detection time expired")) == [W]
    assert end.why == "Protection path sat-dongcheng failed (BFD detection time expired); carrying on fibre-dongcheng."
    assert end.wtr_ends_at is None


def test_both_failed_stays_put_and_takes_the_first_path_that_works_without_any_wait():
    for first in Selector:
        end = normal(HOLD_OFF_CONFIG)
        end.signal_fail("working", True, 5.0)
        end.handle_timer(5.5)
        assert end.selector is P
        assert selects(end.signal_fail("protection", True, 6.0)) == []
        assert end.state is State.NO_PATH
        end.signal_fail(first, False, 7.0)
        assert end.selector is first


def test_both_failed_with_traffic_on_working_takes_protection_as_soon_as_it_works():
    end = normal(HOLD_OFF_CONFIG)
    end.signal_fail("protection", True, 5.0)
    assert selects(end.signal_fail("working", True, 5.1)) == []
    assert end.state is State.NO_PATH
    assert selects(end.signal_fail("protection", False, 5.2)) == [P], "no hold-off where nothing gets through"


def test_non_revertive_stays_on_protection_until_that_fails():
    end = normal(NON_REVERTIVE_CONFIG)
    end.signal_fail("working", True, 5.0)
    assert selects(end.signal_fail("working", False, 20.0)) == []
    assert (end.state, end.request, end.next_deadline()) == (State.DO_NOT_REVERT, Request.DNR, None)
    assert selects(end.signal_fail("protection", True, 1e6)) == [W]
    assert selects(end.signal_fail("protection", False, 2e6)) == []
    assert end.state is State.NORMAL


def test_wtr_of_zero_returns_at_once():
    end = normal(ProtectionConfig(wtr_s=0))
    end.signal_fail("working", True, 5.0)
    assert selects(end.signal_fail("working", False, 6.0)) == [W]
    assert end.state is State.NORMAL


# ---- hold-off ----


def test_hold_off_lets_a_short_failure_pass():
    end = normal(HOLD_OFF_CONFIG)
    assert end.signal_fail("working", True, 5.0, "loss of carrier") == ()
    assert end.why == "Path fibre-dongcheng failed (loss of carrier); giving it 0.5 s to recover (hold-off)."
    assert end.next_deadline() == 5.5
    assert end.signal_fail("working", False, 5.3) == ()
    assert end.next_deadline() is None
    assert end.state is State.NORMAL


def test_after_hold_off_a_lasting_failure_switches():
    end = normal(HOLD_OFF_CONFIG)
    end.signal_fail("working", True, 5.0)
    assert end.handle_timer(5.499) == ()
    assert selects(end.handle_timer(5.5)) == [P]


def test_hold_off_ends_when_the_other_path_fails_too():
    end = normal(HOLD_OFF_CONFIG)
    end.signal_fail("working", True, 5.0)
    end.signal_fail("protection", True, 5.1)
    assert end.state is State.NO_PATH


def test_a_standby_path_that_fails_is_known_at_once():
    end = normal(HOLD_OFF_CONFIG)
    end.signal_fail("protection", True, 5.0)
    assert end.state is State.UNAVAILABLE


def test_reverting_away_from_a_path_in_hold_off_leaves_no_failure_behind_unseen():
    end = normal(HOLD_OFF_CONFIG)
    end.signal_fail("working", True, 5.0)
    end.handle_timer(5.5)
    end.signal_fail("working", False, 6.0)
    end.signal_fail("protection", True, 15.9)
    assert selects(end.handle_timer(16.0)) == [W]
    assert end.state is State.UNAVAILABLE


# ---- start ----


@pytest.mark.parametrize(("selector", "state"), [(W, State.START_WORKING), (P, State.START_PROTECTION)])
def test_a_start_adopts_the_selector_without_a_switch(selector, state):
    end = Protection(CONFIG, 0.0, selector)
    assert (end.selector, end.state, end.request, end.next_deadline()) == (selector, state, Request.NR, None)
    assert end.handle_timer(1e6) == ()


def test_a_start_on_working_is_normal_once_both_are_known_to_work():
    end = Protection(CONFIG, 0.0)
    assert end.signal_fail("working", False, 1.0) == ()
    assert selects(end.signal_fail("protection", False, 2.0)) == []
    assert end.state is State.NORMAL


def test_a_start_on_protection_waits_to_restore_once_both_are_known_to_work():
    end = Protection(CONFIG, 0.0, P)
    assert end.signal_fail("protection", False, 1.0) == ()
    assert selects(end.signal_fail("working", False, 2.0)) == []
    assert (end.state, end.wtr_ends_at) == (State.WAIT_TO_RESTORE, 12.0)


@pytest.mark.parametrize("selector", Selector)
def test_at_start_a_failed_path_is_left_even_for_an_unknown_one(selector):
    end = Protection(CONFIG, 0.0, selector)
    assert selects(end.signal_fail(selector, True, 1.0)) == [selector.other]


def test_an_untried_protection_path_is_left_again_when_working_works():
    end = Protection(CONFIG, 0.0)
    end.signal_fail("working", True, 1.0)
    assert selects(end.signal_fail("working", False, 2.0)) == [W]
    assert end.state is State.START_WORKING


def test_at_start_a_failed_standby_path_moves_nothing():
    end = Protection(CONFIG, 0.0)
    assert selects(end.signal_fail("protection", True, 1.0)) == []
    assert end.state is State.UNAVAILABLE
    end.signal_fail("protection", False, 2.0)
    assert end.state is State.START_WORKING


# ---- bad input ----


def test_news_that_is_no_news_does_nothing():
    end = normal()
    end.signal_fail("working", True, 5.0)
    assert end.signal_fail("working", True, 6.0, "again") == ()
    assert "again" not in end.why


@pytest.mark.parametrize("path", ["fibre", "", "Working"])
def test_an_unknown_path_is_refused(path):
    with pytest.raises(ValueError, match="is not a valid Selector"):
        normal().signal_fail(path, True, 1.0)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"wtr_s": -1}, "wtr_s is -1, must be 0 to 720"),
        ({"wtr_s": 721}, "wtr_s is 721"),
        ({"hold_off_s": 10.1}, "hold_off_s is 10.1, must be 0 to 10"),
        ({"hold_off_s": float("nan")}, "hold_off_s is nan"),
        ({"hold_off_s": 0.25}, "hold_off_s is 0.25, must be a multiple of 0.1"),
    ],
)
def test_times_outside_the_standard_are_refused(fields, error):
    with pytest.raises(ValueError, match=error):
        ProtectionConfig(**fields)
