"""Steps that reach outside: HTTP, programs, people. All but people only as far as the administrator allows."""

from __future__ import annotations

import asyncio
import json
import smtplib
import socket
from email.message import EmailMessage
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field
from pydantic.dataclasses import dataclass

from lifeline.model.fields import STRICT

from ..core.playbook import Outcome, Recovery
from .kind import Context, StepError, StepKind

OUTPUT_MAX: Final = 4000


def require_host(context: Context, host: str, port: int) -> None:
    """Refuse a host that the administrator has not allowed.

    Raises:
        StepError: it is not.
    """
    if not {host, f"{host}:{port}"} & context.allowed.hosts:
        raise StepError(f"{host}:{port} is not among the hosts that playbooks may reach (--allow-host)")


@dataclass(frozen=True, config=STRICT)
class HttpArgs:
    """A request."""

    url: str
    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"
    json: Any = None
    headers: dict[str, str] = Field(default_factory=dict)
    token: str | None = None
    """Name of the secret that is sent as bearer token."""
    expect: int = Field(default=200, ge=100, le=599)


class Http(StepKind):
    """One request to an allowed host. The key goes along, so that the receiver can tell a repetition."""

    name, text, Args = "http", "Send a request to an allowed host.", HttpArgs
    recovery = Recovery.HUMAN

    async def do(self, args: HttpArgs, context: Context) -> Outcome:
        """Send it."""
        import httpx

        parts = urlsplit(args.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise StepError(f"{args.url!r} is no http or https address")
        require_host(context, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        headers = {**args.headers, "Idempotency-Key": context.key}
        if args.token is not None:
            headers["Authorization"] = f"Bearer {context.secret(args.token)}"
        try:
            async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=None) as client:  # noqa: S113  # the step's own time-out bounds it
                answer = await client.request(args.method, args.url, json=args.json, headers=headers)
        except httpx.ConnectError as error:
            return Outcome("refused", f"not reached: {error}")
        except httpx.HTTPError as error:
            return Outcome("lost", f"{type(error).__name__}: {error}")
        result: Literal["did", "failed"] = "did" if answer.status_code == args.expect else "failed"
        return Outcome(result, f"HTTP {answer.status_code}", after={"status": answer.status_code,
                                                                     "text": answer.text[:OUTPUT_MAX]})  # fmt: skip


@dataclass(frozen=True, config=STRICT)
class ExecArgs:
    """A program and its arguments; no shell reads them."""

    program: str
    arguments: list[str] = Field(default_factory=list)
    expect: int = 0


class Exec(StepKind):
    """Runs an allowed program, without a shell and with an empty environment."""

    name, text, Args = "exec", "Run an allowed program, without a shell.", ExecArgs
    recovery = Recovery.HUMAN

    async def do(self, args: ExecArgs, context: Context) -> Outcome:
        """Run it."""
        if args.program not in context.allowed.programs:
            raise StepError(f"{args.program} is not among the programs that playbooks may run (--allow-program)")
        try:
            process = await asyncio.create_subprocess_exec(
                args.program, *args.arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT, env={"LIFELINE_KEY": context.key, "PATH": "/usr/sbin:/usr/bin"},
            )  # fmt: skip
        except OSError as error:
            return Outcome("refused", f"{args.program}: {error.strerror or error}")
        try:
            output, _none = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        told = output.decode(errors="replace")[-OUTPUT_MAX:]
        result: Literal["did", "failed"] = "did" if process.returncode == args.expect else "failed"
        return Outcome(result, f"exit {process.returncode}", after={"exit": process.returncode, "output": told})


@dataclass(frozen=True, config=STRICT)
class WebhookArgs:
    """Where to post."""

    url: str
    token: str | None = None


@dataclass(frozen=True, config=STRICT)
class EmailArgs:
    """Whom to write to, by which server."""

    host: str
    sender: str
    to: list[str]
    port: int = Field(default=25, ge=1, le=65_535)


@dataclass(frozen=True, config=STRICT)
class SyslogArgs:
    """Where to log, by UDP (RFC 5426)."""

    host: str
    port: int = Field(default=514, ge=1, le=65_535)


@dataclass(frozen=True, config=STRICT)
class NotifyArgs:
    """What to tell, and by which means."""

    text: str
    to: str | None = None
    """Where to, as a URL: `https://...` is a webhook, `syslog://host:port` a collector."""
    webhook: WebhookArgs | None = None
    email: EmailArgs | None = None
    syslog: SyslogArgs | None = None


def _by_url(url: str) -> tuple[WebhookArgs | None, SyslogArgs | None]:
    """Return the webhook or the collector that a URL names.

    Raises:
        StepError: it names neither.
    """
    parts = urlsplit(url)
    try:
        if parts.scheme == "syslog" and parts.hostname:
            return None, SyslogArgs(parts.hostname, parts.port or 514)
    except ValueError as error:
        raise StepError(f"{url!r}: {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise StepError(f"{url!r} is neither https://... nor syslog://...")
    return WebhookArgs(url), None


class Notify(StepKind):
    """Tells people. Told twice is better than not at all, and the key tells a repetition."""

    name, text, Args = "notify", "Tell people by webhook, mail or syslog.", NotifyArgs
    recovery, changes = Recovery.REPEAT, False

    async def do(self, args: NotifyArgs, context: Context) -> Outcome:
        """Tell."""
        webhook, syslog = _by_url(args.to) if args.to is not None else (args.webhook, args.syslog)
        if not (webhook or args.email or syslog):
            raise StepError("notify needs one of to, webhook, email and syslog")
        try:
            if webhook is not None:
                await self._post(webhook, args.text, context)
            if args.email is not None:
                await asyncio.to_thread(self._mail, args.email, args.text, context.key)
            if syslog is not None:
                self._log(syslog, args.text, context.key)
        except (OSError, smtplib.SMTPException) as error:
            return Outcome("failed", str(error) or type(error).__name__)
        return Outcome("did", args.text)

    @staticmethod
    async def _post(to: WebhookArgs, text: str, context: Context) -> None:
        import httpx

        headers = {"Idempotency-Key": context.key}
        if to.token is not None:
            headers["Authorization"] = f"Bearer {context.secret(to.token)}"
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
                answer = await client.post(to.url, headers=headers, json={"text": text, "run": context.run})
                answer.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OSError(f"{type(error).__name__}: {error}") from None

    @staticmethod
    def _mail(to: EmailArgs, text: str, key: str) -> None:
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = text.splitlines()[0][:120], to.sender, ", ".join(to.to)
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834
        mail["X-Lifeline-Key"] = key
        mail.set_content(text)
        with smtplib.SMTP(to.host, to.port, timeout=15) as server:
            server.send_message(mail)

    @staticmethod
    def _log(to: SyslogArgs, text: str, key: str) -> None:
        line = json.dumps(text, ensure_ascii=False)[1:-1]
        message = f"<133>1 - {socket.gethostname()} lifeline - playbook - {line} ({key})"  # local0.notice, RFC 5424
        family, kind, protocol, _name, address = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as sender:
            sender.sendto(message.encode()[:2048], address)
