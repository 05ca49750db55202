"""`/metrics` for Prometheus and `/health` for whoever asks, from inside a daemon's event loop.

Served on loopback or a Unix socket only: what it tells is not for everybody. Unknown is never healthy: a component
is `unknown` until it has said otherwise, and then the daemon is not `ok`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..model.records import Json
from .outbox import Outbox, OutboxFullError
from .uplink import Uplink

_REQUEST_TIMEOUT_S = 5.0
_MAX_REQUEST_BYTES = 8192


class HealthState(StrEnum):
    """How a component stands, best first."""

    OK = "ok"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    FAILED = "failed"


_ORDER = list(HealthState)


@dataclass(frozen=True, slots=True)
class ComponentHealth:
    """A component's state and why."""

    state: HealthState = HealthState.UNKNOWN
    text: str = ""


class Health:
    """A daemon's components and how they stand; the daemon is as well as the worst of them."""

    def __init__(self, daemon: str, components: Iterable[str]) -> None:
        self.daemon = daemon
        self._components = dict.fromkeys(components, ComponentHealth())

    def set(self, component: str, state: HealthState, text: str = "") -> None:
        """Say how a component stands.

        Raises:
            KeyError: the component was not named at the beginning.
        """
        if component not in self._components:
            raise KeyError(component)
        self._components[component] = ComponentHealth(state, text)

    @property
    def state(self) -> HealthState:
        """Return the worst component's state; `unknown` when there are none."""
        states = [component.state for component in self._components.values()]
        return max(states, key=_ORDER.index, default=HealthState.UNKNOWN)

    def to_json(self) -> dict[str, Json]:
        """Return the health as `/health` tells it."""
        return {
            "schema": "lifeline.health/1",
            "daemon": self.daemon,
            "state": self.state.value,
            "components": {
                name: {"state": component.state.value, "text": component.text}
                for name, component in self._components.items()
            },
        }


class UplinkCollector(Collector):
    """An outbox's and an uplink's figures, read when Prometheus asks."""

    def __init__(self, outbox: Outbox, uplink: Uplink) -> None:
        self._outbox = outbox
        self._uplink = uplink

    def collect(self) -> Iterable[Metric]:
        """Yield the figures; those of a broken outbox are missing, not zero."""
        status = self._uplink.status
        yield GaugeMetricFamily("lifeline_uplink_connected", "Whether a hub is connected", status.connected)
        yield GaugeMetricFamily("lifeline_uplink_hub_full", "Whether the hub has no room", status.hub_full)
        yield CounterMetricFamily("lifeline_uplink_connections", "Connections opened", status.connections)
        yield CounterMetricFamily("lifeline_uplink_events_sent", "Events sent, again or not", status.sent_events)
        yield CounterMetricFamily("lifeline_uplink_states_sent", "Live states sent", status.sent_states)
        yield CounterMetricFamily(
            "lifeline_uplink_events_acknowledged", "Events that a hub has committed", status.acknowledged_events
        )
        with contextlib.suppress(OutboxFullError):
            yield GaugeMetricFamily("lifeline_outbox_pending", "Events that wait for a hub", len(self._outbox))


async def serve_metrics(
    health: Health,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    unix: Path | str | None = None,
    registry: CollectorRegistry = REGISTRY,
) -> asyncio.Server:
    """Serve `/metrics` and `/health` until the returned server is closed; exactly one of `port` and `unix` is given.

    `/health` answers 200 while the daemon is `ok` or `degraded`, otherwise 503.

    Raises:
        ValueError: an address beyond loopback, or not exactly one of `port` and `unix`.
        OSError: the address is taken, or the path cannot be used.
    """
    if (port is None) == (unix is None):
        raise ValueError("metrics are served on a port or on a Unix socket")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(_respond(request, health, registry))
                await writer.drain()
        writer.close()

    if unix is not None:
        path = Path(unix)
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - once, at start
        server = await asyncio.start_unix_server(answer, path, limit=_MAX_REQUEST_BYTES)
        path.chmod(0o600)  # noqa: ASYNC240 - once, at start
        return server
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"metrics are served on loopback only, not on {host}")
    return await asyncio.start_server(answer, host, port, limit=_MAX_REQUEST_BYTES)


def _respond(request: bytes, health: Health, registry: CollectorRegistry) -> bytes:
    """Return the whole HTTP/1.1 response; the connection closes behind it."""
    method, _, rest = request.decode("latin-1").partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    if method not in {"GET", "HEAD"}:
        return _response(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"")
    if path == "/metrics":
        status, kind, body = HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry)
    elif path == "/health":
        well = health.state in {HealthState.OK, HealthState.DEGRADED}
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        kind, body = "application/json", json.dumps(health.to_json()).encode()
    else:
        status, kind, body = HTTPStatus.NOT_FOUND, "text/plain", b"/metrics or /health\n"
    return _response(status, kind, body, head=method == "HEAD")


def _response(status: HTTPStatus, kind: str, body: bytes, *, head: bool = False) -> bytes:
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "\r\n",
    )
    return "\r\n".join(lines).encode() + (b"" if head else body)
