"""The notifications file: receivers, routes, the heartbeat. Checked as the inventory is, mistakes with their place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from lifeline.config.document import Document
from lifeline.config.problems import ConfigError, Finding, KeyPath, did_you_mean
from lifeline.config.secrets import SecretError, read_secret
from lifeline.config.shape import tell
from lifeline.i18n import _
from lifeline.model.fields import STRICT, Id
from lifeline.model.inventory import SecretRef
from lifeline.model.records import PerceivedSeverity

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(ge=0, le=30 * 86_400)]
Mail = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")]


@dataclass(frozen=True, slots=True, config=STRICT)
class Webhook:
    """Posts JSON to an address."""

    url: Url
    """Where to."""
    secret: SecretRef | None = None
    """Signs the body: header `X-Lifeline-Signature: sha256=<HMAC-SHA256 of the body, hexadecimal>`."""
    token: SecretRef | None = None
    """Bearer token."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Email:
    """Sends mail by SMTP."""

    host: str
    """The mail server."""
    sender: Mail
    """Who it is from."""
    to: Annotated[list[Mail], Field(min_length=1, max_length=100)]
    """Who gets it."""
    port: Port = 587
    """The mail server's port."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is protected."""
    user: str | None = None
    """User name at the mail server."""
    password: SecretRef | None = None
    """Password at the mail server."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Syslog:
    """Sends RFC 5424 messages with the alarm as structured data (RFC 5674)."""

    host: str
    """The collector."""
    port: Port = 514
    """The collector's port."""
    protocol: Literal["udp", "tcp"] = "udp"
    """RFC 5426, or RFC 6587 with octet counting."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Receiver:
    """A means to reach somebody; exactly one."""

    webhook: Webhook | None = None
    """By HTTP."""
    email: Email | None = None
    """By mail."""
    syslog: Syslog | None = None
    """By syslog."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(it is not None for it in (self.webhook, self.email, self.syslog)) != 1:
            raise ValueError(_("needs exactly one of {keys}").format(keys="webhook, email, syslog"))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Step:
    """Who is told when nobody has acknowledged for a while."""

    after_s: Annotated[float, Field(gt=0, le=30 * 86_400)]
    """Seconds after the first message."""
    receiver: Id
    """Who."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Route:
    """Which alarms go to whom."""

    receiver: Id
    """Who is told first."""
    least: Literal["warning", "minor", "major", "critical"] = "major"
    """From which severity on."""
    resources: list[str] = Field(default_factory=list)
    """Only alarms on resources that begin with one of these, such as `power:`; all where empty."""
    group_by: Literal["alarm", "kind", "all"] = "alarm"
    """What goes into one message: one alarm, all of one kind of resource, or all that begin together."""
    wait_s: Seconds = 3.0
    """How long an alarm stands before it is told of: its root may be heard of later than itself."""
    repeat_s: Seconds = 4 * 3600.0
    """How often an alarm is told again that stands and nobody has acknowledged; 0: never."""
    resolved: bool = True
    """Whether the end is told of too."""
    escalate: list[Step] = Field(default_factory=list)
    """Who is told besides, when nobody acknowledges."""

    @property
    def least_rank(self) -> int:
        """Rank of the least severity."""
        return PerceivedSeverity(self.least).rank


@dataclass(frozen=True, slots=True, config=STRICT)
class Heartbeat:
    """Posts to an address as long as the hub is well: whoever misses it there raises the alarm."""

    url: Url
    """Where to."""
    every_s: Annotated[float, Field(ge=5, le=86_400)] = 60.0
    """How often."""
    token: SecretRef | None = None
    """Bearer token."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Notifications:
    """The whole file."""

    lifeline_notifications: Literal[1]
    """Format version."""
    receivers: dict[Id, Receiver] = Field(default_factory=dict)
    """Means by id."""
    routes: list[Route] = Field(default_factory=list)
    """Every route that fits an alarm is taken."""
    heartbeat: Heartbeat | None = None
    """Dead-man heartbeat outward."""


def load(path: Path) -> Notifications:
    """Read and check the file; its secrets must be readable.

    Raises:
        ConfigError: with every problem.
    """
    document = Document.read(path)
    findings: list[Finding] = []
    found: Notifications | None = None
    try:
        found = TypeAdapter(Notifications).validate_json(json.dumps(document.data, default=str), strict=True)
    except ValidationError as error:
        findings += tell(error.errors(include_url=False), Notifications)
    else:
        findings += [*_references(found), *_secrets(found)]
    problems = [*document.problems, *map(document.problem, findings)]
    if problems or found is None:
        raise ConfigError(problems)
    return found


def _references(it: Notifications) -> Iterator[Finding]:
    for index, route in enumerate(it.routes):
        named: list[tuple[KeyPath, str]] = [(("routes", index, "receiver"), route.receiver)]
        named += [
            (("routes", index, "escalate", n, "receiver"), step.receiver) for n, step in enumerate(route.escalate)
        ]
        for path, name in named:
            if name not in it.receivers:
                _nearest, hint = did_you_mean(name, it.receivers, _("receivers"))
                yield Finding(path, _("there is no receiver {name!r}").format(name=name), hint)


def _secrets(it: Notifications) -> Iterator[Finding]:
    places: list[tuple[KeyPath, SecretRef | None]] = []
    for name, receiver in it.receivers.items():
        if receiver.webhook:
            places.append((("receivers", name, "webhook", "secret"), receiver.webhook.secret))
            places.append((("receivers", name, "webhook", "token"), receiver.webhook.token))
        if receiver.email:
            places.append((("receivers", name, "email", "password"), receiver.email.password))
    if it.heartbeat:
        places.append((("heartbeat", "token"), it.heartbeat.token))
    for path, reference in places:
        if reference is not None:
            try:
                read_secret(reference)
            except SecretError as error:
                yield Finding(path, str(error))
