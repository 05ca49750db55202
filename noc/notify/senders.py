"""Means to reach people. Thin: each sends one message, and raises `SendError` when that did not work."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import smtplib
import socket
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Final, Protocol

import httpx

from lifeline.config.secrets import SecretError, read_secret
from lifeline.model.inventory import SecretRef

from . import wording
from .config import Email, Receiver, Syslog, Webhook
from .pipeline import Message, Standing

TIMEOUT_S: Final = 15.0
_FACILITY: Final = 16  # local0, RFC 5424 6.2.1
_SEVERITY: Final = {"critical": 2, "major": 3, "minor": 4, "indeterminate": 4, "warning": 5}
"""ITU perceived severity to syslog severity, as RFC 5674 2 maps them, one step down where that says `emergency`."""


class SendError(Exception):
    """The message did not get through; trying again may help."""


class Sender(Protocol):
    """One means."""

    async def send(self, message: Message, hub: str) -> None:
        """Send a message.

        Raises:
            SendError: it did not get through.
        """
        ...


def sender_of(receiver: Receiver) -> Sender:
    """Return the sender for a receiver."""
    if receiver.webhook:
        return WebhookSender(receiver.webhook)
    if receiver.email:
        return EmailSender(receiver.email)
    assert receiver.syslog is not None
    return SyslogSender(receiver.syslog)


async def post(url: str, content: bytes, headers: dict[str, str], token: SecretRef | None) -> None:
    """Post JSON.

    Raises:
        SendError: there was no answer, or none of success.
    """
    try:
        if token is not None:
            headers = {**headers, "Authorization": f"Bearer {read_secret(token)}"}
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            response = await client.post(url, content=content, headers={"Content-Type": "application/json", **headers})
    except (httpx.HTTPError, httpx.InvalidURL, OSError, SecretError) as error:
        raise SendError(str(error) or type(error).__name__) from error
    if not response.is_success:
        raise SendError(f"HTTP {response.status_code}")


class WebhookSender:
    """Posts JSON, signed where there is a secret."""

    def __init__(self, config: Webhook) -> None:
        self._config = config

    async def send(self, message: Message, hub: str) -> None:
        """Send a message."""
        content = json.dumps(wording.document(message, hub), ensure_ascii=False).encode()
        headers = {}
        if self._config.secret is not None:
            try:
                secret = read_secret(self._config.secret)
            except SecretError as error:
                raise SendError(str(error)) from error
            headers["X-Lifeline-Signature"] = "sha256=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
        await post(self._config.url, content, headers, self._config.token)


class EmailSender:
    """Sends mail, in a thread: smtplib waits."""

    def __init__(self, config: Email) -> None:
        self._config = config

    async def send(self, message: Message, hub: str) -> None:
        """Send a message."""
        mail = EmailMessage()
        mail["Subject"], mail["From"] = wording.subject(message), self._config.sender
        mail["To"] = ", ".join(self._config.to)
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notices back
        mail.set_content(wording.body(message, hub))
        try:
            await asyncio.to_thread(self._deliver, mail)
        except (OSError, smtplib.SMTPException, SecretError) as error:
            raise SendError(str(error) or type(error).__name__) from error

    def _deliver(self, mail: EmailMessage) -> None:
        it, context = self._config, ssl.create_default_context()
        if it.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(it.host, it.port, timeout=TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(it.host, it.port, timeout=TIMEOUT_S)
        with server:
            if it.tls == "starttls":
                server.starttls(context=context)
            if it.user is not None and it.password is not None:
                server.login(it.user, read_secret(it.password))
            server.send_message(mail)


class SyslogSender:
    """Sends one RFC 5424 message per alarm, with RFC 5674's structured data."""

    def __init__(self, config: Syslog) -> None:
        self._config = config

    async def send(self, message: Message, hub: str) -> None:
        """Send a message."""
        lines = [line(alarm, message.why, hub) for alarm in message.alarms]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await (self._by_tcp(lines) if self._config.protocol == "tcp" else self._by_udp(lines))
        except OSError as error:
            raise SendError(str(error) or type(error).__name__) from error

    async def _by_tcp(self, lines: list[bytes]) -> None:
        _reader, writer = await asyncio.open_connection(self._config.host, self._config.port)
        writer.writelines(b"%d %s" % (len(it), it) for it in lines)  # RFC 6587 3.4.1
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def _by_udp(self, lines: list[bytes]) -> None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._config.host, self._config.port, type=socket.SOCK_DGRAM)
        host, port = str(found[0][4][0]), self._config.port
        transport, _protocol = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(host, port))
        try:
            for it in lines:
                transport.sendto(it[:2048])  # RFC 5426 3.2
        finally:
            transport.close()


def line(alarm: Standing, why: str, hub: str) -> bytes:
    """Return an alarm as a syslog message (RFC 5424 6, RFC 5674 3)."""
    cleared = why == "resolved"
    priority = _FACILITY * 8 + (6 if cleared else _SEVERITY.get(alarm.severity, 5))
    at = datetime.fromtimestamp(alarm.raised_at_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    fields = {
        "resource": alarm.resource,
        "probableCause": alarm.probable_cause,
        "perceivedSeverity": "cleared" if cleared else alarm.severity,
        "eventType": alarm.event_type,
    }
    data = " ".join(f'{name}="{_escaped(value)}"' for name, value in fields.items())
    host = hub.partition("/")[0]
    return f"<{priority}>1 {at} {host} lifeline - {why} [alarm {data}] {' '.join(alarm.text.split())}".encode()


def _escaped(value: str) -> str:
    """Escape a parameter's value (RFC 5424 6.3.3)."""
    return "".join(f"\\{it}" if it in '\\"]' else it for it in value)
