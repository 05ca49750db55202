"""A daemon's connection to its hub: one warm WebSocket over which the outbox streams (ADR 0006).

After a fibre cut the site's news must reach the hub within a second although the TCP connection has to move to a
satellite path of 270 ms one way. So the connection is opened early and kept, events are sent without waiting for
acknowledgements, and small segments are never held back. A connection that has been silent for `SILENCE_S` is given
up and the hubs are tried in turn with a jittered back-off.

This is a shell: it judges nothing. One event loop owns it; `notify` and `set_state` are called from that loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import InvalidStatus, WebSocketException

from ..clock import monotonic_s
from ..model.records import Event, Json, Reading
from . import wire
from .logging import EdgeLog
from .outbox import Outbox, OutboxFullError
from .tls import pinned_context

WINDOW = 4096
"""Events sent and not yet acknowledged; at a round trip of 540 ms that is 7,500 events a second."""
OPEN_TIMEOUT_S = 6.0
"""TCP, TLS 1.3 and WebSocket handshakes take 1.6 s over a satellite; a lost segment doubles that."""
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
REFUSED_RETRY_S = 30.0
READINGS_WAITING = 20_000
"""Readings that wait for a hub; the oldest give way. At four values a second they bridge an hour."""
READINGS_S = 0.25
"""Readings of this long share a message."""

_TCP_THIN_LINEAR_TIMEOUTS = 16  # linux/tcp.h; thin streams retransmit without doubling the wait
_TCP_NOTSENT_LOWAT = 25  # linux/tcp.h; keeps fresh news from queueing behind a backlog in the kernel
_SOCKET_OPTIONS = (
    (socket.TCP_NODELAY, 1),
    (socket.TCP_USER_TIMEOUT, int(wire.SILENCE_S * 1000)),
    (_TCP_THIN_LINEAR_TIMEOUTS, 1),
    (_TCP_NOTSENT_LOWAT, 128 * 1024),
)

OnCommand = Callable[[wire.Command], Awaitable[wire.CommandResult]]

log = structlog.get_logger(__name__)


class RefusedError(Exception):
    """The hub will not talk to us: wrong token, wrong certificate, wrong version. Trying again soon is no use."""


@dataclass(slots=True)
class UplinkStatus:
    """How the uplink stands; read by metrics and health."""

    connected: bool = False
    hub: str | None = None
    """Address of the hub that is connected, or was last."""
    last_error: str | None = None
    hub_full: bool = False
    connections: int = 0
    sent_events: int = 0
    acknowledged_events: int = 0
    sent_states: int = 0
    sent_readings: int = 0
    dropped_readings: int = 0


@dataclass(slots=True)
class _Hub:
    """An address, and when it may be tried again."""

    url: str
    failures: int = 0
    not_before_s: float = 0.0

    def failed(self, now_s: float) -> None:
        ceiling_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(self.failures, 16))
        self.failures += 1
        self.not_before_s = now_s + ceiling_s * _jitter()

    def refused(self, now_s: float) -> None:
        self.not_before_s = now_s + REFUSED_RETRY_S * _jitter()


def _jitter() -> float:
    return random.uniform(0.5, 1.0)  # noqa: S311 - spreads reconnections, guards nothing


class Uplink:
    """Streams an outbox to the first hub that takes it, and live states beside it."""

    def __init__(
        self,
        outbox: Outbox,
        site: str,
        hubs: Sequence[str],
        token: str | None = None,
        ca: Path | str | None = None,
        *,
        on_command: OnCommand | None = None,
    ) -> None:
        """Prepare; nothing is opened before `run`.

        Args:
            outbox: an open outbox.
            site: the inventory's site that the daemon serves.
            hubs: addresses in order of preference: `unix:///path`, `https://host:port` or `http://host:port`.
            token: bearer token; a Unix socket needs none.
            ca: PEM file with the only certificates that are trusted; None for the system's.
            on_command: carries a hub's command out and returns what became of it. One at a time, and never cancelled
                because the connection broke: then only the answer is lost. None: every command is refused.

        Raises:
            ValueError: no hub, or an address of another form.
        """
        if not hubs:
            raise ValueError("an uplink needs at least one hub address")
        for url in hubs:
            _check_address(url)
        self.status = UplinkStatus()
        self._outbox = outbox
        self._site = site
        self._hubs = [_Hub(url) for url in hubs]
        self._token = token
        self._ca = ca
        self._states: dict[str, Mapping[str, Json]] = {}
        self._readings: deque[Reading] = deque(maxlen=READINGS_WAITING)
        self._session: _Session | None = None
        self._flushed = asyncio.Event()
        self._acknowledged_up_to = 0
        self._edges = EdgeLog(log)
        self._on_command = on_command or _refuse_command
        self._commands: asyncio.Queue[tuple[_Session, wire.Command]] = asyncio.Queue()

    def set_state(self, subject: str, body: Mapping[str, Json]) -> None:
        """Tell the hub a live object's present state: the latest per subject wins, sent again on every connection."""
        self._states[subject] = body
        if self._session is not None:
            self._session.state_changed(subject)

    def add_readings(self, readings: Iterable[Reading]) -> None:
        """Tell the hub what was measured, soon: the oldest give way when there are too many, and are counted."""
        for reading in readings:
            if reading.value is not None and not math.isfinite(reading.value):
                self.status.dropped_readings += 1  # no number, and no JSON
                continue
            self.status.dropped_readings += len(self._readings) == READINGS_WAITING
            self._readings.append(reading)
        if self._session is not None:
            self._session.readings_waiting()

    def notify(self) -> None:
        """Say that the outbox has something new."""
        if self._session is not None:
            self._session.wake()

    async def flush(self, timeout_s: float) -> bool:
        """Wait until a hub has committed all that was put, at most `timeout_s`; tell whether it has."""
        self.notify()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._outbox.pending(self._acknowledged_up_to, limit=1):
                    self._flushed.clear()
                    await self._flushed.wait()
                return True
        return False

    async def run(self) -> None:
        """Keep a connection open until cancelled."""
        await _first_of(self._connecting(), self._commanded())

    async def _connecting(self) -> None:
        while True:
            hub = min(self._hubs, key=lambda hub: hub.not_before_s)
            await asyncio.sleep(max(0.0, hub.not_before_s - monotonic_s()))
            try:
                await self._converse(hub)
            except RefusedError as error:
                hub.refused(monotonic_s())
                self._lost(hub, "hub refuses us", error)
            except (OSError, WebSocketException, ValueError) as error:
                hub.failed(monotonic_s())
                self._lost(hub, "hub not reached", error)

    async def _commanded(self) -> None:
        """Carry commands out, one at a time, and answer on the connection that each came by, if it still stands."""
        while True:
            session, command = await self._commands.get()
            try:
                result = await self._on_command(command)
            except Exception:  # whatever it was, the next command must find us here
                log.exception("command failed, the hub gets no answer", id=command.id, target=command.target)
                continue
            with contextlib.suppress(OSError, WebSocketException):
                await session.answer(result)

    def _lost(self, hub: _Hub, what: str, error: Exception) -> None:
        self.status.last_error = str(error) or type(error).__name__
        self._edges.failed(hub.url, what, error, hub=hub.url)

    async def _converse(self, hub: _Hub) -> None:
        """Hold one connection until it breaks.

        Raises:
            RefusedError: the hub does not want us.
            OSError, WebSocketException, ValueError: the connection broke or the hub spoke nonsense.
        """
        connection = await self._open(hub.url)
        session = _Session(
            connection, self._outbox, self._states, self._readings, self.status, self._acknowledged_up_to
        )
        session.on_welcome = lambda name: self._welcomed(hub, name)
        session.on_acknowledge = self._acknowledge
        session.on_command = lambda command: self._commands.put_nowait((session, command))
        self._session = session
        self.status.connections += 1
        try:
            await connection.send(wire.encode(wire.Hello(self._outbox.node, self._outbox.boot_id, self._site)))
            await session.run()
        finally:
            self._session = None
            self.status.connected = False
            connection.transport.abort()

    def _welcomed(self, hub: _Hub, name: str) -> None:
        hub.failures = 0
        hub.not_before_s = 0.0
        self.status.connected = True
        self.status.hub = hub.url
        self._edges.succeeded(hub.url, "hub reached again", hub=hub.url, name=name)

    def _acknowledge(self, up_to: int) -> None:
        """Forget what the hub has committed; on a full disk they stay, and go at the next acknowledgement."""
        self._acknowledged_up_to = max(self._acknowledged_up_to, up_to)
        with contextlib.suppress(OutboxFullError):
            self.status.acknowledged_events += self._outbox.acknowledge(up_to)
        self._flushed.set()

    async def _open(self, url: str) -> _HeardConnection:
        parts = urlsplit(url)
        options: dict[str, Any] = {
            "create_connection": _HeardConnection,
            "max_size": wire.MAX_MESSAGE_BYTES,
            "open_timeout": OPEN_TIMEOUT_S,
            "ping_interval": None,  # the session pings, and counts every byte heard as a sign of life
        }
        if parts.scheme == "unix":
            opening = unix_connect(parts.path, f"ws://hub{wire.INGEST_PATH}", compression=None, **options)
        else:
            scheme = "wss" if parts.scheme == "https" else "ws"
            opening = connect(
                f"{scheme}://{parts.netloc}{wire.INGEST_PATH}",
                additional_headers={"Authorization": f"Bearer {self._token}"} if self._token else None,
                ssl=pinned_context(self._ca) if scheme == "wss" else None,
                proxy=None,
                **options,
            )
        try:
            connection = await opening
        except InvalidStatus as error:
            if error.response.status_code in {401, 403}:
                raise RefusedError(f"HTTP {error.response.status_code}") from error
            raise
        except ssl.SSLCertVerificationError as error:
            raise RefusedError(f"the hub's certificate is not the one pinned: {error.verify_message}") from error
        assert isinstance(connection, _HeardConnection)
        if parts.scheme != "unix":
            _tune(connection)
        return connection


