"""The hub's client: what the command line, the terminal interface and the drills use to ask and to follow a hub.

Light on purpose: importing it costs a few milliseconds, httpx is imported at the first request.

    async with HubClient() as hub:
        state = await hub.state()
        async for message in hub.stream(state["cursor"]):
            ...
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote, urlsplit

from lifeline.i18n import _
from lifeline.model.records import Json

if TYPE_CHECKING:
    import httpx

DEFAULT_HUB = "unix:///run/lifeline/hub.sock"
REQUEST_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
SILENCE_S = 12.0
"""The hub's stream pings every 5 s; one that has been silent for longer than two pings is given up."""
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 3.0

_API = "/api/v1"
_SCHEMES = frozenset({"unix", "https", "http"})
_EXIT_CODES = {401: 5, 403: 5, 409: 5, 422: 2, 502: 3, 504: 4}
"""Refused by policy, asked for the wrong thing, or the agent behind the hub is not reached or does not answer; any
other refusal means that the action failed."""


class HubUnreachableError(Exception):
    """No hub answers at the address; trying again later is the thing to do."""

    exit_code = 3


class HubTimeoutError(HubUnreachableError):
    """The hub took the request and did not answer in time."""

    exit_code = 4


class HubRefusedError(Exception):
    """The hub answered, and said no.

    Attributes:
        status: the HTTP status, such as 403.
        text: the hub's own words.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.exit_code = _EXIT_CODES.get(status, 1)


class HubAddressError(ValueError):
    """The address, the token file or the certificate given for the hub cannot be used."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """One message of `HubClient.stream`.

    - `connected`: the stream is open. `data` has `hub`, `journal` (the journal's identity), `cursor` (its head) and
      `rewound`: the journal is another one than before, so cursors known so far mean nothing. Live objects are sent
      when they change only: ask for `state()` now, and nothing falls between the two.
    - `disconnected`: it broke. `data` has `reason` and `retry_in_s`; the stream goes on by itself.
    - `event`: `data` is a journalled event as the API shows it; `cursor` its place. None is left out or sent twice.
    - `state`: `data` has `subject` and `body`, the new view of a site, link, group or alarm, or what a daemon shows of
      any other subject.
    """

    kind: Literal["connected", "disconnected", "event", "state"]
    data: Mapping[str, Any]
    cursor: int
    """The last event's; go on from here."""


class HubClient:
    """Asks a hub and follows it. Use it as an asynchronous context manager, in one event loop."""

    def __init__(self, url: str | None = None, token: str | None = None, ca: Path | str | None = None) -> None:
        """Choose the hub; nothing is opened yet.

        Args:
            url: `unix:///path`, `https://host:port` or `http://host:port`; LIFELINE_HUB or the local socket if None.
            token: bearer token; LIFELINE_TOKEN or the content of LIFELINE_TOKEN_FILE if None.
            ca: PEM file with the only certificates that are trusted; LIFELINE_CA, or the system's, if None.

        Raises:
            HubAddressError: the address has another form, or the token file cannot be read.
        """
        self.url = url or os.environ.get("LIFELINE_HUB") or DEFAULT_HUB
        self._parts = urlsplit(self.url)
        if self._parts.scheme not in _SCHEMES or not (self._parts.path if self._local else self._parts.hostname):
            raise HubAddressError(
                _("hub address {url!r} must be unix:///path, https://host:port or http://host:port").format(
                    url=self.url
                )
            )
        self._token = None if self._local else token or _token_of_environment()
        self._ca = ca or os.environ.get("LIFELINE_CA") or None
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    # ---------------------------------------------------------------- asking

    async def health(self) -> dict[str, Any]:
        """Return how the hub itself is; it needs no token. An unwell hub answers too."""
        return await self._get("/health", accept=frozenset({503}))

    async def state(self) -> dict[str, Any]:
        """Return the whole state: `cursor`, `overall`, `sites`, `links`, `groups` and active `alarms`."""
        return await self._get("/state")

    async def sites(self) -> list[dict[str, Any]]:
        """Return all sites' views, worst first."""
        return list((await self._get("/sites"))["sites"])

    async def site(self, identifier: str) -> dict[str, Any]:
        """Return a site's view."""
        return await self._get(f"/sites/{quote(identifier, safe='')}")

    async def links(self) -> list[dict[str, Any]]:
        """Return all links' views."""
        return list((await self._get("/links"))["links"])

    async def link(self, identifier: str) -> dict[str, Any]:
        """Return a link's view."""
        return await self._get(f"/links/{quote(identifier, safe='')}")

    async def groups(self) -> list[dict[str, Any]]:
        """Return all protection groups' views."""
        return list((await self._get("/groups"))["groups"])

    async def group(self, identifier: str) -> dict[str, Any]:
        """Return a protection group's view."""
        return await self._get(f"/groups/{quote(identifier, safe='')}")

    async def live(self, subject: str = "") -> list[dict[str, Any]]:
        """Return what daemons show live of a subject, or of all that begin with it when it ends in `:` or `/`."""
        return list((await self._get("/live", subject=subject))["live"])

    async def readings(self, subject: str = "") -> list[dict[str, Any]]:
        """Return the latest readings of a subject, or of all that begin with it when it ends in `:` or `/`."""
        return list((await self._get("/readings", subject=subject))["readings"])

    async def history(
        self, subject: str, metric: str, from_s: int | None = None, to_s: int | None = None, step_s: int | None = None
    ) -> dict[str, Any]:
        """Return a metric's history: `unit`, `step_s` and `points` of time, mean, least, greatest and count.

        Args:
            subject: such as `power:sbs-a`.
            metric: such as `battery_charge`.
            from_s: wall time, seconds; two hours ago if None.
            to_s: wall time, seconds; now if None.
            step_s: width of a point, seconds; what suits the span if None.
        """
        query: dict[str, Any] = {"subject": subject, "metric": metric, "from": from_s, "to": to_s, "step": step_s}
        return await self._get("/history", **query)

    async def alarms(self, *, active: bool | None = None) -> list[dict[str, Any]]:
        """Return alarms, worst first: the active ones, the cleared ones, or (None) all."""
        return list((await self._get("/alarms", active=active))["alarms"])

    async def alarm(self, identifier: str) -> dict[str, Any]:
        """Return an alarm with its history."""
        return await self._get(f"/alarms/{quote(identifier, safe='')}")

    async def events(
        self, after: int = 0, limit: int = 200, *, subject: str | None = None, kind: str | None = None
    ) -> list[dict[str, Any]]:
        """Return up to `limit` events after a cursor, oldest first, optionally of one subject or kind."""
        answer = await self._get("/events", after=after, limit=limit, subject=subject, kind=kind)
        return list(answer["events"])

    async def maintenance(self) -> list[dict[str, Any]]:
        """Return the maintenance windows that are planned or open."""
        return list((await self._get("/maintenance"))["windows"])

    async def commands(self) -> list[dict[str, Any]]:
        """Return the latest commands, newest first."""
        return list((await self._get("/commands"))["commands"])

    async def command(
        self,
        command: str,
        target: str,
        text: str = "",
        *,
        idempotency_key: str | None = None,
        at: str | None = None,
        to: str | None = None,
        dry_run: bool | None = None,
        arguments: Mapping[str, Json] | None = None,
    ) -> Any:
        """Ask the hub to act and return the command with its outcome.

        Args:
            command: such as `alarm.acknowledge`, `protection.force` or `power.self-test`.
            target: what it acts on: an alarm's id, or a subject, such as `group:` and a protection group's id.
            text: why, for the record.
            idempotency_key: a command sent again under the same key is not carried out again.
            at: of a protection command: the site at whose end it acts; the hub chooses if None.
            to: of `protection.manual`: `working` or `protection`.
            dry_run: of a command to a daemon: False acts; None and True predict only.
            arguments: what else the command needs.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        more = {"at": at, "to": to, "dry_run": dry_run, "arguments": arguments or None}
        body = {"command": command, "target": target, "text": text} | {k: v for k, v in more.items() if v is not None}
        return await self._request("POST", "/commands", json=body, headers=headers)

    async def playbooks(self) -> dict[str, Any]:
        """Return the playbooks that are loaded, and the problems of those that are not."""
        return await self._get("/playbooks")

    async def ask_playbook(
        self,
        name: str,
        question: Literal["plan", "check", "run"],
        parameters: Mapping[str, Json],
        text: str = "",
        by: str | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Ask what a run of a playbook would do (`plan`, `check`), or start one (`run`)."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        body = {"parameters": dict(parameters), "text": text, "by": by}
        path = f"/playbooks/{quote(name, safe='')}/{question}"
        return dict(await self._request("POST", path, json=body, headers=headers))

    async def facts(self, *names: str) -> dict[str, dict[str, Any]]:
        """Return what playbooks would be told of facts, by name: `value`, and `age_s`, None where nobody knows."""
        return dict((await self._get("/facts", name=list(names)))["facts"])

    async def runs(self, playbook: str | None = None) -> dict[str, Any]:
        """Return the latest runs, and whether playbooks are halted."""
        return await self._get("/runs", playbook=playbook)

    async def playbook_run(self, identifier: str) -> dict[str, Any]:
        """Return a run with its plan."""
        return await self._get(f"/runs/{quote(identifier, safe='')}")

    async def playbook_preview(self, identifier: str) -> dict[str, Any]:
        """Return how a run's plan would go against what is so now; nothing is done."""
        return await self._get(f"/runs/{quote(identifier, safe='')}/preview")

    async def say_of_run(self, identifier: str, word: str, **more: Json) -> dict[str, Any]:
        """Say a person's word about a run: approve, reject, abort or resume."""
        path = f"/runs/{quote(identifier, safe='')}/{word}"
        return dict(await self._request("POST", path, json=_present(**more), headers={}))

    async def halt_playbooks(self, *, halted: bool, by: str | None = None) -> dict[str, Any]:
        """Have playbooks begin nothing any more, or go on."""
        path = f"/orchestrator/{'halt' if halted else 'release'}"
        return dict(await self._request("POST", path, json={"by": by}, headers={}))

    # ---------------------------------------------------------------- following

    async def stream(self, after: int | None = None) -> AsyncIterator[StreamMessage]:
        """Follow the hub until cancelled, from behind an event on; it reconnects by itself.

        Args:
            after: cursor of the last event known; None for what is new from now on.

        Raises:
            HubRefusedError: the hub does not want this client; reconnecting would not help.
        """
        journal: str | None = None
        failures = 0
        while True:
            try:
                async with contextlib.aclosing(self._follow(after, journal)) as messages:
                    async for message in messages:
                        after = message.cursor
                        if message.kind == "connected":
                            journal = message.data["journal"]
                            failures = 0
                        yield message
                reason = _("the hub closed the stream")
            except HubUnreachableError as error:
                reason = str(error)
            except _StreamEndedError as ended:
                reason = ended.reason
            wait_s = _backoff_s(failures)
            failures += 1
            yield StreamMessage("disconnected", {"reason": reason, "retry_in_s": round(wait_s, 3)}, after or 0)
            await asyncio.sleep(wait_s)

    async def _follow(self, after: int | None, journal: str | None) -> AsyncGenerator[StreamMessage]:
        """Yield one connection's messages."""
        import httpx
        from httpx_sse import EventSource

        timeout = httpx.Timeout(REQUEST_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, read=SILENCE_S)
        query = _present(after=after, journal=journal)
        with _told(self.url):
            async with self._opened().stream(
                "GET", f"{_API}/stream", params=query, headers={"Accept": "text/event-stream"}, timeout=timeout
            ) as response:
                if response.status_code != httpx.codes.OK:
                    await response.aread()
                    raise _refusal(response)
                cursor = after or 0
                async for sent in EventSource(response).aiter_sse():
                    data = json.loads(sent.data) if sent.data else {}
                    match sent.event:
                        case "hello":
                            cursor = data["after"]
                            yield StreamMessage("connected", data, cursor)
                        case "event":
                            cursor = data["cursor"]
                            yield StreamMessage("event", data, cursor)
                        case "state":
                            yield StreamMessage("state", data, cursor)
                        case "end":
                            raise _StreamEndedError(data["reason"])
                        case _:
                            pass  # ping, or a kind that this version does not know

    # ---------------------------------------------------------------- the connection

    @property
    def _local(self) -> bool:
        return self._parts.scheme == "unix"

    def _opened(self) -> httpx.AsyncClient:
        if self._http is None:
            import httpx

            # A context without certificates costs nothing where no TLS is spoken; the system's take 50 ms to load.
            context = self._context() if self._parts.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._http = httpx.AsyncClient(
                base_url="http://hub" if self._local else self.url,
                transport=httpx.AsyncHTTPTransport(verify=context, uds=self._parts.path if self._local else None),
                headers={"Authorization": f"Bearer {self._token}"} if self._token else {},
                timeout=httpx.Timeout(REQUEST_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
                trust_env=False,
            )
        return self._http

    def _context(self) -> ssl.SSLContext:
        from lifeline.runtime.tls import pinned_context

        try:
            return pinned_context(self._ca)
        except OSError as error:
            raise HubAddressError(
                _("{file}: cannot be used as the hub's certificate: {error}").format(file=self._ca, error=error)
            ) from None

    async def _get(self, path: str, *, accept: frozenset[int] = frozenset(), **query: Json) -> dict[str, Any]:
        answer = await self._request("GET", path, params=_present(**query), accept=accept)
        assert isinstance(answer, dict)
        return answer

    async def _request(self, method: str, path: str, *, accept: frozenset[int] = frozenset(), **options: Any) -> Any:
        with _told(self.url):
            response = await self._opened().request(method, _API + path, **options)
        if response.is_success or response.status_code in accept:
            return response.json()
        raise _refusal(response)


class _StreamEndedError(Exception):
    """The hub ended the stream and said why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """Turn httpx's errors into ours; the text says what to do next."""
    import httpx

    try:
        yield
    except httpx.TimeoutException:
        raise HubTimeoutError(_("the hub at {url} does not answer in time").format(url=url)) from None
    except (httpx.TransportError, OSError) as error:
        raise HubUnreachableError(_unreachable_text(url, error)) from None


def _unreachable_text(url: str, error: Exception) -> str:
    reason = _certificate_reason(error)
    if reason:
        return _("the hub at {url} shows a certificate that is not trusted ({reason}): set LIFELINE_CA to the file "
                 "that `lifeline hub init` names").format(url=url, reason=reason)  # fmt: skip
    return _("no hub answers at {url} ({reason}): is it running? Start it with `lifeline hub run --inventory FILE`, "
             "or set LIFELINE_HUB to where it listens").format(
                 url=url, reason=str(error) or type(error).__name__)  # fmt: skip


def _certificate_reason(error: BaseException) -> str:
    """Return why a certificate was not trusted, or nothing when something else went wrong."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return str(cause.verify_message)
        cause = cause.__cause__ or cause.__context__
    return ""


def _refusal(response: httpx.Response) -> HubRefusedError:
    try:
        text = str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        text = f"HTTP {response.status_code} {response.reason_phrase}"
    return HubRefusedError(response.status_code, text)


def _present(**query: Json) -> dict[str, str | list[str]]:
    """Return the query's members that are given."""
    return {name: _written(value) for name, value in query.items() if value is not None}


def _written(value: Json) -> str | list[str]:
    if isinstance(value, list):
        return [str(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _token_of_environment() -> str | None:
    if token := os.environ.get("LIFELINE_TOKEN"):
        return token
    file = os.environ.get("LIFELINE_TOKEN_FILE")
    if not file:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise HubAddressError(f"LIFELINE_TOKEN_FILE {file}: {error.strerror}") from None


def _backoff_s(failures: int) -> float:
    ceiling_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(failures, 16))
    return ceiling_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads reconnections, guards nothing
