"""Devices that refuse, break off, lie or encrypt: what of it is told, and that none of it is used silently."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusTcpClient

from lifeline.devices import shipped
from lifeline.model.power import BatteryString, Monitor, PowerPlant, Technology, Ups
from noc import tls
from power.core.autonomy import Kind, assess
from power.core.network import Network
from power.core.nut import NutError, decode_nut
from power.core.observe import Answer, observe
from power.io.modbus import ModbusClient, ModbusError
from power.io.nut import NutClient

GENCOMM = shipped().family("deepsea-gencomm")
VARIABLES = ('VAR ups ups.status "OL"', 'VAR ups battery.charge "97"')
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[int]:
    """Serve on loopback; end with whoever still talks."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()
            ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.wait_for(ended.wait(), 10)


# ---------------------------------------------------------------- upsd


def upsd(answer: Sequence[str], *, pair: tls.Certificate | None = None, half: bool = False) -> Talk:
    """An upsd that gives one answer to each question, encrypted where it has a certificate."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := (await reader.readline()).decode().strip():
            if line == "STARTTLS" and pair is not None:
                writer.write(b"OK STARTTLS\n")
                await writer.start_tls(tls.server_context(pair))
            elif line == "STARTTLS":
                writer.write(b"ERR FEATURE-NOT-CONFIGURED\n")
            else:
                writer.write("\n".join(answer).encode() + (b"" if half else b"\n"))
            if half and line != "STARTTLS":
                return

    return talk


async def test_a_upsd_that_offers_tls_is_asked_encrypted(tmp_path: Path) -> None:
    pair = tls.ensure_certificate(tmp_path, ["127.0.0.1"])
    whole = ["BEGIN LIST VAR ups", *VARIABLES, "END LIST VAR ups"]
    async with listening(upsd(whole, pair=pair)) as port:
        client = NutClient("127.0.0.1", "ups", port)
        told = await client.ask()
        assert client.encrypted
        assert (told.state("ups.source"), told.value("battery.charge")) == ("online", 97.0)
        client.close()


@pytest.mark.parametrize("word", ["DATA-STALE", "DRIVER-NOT-CONNECTED", "UNKNOWN-UPS", "ACCESS-DENIED"])
async def test_what_upsd_refuses_is_told_in_its_own_word(word: str) -> None:
    async with listening(upsd([f"ERR {word}"])) as port:
        client = NutClient("127.0.0.1", "ups", port)
        with pytest.raises(NutError, match=word):
            await client.ask()
        client.close()


@pytest.mark.parametrize("answer", [["BEGIN LIST VAR ups", VARIABLES[0]], ['VAR ups ups.status "O']])
async def test_a_half_read_answer_is_none(answer: list[str]) -> None:
    async with listening(upsd(answer, half=True)) as port:
        with pytest.raises(ConnectionResetError):
            await NutClient("127.0.0.1", "ups", port).ask()


# ---------------------------------------------------------------- Modbus


def controller(answer: Callable[[int, int], bytes]) -> Talk:
    """A controller on Modbus TCP: `answer` makes the PDU from the first register and the count."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readexactly(7)
                pdu = await reader.readexactly(int.from_bytes(head[4:6]) - 1)
                told = answer(int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:5]))
                if not told:
                    writer.write(head[:4])  # the beginning of a frame, and then nothing
                    return
                writer.write(head[:4] + (len(told) + 1).to_bytes(2) + head[6:7] + told)
        except asyncio.IncompleteReadError:
            return

    return talk


def registers(count: int, value: int = 0xFFFF) -> bytes:
    return bytes([3, 2 * count]) + value.to_bytes(2) * count


async def test_registers_that_are_refused_are_named_and_the_others_count() -> None:
    fuel = 0x0403

    def answer(first: int, count: int) -> bytes:
        return registers(count, 61) if first <= fuel < first + count else bytes([0x83, 2])

    async with listening(controller(answer)) as port:
        client = ModbusClient("127.0.0.1", GENCOMM, port=port)
        told = await client.ask()
        client.close()
    assert told.value("fuel.level") == 61.0
    assert any("refused, exception 2" in problem for problem in told.problems)
    assert told.state("genset.mode") is None


async def test_a_controller_that_refuses_everything_is_told_with_its_exception() -> None:
    async with listening(controller(lambda _first, _count: bytes([0x83, 4]))) as port:
        client = ModbusClient("127.0.0.1", GENCOMM, port=port)
        with pytest.raises(ModbusError, match="exception 4"):
            await client.ask()
        client.close()


async def test_a_half_read_frame_is_no_answer() -> None:
    async with listening(controller(lambda _first, _count: b"")) as port:
        client = ModbusClient("127.0.0.1", GENCOMM, port=port, timeout_s=0.2)
        with pytest.raises((ModbusError, OSError)):
            await client.ask()
        client.close()


async def test_fewer_registers_than_were_asked_for_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Short:
        """An answer that has lost its end."""

        registers = (1, 2)

        @staticmethod
        def isError() -> bool:  # noqa: N802 - pymodbus's name
            return False

    async def short(*_words: object, **_options: object) -> Short:
        return Short()

    async def connect(_client: object) -> bool:
        return True

    monkeypatch.setattr(AsyncModbusTcpClient, "connect", connect)
    monkeypatch.setattr(AsyncModbusTcpClient, "read_holding_registers", short)
    with pytest.raises(ModbusError, match="only 2 came"):
        await ModbusClient("127.0.0.1", GENCOMM, port=1).ask()


# ---------------------------------------------------------------- what cannot be


STATION = Network(PowerPlant(8, 4, ups={"u": Ups(
    module_kw=9, strings={"a": BatteryString(Technology.VRLA, 10.0)},
    monitor=Monitor(device="ups", protocol="nut", name="ups"))}))  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "unknown", "doubt"),
    [
        # No load and 65,535 minutes: a sentinel, not a runtime.
        ({"ups.load": "0", "battery.runtime": str(65535 * 60)}, "runtime_h", ""),
        ({"ups.load": "33", "battery.runtime": "0"}, "runtime_h", "no runtime"),
        ({"ups.load": "33", "battery.charge": "0"}, "charge", "empty battery"),
        ({"ups.load": "900"}, "load_kw", "900"),
        ({"ups.load": "33", "battery.charge": "4294967295"}, "charge", "battery.charge"),
    ],
)
def test_what_cannot_be_is_told_and_not_used(variables: dict[str, str], unknown: str, doubt: str) -> None:
    told = decode_nut({"ups.status": "OL", "battery.charge": "100"} | variables, shipped().vocabulary)
    observed = observe(STATION, {"u": Answer(told, 0.0)}, 0.0, date(2026, 5, 12))
    known = getattr(observed.situation, unknown).get("u")
    assert known is None or known.value is None
    assert doubt in " ".join(observed.views["u"].doubts)
    if unknown != "runtime_h":
        assert assess(STATION, observed.situation).figure(Kind.BATTERY).mid_h is None
