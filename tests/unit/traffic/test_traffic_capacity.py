"""A link in rain: what is said of it on this machine, and how it is divided then."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.core.shaping import LEAST_BPS, ClassTraffic, LinkTraffic, build_tree
from failover.core.traffic_report import CAPACITY_REDUCED, Counters, Sample, class_bodies, judge_capacity
from lifeline.model.records import PerceivedSeverity
from lifeline.runtime.capacity import Capacities, tell, withdraw

CLASSES = (
    ClassTraffic("images", 4, 0, 3_800_000, 500, marks=(34,)),
    ClassTraffic("voice", 1, 1_536_000, 3_800_000, 60, marks=(46,)),
    ClassTraffic("data", 3, 768_000, 2_000_000, 500),
)
LINK = LinkTraffic("sat-x", 3_800_000, 55_000, (), CLASSES, capacity_bps=4_000_000)


@given(st.integers(1, 8_000_000))
def test_what_is_promised_never_exceeds_what_there_is(capacity_bps: int) -> None:
    now = LINK.at_capacity(capacity_bps)
    classes = {c.id: c for c in now.classes}
    promised = now.control_bps + sum(max(c.guaranteed_bps, LEAST_BPS) for c in now.classes)
    assert promised <= now.rate_bps
    assert all(c.guaranteed_bps <= now.rate_bps and c.ceiling_bps <= now.rate_bps for c in now.classes)
    assert [c.id for c in now.classes] == [c.id for c in CLASSES]
    if classes["voice"].guaranteed_bps < 1_536_000:
        assert classes["data"].guaranteed_bps == LEAST_BPS, "the least important is cut first"
    if capacity_bps >= 4_000_000:
        assert now is LINK
    assert len(build_tree([now]).classes) == 5


@pytest.mark.parametrize(
    ("kbps", "severity", "cut"),
    [
        (4000, None, None),
        (3000, PerceivedSeverity.WARNING, []),
        (2000, PerceivedSeverity.MINOR, ["data"]),
        (1000, PerceivedSeverity.MINOR, ["voice", "data"]),
    ],
)
def test_the_condition_names_who_must_do_without(
    kbps: int, severity: PerceivedSeverity | None, cut: list[str] | None
) -> None:
    condition = judge_capacity("sbs-x", LINK, LINK.at_capacity(kbps * 1000), "modem")["link:sat-x", CAPACITY_REDUCED]
    assert (condition and condition.perceived_severity, condition and condition.detail["cut"]) == (severity, cut)


def test_a_class_that_has_nothing_guaranteed_tells_nothing() -> None:
    tree = build_tree([LINK])
    sample = Sample(1.0, {leaf.minor: Counters() for leaf in tree.leaves})
    told = {body["class"]: body["guaranteed_kbps"] for body in class_bodies(tree, "sat-x", None, sample)}
    assert told == {"control": 55, "images": 0, "voice": 1536, "data": 768}


def test_the_least_that_anybody_says_counts_until_it_is_withdrawn(tmp_path: Path) -> None:
    capacities = Capacities(tmp_path)
    assert capacities.now() == {}
    tell(tmp_path, "sat-x", 2000, "modem")
    tell(tmp_path, "sat-x", 3000, "operator")
    tell(tmp_path, "sat-y", 1000, "modem")
    assert {link: (word.kbps, word.by) for link, word in capacities.now().items()} == {
        "sat-x": (2000, "modem"), "sat-y": (1000, "modem"),
    }  # fmt: skip
    tell(tmp_path, "sat-x", 3500, "modem")
    assert capacities.now()["sat-x"].by == "operator"
    assert withdraw(tmp_path, "sat-x", "operator")
    assert not withdraw(tmp_path, "sat-x", "operator")
    assert capacities.now()["sat-x"].kbps == 3500


@pytest.mark.parametrize(("link", "by"), [("../sat", "modem"), ("sat-x", "a/b"), ("Sat", "modem"), ("", "modem")])
def test_names_are_identifiers_and_lead_nowhere_else(tmp_path: Path, link: str, by: str) -> None:
    with pytest.raises(ValueError, match="no identifier"):
        tell(tmp_path, link, 2000, by)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "lifeline.capacity/1", "kbps": -1}', "\x00"])
def test_what_cannot_be_read_is_passed_over(tmp_path: Path, text: str) -> None:
    tell(tmp_path, "sat-x", 2000, "modem")
    (tmp_path / "capacity" / "sat-x@broken.json").write_text(text)
    assert Capacities(tmp_path).now()["sat-x"].kbps == 2000
