from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fakehub import FakeHub, running
from prometheus_client import CollectorRegistry

from lifeline.model.records import EventKind
from lifeline.runtime.metrics import Health, HealthState, UplinkCollector, serve_metrics
from lifeline.runtime.outbox import Outbox
from lifeline.runtime.uplink import Uplink


async def test_health_is_that_of_the_worst_component_and_unknown_until_told(tmp_path: Path) -> None:
    health = Health("n/agent", ["uplink", "fastpath"])
    server = await serve_metrics(health, unix=tmp_path / "metrics.sock")
    transport = httpx.AsyncHTTPTransport(uds=str(tmp_path / "metrics.sock"))
    async with server, httpx.AsyncClient(transport=transport, base_url="http://daemon") as client:
        answers = []
        for component, state in [("uplink", "ok"), ("fastpath", "ok"), ("uplink", "degraded"), ("fastpath", "failed")]:
            health.set(component, HealthState(state), "why")
            answer = await client.get("/health")
            answers.append((answer.status_code, answer.json()["state"]))
        assert answers == [(503, "unknown"), (200, "ok"), (200, "degraded"), (503, "failed")]
        assert answer.json()["components"]["fastpath"] == {"state": "failed", "text": "why"}
        assert (tmp_path / "metrics.sock").stat().st_mode & 0o777 == 0o600
        assert (await client.get("/nothing")).status_code == 404
        assert (await client.post("/metrics")).status_code == 405
        assert (await client.head("/health")).content == b""


async def test_the_outbox_and_uplink_are_counted(outbox: Outbox, hub: FakeHub) -> None:
    registry = CollectorRegistry()
    uplink = Uplink(outbox, "sbs-test", [hub.url])
    registry.register(UplinkCollector(outbox, uplink))
    outbox.put(EventKind.BFD, "link:a", {})
    server = await serve_metrics(Health("n/agent", []), port=0, registry=registry)
    async with server, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/metrics"
        assert "lifeline_outbox_pending 1.0" in (await client.get(url)).text
        async with running(uplink.run()):
            assert await uplink.flush(5)
            text = (await client.get(url)).text
    for line in ("connected 1.0", "events_acknowledged_total 1.0", "connections_total 1.0"):
        assert f"lifeline_uplink_{line}" in text
    assert "lifeline_outbox_pending 0.0" in text


async def test_it_is_never_served_beyond_loopback() -> None:
    with pytest.raises(ValueError, match="loopback only"):
        await serve_metrics(Health("n/agent", []), host="0.0.0.0", port=0)
    with pytest.raises(ValueError, match="port or on a Unix socket"):
        await serve_metrics(Health("n/agent", []))
