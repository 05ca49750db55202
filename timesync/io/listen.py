"""One task per source: hear or ask it, and pass on what it said with the oscillator's time. Nothing is judged here."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import termios
import tty
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from math import sqrt
from pathlib import Path
from typing import Final

from lifeline.clock import free_running, wall_ns
from lifeline.devices import Family, decode, shipped
from lifeline.devices.decode import Decoded
from lifeline.devices.snmp import Access, DeviceError, Session

from ..core.source import Sample, Telemetry
from .chrony import SockSample
from .ntp import NtpError, NtpKey, ask
from .stream import StreamView

NS: Final = 1e9
_AGAIN_S: Final = 1.0
_ASKED_S: Final = 5.0
_GARBAGE: Final = 4096
"""Bytes; a receiver says something in fewer."""
_FOLLOWS: Final = {"synchronized": True, "not-synchronized": False}
OnSample = Callable[[Sample], None]
OnTelemetry = Callable[[Telemetry], None]
OnTrouble = Callable[[str], None]


class Origin:
    """What is taken off all phases, ns, so that they stay small; what leap seconds put into UTC is taken out here."""

    def __init__(self, ns: int) -> None:
        self.ns = ns


def oscillator_s() -> float:
    """Read the oscillator, s."""
    return free_running()[0] / NS


def phase_of(at_wall_ns: int, offset_ns: float, origin: Origin) -> Sample:
    """Return a reading of the oscillator for a moment that was told in this machine's wall time.

    Args:
        at_wall_ns: the moment, CLOCK_REALTIME.
        offset_ns: true time less wall time then, by the source.
        origin: what is taken off all phases.
    """
    raw_ns, now_wall_ns, half_ns = free_running()
    at_raw_ns = raw_ns - (now_wall_ns - at_wall_ns)
    # The clocks were read together somewhere within the bracket, anywhere alike: half of it is the square root of three
    # sigmas.
    return Sample(at_raw_ns / NS, at_wall_ns - at_raw_ns - origin.ns + offset_ns, half_ns / sqrt(3))


class _Pulses(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[SockSample], None], trouble: OnTrouble) -> None:
        self._heard, self._trouble = heard, trouble

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's signature
        """Pass a sample on."""
        try:
            sample = SockSample.parse(data)
        except ValueError as error:
            self._trouble(str(error))
        else:
            self._heard(sample)


async def pulses(path: str, heard: Callable[[SockSample], None], trouble: OnTrouble) -> None:
    """Listen for ever at a socket to which gpsd, or whatever times the pulses, writes as if to chronyd."""
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            with suppress(FileNotFoundError):
                if stat.S_ISSOCK(Path(path).stat().st_mode):  # noqa: ASYNC240 - a stat of a local file
                    Path(path).unlink()  # noqa: ASYNC240 - as above
            sock.bind(path)
            Path(path).chmod(0o660)  # noqa: ASYNC240 - as above
            sock.setblocking(False)
        except OSError as error:
            sock.close()
            trouble(f"no pulses can be taken at {path}: {error.strerror}; make its directory, or choose another")
            await asyncio.sleep(_ASKED_S)
            continue
        trouble("")
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Pulses(heard, trouble), sock=sock
        )
        try:
            await asyncio.Event().wait()
        finally:
            transport.close()
            with suppress(OSError):
                Path(path).unlink()  # noqa: ASYNC240 - as above


async def serial(line: str, baud: int, heard: OnTelemetry, trouble: OnTrouble) -> None:
    """Read a receiver's line for ever; it may be unplugged and plugged in again."""
    while True:
        try:
            fd = os.open(line, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            trouble(f"{line}: {error.strerror}")
            await asyncio.sleep(_AGAIN_S)
            continue
        with open(fd, "rb", buffering=0, closefd=True) as file:  # noqa: ASYNC230, PTH123 - a descriptor that does not block
            if os.isatty(fd):
                _raw(fd, baud)
            trouble("")
            await _read(file.fileno(), heard, partial(_garbage, line, baud, trouble))
        trouble(f"{line} has ended")
        await asyncio.sleep(_AGAIN_S)


def _raw(fd: int, baud: int) -> None:
    tty.setraw(fd)
    speed = getattr(termios, f"B{baud}", None)
    if speed is not None:
        settings = termios.tcgetattr(fd)
        settings[4] = settings[5] = speed
        termios.tcsetattr(fd, termios.TCSANOW, settings)


def _garbage(line: str, baud: int, trouble: OnTrouble, size: int) -> None:
    """Say that nothing of what came was understood; with no size, that it is again."""
    trouble(f"{line}: {size} bytes, and none is NMEA or UBX: is 'baud: {baud}' its speed?" if size else "")


async def _read(fd: int, heard: OnTelemetry, garbage: Callable[[int], None]) -> None:
    """Read until the line ends; what is no receiver's word is told once it is much, and again once it is over."""
    loop, view, strange = asyncio.get_running_loop(), StreamView(), 0
    ended = loop.create_future()

    def ready() -> None:
        try:
            data = os.read(fd, 4096)
        except BlockingIOError:
            return
        except OSError:  # EIO: the other end of a pty, or the adapter, is gone
            data = b""
        if not data:
            loop.remove_reader(fd)
            if not ended.done():
                ended.set_result(None)
            return
        nonlocal strange
        good = view.good
        if (said := view.feed(data, oscillator_s(), wall_ns() / NS)) is not None:
            heard(said)
        if view.good > good:
            if strange >= _GARBAGE:
                garbage(0)
            strange = 0
        elif (strange := strange + len(data)) >= _GARBAGE:
            garbage(strange)

    loop.add_reader(fd, ready)
    try:
        await ended
    finally:
        loop.remove_reader(fd)


async def server(
    host: str,
    port: int,
    key: NtpKey | None,
    poll_s: float,
    origin: Origin,
    heard: OnSample,
    told: OnTelemetry,
    trouble: OnTrouble,
) -> None:
    """Ask an NTP server for ever."""
    last_ns, same = 0, 0
    while True:
        try:
            got = await ask(host, port, key, min(1.0, poll_s))
        except NtpError as error:
            trouble(str(error))
        else:
            trouble("")
            same = same + 1 if got.transmitted_ns == last_ns else 0
            last_ns = got.transmitted_ns
            told(Telemetry(oscillator_s(), synchronised=got.synchronised, stands_still=same >= 2,
                           detail={"stratum": got.stratum, "leap": got.leap}))  # fmt: skip
            if got.synchronised:
                reading = phase_of(got.sent_wall_ns, got.offset_ns, origin)
                heard(Sample(reading.at_s, reading.phase_ns, got.bound_ns / 2))
        await asyncio.sleep(poll_s)


async def clock(session: Session, profile: str | None, poll_s: float, told: OnTelemetry, trouble: OnTrouble) -> None:
    """Ask a clock over SNMP for ever how it is; what time it has is asked over NTP."""
    family: Family | None = shipped().family(profile) if profile else None
    with closing(session):
        while True:
            try:
                async with asyncio.timeout(max(poll_s, _ASKED_S)):
                    if family is None:
                        family = await _recognised(session)
                    decoded = decode(family, await session.ask(family))
            except (DeviceError, OSError, TimeoutError, ValueError) as error:
                trouble(str(error) or type(error).__name__)
            else:
                trouble("")
                told(of_clock(decoded, oscillator_s()))
            await asyncio.sleep(max(poll_s, _ASKED_S))


async def _recognised(session: Session) -> Family:
    names, _answers = await session.recognise(shipped())
    if not names:
        raise DeviceError("no profile recognises this clock; name one in the inventory")
    return shipped().family(names[0])


def of_clock(decoded: Decoded, now_s: float) -> Telemetry:
    """Return what a clock's answers say. A clock in holdover follows nothing, however sound it calls itself."""
    follows = _FOLLOWS.get(decoded.state("clock.sync") or "")
    if decoded.state("clock.holdover") in {"yes", "expired"} or decoded.state("clock.discipline") in {
        "holdover", "free-run", "failed",
    }:  # fmt: skip
        follows = False
    fixed = {"yes": 3, "no": 1}.get(decoded.state("gnss.time_valid") or "")
    used, leap = decoded.value("gnss.satellites_used"), decoded.value("gnss.leap_s")
    return Telemetry(
        now_s, fixed, used=None if used is None else int(used), jamming=decoded.state("gnss.jamming"),
        spoofing=decoded.state("gnss.spoofing"), leap_s=None if leap is None else int(leap), synchronised=follows,
    )  # fmt: skip


def session_of(host: str, credential: Access | None, port: int | None) -> Session:
    """Return an SNMP session with a clock."""
    return Session(host, credential or Access(), port=port or 161)
