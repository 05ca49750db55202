"""The fast path's side of its talk with the agent: JSON datagrams on a local SOCK_SEQPACKET socket, never waited for.

A report is `{"instance", "seq", "at_monotonic_ns", "at_wall_ns", "kind", "subject", "body"}`; `seq` counts from 1 in
each life (`instance`) of the fast path. A report is sent again to every new connection until someone says
`{"ack": seq, "instance": ...}`. A snapshot has the kind `snapshot` and the last report's `seq`; the next replaces it.
`{"command": {...}}` is an operator's order; what becomes of it is a report of the kind `command`. `{"rekey": true}`
says that there are new keys; whoever says so is told what became of that, `{"kind": "rekey", "body": {"error"}, ...}`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lifeline import clock

KEEP = 1024
CLIENTS_MAX = 8
DATAGRAM_MAX = 1 << 20
_SEND_BUFFER = 1 << 20
_SO_SNDBUFFORCE = 32  # linux/socket.h; the socket module does not name it


class AlreadyRunningError(Exception):
    """Another fast path listens on the socket."""


class ReportServer:
    """Publishes reports and snapshots to the agent, and forgets what it acknowledged.

    Attributes:
        dropped: reports that nobody acknowledged in time and that had to go, oldest first.
        on_command: called with each order.
        on_rekey: called when there are new keys; returns why they are not used, or an empty text.
    """

    def __init__(self, path: Path) -> None:
        """Listen on the socket; a dead predecessor's file is removed.

        Raises:
            AlreadyRunningError: a living predecessor listens.
            OSError: the directory is missing or not writable.
        """
        self.path = path
        self.instance = f"{clock.wall_ns():x}"
        self.dropped = 0
        self.on_command: Callable[[Mapping[str, Any]], None] = lambda _order: None
        self.on_rekey: Callable[[], str] = lambda: ""
        self._seq = 0
        self._kept: deque[tuple[int, bytes]] = deque()
        self._clients: dict[int, tuple[socket.socket, int]] = {}
        _remove_dead(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        self._listener.setblocking(False)
        mask = os.umask(0o177)  # the socket's mode is the lock (ADR 0007)
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(mask)
        self._listener.listen(CLIENTS_MAX)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)

    def fileno(self) -> int:
        """Return a number to poll: readable when a client came, left or spoke."""
        return self._epoll.fileno()

    @property
    def last_seq(self) -> int:
        """Number of the last report."""
        return self._seq

    @property
    def unacknowledged(self) -> int:
        """How many reports wait for an acknowledgement."""
        return len(self._kept)

    def publish(self, kind: str, subject: str, body: Mapping[str, Any], at_monotonic: float, at_wall_ns: int) -> None:
        """Send a report to whoever listens and keep it until it is acknowledged."""
        self._seq += 1
        data = self._encode(kind, subject, body, at_monotonic, at_wall_ns)
        if len(self._kept) == KEEP:
            self._kept.popleft()
            self.dropped += 1
        self._kept.append((self._seq, data))
        for fd in list(self._clients):
            self._catch_up(fd)

    def snapshot(self, body: Mapping[str, Any], at_monotonic: float, at_wall_ns: int) -> None:
        """Send the present state to those who have all reports; nobody waits for the others."""
        data = self._encode("snapshot", "", body, at_monotonic, at_wall_ns) if self._clients else b""
        for fd in list(self._clients):
            if self._catch_up(fd):
                self._send(fd, data)

    def serve(self) -> bool:
        """Accept, read and drop clients as they wish; return whether a new one came (it wants a snapshot)."""
        came = False
        for fd, _events in self._epoll.poll(0):
            if fd == self._listener.fileno():
                came |= self._accept()
            else:
                self._read(fd)
        return came

    def close(self) -> None:
        """Stop listening and remove the socket's file."""
        for fd in list(self._clients):
            self._drop(fd)
        self._epoll.close()
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def _encode(self, kind: str, subject: str, body: Mapping[str, Any], at_monotonic: float, at_wall_ns: int) -> bytes:
        report = {
            "instance": self.instance,
            "seq": self._seq,
            "at_monotonic_ns": int(at_monotonic * 1e9),
            "at_wall_ns": at_wall_ns,
            "kind": kind,
            "subject": subject,
            "body": body,
        }
        return json.dumps(report, separators=(",", ":")).encode()

    def _accept(self) -> bool:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return False
        if len(self._clients) == CLIENTS_MAX:
            client.close()
            return False
        client.setblocking(False)
        with contextlib.suppress(PermissionError):
            client.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SEND_BUFFER)
        self._clients[client.fileno()] = (client, 0)
        self._epoll.register(client, select.EPOLLIN)
        return self._catch_up(client.fileno())

    def _read(self, fd: int) -> None:
        client, _sent = self._clients[fd]
        try:
            while data := client.recv(DATAGRAM_MAX):
                self._take(fd, data)
        except BlockingIOError:
            self._catch_up(fd)
            return
        except OSError:
            pass
        self._drop(fd)

    def _take(self, fd: int, data: bytes) -> None:
        try:
            message = json.loads(data)
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict):
            return
        if isinstance(order := message.get("command"), dict):
            self.on_command(order)
        elif message.get("rekey") is True:
            answer = {"error": self.on_rekey()}
            self._send(fd, self._encode("rekey", "", answer, clock.monotonic_s(), clock.wall_ns()))
        elif message.get("instance", self.instance) == self.instance:
            self._acknowledge(message.get("ack"))

    def _acknowledge(self, up_to: object) -> None:
        while isinstance(up_to, int) and self._kept and self._kept[0][0] <= up_to:
            self._kept.popleft()

    def _catch_up(self, fd: int) -> bool:
        """Send a client the reports it has not got; return whether it has them all now."""
        client, sent = self._clients[fd]
        if sent == self._seq:
            return True
        for seq, data in self._kept:
            if seq > sent:
                if not self._send(fd, data):
                    return False
                self._clients[fd] = (client, seq)
        self._clients[fd] = (client, self._seq)
        return True

    def _send(self, fd: int, data: bytes) -> bool:
        try:
            self._clients[fd][0].send(data, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except OSError:
            self._drop(fd)
            return False
        return True

    def _drop(self, fd: int) -> None:
        client, _sent = self._clients.pop(fd)
        self._epoll.unregister(client)
        client.close()


def _remove_dead(path: Path) -> None:
    """Remove a socket file that nobody listens on.

    Raises:
        AlreadyRunningError: somebody does.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            path.unlink(missing_ok=True)
        else:
            raise AlreadyRunningError(f"another fast path listens on {path}")
