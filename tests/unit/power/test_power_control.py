"""What may be commanded at a plant: each interlock with its sentence, and upsd's word for what it refuses."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date

import pytest

from lifeline.config import parse_inventory
from lifeline.model.power import Control
from power.core.control import Request, effect, refusal
from power.core.nut import NutError
from power.core.observe import Observed, PartView
from power.core.situation import Situation
from power.io.nut import NutClient

TEXT = """\
lifeline: 1
sites:
  station:
    kind: super-base-station
    name: Station
    devices:
      ups: {kind: ups, address: 10.0.0.1}
      genset: {kind: generator, address: 10.0.0.2}
      ats: {kind: transfer-switch, address: 10.0.0.3}
    power:
      target_autonomy_h: 8
      design_load_kw: 4
      feeds: {feed-a: {rated_kw: 20}}
      generators:
        g1:
          rated_kw: 12
          tank_l: 200
          monitor: {device: genset, protocol: modbus}
          controls: [start, stop]
      switches:
        ats-1: {inputs: [feed-a, g1], monitor: {device: ats, protocol: snmp}, controls: [transfer]}
      ups:
        ups-1:
          module_kw: 3
          battery_kwh: 5
          input: ats-1
          monitor: {device: ups, protocol: nut, name: ups}
          controls: [battery-test]
        ups-2: {module_kw: 3, battery_kwh: 5, input: ats-1}
"""
PLANT = parse_inventory(TEXT).sites["station"].power
assert PLANT is not None


def view(part: str, section: str, state: str | None, charge: float | None = None, **states: str) -> PartView:
    values = {} if charge is None else {"battery.charge": charge}
    return PartView(part, section, state, 1.0, state is not None, values,
                    {name.replace("_", "."): word for name, word in states.items()})  # fmt: skip


GOOD = {
    it.part: it
    for it in (view("feed-a", "feeds", None), view("g1", "generators", "stopped"), view("ats-1", "switches", "a"),
               view("ups-1", "ups", "online", 100.0), view("ups-2", "ups", "online", 100.0))
}  # fmt: skip


def asked(part: str, control: Control, *changed: PartView, runs_on: str = "utility", since_s: float | None = None):
    views = GOOD | {it.part: it for it in changed}
    return Request(part, control, PLANT, Observed(views, Situation(date(2026, 5, 12)), runs_on), since_s)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (asked("ups-2", Control.BATTERY_TEST), "The inventory does not admit battery-test at ups-2."),
        (asked("nothing", Control.START), "The inventory does not admit start at nothing."),
        (asked("g1", Control.START, view("g1", "generators", None)), "What g1 does is not known now."),
        (asked("g1", Control.START, replace(GOOD["g1"], doubts=("rpm without oil pressure",))),
         "What g1 says is doubtful: rpm without oil pressure."),
        (asked("g1", Control.START, since_s=10.0), "start was commanded at g1 10 s ago; wait 60 s between two."),
        (asked("g1", Control.START, view("g1", "generators", "running")), "g1 runs already."),
        (asked("g1", Control.START, view("g1", "generators", "stopped", genset_alarm="shutdown")),
         "g1 has an alarm; whoever resets it looks at the engine first."),
        (asked("g1", Control.STOP, view("g1", "generators", "running"), runs_on="generator"),
         "No feed is known to be healthy: g1 may be all that carries the load."),
        (asked("ats-1", Control.TRANSFER, runs_on="battery"), "The site does not run on utility."),
        (asked("ats-1", Control.TRANSFER, view("ups-2", "ups", "online", 50.0)),
         "ups-2 could not bridge a transfer that fails."),
        (asked("ups-1", Control.BATTERY_TEST, view("ups-1", "ups", "on-battery", 100.0)),
         "ups-1 is on-battery; batteries are tested only while it runs on utility."),
        (asked("ups-1", Control.BATTERY_TEST, runs_on="generator"), "The site does not run on utility."),
        (asked("ups-1", Control.BATTERY_TEST, view("ups-1", "ups", "online", 89.0)),
         "The batteries of ups-1 are not known to be charged to 90 %."),
        (asked("ups-1", Control.BATTERY_TEST, view("ups-1", "ups", "online")),
         "The batteries of ups-1 are not known to be charged to 90 %."),
    ],
)  # fmt: skip
def test_what_is_refused_says_why(request_: Request, sentence: str) -> None:
    assert refusal(request_) == sentence


@pytest.mark.parametrize(
    "request_",
    [
        asked("g1", Control.START),
        asked("g1", Control.START, since_s=61.0),
        asked("g1", Control.STOP, view("g1", "generators", "running")),
        asked(
            "g1", Control.STOP, view("g1", "generators", "running"), view("feed-a", "feeds", "ok"), runs_on="generator"
        ),
        asked("ats-1", Control.TRANSFER),
        asked("ups-1", Control.BATTERY_TEST),
    ],
)
def test_what_nothing_stands_against_is_admitted(request_: Request) -> None:
    assert refusal(request_) == ""
    assert request_.part in effect(request_)


@pytest.mark.parametrize(("last", "error"), [("OK", None), ("ERR CMD-NOT-SUPPORTED", "CMD-NOT-SUPPORTED")])
async def test_upsd_is_told_the_user_and_then_the_command(last: str, error: str | None) -> None:
    heard: list[str] = []
    gone = asyncio.Event()

    async def upsd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := (await reader.readline()).decode().strip():
            heard.append(line)
            answer = "ERR FEATURE-NOT-CONFIGURED" if line == "STARTTLS" else last if "INSTCMD" in line else "OK"
            writer.write(f"{answer}\n".encode())
        writer.close()
        await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(upsd, "127.0.0.1", 0)
    async with server:
        client = NutClient("127.0.0.1", "ups", server.sockets[0].getsockname()[1])
        if error:
            with pytest.raises(NutError, match=error):
                await client.instant("test.battery.start", "operator", "secret")
        else:
            await client.instant("test.battery.start", "operator", "secret")
        client.close()
        await gone.wait()
    assert heard == ["STARTTLS", 'USERNAME "operator"', 'PASSWORD "secret"', "INSTCMD ups test.battery.start"]


async def test_a_password_cannot_smuggle_a_command() -> None:
    with pytest.raises(NutError, match="line ends"):
        await NutClient("127.0.0.1", "ups").instant("test.battery.start", "operator", 'x"\nFSD ups')
