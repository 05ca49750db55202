"""The SNMP transport against a real snmpd and against agents that do what no agent should."""

from __future__ import annotations

import asyncio

import pytest
from snmp_agents import SNMPD, ber, free_port, number, response, rogue, snmpd

from lifeline.devices import decode, shipped
from lifeline.devices.snmp import Access, DeviceError, RefusedError, Session

PUBLIC = Access(community="public")
UPS = "1.3.6.1.4.1.318.1.1.1"
USER = (
    "createUser watcher SHA auth-secret-1 AES priv-secret-1",
    "rouser watcher authpriv",
)
A_UPS = (
    "sysobjectid .1.3.6.1.4.1.318.1.3.27",
    "sysdescr APC Web/SNMP Management Card (made up)",
    f"override .{UPS}.1.1.1.0 octet_str Smart-UPS",
    f"override .{UPS}.2.3.1.0 uinteger 995",
    f"override .{UPS}.2.2.3.0 timeticks 152200",
    f"override .{UPS}.4.1.1.0 integer 3",
    f"override .{UPS}.4.3.3.0 uinteger 378",
)
needs_snmpd = pytest.mark.skipif(SNMPD is None, reason="needs snmpd (Debian package snmpd)")


async def answering(session: Session) -> None:
    """Wait until a daemon that was just started answers."""
    for _attempt in range(100):
        try:
            await session.get(["1.3.6.1.2.1.1.2.0"])
        except (TimeoutError, OSError, DeviceError):
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("snmpd does not answer")


@needs_snmpd
@pytest.mark.parametrize(
    "access",
    [PUBLIC, Access(user="watcher", auth_secret="auth-secret-1", privacy_secret="priv-secret-1")],
    ids=["v2c", "v3"],
)
async def test_a_real_agent_is_recognised_asked_and_decoded(tmp_path, access):
    async with snmpd(tmp_path, *USER, *A_UPS) as port, Session("127.0.0.1", access, port=port, timeout_s=2) as session:
        await answering(session)
        profiles, _answers = await session.recognise(shipped())
        assert profiles[0] == "apc-ups"
        family = shipped().family("apc-ups")
        for _round in range(2):  # walked, then cell by cell
            told = decode(family, await session.ask(family))
            assert told.value("battery.charge") == 99.5
            assert told.value("battery.runtime_s") == 1522
            assert told.state("ups.source") == "on-battery"
            assert told.model == "Smart-UPS"


@needs_snmpd
async def test_a_tables_cells_are_fetched_again_without_walking(tmp_path):
    async with snmpd(tmp_path) as port, Session("127.0.0.1", PUBLIC, port=port, timeout_s=2) as session:
        await answering(session)
        family = shipped().family("generic-snmp")
        first = await session.ask(family)
        again = await session.ask(family)
        assert decode(family, first).state("if.oper", "lo") == "up"
        assert {key for key in first if "2.2.1.8" in key} == {key for key in again if "2.2.1.8" in key}


@needs_snmpd
async def test_a_wrong_secret_is_refused_and_a_restarted_agent_is_found_again(tmp_path):
    access = Access(user="watcher", auth_secret="auth-secret-1", privacy_secret="priv-secret-1")
    wrong = Access(user="watcher", auth_secret="auth-secret-2", privacy_secret="priv-secret-1")
    port = free_port()
    async with Session("127.0.0.1", access, port=port, timeout_s=1) as session:
        async with snmpd(tmp_path, *USER, port=port):
            await answering(session)
            with pytest.raises(RefusedError, match=r"127\.0\.0\.1"):
                await Session("127.0.0.1", wrong, port=port, timeout_s=1).get(["1.3.6.1.2.1.1.3.0"])
        async with snmpd(tmp_path, *USER, port=port):  # its engine has booted once more, and its time begins anew
            await answering(session)


async def test_silence_is_a_timeout_and_says_who():
    async with rogue(lambda _id, _n: []) as (port, agent):
        with pytest.raises(TimeoutError, match=r"127\.0\.0\.1"):
            await Session("127.0.0.1", PUBLIC, port=port, timeout_s=0.05, retries=2).get(["1.3.6.1.2.1.1.1.0"])
        assert agent.heard == 3


async def test_nobody_there_is_unreachable():
    with pytest.raises((OSError, TimeoutError)):
        await Session("127.0.0.1", PUBLIC, port=free_port(), timeout_s=0.2).get(["1.3.6.1.2.1.1.1.0"])


async def test_an_agent_that_goes_round_in_circles_is_left():
    column = "1.3.6.1.2.1.2.2.1.8"

    def circle(identity, _count):
        return [response(identity, *((f"{column}.{n % 3 + 1}", number(1)) for n in range(9)))]

    async with rogue(circle) as (port, _agent), Session("127.0.0.1", PUBLIC, port=port, timeout_s=1) as session:
        found = await asyncio.wait_for(session.walk(column), 10)
        assert found == {f"{column}.{n}": 1 for n in (1, 2, 3)}
        assert session.cut_off == {column}


async def test_a_table_without_end_is_cut_off():
    column = "1.3.6.1.2.1.2.2.1.8"

    def endless(identity, count):
        return [response(identity, *((f"{column}.{count * 10 + n}", number(1)) for n in range(10)))]

    async with rogue(endless) as (port, _agent), Session("127.0.0.1", PUBLIC, port=port, max_rows=50) as session:
        assert len(await session.walk(column)) == 50
        assert session.cut_off == {column}


async def test_a_value_of_sixty_kilobytes_is_cut_and_harms_nobody():
    name = "1.3.6.1.2.1.1.1.0"
    async with rogue(lambda identity, _n: [response(identity, (name, ber(4, b"A" * 60_000)))]) as (port, _agent):
        session = Session("127.0.0.1", PUBLIC, port=port, timeout_s=1)
        try:
            answers = await session.get([name])
        except (DeviceError, TimeoutError):  # a datagram larger than the client's buffer is no answer
            return
        assert len(answers[name]) <= 4096


async def test_what_was_not_asked_is_no_answer():
    asked, other = "1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.5.0"
    async with rogue(lambda identity, _n: [response(identity, (other, ber(4, b"somebody")))]) as (port, _agent):
        assert await Session("127.0.0.1", PUBLIC, port=port, timeout_s=1).get([asked]) == {}


async def test_the_answer_to_another_request_is_not_taken():
    name = "1.3.6.1.2.1.1.1.0"

    def stale_first(identity, _count):
        return [response(identity ^ 1, (name, ber(4, b"stale"))), response(identity, (name, ber(4, b"true")))]

    async with rogue(stale_first) as (port, _agent):
        answers = await Session("127.0.0.1", PUBLIC, port=port, timeout_s=1).get([name])
        assert answers[name] in {b"true", "true"}


@pytest.mark.parametrize("rubbish", [b"", b"\x30", b"\x30\x84\xff\xff\xff\xff", b"hello", bytes(range(256))])
async def test_rubbish_is_an_error_that_is_told_and_no_crash(rubbish):
    async with rogue(lambda _id, _n: [rubbish]) as (port, _agent):
        with pytest.raises((DeviceError, TimeoutError)):
            await Session("127.0.0.1", PUBLIC, port=port, timeout_s=0.1).get(["1.3.6.1.2.1.1.1.0"])


async def test_a_slow_device_does_not_outlast_its_deadline():
    async def nothing() -> None:
        async with rogue(lambda _id, _n: []) as (port, _agent):
            session = Session("127.0.0.1", PUBLIC, port=port, timeout_s=30)
            await session.ask(shipped().family("rfc1628"), deadline_s=0.2)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(nothing(), 10)
