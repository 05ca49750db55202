from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from failover.quality_plan import QualityPlan
from lifeline.config import load_inventory
from lifeline.model.inventory import Limits, LinkQuality

GOVNET = Path(__file__).parents[3] / "containerlab" / "govnet.inventory.yml"
LIMITS = st.tuples(st.floats(0.001, 3000), st.floats(0, 3000)).filter(lambda pair: pair[1] < pair[0])


def test_the_lab_measures_its_fibres_and_satellites_within_physics() -> None:
    links = load_inventory(GOVNET).links
    measured = {name: link.quality for name, link in links.items() if link.quality is not None}
    assert {name for name in links if name.startswith(("fibre-", "sat-"))} == set(measured)
    assert len(measured) == 12
    for name, quality in measured.items():
        config = QualityPlan.compile(quality).config(7)
        assert config.delay_ms is not None
        assert (config.delay_ms.clear_at > 550) is name.startswith("sat-")
        assert config.ssid == 7


def test_plans_survive_json() -> None:
    full = QualityPlan(10, 5000, 2000, stateful=True, loss_pct=(1, 0.2), delay_ms=(20, 10), jitter_ms=(10, 5))
    for plan in (full, QualityPlan(100, 10_000, 2000, stateful=False)):
        assert QualityPlan.from_json(json.loads(json.dumps(dataclasses.asdict(plan)))) == plan


@pytest.mark.parametrize("damage", [{"interval_ms": None}, {"loss_pct": None}, {"more": 1}])
def test_a_damaged_plan_is_refused(damage: dict[str, object]) -> None:
    data = dataclasses.asdict(QualityPlan(10, 5000, 2000, stateful=True))
    for key, value in damage.items():
        if value is None:
            del data[key]
        else:
            data[key] = value
    with pytest.raises((KeyError, TypeError)):
        QualityPlan.from_json(data)


@given(
    st.integers(10, 10_000),
    st.integers(1000, 600_000),
    st.integers(50, 10_000),
    st.tuples(st.none() | LIMITS, st.none() | LIMITS, st.none() | LIMITS),
)
def test_what_the_inventory_admits_the_core_admits(
    interval_ms: int, window_ms: int, timeout_ms: int, limits: tuple[tuple[float, float] | None, ...]
) -> None:
    loss, delay, jitter = (pair and Limits(raise_at=pair[0], clear_at=pair[1]) for pair in limits)
    try:
        quality = LinkQuality(
            interval_ms=interval_ms, window_ms=window_ms, timeout_ms=timeout_ms,
            loss_pct=loss, delay_ms=delay, jitter_ms=jitter,
        )  # fmt: skip
    except ValidationError:
        return
    QualityPlan.compile(quality).config(1)
