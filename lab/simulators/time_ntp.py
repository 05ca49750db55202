"""An NTP server whose time can be made wrong or stand still: RFC 5905 mode 4, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from struct import pack
from typing import Final, cast

NTP: Final = "ntp"
"""Its name among the receivers of a clock room."""
NTP_FAULTS: Final = ("frozen", "step", "leap", "silent")
_TO_1900_S: Final = 2_208_988_800
_PACKET: Final = 48
_UNSYNCHRONISED: Final = 3
_TICK: Final = 1 << 32


@dataclass(slots=True)
class NtpFault:
    """What is wrong with the server."""

    kind: str
    """frozen, step, leap (announces that it is not synchronised), silent."""
    size_ns: float = 0.0
    frozen_at_s: float = 0.0


class NtpServer(asyncio.DatagramProtocol):
    """Answers clients by a clock that it is given.

    Attributes:
        fault: what is wrong with it, None for nothing.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Serve a clock: Unix time, s."""
        self._clock = clock
        self._transport: asyncio.DatagramTransport | None = None
        self.fault: NtpFault | None = None

    def break_(self, kind: str, size_ns: float = 0.0) -> None:
        """Make it wrong; 'step' is off by so many ns, 'frozen' tells the time of this moment for ever."""
        self.fault = NtpFault(kind, size_ns, self._clock())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers are sent by."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a client's request."""
        arrived_s, fault = self._told_s(), self.fault
        if len(data) < _PACKET or data[0] & 0b111 != 3 or self._transport is None:
            return
        if fault is not None and fault.kind == "silent":
            return
        unsynchronised = fault is not None and fault.kind == "leap"
        version = data[0] & 0b0011_1000
        head = pack(
            "!BBbbII4s", (_UNSYNCHRONISED << 6 if unsynchronised else 0) | version | 4, 0 if unsynchronised else 1,
            data[2], -20, 0, 7, b"GNSS",
        )  # fmt: skip
        answer = head + _stamp(int(arrived_s)) + data[40:48] + _stamp(arrived_s) + _stamp(self._told_s())
        self._transport.sendto(answer, addr)

    def _told_s(self) -> float:
        fault = self.fault
        if fault is not None and fault.kind == "frozen":
            return fault.frozen_at_s
        return self._clock() + (fault.size_ns / 1e9 if fault is not None and fault.kind == "step" else 0.0)


def _stamp(unix_s: float) -> bytes:
    whole, part = divmod(unix_s + _TO_1900_S, 1)
    return pack("!II", int(whole) % _TICK, int(part * _TICK) % _TICK)
