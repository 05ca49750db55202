"""What one end tells, believes and complains of; the far end is played by hand."""

from itertools import count

import pytest

from failover.core.aps import ApsMessage, ProtectionType, RequestCode, Signal
from failover.core.protection import (
    ApsConfig,
    Command,
    Defect,
    DefectChanged,
    Protection,
    ProtectionConfig,
    Request,
    Select,
    Selector,
    SendAps,
    State,
)

W, P = Selector.WORKING, Selector.PROTECTION
NULL, NORMAL = Signal.NULL, Signal.NORMAL
KIND = ProtectionType(15)
NUMBERS = count(1)


def end(selector=W, known=True, revertive=True, **aps):
    config = ProtectionConfig(revertive=revertive, wtr_s=10.0, working="fibre", protection="sat")
    machine = Protection(config, 0.0, selector, ApsConfig(group=7, epoch=1, **aps))
    if known:
        for path in Selector:
            machine.signal_fail(path, False, 0.0)
        quiet(machine, 0.1)
    return machine


def quiet(machine, until):
    """Let timers run; return what came of them with its time."""
    effects = []
    while (due := machine.next_deadline()) is not None and due <= until:
        effects += [(due, effect) for effect in machine.handle_timer(due)]
        assert (machine.next_deadline() or until + 1) > due
    return effects


def said(request=RequestCode.NR, signal=NULL, kind=KIND, group=7, epoch=1, sequence=None):
    return ApsMessage(request, kind, signal, signal, group, epoch, next(NUMBERS) if sequence is None else sequence)


def sent(effects):
    return [effect.message for effect in effects if isinstance(effect, SendAps)]


def defects(effects):
    return [(effect.defect, effect.raised) for effect in effects if isinstance(effect, DefectChanged)]


# ---- telling ----


def test_a_change_is_told_three_times_fast_and_then_each_five_seconds():
    machine = end()
    effects = [(1.0, e) for e in machine.signal_fail("working", True, 1.0)] + quiet(machine, 12.0)
    times = [at for at, effect in effects if isinstance(effect, SendAps)]
    assert times == pytest.approx([1.0, 1.0033, 1.0066, 6.0066, 11.0066])
    message = sent([effect for _, effect in effects])[0]
    assert (message.request, message.requested, message.bridged) == (RequestCode.SF_W, NORMAL, NORMAL)
    assert (message.protection_type, message.group, message.epoch) == (KIND, 7, 1)


