"""The interface on a real hub, fed by a real uplink: what an agent says is seen, and the hub's death is survived."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from tui_govnet import end, path
from tui_pilot import text_of, until

from lifeline.clock import wall_ns
from lifeline.model.records import Condition, EventKind, EventType, PerceivedSeverity, ProbableCause
from lifeline.runtime.outbox import Outbox
from lifeline.runtime.uplink import Uplink
from noc.client import HubClient
from tui.app import LifelineApp

INVENTORY = Path(__file__).parents[2] / "containerlab" / "govnet.inventory.yml"
REMOTE = {"remote_bfd": "Up", "remote_diag": "No Diagnostic"}


def seen(app: LifelineApp) -> str:
    """Return the screen as text, runs of spaces as one."""
    return re.sub(" +", " ", text_of(app))


class HubProcess:
    """A hub in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/run/hub.sock"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "noc.cli.main", "hub", "run", "--inventory", str(INVENTORY), "--name", "noc-a",
                   "--data", str(self.folder / "data"), "--run", str(self.folder / "run")]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    (tmp_path / "data").mkdir()
    (tmp_path / "run").mkdir()
    process = HubProcess(tmp_path)
    yield process
    process.kill()


@pytest.fixture
async def agents(hub: HubProcess) -> AsyncIterator[dict[str, SimpleNamespace]]:
    """The agents at both ends of Dongcheng's group."""
    said: dict[str, SimpleNamespace] = {}
    tasks = []
    for site in ("sbs-dongcheng", "core-wired"):
        outbox = Outbox(hub.folder / f"{site}.db", f"{site}/agent").open()
        uplink = Uplink(outbox, site, [hub.url])
        tasks.append(asyncio.create_task(uplink.run()))
        said[site] = SimpleNamespace(outbox=outbox, uplink=uplink)
    yield said
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    for agent in said.values():
        agent.outbox.close()


def healthy_end(site: str, **changes: object) -> dict[str, object]:
    paths = {
        "working": path("fibre-dongcheng", since_ns=wall_ns()) | REMOTE,
        "protection": path("sat-dongcheng", since_ns=wall_ns()) | REMOTE,
    }
    told = end("dongcheng", site, trouble="", **paths)
    return {key: value for key, value in told.items() if key not in ("fresh", "heard_at_ns")} | changes


async def keep_telling(agents: dict[str, SimpleNamespace], ends: dict[str, dict[str, object]]) -> None:
    while True:
        for site, told in ends.items():
            agents[site].uplink.set_state("group:pg-dongcheng", told)
        await asyncio.sleep(1)


async def test_what_agents_say_is_seen_and_the_hubs_death_is_survived(
    hub: HubProcess, agents: dict[str, SimpleNamespace]
) -> None:
    ends = {site: healthy_end(site) for site in agents}
    telling = asyncio.create_task(keep_telling(agents, ends))
    client = HubClient(hub.url)
    app = LifelineApp(client, hub.url, screen="links")
    async with app.run_test(size=(160, 45)) as pilot:
        await until(lambda: "✔ ok pg-dongcheng" in seen(app), pilot, within_s=20)
        assert "? unknown pg-haidian" in seen(app), "nobody told of this one"
        await pilot.press("slash", *"dongcheng", "enter")

        text = "sbs-dongcheng has lost fibre-dongcheng: BFD is Down (Path Down)"
        lost = Condition("link:fibre-dongcheng", "path-down", PerceivedSeverity.MAJOR, EventType.COMMUNICATIONS,
                         ProbableCause.LOSS_OF_SIGNAL, text)  # fmt: skip
        why = "Working path fibre-dongcheng failed (BFD detection time expired); carrying on sat-dongcheng."
        for site in tuple(ends):
            down = path("fibre-dongcheng", bfd="Down", signal_fail=True) | REMOTE
            told = healthy_end(site, state="Protecting failure", selector="protection", request="SF-W", why=why,
                               switch_count=1, last_switch_at_ns=wall_ns(), working=down)  # fmt: skip
            ends[site] = told
            agents[site].outbox.put(EventKind.PROTECTION, "group:pg-dongcheng", told)
            agents[site].uplink.set_state("group:pg-dongcheng", told)
            agents[site].uplink.notify()
        agents["sbs-dongcheng"].outbox.put(EventKind.CONDITION, lost.subject, lost.to_body())
        agents["sbs-dongcheng"].uplink.notify()
        await until(lambda: "⚠ degraded pg-dongcheng" in seen(app), pilot, within_s=10)
        await until(lambda: "Dongcheng has lost fibre-dongcheng" in seen(app), pilot, within_s=10)
        await until(lambda: "⇄ satellite" in seen(app), pilot, within_s=10)

        hub.kill()
        await until(lambda: "? was degraded" in seen(app), pilot, within_s=10)
        assert "✔" not in seen(app)

        hub.start()
        await until(lambda: "⚠ degraded pg-dongcheng" in seen(app), pilot, within_s=30)
        await pilot.press("8")
        await until(lambda: "Dongcheng: traffic on satellite (sat-dongcheng)" in seen(app), pilot, within_s=10)
        cursors = [event["cursor"] for event in app.model.events]
        assert cursors == sorted(set(cursors)), "nothing twice"
    telling.cancel()
    await client.close()
