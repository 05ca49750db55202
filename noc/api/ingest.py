"""The door for daemons: a WebSocket over which an outbox streams in (`lifeline.runtime.wire`, ADR 0006).

Reading never waits for a commit, so that states and later events pass; at most `UNSETTLED` batches of one connection
are under way, then the connection is not read until some are settled. Answers are merged: one `ack` says the latest.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from functools import partial
from typing import Final

import structlog
from fastapi import APIRouter, HTTPException, WebSocket
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect

from lifeline.audit import HUB_SUFFIX
from lifeline.runtime import wire

from ..committer import Outcome
from ..hub import Hub
from ..live import STATE_MAX_BYTES
from ..tokens import Role
from .auth import LOCAL, Identity, identify, require, still_valid

HELLO_S: Final = 10.0
RETRY_AFTER_S: Final = 1.0
UNSETTLED: Final = 64
LOOK_S: Final = 2.0
"""How often a revoked token is looked for."""
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")
_POLICY_VIOLATION = 1008  # RFC 6455 7.4.1

router = APIRouter()
log = structlog.get_logger(__name__)


@router.websocket("/ingest")
async def ingest(socket: WebSocket) -> None:
    """Take a daemon's events and states until it leaves."""
    try:
        who = _admit(socket)
    except HTTPException as error:
        problem = {"title": "refused", "status": error.status_code, "detail": error.detail}
        await socket.send_denial_response(JSONResponse(problem, error.status_code))
        return
    await socket.accept()
    session = _Session(socket, who)
    with contextlib.suppress(WebSocketDisconnect):
        await session.run()


def _admit(socket: WebSocket) -> Identity:
    """Return who calls: an agent's token, or anybody on the local socket.

    Raises:
        HTTPException: 401 or 403.
    """
    return identify(socket) if socket.scope.get(LOCAL) else require(Role.AGENT)(socket)


class _Session:
    """One daemon's connection."""

    def __init__(self, socket: WebSocket, who: Identity) -> None:
        self._socket = socket
        self._who = who
        self._hub: Hub = socket.app.state.hub
        self._intake = wire.Intake()
        self._room = asyncio.Semaphore(UNSETTLED)
        self._committed = 0
        self._ack_due = False
        self._full = False
        self._refusal = ""
        self._commands: deque[wire.Command] = deque()
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Greet, then read and answer until either side ends it."""
        try:
            async with asyncio.timeout(HELLO_S):
                hello = wire.decode_client(await self._socket.receive_text())
            self._check(hello)
        except (ValueError, TimeoutError) as error:
            await self._refuse(str(error) or "no hello in time")
            return
        assert isinstance(hello, wire.Hello)
        await self._say(wire.Welcome(self._hub.node))
        log.info("daemon connected", node=hello.node, by=self._who.name)
        self._hub.agents.joined(hello.node, self._send)
        try:
            await self._converse(hello.node)
        finally:
            self._hub.agents.left(hello.node, self._send)
            log.info("daemon left", node=hello.node)

    def _check(self, hello: wire.ClientMessage) -> None:
        """Raise ValueError when this is no hello that we can talk with."""
        if not isinstance(hello, wire.Hello):
            raise ValueError("the first message must be hello")
        if hello.version != wire.PROTOCOL_VERSION:
            raise ValueError(f"version {hello.version} is spoken there, {wire.PROTOCOL_VERSION} here")
        if not _NODE.fullmatch(hello.node):
            raise ValueError(f"{hello.node!r} is no name of a daemon, such as sbs-dongcheng/agent")
        if hello.node.endswith(HUB_SUFFIX):
            raise ValueError(f"{hello.node!r} is the name of a hub")
        if self._who.token is not None and hello.node.partition("/")[0] != self._who.name:
            raise ValueError(f"token {self._who.name!r} speaks for that site's daemons, not for {hello.node!r}")

    async def _converse(self, node: str) -> None:
        reading = asyncio.create_task(self._read(node))
        answering = asyncio.create_task(self._answer())
        try:
            await asyncio.wait({reading, answering}, return_when=asyncio.FIRST_COMPLETED)
            if self._refusal:
                await self._refuse(self._refusal)
        finally:
            for task in (reading, answering):
                task.cancel()
            await asyncio.gather(reading, answering, return_exceptions=True)

    async def _read(self, node: str) -> None:
        async for text in self._socket.iter_text():
            try:
                message = wire.decode_client(text)
            except ValueError as error:
                self._refusal = str(error)
                return
            self._hub.hear(node)
            match message:
                case wire.Events(events):
                    if stranger := next((event.node for event in events if event.node != node), None):
                        self._refusal = f"an event of {stranger!r} came from {node!r}"
                        return
                    await self._room.acquire()
                    settled = self._hub.keep(events, self._intake)
                    settled.add_done_callback(partial(self._settled, events[-1].seq))
                case wire.State(subject, body):
                    if len(text) > STATE_MAX_BYTES:
                        self._refusal = f"a state of {len(text)} bytes, at most {STATE_MAX_BYTES} are taken: {subject}"
                        return
                    if self._may_speak(subject):
                        self._hub.set_state(node, subject, body)
                case wire.Readings(readings):
                    self._hub.take_readings([it for it in readings if self._may_speak(it.subject)])
                case wire.CommandResult() as result:
                    self._hub.agents.answered(node, result)
                case wire.Hello():
                    self._refusal = "hello was said already"
                    return

    def _may_speak(self, subject: str) -> bool:
        """Tell whether who calls may speak for a subject: a site's token for what belongs to that site."""
        if self._who.token is None or self._hub.projection.subjects.may_speak(self._who.name, subject):
            return True
        self._hub.metrics.strangers.inc()
        return False

    def _send(self, command: wire.Command) -> None:
        self._commands.append(command)
        self._news.set()

    def _settled(self, up_to: int, settled: asyncio.Future[Outcome]) -> None:
        """Note what became of a batch; batches of one connection are settled in order."""
        self._room.release()
        match settled.result():
            case Outcome.COMMITTED:
                self._committed = max(self._committed, up_to)
                self._ack_due = True
            case Outcome.NO_ROOM:
                self._full = True
            case Outcome.UNFIT:
                self._refusal = f"no journal can hold what came with outbox number {up_to}, or just before"
            case Outcome.PASSED_OVER:
                return
        self._news.set()

    async def _answer(self) -> None:
        """Say what is settled, the latest only, and what is ordered, until there is a reason to refuse the daemon."""
        while not self._refusal:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._news.wait()
            self._news.clear()
            if not still_valid(self._socket, self._who):
                self._refusal = "the token was revoked"
            while self._commands and not self._refusal:
                await self._say(self._commands.popleft())
            if self._ack_due:
                self._ack_due = False
                await self._say(wire.Ack(self._committed))
            if self._full:
                self._full = False
                await self._say(wire.Full(RETRY_AFTER_S))

    async def _say(self, message: wire.ServerMessage) -> None:
        await self._socket.send_text(wire.encode(message))

    async def _refuse(self, reason: str) -> None:
        log.warning("daemon refused", by=self._who.name, reason=reason)
        await self._say(wire.Refused(reason))
        await self._socket.close(_POLICY_VIOLATION)
