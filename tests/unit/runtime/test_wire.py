from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifeline.model.records import Event, EventKind
from lifeline.runtime import wire


def event(seq: int) -> Event:
    return Event("n/agent", "boot", seq, 7, EventKind.BFD, "link:a", {"state": "Up"})


@pytest.mark.parametrize(
    "message",
    [
        wire.Hello("n/agent", "boot", "site"),
        wire.Events((event(1), event(3))),
        wire.State("group:pg", {"selector": "working", "名": None}),
        wire.Heartbeat(),
        wire.CommandResult("7", accepted=False, reason="Forced switch is refused: ..."),
        wire.CommandResult("7", accepted=True, reason="", predicted={"switches": True}, result={"state": "forced"}),
    ],
)
def test_daemon_messages_survive_the_wire(message: wire.ClientMessage) -> None:
    assert wire.decode_client(wire.encode(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        wire.Welcome("noc-a"),
        wire.Ack(7),
        wire.Full(1.5),
        wire.Refused("no"),
        wire.Command("7", "group:pg", "manual", 12, "chen", to="working", dry_run=False),
        wire.Command("8", "group:pg", "freeze", 0, "chen"),
    ],
)
def test_hub_messages_survive_the_wire(message: wire.ServerMessage) -> None:
    assert wire.decode_server(wire.encode(message)) == message


def test_a_hub_message_of_a_later_version_is_ignored() -> None:
    assert wire.decode_server('{"type":"dance","id":1}') is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ("[]", "object with a 'type'"),
        ('{"type":7}', "object with a 'type'"),
        ('{"type":"dance"}', "unknown message type 'dance'"),
        ('{"type":"hello"}', "hello without 'node'"),
        ('{"type":"hello","node":1}', "'node' is 1"),
        ('{"type":"hello","node":"n","boot_id":"b","site":"s","version":true}', "'version' is True"),
        ('{"type":"events","events":[]}', "0 in one message"),
        ('{"type":"events","events":[7]}', "every event must be an object"),
        ('{"type":"events","events":[{}]}', "event without 'node'"),
        (json.dumps({"type": "events", "events": [event(2).to_json(), event(2).to_json()]}), "order of their seq"),
        (json.dumps({"type": "events", "events": [event(i).to_json() for i in range(300)]}), "300 in one message"),
        (json.dumps({"type": "events", "events": [event(2).to_json() | {"kind": "x"}]}), "'x' is not a valid"),
        ('{"type":"state","subject":"x","body":[]}', "'body' is \\[\\]"),
        ('{"type":"command-result","id":"7","body":{"accepted":1}}', "command-result: 'accepted' is 1"),
        ('{"type":"command-result","id":"7","body":{"accepted":true}}', "command-result without 'reason'"),
    ],
)
def test_nonsense_from_a_daemon_is_named(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        wire.decode_client(text)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_message_or_a_value_error(text: str) -> None:
    for decode in (wire.decode_client, wire.decode_server):
        try:
            decode(text)
        except ValueError:
            continue


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=30))
def test_an_acknowledgement_never_covers_a_batch_that_was_refused(steps: list[tuple[int, bool]]) -> None:
    """Batches of one are streamed, the disk is full now and then, and the daemon rewinds some time later."""
    intake = wire.Intake()
    kept: set[int] = set()
    acknowledged = 0
    next_seq = 1
    for rewind_after, full in steps:
        for _ in range(rewind_after):
            if not intake.admits(next_seq):
                pass
            elif full:
                intake.refused(next_seq)
            else:
                kept.add(next_seq)
                acknowledged = next_seq
            next_seq += 1
        assert kept.issuperset(range(1, acknowledged + 1))
        next_seq = acknowledged + 1


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"dry_run": 0}, "command: 'dry_run' is 0"),
        ({"token": True}, "command: 'token' is True"),
        ({"to": 7}, "command: 'to' is 7"),
    ],
)
def test_a_command_of_another_shape_is_no_command(changed: dict[str, object], why: str) -> None:
    message = json.loads(wire.encode(wire.Command("7", "group:pg", "freeze", 3, "chen")))
    message["body"] |= changed
    with pytest.raises(ValueError, match=why):
        wire.decode_server(json.dumps(message))
