"""Commands at one end, and signal degrade: who outranks whom, and what is told."""

import itertools

import pytest

from failover.core.protection import (
    CODES,
    COMMANDS,
    LOCAL,
    Command,
    CommandDropped,
    Protection,
    ProtectionConfig,
    Select,
    Selector,
    State,
)

W, P = Selector.WORKING, Selector.PROTECTION
NAMES = {"working": "fibre", "protection": "sat"}
STANDING = [command for command in COMMANDS if command is not Command.EXERCISE]


def end(revertive=True, **settings):
    machine = Protection(ProtectionConfig(revertive=revertive, wtr_s=10.0, **NAMES, **settings), 0.0)
    for path in Selector:
        machine.signal_fail(path, False, 0.0)
    return machine


def drops(effects):
    return [effect.command for effect in effects if isinstance(effect, CommandDropped)]


EFFECT = {
    Command.LOCKOUT: (State.LOCKED_OUT, W),
    Command.FORCE: (State.FORCED, P),
    Command.MANUAL_PROTECTION: (State.MANUAL_PROTECTION, P),
    Command.MANUAL_WORKING: (State.MANUAL_WORKING, W),
}


@pytest.mark.parametrize("command", STANDING)
def test_a_command_is_planned_then_done_as_planned_then_cleared(command):
    machine = end()
    plan = machine.plan(command, 1.0)
    assert machine.state is State.NORMAL, "a plan changes nothing"
    outcome = machine.command(command, 1.0)
    state, selector = EFFECT[command]
    assert outcome.accepted
    assert (machine.state, machine.selector, machine.standing_command) == (state, selector, command)
    assert (plan.accepted, plan.state, plan.selector, plan.reason) == (True, state, selector, machine.why)
    assert plan.switches is (selector is P)
    assert machine.command(Command.CLEAR, 2.0).accepted
    assert (machine.state, machine.selector, machine.standing_command) == (State.NORMAL, W, None)


@pytest.mark.parametrize("command", [Command.FORCE, Command.MANUAL_PROTECTION])
def test_non_revertive_stays_on_protection_after_a_command_until_told_otherwise(command):
    machine = end(revertive=False)
    machine.command(command, 1.0)
    machine.command(Command.CLEAR, 2.0)
    assert (machine.state, machine.selector) == (State.DO_NOT_REVERT, P)
    assert machine.command(Command.CLEAR, 3.0).reason == "There is no command and no wait to clear here."
    assert machine.command(Command.MANUAL_WORKING, 4.0).accepted
    machine.command(Command.CLEAR, 5.0)
    assert (machine.state, machine.selector) == (State.NORMAL, W)


@pytest.mark.parametrize(("first", "second"), itertools.product(STANDING, STANDING))
def test_only_a_higher_command_replaces_one_and_the_lower_is_forgotten(first, second):
    machine = end()
    machine.command(first, 1.0)
    outcome = machine.command(second, 2.0)
    higher = CODES[LOCAL[COMMANDS[second]]] > CODES[LOCAL[COMMANDS[first]]]
    assert outcome.accepted is higher
    assert machine.standing_command is (second if higher else first)
    machine.command(Command.CLEAR, 3.0)
    assert machine.state is State.NORMAL, "what was refused or replaced is not queued"


CONDITIONS = {
    "SF-P": lambda m: m.signal_fail("protection", True, 1.0),
    "SF-W": lambda m: m.signal_fail("working", True, 1.0),
    "SD-P": lambda m: m.signal_degrade("protection", True, 1.0),
    "SD-W": lambda m: m.signal_degrade("working", True, 1.0),
}
ABOVE = {"SF-P": {Command.LOCKOUT}, "SF-W": {Command.FORCE}, "SD-P": {Command.LOCKOUT, Command.FORCE},
         "SD-W": {Command.LOCKOUT, Command.FORCE}}  # fmt: skip


@pytest.mark.parametrize(("condition", "command"), itertools.product(CONDITIONS, STANDING))
def test_a_command_below_a_standing_condition_is_refused_and_says_why(condition, command):
    machine = end()
    CONDITIONS[condition](machine)
    before = machine.state, machine.selector
    outcome = machine.command(command, 2.0)
    assert outcome.accepted is (command in ABOVE[condition])
    if not outcome.accepted:
        assert (machine.state, machine.selector, machine.standing_command) == (*before, None)
        assert condition in outcome.reason or "which has failed" in outcome.reason


