"""A real SSH server on loopback whose shell is a vendor's simulated command line."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from pathlib import Path

import paramiko
from vendor_cli import Cli, Dropped, Router

USER = "lifeline"


class _Door(paramiko.ServerInterface):
    def __init__(self, password: str) -> None:
        self._password = password

    def get_allowed_auths(self, username):
        return "password"

    def check_auth_password(self, username, password):
        ok = username == USER and password == self._password
        return paramiko.AUTH_SUCCESSFUL if ok else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_pty_request(self, *_):
        return True

    def check_channel_shell_request(self, channel):
        return True


class VendorServer:
    """Listens until it is closed; `sessions` and `most_at_once` count what it has seen."""

    def __init__(self, kind: type[Cli], router: Router, password: str) -> None:
        self.router = router
        self.sessions = self.most_at_once = 0
        self.refuses = False
        self._kind, self._password = kind, password
        self._key = paramiko.ECDSAKey.generate()
        self._open: set[paramiko.Transport] = set()
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def known_hosts(self, path: Path) -> Path:
        """Write the file that proves this server to be itself."""
        path.write_text(f"[127.0.0.1]:{self.port} {self._key.get_name()} {self._key.get_base64()}\n")
        return path

    def change_host_key(self) -> None:
        self._key = paramiko.ECDSAKey.generate()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for transport in list(self._open):
            transport.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            if self.refuses:
                client.close()
                continue
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        transport = paramiko.Transport(client)
        transport.add_server_key(self._key)
        self._open.add(transport)
        try:
            transport.start_server(server=_Door(self._password))
            channel = None
            while channel is None and transport.is_active():
                channel = transport.accept(0.1)
            if channel is not None:
                with self._lock:
                    self.sessions += 1
                    self.most_at_once = max(self.most_at_once, len([t for t in self._open if t.is_authenticated()]))
                self._talk(channel)
        except (OSError, EOFError, paramiko.SSHException):
            pass
        except Dropped:
            client.shutdown(socket.SHUT_RDWR)  # as when the fibre is cut, without a goodbye
        finally:
            transport.close()
            self._open.discard(transport)

    def _talk(self, channel: paramiko.Channel) -> None:
        cli = self._kind(self.router)
        channel.sendall(f"{cli.greeting}{cli.prompt()}".replace("\n", "\r\n").encode())
        line = ""
        while data := channel.recv(1024):
            for char in data.decode():
                if char not in "\r\n":
                    line += char
                    channel.sendall(char.encode() if char >= " " else b"")
                    continue
                channel.sendall(b"\r\n")
                if line in {"quit", "exit"} and not cli.mode:
                    return
                self._answer(channel, cli, line.strip("\0"))
                line = ""

    def _answer(self, channel: paramiko.Channel, cli: Cli, line: str) -> None:
        faults = self.router.faults
        if faults.slow and re.search(faults.slow, line):
            time.sleep(faults.slow_s)  # the device thinks; nothing can be awaited
        said = cli.handle(line)
        if cli.asking:
            channel.sendall(said.replace("\n", "\r\n").encode())
            return
        lines = said.splitlines()
        if cli.paging and len(lines) > 23:
            channel.sendall("\r\n".join([*lines[:23], cli.more]).encode())
            with contextlib.suppress(OSError):
                channel.recv(1)
            lines = lines[23:]
        channel.sendall("".join(f"{each}\r\n" for each in lines).encode() + cli.prompt().encode())
