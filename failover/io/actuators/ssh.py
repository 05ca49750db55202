"""Routers behind ssh, through netmiko. The host key is checked before any password is sent.

netmiko takes a quarter of a second to import, and the inventory's model brings pydantic: both are imported by the first
session, in a thread. An agent without routers pays for neither.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifeline.clock import monotonic_s

from ...core.actuation import Dialect, Step, redact
from . import vtysh
from .device import AuthenticationError, HostKeyError, LostError, RefusedError, Session, UnreachableError
from .transcript import Transcript

if TYPE_CHECKING:
    from netmiko import BaseConnection
    from netmiko.channel import Channel

    from lifeline.model.inventory import SecretRef

KNOWN_HOSTS = Path("/etc/lifeline/known_hosts")
_QUESTION = r"\[[Yy]/[Nn](?:/[Cc])?\]:? ?"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a device may take."""

    connect_s: float = 10.0
    """For TCP, and again for the SSH banner."""
    auth_s: float = 10.0
    read_s: float = 15.0
    """For the answer to a line."""


@dataclass(frozen=True, slots=True)
class SshDevice:
    """A router that is reached by ssh."""

    name: str
    address: str
    dialect: Dialect
    user: str
    secret: SecretRef
    """Password, or private key without a passphrase."""
    port: int = 22
    known_hosts: Path = KNOWN_HOSTS
    """Its host keys, in OpenSSH's format."""
    verify_host_key: bool = True
    """Off, anybody on the way can pass himself off as the device and hear the password."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    transcripts: Path | None = None
    """Folder of the device's transcript, redacted; None keeps none."""

    def open(self) -> Session:
        """Log in.

        Raises:
            UnreachableError: no session came about; subclasses tell why.
        """
        from lifeline.config.secrets import SecretError, read_secret

        try:
            secret = read_secret(self.secret)
        except SecretError as error:
            raise AuthenticationError(f"{self.name}: {error}") from None
        path = self.transcripts / f"{self.name.replace('/', '_')}.log" if self.transcripts else None
        transcript = Transcript(path, [] if _is_key(secret) else [secret])
        try:
            return SshSession(self, self._connect(secret, transcript), transcript)
        except BaseException:
            transcript.close()
            raise

    def _connect(self, secret: str, transcript: Transcript) -> BaseConnection:
        import netmiko
        from paramiko.ssh_exception import BadHostKeyException, SSHException

        try:
            connection: BaseConnection = netmiko.ConnectHandler(
                device_type=self.dialect.platform,
                host=self.address,
                port=self.port,
                username=self.user,
                **({"pkey": _private_key(secret)} if _is_key(secret) else {"password": secret, "secret": secret}),
                ssh_strict=self.verify_host_key,
                alt_host_keys=self.verify_host_key,
                alt_key_file=str(self.known_hosts),
                conn_timeout=self.timeouts.connect_s,
                banner_timeout=self.timeouts.connect_s,
                auth_timeout=self.timeouts.auth_s,
                blocking_timeout=self.timeouts.read_s,
                read_timeout_override=self.timeouts.read_s,
                session_log=transcript,
                keepalive=5,
            )
            if self.dialect.enable and not connection.check_enable_mode():
                connection.enable()
        except netmiko.NetmikoAuthenticationException:
            raise AuthenticationError(f"{self.name} does not let {self.user} in") from None
        except (SSHException, netmiko.NetmikoBaseException, OSError, EOFError, ValueError) as error:
            if isinstance(error.__context__, BadHostKeyException):
                text = f"{self.name} shows another host key than {self.known_hosts} holds: nothing was sent"
                raise HostKeyError(text) from None
            if "not found in known_hosts" in str(error):
                text = f"{self.name} has no host key in {self.known_hosts}: nothing was sent"
                raise HostKeyError(text) from None
            raise UnreachableError(f"{self.name} cannot be reached: {_first_line(error, secret)}") from None
        return connection


