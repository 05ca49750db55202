"""A TCP connection between two sites of the small world, and what becomes of it."""

from __future__ import annotations

import contextlib
import socket

from failover_world import World
from inside import inside

HOME_A, HOME_B = "10.1.0.1", "10.2.0.1"
PATIENCE_S = 3.0


class Flow:
    """A TCP connection from site `a`, at whose other end every byte is sent back."""

    def __init__(self, world: World, server: str, port: int, source: str) -> None:
        self._sockets = [inside(world.namespace("b"), socket.create_server, (server, port))]
        client = inside(world.namespace("a"), socket.socket)
        client.settimeout(PATIENCE_S)
        client.bind((source, 0))
        client.connect((server, port))
        self.text = f"tcp {source}:{client.getsockname()[1]} -> {server}:{port}"
        far, self.seen_as = self._sockets[0].accept()
        far.settimeout(PATIENCE_S)
        self._client, self._far = client, far
        self._sockets += [client, far]
        assert self.lives()

    def lives(self) -> bool:
        """Tell whether a byte goes there and comes back in time."""
        with contextlib.suppress(TimeoutError):
            self._client.send(b"x")
            if self._far.recv(1 << 16):
                self._far.send(b"y")
                return bool(self._client.recv(1 << 16))
        return False

    def is_told_of_its_end(self) -> bool:
        """Tell whether the client learns at once, by a reset, that it must begin anew."""
        self._client.send(b"x")
        try:
            self._client.recv(1 << 16)
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        return False

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()