def test_every_message_has_a_number_of_its_own():
    machine = end()
    numbers = [effect.message.sequence for _, effect in quiet(machine, 30.0) if isinstance(effect, SendAps)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_the_switch_comes_before_the_news_of_it_and_both_before_the_record():
    kinds = [type(effect) for effect in end().signal_fail("working", True, 1.0)]
    assert kinds[:2] == [Select, SendAps]
    assert len(kinds) == 3


@pytest.mark.parametrize(
    ("command", "code", "signal"),
    [
        (Command.LOCKOUT, RequestCode.LO, NULL),
        (Command.FORCE, RequestCode.FS, NORMAL),
        (Command.MANUAL_PROTECTION, RequestCode.MS, NORMAL),
        (Command.MANUAL_WORKING, RequestCode.MS, NULL),
        (Command.EXERCISE, RequestCode.EXER, NULL),
    ],
)
def test_commands_are_told(command, code, signal):
    machine = end()
    machine.receive(said(), 1.0)
    quiet(machine, 1.5)
    outcome = machine.command(command, 2.0)
    assert [(m.request, m.requested) for m in sent(outcome.effects)] == [(code, signal)]


@pytest.mark.parametrize(("path", "signal"), [("working", NORMAL), ("protection", NULL)])
def test_degrade_names_its_path_by_the_signal_it_asks_for(path, signal):
    effects = end().signal_degrade(path, True, 1.0)
    assert [(m.request, m.requested) for m in sent(effects)] == [(RequestCode.SD, signal)]


def test_freeze_is_told_to_nobody():
    machine = end()
    assert machine.command(Command.FREEZE, 1.0).effects == ()
    assert sent(machine.signal_fail("working", True, 2.0)) == []


# ---- following ----

FOLLOWED = [
    (RequestCode.LO, NULL, State.FAR_LOCKED_OUT, W),
    (RequestCode.SF_P, NULL, State.FAR_UNAVAILABLE, W),
    (RequestCode.FS, NORMAL, State.FAR_FORCED, P),
    (RequestCode.SF_W, NORMAL, State.FAR_PROTECTING_FAILURE, P),
    (RequestCode.SD, NULL, State.FAR_PROTECTION_DEGRADED, W),
    (RequestCode.SD, NORMAL, State.FAR_PROTECTING_DEGRADE, P),
    (RequestCode.MS, NULL, State.FAR_MANUAL_WORKING, W),
    (RequestCode.MS, NORMAL, State.FAR_MANUAL_PROTECTION, P),
    (RequestCode.WTR, NORMAL, State.FAR_WAIT_TO_RESTORE, P),
    (RequestCode.DNR, NORMAL, State.FAR_DO_NOT_REVERT, P),
]


@pytest.mark.parametrize(("code", "signal", "state", "selector"), FOLLOWED)
def test_what_the_far_end_requests_is_followed_and_answered_with_no_request(code, signal, state, selector):
    machine = end()
    effects = machine.receive(said(code, signal), 1.0)
    assert (machine.state, machine.selector) == (state, selector)
    answers = [(m.request, m.requested) for m in sent(effects)]
    assert answers == [(RequestCode.NR, NORMAL if selector is P else NULL)]
    machine.receive(said(), 2.0)
    assert (machine.state, machine.selector) == (State.NORMAL, W)


@pytest.mark.parametrize(("code", "signal", "state", "selector"), FOLLOWED)
def test_an_end_that_is_still_starting_follows_as_well(code, signal, state, selector):
    for before in Selector:
        machine = end(before, known=False)
        machine.receive(said(code, signal), 1.0)
        assert (machine.state, machine.selector) == (state, selector)


def test_an_exercise_is_answered_with_reverse_request():
    machine = end()
    effects = machine.receive(said(RequestCode.EXER, NULL), 1.0)
    assert [(m.request, m.requested) for m in sent(effects)] == [(RequestCode.RR, NULL)]
    assert (machine.state, machine.selector) == (State.ANSWER_WORKING, W)
    machine.receive(said(), 2.0)
    assert machine.state is State.NORMAL


def test_our_own_exercise_sees_its_answer_and_moves_nothing():
    machine = end()
    machine.receive(said(), 1.0)
    machine.command(Command.EXERCISE, 2.0)
    assert machine.state is State.EXERCISE_WORKING
    assert machine.far_request is Request.NR
    machine.receive(said(RequestCode.RR, NULL), 3.0)
    assert machine.far_request is Request.RR, "answered"
    assert machine.command(Command.CLEAR, 4.0).accepted
    assert machine.state is State.NORMAL


def test_the_higher_of_two_requests_wins_at_either_end():
    machine = end()
    machine.signal_fail("working", True, 1.0)
    machine.receive(said(RequestCode.MS, NULL), 2.0)
    assert machine.state is State.PROTECTING_FAILURE
    machine.receive(said(RequestCode.LO, NULL), 3.0)
    assert (machine.state, machine.selector) == (State.FAR_LOCKED_OUT, W)
    machine.receive(said(), 4.0)
    assert machine.state is State.PROTECTING_FAILURE


def test_what_the_far_end_asks_for_stands_against_a_lower_command():
    machine = end()
    machine.receive(said(RequestCode.FS, NORMAL), 1.0)
    outcome = machine.command(Command.MANUAL_WORKING, 2.0)
    assert outcome.reason == "Manual switch to working is refused: the far end is forced by command (FS)."
    assert machine.command(Command.CLEAR, 2.0).reason == (
        "There is nothing to clear here: the far end is forced by command (FS); clear it there."
    )
    assert machine.command(Command.LOCKOUT, 3.0).accepted


@pytest.mark.parametrize(
    ("ours", "theirs", "wins"),
    [
        ("working", NORMAL, State.PROTECTING_DEGRADE),
        ("working", NULL, State.PROTECTING_DEGRADE),
        ("protection", NULL, State.PROTECTION_DEGRADED),
        ("protection", NORMAL, State.FAR_PROTECTING_DEGRADE),
    ],
)
def test_of_two_degrades_in_the_same_moment_the_one_of_working_wins_at_both_ends(ours, theirs, wins):
    machine = end()
    machine.signal_degrade(ours, True, 1.0)
    machine.receive(said(RequestCode.SD, theirs), 1.1)
    assert machine.state is wins


def test_a_degrade_that_comes_second_moves_nothing():
    machine = end()
    machine.receive(said(RequestCode.SD, NULL), 1.0)
    assert machine.state is State.FAR_PROTECTION_DEGRADED
    machine.signal_degrade("working", True, 2.0)
    assert machine.state is State.FAR_PROTECTION_DEGRADED


def test_a_manual_switch_yields_to_one_to_working_that_was_given_in_the_same_moment():
    machine = end()
    machine.command(Command.MANUAL_PROTECTION, 1.0)
    machine.receive(said(RequestCode.MS, NULL), 1.1)
    assert (machine.state, machine.selector, machine.standing_command) == (State.FAR_MANUAL_WORKING, W, None)


def test_a_failure_here_and_one_there_leave_no_path_and_switch_nothing():
    machine = end()
    machine.signal_fail("working", True, 1.0)
    assert machine.receive(said(RequestCode.SF_P, NULL), 2.0)[0] != Select(W)
    assert (machine.state, machine.selector) == (State.NO_COMMON_PATH, P)
    assert machine.request is Request.SF_W, "sent back, SF-P would never end"
    machine.signal_fail("working", False, 3.0)
    assert (machine.state, machine.selector) == (State.FAR_UNAVAILABLE, W)


def test_a_far_end_without_any_path_moves_nothing():
    for selector in Selector:
        machine = end(selector, known=False)
        machine.receive(said(RequestCode.SF_P, NORMAL), 0.5)
        assert (machine.state, machine.selector) == (State.FAR_NO_PATH, selector)


def test_wait_to_restore_starts_where_the_failure_was_seen_and_after_both_cease_to_see_it():
    machine = end()
    machine.signal_fail("working", True, 1.0)
    machine.receive(said(RequestCode.SF_W, NORMAL), 1.1)
    machine.signal_fail("working", False, 2.0)
    assert machine.state is State.FAR_PROTECTING_FAILURE, "the far end still sees it"
    machine.receive(said(RequestCode.NR, NORMAL), 3.0)
    assert (machine.state, machine.wtr_ends_at) == (State.WAIT_TO_RESTORE, 13.0), "both wait for the other: both wait"


def test_the_last_of_two_waits_returns_both_ends():
    machine = end()
    machine.signal_fail("working", True, 1.0)
    machine.signal_fail("working", False, 2.0)
    machine.receive(said(RequestCode.WTR, NORMAL), 3.0)
    assert machine.state is State.WAIT_TO_RESTORE
    quiet(machine, 12.0)
    assert (machine.state, machine.selector) == (State.FAR_WAIT_TO_RESTORE, P)
    machine.receive(said(RequestCode.NR, NULL), 13.0)
    assert (machine.state, machine.selector) == (State.NORMAL, W)


def test_a_starting_end_goes_where_the_far_end_carries_traffic():
    machine = end(P, known=False)
    machine.receive(said(RequestCode.NR, NULL), 0.5)
    machine.signal_fail("working", False, 1.0)
    machine.signal_fail("protection", False, 1.0)
    assert (machine.state, machine.selector) == (State.NORMAL, W)


# ---- believing ----


def test_late_doubled_and_older_messages_change_nothing():
    machine = end()
    machine.receive(said(RequestCode.SF_W, NORMAL, sequence=5, epoch=9), 1.0)
    for stale in ({"sequence": 5, "epoch": 9}, {"sequence": 4, "epoch": 9}, {"sequence": 99, "epoch": 8}):
        machine.receive(said(RequestCode.NR, NULL, **stale), 1.1)
        assert machine.state is State.FAR_PROTECTING_FAILURE
    assert machine.channel.stale == 3
    machine.receive(said(RequestCode.NR, NULL, sequence=1, epoch=10), 1.2)
    assert machine.state is State.NORMAL, "a new life of the far end"


def test_a_far_end_whose_clock_was_set_back_is_learned_anew_after_silence():
    machine = end()
    machine.receive(said(RequestCode.NR, NULL, epoch=9), 1.0)
    quiet(machine, 20.0)
    machine.receive(said(RequestCode.FS, NORMAL, epoch=3, sequence=1), 20.0)
    assert machine.state is State.FAR_FORCED


def test_news_is_answered_at_once():
    machine = end()
    quiet(machine, 0.5)
    assert len(sent(machine.receive(said(epoch=2), 1.0))) == 1
    assert sent(machine.receive(said(epoch=2), 2.0)) == []


def test_when_protection_fails_the_far_ends_word_is_forgotten():
    machine = end()
    machine.receive(said(RequestCode.FS, NORMAL), 1.0)
    machine.signal_fail("protection", True, 2.0)
    assert (machine.state, machine.far_request) == (State.UNAVAILABLE, None)
    machine.receive(said(RequestCode.FS, NORMAL), 2.5)
    assert machine.far_request is None
    machine.signal_fail("protection", False, 3.0)
    assert machine.far_request is None
    assert machine.state is State.NORMAL


def test_silence_ends_what_the_far_end_saw_but_not_what_its_operator_ordered():
    for code, state in ((RequestCode.SF_W, State.WAIT_TO_RESTORE), (RequestCode.FS, State.FAR_FORCED)):
        machine = end()
        machine.receive(said(code, NORMAL), 1.0)
        effects = [effect for _, effect in quiet(machine, 20.0)]
        assert (Defect.SILENCE, True) in defects(effects)
        assert machine.state is state


def test_a_far_end_that_never_spoke_changes_nothing_but_is_told_of():
    machine = end()
    effects = [effect for _, effect in quiet(machine, 30.0)]
    assert defects(effects) == [(Defect.SILENCE, True)]
    assert machine.signal_fail("working", True, 31.0)[0] == Select(P)
    machine.signal_fail("working", False, 32.0)
    assert machine.state is State.WAIT_TO_RESTORE


# ---- complaining ----


def test_no_response_is_an_alarm_until_the_far_end_follows():
    machine = end(no_response_s=1.0)
    machine.receive(said(RequestCode.NR, NULL), 0.5)
    machine.signal_fail("working", True, 1.0)
    assert defects(effect for _, effect in quiet(machine, 1.99)) == []
    assert defects(effect for _, effect in quiet(machine, 2.0)) == [(Defect.NO_RESPONSE, True)]
    assert machine.defects == {Defect.NO_RESPONSE: "the far end carries traffic on the other path"}
    assert defects(machine.receive(said(RequestCode.NR, NORMAL), 2.5)) == [(Defect.NO_RESPONSE, False)]


def test_while_there_is_no_response_it_is_told_each_second():
    machine = end()
    machine.receive(said(RequestCode.NR, NULL), 0.5)
    machine.signal_fail("working", True, 1.0)
    times = [at for at, effect in quiet(machine, 4.5) if isinstance(effect, SendAps)]
    assert times == pytest.approx([1.0033, 1.0066, 2.0066, 3.0066, 4.0066])


@pytest.mark.parametrize(
    ("changed", "defect", "followed"),
    [
        ({"kind": KIND & ~ProtectionType.BRIDGE}, Defect.PROVISIONING, False),
        ({"kind": KIND & ~ProtectionType.APS}, Defect.PROVISIONING, False),
        ({"kind": KIND & ~ProtectionType.BIDIRECTIONAL}, Defect.PROVISIONING, False),
        ({"group": 8}, Defect.GROUP, False),
        ({"kind": KIND & ~ProtectionType.REVERTIVE}, Defect.REVERTIVE, True),
    ],
)
def test_a_far_end_that_is_set_otherwise_is_told_of(changed, defect, followed):
    machine = end()
    machine.receive(said(), 0.5)
    effects = machine.receive(said(RequestCode.FS, NORMAL, **changed), 1.0)
    assert defects(effects) == [(defect, True)]
    assert (machine.state is State.FAR_FORCED) is followed
    assert list(machine.defects) == [defect]
    later = [effect for _, effect in quiet(machine, 10.0)]
    if defect is not Defect.GROUP:
        later += machine.receive(said(), 11.0)
    else:
        machine.receive(said(), 11.0)
        later += [effect for _, effect in quiet(machine, 20.0)]
    assert (defect, False) in defects(later)
    assert machine.defects == {}


def test_messages_over_the_working_path_are_an_alarm_and_not_followed():
    machine = end()
    machine.receive(said(), 0.5)
    effects = machine.receive(said(RequestCode.FS, NORMAL), 1.0, "working")
    assert defects(effects) == [(Defect.WRONG_PATH, True)]
    assert machine.state is State.NORMAL
    machine.receive(said(), 15.0)
    assert (Defect.WRONG_PATH, False) in defects(effect for _, effect in quiet(machine, 19.0))


def test_without_a_channel_messages_are_nothing():
    machine = Protection(ProtectionConfig(), 0.0)
    assert machine.receive(said(RequestCode.FS, NORMAL), 1.0) == ()
    assert (machine.channel, machine.defects, machine.far_request, machine.far_selector) == (None, {}, None, None)


@pytest.mark.parametrize("fields", [{"group": -1, "epoch": 0}, {"group": 0, "epoch": 1 << 64}])
def test_settings_that_do_not_fit_on_the_wire_are_refused(fields):
    with pytest.raises(ValueError, match="must be an unsigned"):
        ApsConfig(**fields)
    with pytest.raises(ValueError, match="no_response_s is 0"):
        ApsConfig(1, 1, no_response_s=0)
