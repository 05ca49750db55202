from __future__ import annotations

from failover.core.shaping import ClassTraffic, LinkTraffic, build_tree
from failover.core.traffic_report import NOT_DIVIDED, Counters, Sample, class_bodies, judge

LINK = LinkTraffic(
    "sat-x",
    3_800_000,
    50_000,
    (),
    (ClassTraffic("voice", 1, 1_000_000, 3_800_000, 60, marks=(46,)), ClassTraffic("data", 3, 0, 3_800_000, 500)),
)
TREE = build_tree([LINK])
VOICE = next(c.minor for c in TREE.leaves if c.traffic_class == "voice")


def sample(at: float, sent: int) -> Sample:
    return Sample(at, {c.minor: Counters(sent_bytes=sent if c.minor == VOICE else 0) for c in TREE.leaves})


def test_each_class_tells_its_share_and_its_rate_between_two_samples():
    control, voice, data = class_bodies(TREE, "sat-x", sample(10.0, 1000), sample(12.0, 21_000))
    assert (voice["class"], voice["guaranteed_kbps"], voice["ceiling_kbps"], voice["kbps"]) == (
        "voice",
        1000,
        3800,
        80.0,
    )
    assert (control["class"], data["class"], data["kbps"]) == ("control", "data", 0.0)


def test_a_rate_is_unknown_at_first_and_after_the_queues_began_anew():
    assert [body["kbps"] for body in class_bodies(TREE, "sat-x", None, sample(1.0, 5))] == [None] * 3
    assert class_bodies(TREE, "sat-x", sample(1.0, 9000), sample(2.0, 5))[1]["kbps"] is None


def test_what_is_not_counted_is_not_told():
    assert class_bodies(TREE, "sat-x", None, Sample(1.0, {})) == []


def test_a_link_that_is_not_divided_is_a_condition_and_a_divided_one_its_end():
    key = ("link:sat-x", NOT_DIVIDED)
    raised = judge("sbs-x", [LINK], "there is no interface sat")[key]
    assert raised is not None
    assert "there is no interface sat" in raised.text
    assert judge("sbs-x", [LINK], "") == {key: None}