class _HeardConnection(ClientConnection):
    """A connection that knows when it last heard anything: a message, a pong, a byte of either."""

    heard_s = 0.0

    def data_received(self, data: bytes) -> None:
        self.heard_s = monotonic_s()
        super().data_received(data)


class _Session:
    """One connection's streaming: what was sent, what is in flight, which states are due."""

    def __init__(
        self,
        connection: _HeardConnection,
        outbox: Outbox,
        states: Mapping[str, Mapping[str, Json]],
        readings: deque[Reading],
        status: UplinkStatus,
        acknowledged_up_to: int,
    ) -> None:
        self.on_welcome: Any = None
        self.on_acknowledge: Any = None
        self.on_command: Any = None
        self._connection = connection
        self._outbox = outbox
        self._states = states
        self._readings = readings
        self._readings_due = bool(readings)
        self._readings_timer: asyncio.TimerHandle | None = None
        self._status = status
        self._due_states = dict.fromkeys(states)  # an ordered set
        self._in_flight: deque[int] = deque()
        self._next_after = acknowledged_up_to
        self._highest_sent = 0
        self._acknowledged_up_to = acknowledged_up_to
        self._hold_until_s = 0.0
        self._sent_s = monotonic_s()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    def state_changed(self, subject: str) -> None:
        self._due_states[subject] = None
        self._wake.set()

    def readings_waiting(self) -> None:
        if self._readings_timer is None:
            self._readings_timer = asyncio.get_running_loop().call_later(READINGS_S, self._readings_now)

    def _readings_now(self) -> None:
        self._readings_timer = None
        self._readings_due = True
        self._wake.set()

    async def run(self) -> None:
        await _first_of(self._send(), self._receive(), self._pulse(), self._watch())

    async def _send(self) -> None:
        """Send events, states and readings by turns, a message of each, so that no backlog starves the others."""
        while True:
            self._wake.clear()
            sent = await self._send_events()
            await self._send_states()
            sent = await self._send_readings() or sent
            if not sent:
                await self._wake.wait()

    async def _send_events(self) -> bool:
        room = WINDOW - len(self._in_flight)
        if room < wire.MAX_EVENTS_PER_MESSAGE or monotonic_s() < self._hold_until_s:
            return False
        events, message = _fitting(self._outbox.pending(self._next_after, wire.MAX_EVENTS_PER_MESSAGE))
        if not events:
            return False
        self._in_flight.extend(event.seq for event in events)
        self._next_after = events[-1].seq
        self._highest_sent = max(self._highest_sent, self._next_after)
        await self._say(message)
        self._status.sent_events += len(events)
        return True

    async def _send_states(self) -> None:
        while self._due_states:
            subject = next(iter(self._due_states))
            del self._due_states[subject]
            await self._say(wire.encode(wire.State(subject, self._states[subject])).encode())
            self._status.sent_states += 1

    async def _send_readings(self) -> bool:
        if not self._readings_due or not self._readings:
            self._readings_due = False
            return False
        count = min(len(self._readings), wire.MAX_READINGS_PER_MESSAGE)
        batch = tuple(self._readings.popleft() for _ in range(count))
        await self._say(wire.encode(wire.Readings(batch)).encode())
        self._status.sent_readings += count
        return True

    async def _say(self, message: bytes) -> None:
        self._sent_s = monotonic_s()
        await self._connection.send(message, text=True)

    async def answer(self, result: wire.CommandResult) -> None:
        """Say what became of a command."""
        await self._say(wire.encode(result).encode())

    async def _receive(self) -> None:
        async for text in self._connection:
            match wire.decode_server(text):
                case wire.Welcome(hub, version):
                    if version != wire.PROTOCOL_VERSION:
                        raise RefusedError(f"hub speaks version {version}, we speak {wire.PROTOCOL_VERSION}")
                    self.on_welcome(hub)
                case wire.Ack(up_to):
                    self._acknowledged(up_to)
                case wire.Full(retry_after_s):
                    self._hold(retry_after_s)
                case wire.Command() as command:
                    self.on_command(command)
                case wire.Refused(reason):
                    raise RefusedError(reason)
        raise ConnectionError(f"closed by the hub ({self._connection.close_reason or self._connection.close_code})")

    def _acknowledged(self, up_to: int) -> None:
        if up_to > self._highest_sent:
            raise ValueError(f"hub acknowledged {up_to}, sent were {self._highest_sent}")
        while self._in_flight and self._in_flight[0] <= up_to:
            self._in_flight.popleft()
        self._acknowledged_up_to = max(self._acknowledged_up_to, up_to)
        self._status.hub_full = False
        self.on_acknowledge(up_to)
        self._wake.set()

    def _hold(self, retry_after_s: float) -> None:
        """The hub has no room: wait, then send again from the oldest that it has not committed."""
        if not self._status.hub_full:
            log.warning("hub has no room, holding events", retry_after_s=retry_after_s)
        self._status.hub_full = True
        self._hold_until_s = monotonic_s() + retry_after_s
        self._in_flight.clear()
        self._next_after = self._acknowledged_up_to
        asyncio.get_running_loop().call_later(retry_after_s, self._wake.set)

    async def _pulse(self) -> None:
        """Ping each second for the watch, and say `heartbeat` when nothing else was said."""
        while True:
            await asyncio.sleep(wire.HEARTBEAT_S)
            await self._connection.ping()
            if monotonic_s() - self._sent_s >= wire.HEARTBEAT_S:
                await self._say(wire.encode(wire.Heartbeat()).encode())
            self._wake.set()

    async def _watch(self) -> None:
        while True:
            quiet_s = monotonic_s() - self._connection.heard_s
            if quiet_s >= wire.SILENCE_S:
                raise TimeoutError(f"nothing heard for {quiet_s:.1f} s")
            await asyncio.sleep(wire.SILENCE_S - quiet_s)


async def _refuse_command(command: wire.Command) -> wire.CommandResult:
    return wire.CommandResult(command.id, accepted=False, reason="this daemon takes no commands")


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    valid = parts.path.startswith("/") and not parts.netloc if parts.scheme == "unix" else bool(parts.hostname)
    if parts.scheme not in {"unix", "https", "http"} or not valid:
        raise ValueError(f"hub address {url!r}: must be unix:///path, https://host:port or http://host:port")


def _fitting(events: list[Event]) -> tuple[list[Event], bytes]:
    """Return as many of the events as fit one message, and the message."""
    while events:
        message = wire.encode(wire.Events(tuple(events))).encode()
        if len(message) <= wire.MAX_MESSAGE_BYTES:
            return events, message
        events = events[: len(events) // 2]
    return [], b""


def _tune(connection: ClientConnection) -> None:
    raw: socket.socket = connection.transport.get_extra_info("socket")
    for option, value in _SOCKET_OPTIONS:
        with contextlib.suppress(OSError):  # an older kernel lacks one: slower after a cut, and right all the same
            raw.setsockopt(socket.IPPROTO_TCP, option, value)


async def _first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run until the first one ends, cancel the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
