"""The agent's side of its talk with the fast path: asyncio around a SOCK_SEQPACKET socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from pathlib import Path
from typing import Any

from .fastpath_ipc import DATAGRAM_MAX

Report = dict[str, Any]


class FastPathClient:
    """One connection to the fast path."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray(DATAGRAM_MAX)

    @classmethod
    async def connect(cls, path: Path) -> FastPathClient:
        """Connect.

        Raises:
            OSError: no fast path listens there.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, str(path))
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    async def receive(self) -> list[Report]:
        """Return the reports and snapshots that have come, at least one.

        Raises:
            ConnectionError: the fast path has gone.
            ValueError: not JSON.
        """
        reports = [self._read(await asyncio.get_running_loop().sock_recv_into(self._socket, self._buffer))]
        with contextlib.suppress(BlockingIOError):
            while True:
                reports.append(self._read(self._socket.recv_into(self._buffer)))
        return reports

    def _read(self, size: int) -> Report:
        if not size:
            raise ConnectionResetError("the fast path closed the connection")
        report: Report = json.loads(memoryview(self._buffer)[:size].tobytes())
        return report

    def acknowledge(self, instance: str, seq: int) -> None:
        """Let that life of the fast path forget its reports up to `seq`; one not heard is covered by the next."""
        with contextlib.suppress(OSError):
            self._socket.send(json.dumps({"ack": seq, "instance": instance}).encode(), socket.MSG_NOSIGNAL)

    def order(self, order: dict[str, Any]) -> None:
        """Hand over an operator's order; the answer is a report of the kind `command`.

        Raises:
            OSError: the fast path does not take it.
        """
        self._socket.send(json.dumps({"command": order}).encode(), socket.MSG_NOSIGNAL)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def order_rekey(path: Path, timeout_s: float = 5.0) -> str:
    """Tell a fast path that there are new keys beside its plan; return why it does not use them, or an empty text.

    Raises:
        OSError: no fast path listens there, or it does not answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(timeout_s)
        client.connect(str(path))
        client.send(json.dumps({"rekey": True}).encode())
        while data := client.recv(DATAGRAM_MAX):
            report: Report = json.loads(data)
            if report["kind"] == "rekey":
                return str(report["body"]["error"])
    raise ConnectionResetError("the fast path closed the connection")