class SshSession:
    """A session by ssh."""

    def __init__(self, device: SshDevice, connection: BaseConnection, transcript: Transcript) -> None:
        self._device = device
        self._dialect = device.dialect
        self._connection = connection
        self._transcript = transcript
        connection.channel = _watched(connection)
        # A prompt holds the host name, between whatever brackets and mode the platform puts around it.
        self._ready = rf"(?:{re.escape(connection.base_prompt)}[^\r\n]*[>#\]] *|{_QUESTION})$"

    def read(self, commands: Sequence[str]) -> str:
        """Return what the device shows; see `device.Session`."""
        with self._told():
            if self._dialect.behind_shell:
                return self._vtysh(commands)[0]
            return "\n".join(map(self._ask, commands))

    def run(self, script: Sequence[Step]) -> None:
        """Type lines; see `device.Session`."""
        with self._told():
            if self._dialect.behind_shell:
                vtysh.check(self._dialect, script, *self._vtysh([step.line for step in script]))
                return
            for step in script:
                try:
                    self._type(step)
                except RefusedError:
                    for leaving in self._dialect.abandon:
                        with contextlib.suppress(RefusedError):
                            self._type(leaving)
                    raise

    def close(self) -> None:
        """Log out; see `device.Session`."""
        # Hung up first: netmiko's own farewell looks for configuration mode, which our scripts have left, and waits.
        self._connection.paramiko_cleanup()
        self._connection.disconnect()
        self._transcript.close()

    def _type(self, step: Step) -> None:
        said = self._ask(step.line)
        if re.search(f"{_QUESTION}$", said):
            said += self._ask(step.answer or "n")
            if not step.answer:
                raise RefusedError(step, "a question that was not foreseen")
        if refusal := self._dialect.refusal(said):
            raise RefusedError(step, refusal)

    def _ask(self, line: str) -> str:
        said = self._connection.send_command(line, expect_string=self._ready, strip_prompt=False)
        assert isinstance(said, str)
        return said

    def _vtysh(self, lines: Sequence[str]) -> tuple[str, int]:
        """Run vtysh in a channel of its own: no prompt to be guessed, no terminal that wraps, a real exit status."""
        command = shlex.join(["vtysh", *vtysh.arguments(lines)])
        self._transcript.say(f"$ {command}")
        client = self._connection.remote_conn_pre
        if client is None or (transport := client.get_transport()) is None:
            raise EOFError("the connection is closed")
        channel = transport.open_session(timeout=self._device.timeouts.connect_s)
        try:
            channel.settimeout(self._device.timeouts.read_s)
            channel.set_combine_stderr(True)
            channel.exec_command(command)
            said = _read_all(channel, monotonic_s() + self._device.timeouts.read_s)
            self._transcript.say(said)
            status = channel.recv_exit_status()
        finally:
            channel.close()
        if status < 0:
            raise EOFError("the connection broke")
        return said, status

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what breaks a session as LostError."""
        from netmiko import NetmikoBaseException
        from paramiko.ssh_exception import SSHException

        try:
            yield
        except (SSHException, NetmikoBaseException, OSError, EOFError) as error:
            name, read_s = self._device.name, self._device.timeouts.read_s
            if isinstance(error, TimeoutError) or self._is_up():
                raise LostError(f"{name} did not answer within {read_s:g} s") from None
            raise LostError(f"the connection to {name} broke") from None

    def _is_up(self) -> bool:
        client = self._connection.remote_conn_pre
        transport = client and client.get_transport()
        return bool(transport and transport.is_active())


def _watched(connection: BaseConnection) -> Channel:
    """Return a connection's channel as one that tells of its end at once, instead of falling silent."""
    from netmiko.channel import SSHChannel

    class WatchedChannel(SSHChannel):
        def read_channel(self) -> str:
            if said := super().read_channel():
                return said
            if self.remote_conn is None or self.remote_conn.closed:
                raise EOFError("the connection is closed")
            return ""

    return WatchedChannel(connection.remote_conn, connection.encoding)


def _read_all(channel: Any, deadline: float) -> str:
    """Read until the far program has closed its output."""
    parts = []
    while part := channel.recv(1 << 16):
        parts.append(part)
        if monotonic_s() > deadline:
            raise TimeoutError
    return b"".join(parts).decode(errors="replace")


def _is_key(secret: str) -> bool:
    return secret.startswith("-----BEGIN ")


def _private_key(secret: str) -> Any:
    import paramiko

    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        with contextlib.suppress(paramiko.SSHException, ValueError):
            return kind.from_private_key(io.StringIO(secret + "\n"))
    raise ValueError("the private key cannot be read: Ed25519, ECDSA or RSA, without a passphrase")


def _first_line(error: BaseException, secret: str) -> str:
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return redact(said, [secret])
