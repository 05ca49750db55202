"""Every metric that the dashboard asks for is one that a hub or a daemon has."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hubworld import World
from prometheus_client import CollectorRegistry, generate_latest
from test_notify_senders import telling

from lifeline.runtime.daemon import Daemon, Settings, _DaemonCollector
from lifeline.runtime.metrics import UplinkCollector
from lifeline.runtime.outbox import Outbox
from noc.notify.config import Notifications, Receiver, Syslog

DASHBOARDS = sorted((Path(__file__).parents[3] / "packaging" / "grafana").glob("*.json"))
OF_PROMETHEUS = {"up"}


def asked_for() -> set[str]:
    """Return the metrics in all expressions of all dashboards."""
    names: set[str] = set()
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                names |= set(re.findall(r"\b(?:lifeline_\w+|up)\b", target["expr"]))
    return names


async def test_the_metrics_of_the_dashboards_exist(world: World, tmp_path: Path) -> None:
    config = Notifications(lifeline_notifications=1, receivers={"log": Receiver(syslog=Syslog("127.0.0.1"))})
    async with telling(world, config) as client:
        text = (await client._opened().get("/api/v1/metrics")).text
    registry = CollectorRegistry()
    settings = Settings(tmp_path / "i.yml", "site", tmp_path, tmp_path, (world.url,))
    with Outbox(tmp_path / "outbox.db", "site/power") as outbox:
        daemon = Daemon("power", settings, outbox)
        registry.register(_DaemonCollector(daemon))
        registry.register(UplinkCollector(outbox, daemon.uplink))
        text += generate_latest(registry).decode()
    known = set(re.findall(r"^([a-z_]+)(?:\{| )", text, re.MULTILINE))
    assert asked_for(), "there is a dashboard"
    assert asked_for() - known - OF_PROMETHEUS == set()


def test_panels_do_not_overlap() -> None:
    for path in DASHBOARDS:
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, panel["title"]
            assert max(x for x, _ in cells) < 24
            taken |= cells
