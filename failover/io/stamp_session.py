"""The two ends of a STAMP session as a loop sees them: something with a file number to read from, and a deadline.

Both refuse what did not come over this very link in one hop, sent with TTL 255 (RFC 5082), and say why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lifeline import clock

from ..core.quality import Quality, Send, SignalDegrade
from ..core.stamp import (
    BASE_LENGTH,
    STAMP_PORT,
    TTL,
    ReflectedPacket,
    Reflector,
    SenderPacket,
    StampPacketError,
    Timescale,
)
from .link_socket import LinkDatagram, LinkSocket

Refuse = Callable[[str], None]
"""Counts a packet that was not for us, by the reason."""


def timescale() -> Timescale:
    """Return the scale of this process's timestamps: UTC as of now, the monotonic clock from here on."""
    return Timescale(clock.monotonic_s(), clock.wall_ns())


class PathEnd(NamedTuple):
    """Where an end of a link is: IP version, interface by name and number, its address and the far end's."""

    version: int
    interface: str
    interface_index: int
    local: str
    remote: str


class Prober:
    """Measures one path: sends probes by its interface, and takes the answers that come back by it.

    Args:
        quality: the measurement; it outlives the socket.
        refuse: told of each packet refused.

    Attributes:
        quality: the measurement.
        trouble: why probes cannot be sent, empty when they can.
        sent: probes sent.
        unsent: probes that the kernel did not take.
        answered: answers taken.
    """

    def __init__(self, quality: Quality, refuse: Refuse) -> None:
        self.quality = quality
        self.trouble = "not open"
        self.sent = self.unsent = self.answered = 0
        self._refuse = refuse
        self._untimed = 0  # probes whose time of transmission the kernel still owes
        self._end: PathEnd | None = None
        self._socket: LinkSocket | None = None

    def open(self, end: PathEnd) -> bool:
        """Open the socket where it is not; return whether it is open, else `trouble` tells why."""
        if self._socket is None:
            try:
                self._socket = LinkSocket(
                    end.version, end.interface, end.interface_index, end.local, transmit_times=True
                )
            except OSError as error:
                self.trouble = f"{end.local} on {end.interface}: {error.strerror}"
            else:
                self._end, self.trouble, self._untimed = end, "", 0
        return self._socket is not None

    def close(self) -> None:
        """Close the socket; the measurement goes silent."""
        if self._socket is not None:
            self._socket.close()
            self._socket, self._end = None, None
            self.trouble = "not open"

    def fileno(self) -> int:
        """Return the socket's number, for polling; -1 while it is closed."""
        return self._socket.fileno() if self._socket is not None else -1

    @property
    def deadline(self) -> float:
        """When `handle_timer` has something to do, monotonic seconds; infinite while suspended."""
        return self.quality.next_deadline()

    def handle_timer(self) -> SignalDegrade | None:
        """Send the probe or pass the judgement that is due. A probe takes its time as late as it can."""
        for effect in self.quality.handle_timer(clock.monotonic_s()):
            if not isinstance(effect, Send):
                return effect
            self._transmit(effect.packet)
        return None

    def _transmit(self, packet: SenderPacket) -> None:
        if self._socket is None or self._end is None:
            self.quality.unsent()
            self.unsent += 1
            return
        try:
            self._socket.send(packet.encode(), self._end.remote, STAMP_PORT)
        except OSError as error:
            self.quality.unsent()
            self.unsent += 1
            self.trouble = f"{self._end.remote} by {self._end.interface}: {error.strerror}"
            return
        self.sent += 1
        self.trouble = ""
        self._untimed += self._socket.transmit_times
        self._note_transmissions()  # mostly there at once; read now, it does not wake the loop

    def _note_transmissions(self) -> None:
        while self._untimed and self._socket is not None and (known := self._socket.transmitted(BASE_LENGTH)):
            self._untimed -= 1
            probe, at = known
            self.quality.sent(int.from_bytes(probe[:4]), at)

    def drain(self) -> None:
        """Take the answers that wait.

        Raises:
            OSError: the interface is gone.
        """
        if self._socket is None:
            return
        self._note_transmissions()
        for datagram in self._socket.drain():
            try:
                packet = ReflectedPacket.decode(datagram.payload)
            except StampPacketError as error:
                self._refuse(f"STAMP answer: {error}")
                continue
            if reason := self._objection(datagram, packet):
                self._refuse(f"STAMP answer: {reason}")
                continue
            self.answered += 1
            self.quality.receive_reflection(packet, datagram.received_at)

    def _objection(self, datagram: LinkDatagram, packet: ReflectedPacket) -> str:
        """Return why an answer proves nothing about this path, or an empty string."""
        end = self._end
        assert end is not None
        if (datagram.source, datagram.port) != (end.remote, STAMP_PORT):
            return "not from the far end"
        if datagram.interface != end.interface_index:
            return f"came by interface {datagram.interface}"
        if datagram.ttl != TTL:
            return f"TTL {datagram.ttl}, must be {TTL}"
        if packet.sender_ttl != TTL:
            return f"its probe had arrived with TTL {packet.sender_ttl}, must be {TTL}"
        if packet.ssid not in (0, self.quality.config.ssid):  # 0: a reflector from before RFC 8972
            return "of another session"
        return ""


class Responder:
    """Answers the far ends of an interface's address.

    Args:
        scale: of the timestamps.
        remotes: addresses of the far ends; others get no answer (RFC 8972 3).
        refuse: told of each packet refused.
    """

    def __init__(self, scale: Timescale, remotes: frozenset[str], refuse: Refuse) -> None:
        self.answered = 0
        self._reflector = Reflector(scale)
        self._remotes = remotes
        self._refuse = refuse
        self._index = 0
        self._socket: LinkSocket | None = None

    def open(self, version: int, interface: str, index: int, local: str) -> None:
        """Open the socket where it is not.

        Raises:
            OSError: no such interface or address, or the port is taken or needs CAP_NET_BIND_SERVICE.
        """
        if self._socket is None:
            self._socket = LinkSocket(version, interface, index, local, STAMP_PORT)
            self._index = index

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def fileno(self) -> int:
        """Return the socket's number, for polling; -1 while it is closed."""
        return self._socket.fileno() if self._socket is not None else -1

    def drain(self) -> None:
        """Answer the probes that wait.

        Raises:
            OSError: the interface is gone.
        """
        if self._socket is None:
            return
        for datagram in self._socket.drain():
            if datagram.source not in self._remotes:
                self._refuse("STAMP probe: not from a far end")
            elif datagram.ttl != TTL or datagram.interface != self._index:
                self._refuse(f"STAMP probe: TTL {datagram.ttl} by interface {datagram.interface}")
            else:
                self._answer(self._socket, datagram)

    def _answer(self, sock: LinkSocket, datagram: LinkDatagram) -> None:
        sender = (datagram.source, datagram.port)
        try:
            answer = self._reflector.reflect(
                datagram.payload, sender, datagram.ttl, datagram.received_at, clock.monotonic_s()
            )
            sock.send(answer, *sender)
        except StampPacketError as error:
            self._refuse(f"STAMP probe: {error}")
        except OSError as error:
            self._refuse(f"STAMP answer not sent: {error.strerror}")
        else:
            self.answered += 1
