"""ptp4l's state, asked by linuxptp's `pmc` on this machine: whom it follows, how well, and what it knows of UTC.

What time PTP has is told against a clock of the network interface as often as against this machine's: its state is
evidence, its offset is shown, and neither is a sample.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from ..core.source import Telemetry
from .asked import ask

SOCKET: Final = "/var/run/ptp4l"
"""ptp4l's own choice of `uds_address`."""
_ASKED: Final = ("TIME_STATUS_NP", "PORT_DATA_SET", "PARENT_DATA_SET", "TIME_PROPERTIES_DATA_SET")
_TIMEOUT_S: Final = 3.0
_TAI_LESS_GPS_S: Final = 19
"""IS-GPS-200: GPS time and TAI differ by this for ever."""

Answers = Mapping[str, Mapping[str, str]]


def parse(text: str) -> dict[str, dict[str, str]]:
    """Return pmc's answers by management ID; of several ports the first counts that is a slave, else the first."""
    answers: dict[str, dict[str, str]] = {}
    fields: dict[str, str] = {}
    for line in text.splitlines():
        words = line.split()
        if "RESPONSE" in words and "MANAGEMENT" in words:
            fields = {}
            kept = answers.setdefault(words[-1], fields)
            if kept is not fields and kept.get("portState") != "SLAVE":
                answers[words[-1]] = fields
        elif len(words) == 2 and line.startswith("\t\t"):
            fields[words[0]] = words[1]
    return answers


def of_ptp(answers: Answers, now_s: float) -> Telemetry:
    """Return what ptp4l says: it follows something while a port is a slave of a grandmaster that is there."""
    status, port, parent, properties = (answers.get(it, {}) for it in _ASKED)
    state = port.get("portState")
    follows = None if state is None else state == "SLAVE" and status.get("gmPresent") == "true"
    valid = properties.get("currentUtcOffsetValid") == "1" and properties.get("ptpTimescale") == "1"
    utc_s = _whole(properties.get("currentUtcOffset"))
    detail = {
        "port_state": state, "grandmaster": parent.get("grandmasterIdentity"),
        "clock_class": _whole(parent.get("gm.ClockClass")), "offset_ns": _whole(status.get("master_offset")),
        "path_delay_ns": _whole(port.get("peerMeanPathDelay")),
    }  # fmt: skip
    leap_s = utc_s - _TAI_LESS_GPS_S if valid and utc_s is not None else None
    return Telemetry(now_s, synchronised=follows, leap_s=leap_s, detail=detail)


async def follow(
    socket: str, poll_s: float, clock: Callable[[], float], told: Callable[[Telemetry], None],
    trouble: Callable[[str], None],
) -> None:  # fmt: skip
    """Ask for ever.

    Args:
        socket: ptp4l's `uds_address`.
        poll_s: how often.
        clock: reads the oscillator, s.
        told: called with what it said.
        trouble: called with why it says nothing, and with nothing once it does.
    """
    while True:
        try:
            answers = parse(await _ask(socket))
        except OSError as error:
            trouble(str(error))
        else:
            trouble("" if answers else f"no ptp4l answers at {socket}: start it, or give its 'uds_address' as 'line'")
            if answers:
                told(of_ptp(answers, clock()))
        await asyncio.sleep(max(poll_s, 1.0))


async def _ask(socket: str) -> str:
    argv = ["pmc", "-u", "-b", "0", "-s", socket, *(f"GET {it}" for it in _ASKED)]
    try:
        return (await ask(argv, _TIMEOUT_S))[1]
    except FileNotFoundError:
        raise OSError("there is no pmc: install the package linuxptp") from None
    except TimeoutError:
        raise OSError(f"ptp4l at {socket} does not answer in {_TIMEOUT_S:g} s") from None


def _whole(told: str | None) -> int | None:
    try:
        return None if told is None else int(told, 0)
    except ValueError:
        return None
