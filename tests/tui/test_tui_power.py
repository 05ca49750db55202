"""The screen of power: what a site runs on, how long it lasts, its plant, and what would happen."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from tui_govnet import NOW_NS, FakeHub
from tui_pilot import loaded, text_of

from lifeline.config import load_inventory
from power.core.assume import assumed
from power.core.autonomy import assess
from power.core.body import live_state
from power.core.network import Network
from power.core.observe import Observed, observe

INVENTORY = load_inventory(Path(__file__).parents[2] / "containerlab" / "govnet.inventory.yml")
both_languages = pytest.mark.parametrize("interface", ["en", "zh_CN"], indirect=True)


def view(site: str, text: str, *, fresh: bool = True) -> dict[str, Any]:
    """A site's live state as its daemon would show it, in an assumed situation."""
    plant = INVENTORY.sites[site].power
    assert plant is not None
    network = Network(plant)
    seen = observe(network, {}, 0.0, date(2026, 11, 24))
    observed = Observed(seen.views, assumed(network, text, date(2026, 11, 24)), "utility")
    body = live_state(site, network, observed, assess(network, observed.situation), {})
    return {"subject": f"power:{site}", "node": f"{site}/power", "site": site, "heard_at_ns": NOW_NS, "fresh": fresh,
            "body": body}  # fmt: skip


def hub() -> FakeHub:
    full = "load=70%,fuel=80%,charge=100%,temp=22"
    return FakeHub(shown=[view("core-wired", full), view("core-800m", full), view("sathub", "load=90%,charge=60%"),
                          view("noc-a", full, fresh=False), view("noc-b", "fuel=50%")])  # fmt: skip


@both_languages
@pytest.mark.parametrize("size", [(80, 24), (120, 34)], ids=["80x24", "120x34"])
async def test_the_power_screen_looks_as_committed(
    interface: SimpleNamespace, open_app: Any, size: tuple[int, int], screen_snapshot: SnapshotAssertion
) -> None:
    app = open_app(hub())
    async with app.run_test(size=size) as pilot:
        await loaded(pilot)
        await pilot.press("3")
        await loaded(pilot)
        text = text_of(app)
    assert text == screen_snapshot


async def test_what_is_stale_or_unknown_never_meets_a_target(interface: SimpleNamespace, open_app: Any) -> None:
    app = open_app(hub())
    async with app.run_test(size=(120, 34)) as pilot:
        await loaded(pilot)
        await pilot.press("3")
        await loaded(pilot)
        lines = text_of(app).splitlines()
    for name in ("Operations centre A", "Operations centre B"):
        (row,) = [line for line in lines if name in line and "met" not in line.split(name)[1]]
        assert "unknown" in row


async def test_the_detail_shows_figures_plant_and_what_if(interface: SimpleNamespace, open_app: Any) -> None:
    app = open_app(hub())
    tell = interface.module("power_view").power_detail
    async with app.run_test(size=(120, 34)) as pilot:
        await loaded(pilot)
        lines = tell(app.model, view("core-wired", "load=70%,fuel=80%,charge=100%,temp=22"))
        text = "\n".join(" ".join([line.label, *(cell.at(NOW_NS) for cell in line.cells)]) for line in lines)
    for part in (
        "Ready",
        "What batteries hold",
        "never discharged",
        "ats-a",
        "generator-2",
        "ups-b",
        "feed-a",
        "core 45 kW",
        "161.6h",
        "generator-1 dark after",
    ):
        assert part.replace("161.6h", "162h") in text