@pytest.mark.parametrize(("condition", "command"), itertools.product(CONDITIONS, STANDING))
def test_a_condition_above_a_standing_command_makes_it_forgotten(condition, command):
    machine = end()
    machine.command(command, 0.5)
    effects = CONDITIONS[condition](machine)
    stays = command is Command.LOCKOUT or (command is Command.FORCE and condition != "SF-P")
    assert drops(effects) == ([] if stays else [command])
    assert machine.standing_command is (command if stays else None)
    if not stays:
        assert effects[-1].why.endswith(f"({condition})") or f"({condition})" in str(effects)


def test_a_lockout_that_would_strand_traffic_is_refused():
    machine = end()
    machine.signal_fail("working", True, 1.0)
    outcome = machine.command(Command.LOCKOUT, 2.0)
    assert outcome.reason == "Lockout is refused: it would send traffic from sat to fibre, which has failed."
    assert machine.selector is P


def test_a_standing_lockout_keeps_traffic_on_working_whatever_happens():
    machine = end()
    machine.command(Command.LOCKOUT, 1.0)
    assert machine.signal_fail("working", True, 2.0) == ()
    assert (machine.selector, machine.carries) == (W, False)
    outcome = machine.command(Command.CLEAR, 3.0)
    assert outcome.effects[0] == Select(P)
    assert machine.state is State.PROTECTING_FAILURE


def test_a_forced_switch_is_left_when_protection_fails_and_not_taken_up_again():
    machine = end()
    machine.command(Command.FORCE, 1.0)
    assert machine.signal_fail("working", True, 2.0) == ()
    machine.signal_fail("working", False, 3.0)
    assert machine.signal_fail("protection", True, 4.0)[0] == Select(W)
    machine.signal_fail("protection", False, 5.0)
    assert (machine.state, machine.standing_command) == (State.NORMAL, None)


def test_clear_ends_a_wait_to_restore():
    machine = end()
    machine.signal_fail("working", True, 1.0)
    machine.signal_fail("working", False, 2.0)
    assert machine.plan(Command.CLEAR, 3.0).switches
    outcome = machine.command(Command.CLEAR, 3.0)
    assert outcome.effects[0] == Select(W)
    assert outcome.reason == machine.why == "Both paths are healthy; carrying on fibre."
    assert (machine.state, machine.wtr_ends_at) == (State.NORMAL, None)


def test_what_is_already_so_is_told():
    machine = end()
    machine.command(Command.FORCE, 1.0)
    assert machine.command(Command.FORCE, 2.0).reason == "Forced switch already stands."
    assert machine.command(Command.MANUAL_WORKING, 2.0).reason == (
        "Manual switch to working is refused: the group is forced by command (FS)."
    )


def test_exercise_needs_a_far_end():
    assert end().command(Command.EXERCISE, 1.0).reason == "Exercise is refused: the far end does not speak APS."


def test_an_exercise_is_below_a_wait_to_restore():
    machine = end()
    machine.signal_fail("working", True, 1.0)
    machine.signal_fail("working", False, 2.0)
    outcome = machine.command(Command.EXERCISE, 3.0)
    assert outcome.reason == "Exercise is refused: the group waits to restore (WTR)."


@pytest.mark.parametrize("command", [Command.FORCE, Command.MANUAL_PROTECTION])
def test_no_command_leads_to_a_path_of_which_nothing_is_known(command):
    machine = Protection(ProtectionConfig(**NAMES), 0.0)
    assert "it is not known whether sat works" in machine.command(command, 1.0).reason
    assert machine.command(Command.LOCKOUT, 1.0).accepted, "it moves nothing"


# ---- freeze ----


def test_freeze_holds_everything_and_clear_makes_up_for_it():
    machine = end()
    assert machine.command(Command.FREEZE, 1.0).accepted
    assert machine.why == "Frozen by command: staying on fibre, whatever happens."
    assert machine.signal_fail("working", True, 2.0) == ()
    assert machine.command(Command.FORCE, 3.0).reason == "The group is frozen; clear that first."
    assert machine.handle_timer(1e6) == ()
    outcome = machine.command(Command.CLEAR, 4.0)
    assert outcome.effects[0] == Select(P)
    assert machine.state is State.PROTECTING_FAILURE


