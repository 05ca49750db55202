"""`lifeline hub run`: sockets, signals, service manager; the hub itself is in `noc.hub`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import structlog
import uvicorn

from lifeline.model.inventory import Inventory
from lifeline.runtime import wire
from lifeline.runtime.systemd import notify, watchdog_interval_s

from .api.app import create_app
from .api.auth import Door
from .hub import Hub
from .listen import SOCKET_FILE, Listener, local_socket, tcp_socket
from .notify.config import Notifications
from .playbooks import Playbooks, PlaybookSettings
from .tls import Certificate, server_context
from .tokens import TokenStore

STOP_WITHIN_S: Final = 0.5
"""Connections get this long to end by themselves."""

log = structlog.get_logger(__name__)


def run_hub(
    inventory: Inventory,
    data: Path,
    run: Path,
    name: str,
    listeners: Sequence[Listener],
    notifications: Notifications | None = None,
    playbooks: PlaybookSettings | None = None,
) -> None:
    """Run a hub until SIGTERM or SIGINT (see `serve`)."""

    async def until_told() -> None:
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        await serve(inventory, data, run, name, listeners, stopping, notifications, playbooks)

    asyncio.run(until_told())


async def serve(
    inventory: Inventory,
    data: Path,
    run: Path,
    name: str,
    listeners: Sequence[Listener],
    stopping: asyncio.Event,
    notifications: Notifications | None = None,
    playbooks: PlaybookSettings | None = None,
) -> None:
    """Run a hub until it is told to stop, or until a part of it fails.

    Args:
        inventory: what exists.
        data: journal and tokens.
        run: where `hub.sock` is made.
        name: of the hub.
        listeners: TCP addresses besides the local socket.
        stopping: set to stop it.
        notifications: whom to tell of what.
        playbooks: which playbooks, and what they may reach.

    Raises:
        ListenError: an address is taken or not this machine's.
        JournalError: the journal cannot be opened.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # what it has to tell, we tell
    hub = Hub(inventory, data, name, notifications)
    await hub.start()
    app = create_app(hub, TokenStore(data))
    running = Playbooks(hub, app.state.commands, data, playbooks or PlaybookSettings())
    app.state.playbooks = running
    await running.start()
    try:
        with contextlib.ExitStack() as sockets:
            servers = [_server(app, sockets.enter_context(local_socket(run / SOCKET_FILE)), None)]
            servers += [
                _server(app, sockets.enter_context(tcp_socket(one.host, one.port)), one.certificate)
                for one in listeners
            ]
            await _serving(hub, servers, stopping)
    finally:
        await running.stop()
        await hub.stop()


async def _serving(hub: Hub, servers: list[_Server], stopping: asyncio.Event) -> None:
    tasks = [asyncio.create_task(server.serve([server.socket])) for server in servers]
    ends: list[asyncio.Task[Any]] = [asyncio.create_task(hub.failed()), asyncio.create_task(stopping.wait()), *tasks]
    watchdog = asyncio.create_task(_watchdog())
    ready = asyncio.create_task(_ready(servers))
    try:
        done, _pending = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        notify("STOPPING=1")
        hub.broadcast.end("the hub stops", for_ever=True)
        await _stop(servers, tasks)
        for task in (*ends, watchdog, ready):
            task.cancel()
        await asyncio.gather(*ends, watchdog, ready, return_exceptions=True)
    for task in done:
        if not task.cancelled():
            task.result()


async def _ready(servers: list[_Server]) -> None:
    """Say that the hub is ready, once it listens everywhere."""
    for server in servers:
        await server.listening.wait()
    notify("READY=1")
    log.info("hub listens", addresses=[str(server.socket.getsockname()) for server in servers])


async def _stop(servers: list[_Server], tasks: list[asyncio.Task[None]]) -> None:
    """End the servers: by themselves if they can, by force if a client does not let go."""
    for server in servers:
        server.should_exit = True
    await asyncio.wait(tasks, timeout=STOP_WITHIN_S)
    for server in servers:
        server.force_exit = True
    await asyncio.wait(tasks, timeout=STOP_WITHIN_S)


class _Server(uvicorn.Server):
    """A uvicorn server for one socket, that leaves signals to us."""

    def __init__(self, config: uvicorn.Config, bound: socket.socket) -> None:
        super().__init__(config)
        self.socket = bound
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: Any, bound: socket.socket, certificate: Certificate | None) -> _Server:
    local = bound.family == socket.AF_UNIX
    context = server_context(certificate) if certificate else None
    config = uvicorn.Config(
        Door(app, local=local),
        http="h11",
        ws="websockets-sansio",
        ws_max_size=wire.MAX_MESSAGE_BYTES,
        ws_ping_interval=None,  # the daemons ping, and who is not heard is stale
        ws_per_message_deflate=not local,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_context_factory=(lambda _config, _default: context) if context else None,
    )
    return _Server(config, bound)


async def _watchdog() -> None:
    """Tell the service manager that the loop turns, if it asks for that."""
    interval_s = watchdog_interval_s()
    while interval_s is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval_s)