def test_clearing_a_freeze_keeps_the_command_under_it():
    machine = end()
    machine.command(Command.FORCE, 1.0)
    machine.command(Command.FREEZE, 2.0)
    machine.command(Command.CLEAR, 3.0)
    assert (machine.frozen, machine.standing_command, machine.selector) == (False, Command.FORCE, P)


def test_a_wait_that_ran_out_while_frozen_ends_with_the_freeze():
    machine = end()
    machine.signal_fail("working", True, 1.0)
    machine.signal_fail("working", False, 2.0)
    machine.command(Command.FREEZE, 3.0)
    assert machine.next_deadline() is None
    assert machine.command(Command.CLEAR, 20.0).effects[0] == Select(W)


# ---- a new life ----


@pytest.mark.parametrize(("command", "on"), [(Command.FORCE, P), (Command.LOCKOUT, W), (Command.MANUAL_PROTECTION, P)])
def test_a_command_survives_a_restart_without_a_switch(command, on):
    machine = Protection(ProtectionConfig(wtr_s=10.0, **NAMES), 0.0, on)
    outcome = machine.restore(command, 0.0)
    assert outcome.accepted
    effects = outcome.effects + machine.signal_fail("working", False, 1.0) + machine.signal_fail("protection", False, 2)
    assert [effect for effect in effects if isinstance(effect, Select)] == []
    assert machine.standing_command is command


def test_a_restored_command_is_forgotten_like_any_other():
    machine = Protection(ProtectionConfig(wtr_s=10.0, **NAMES), 0.0, P)
    machine.restore(Command.FORCE, 0.0)
    assert drops(machine.signal_fail("protection", True, 1.0)) == [Command.FORCE]


def test_a_freeze_survives_and_an_exercise_does_not():
    machine = Protection(ProtectionConfig(**NAMES), 0.0)
    assert not machine.restore(Command.EXERCISE, 0.0).accepted
    assert machine.restore(Command.FREEZE, 0.0).accepted
    assert machine.frozen
    with pytest.raises(ValueError, match="CLEAR never stands"):
        machine.restore(Command.CLEAR, 0.0)


# ---- signal degrade ----


def test_a_degraded_working_path_is_left_and_returned_to_after_wtr():
    machine = end()
    assert machine.signal_degrade("working", True, 1.0, "loss 3 %")[0] == Select(P)
    assert machine.why == "Working path fibre is degraded (loss 3 %); carrying on sat."
    assert machine.signal_degrade("working", True, 1.5) == ()
    machine.signal_degrade("working", False, 2.0)
    assert (machine.state, machine.wtr_ends_at) == (State.WAIT_TO_RESTORE, 12.0)


def test_a_degraded_path_is_not_left_for_a_failed_an_unknown_or_a_degraded_one():
    machine = end()
    machine.signal_fail("protection", True, 1.0)
    machine.signal_degrade("working", True, 2.0)
    assert machine.selector is W
    machine.signal_fail("protection", False, 3.0)
    assert machine.selector is P

    machine = Protection(ProtectionConfig(**NAMES), 0.0)
    machine.signal_fail("working", False, 1.0)
    machine.signal_degrade("working", True, 2.0)
    assert machine.selector is W

    for first in Selector:
        machine = end()
        machine.signal_degrade(first, True, 1.0)
        on = machine.selector
        machine.signal_degrade(first.other, True, 2.0)
        assert machine.selector is on is first.other, "first come, first served"


def test_a_failure_outranks_a_degrade():
    machine = end()
    machine.signal_degrade("protection", True, 1.0)
    assert machine.signal_fail("working", True, 2.0)[0] == Select(P)
    machine = end()
    machine.signal_degrade("working", True, 1.0)
    assert machine.signal_fail("protection", True, 2.0)[0] == Select(W)


def test_hold_off_is_not_cut_short_by_a_degrade_of_the_same_path():
    machine = end(hold_off_s=0.5)
    machine.signal_fail("working", True, 1.0)
    machine.signal_degrade("working", True, 1.1)
    assert machine.selector is W
    machine.handle_timer(1.5)
    assert machine.selector is P


@pytest.mark.parametrize("call", ["signal_degrade", "signal_fail"])
def test_a_path_that_is_none_is_refused(call):
    with pytest.raises(ValueError, match="is not a valid Selector"):
        getattr(end(), call)("fibre", True, 1.0)
