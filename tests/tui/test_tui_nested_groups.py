"""A protection path that is a group, and the penalties of paths that flap, as the operator sees them."""

from __future__ import annotations

from typing import Any

import pytest
from tui_govnet import NOW_NS, SECOND, end, group, healthy, path

from lifeline.i18n import choose_language
from tui.detail_pane import lay_out
from tui.details import detail_of
from tui.look import UNICODE, Look
from tui.model import NetworkModel
from tui.rows import link_of

SITES = ("sbs-dongcheng", "core-wired")


def nested(link: str, **changes: Any) -> dict[str, Any]:
    """A group whose protection path is the group `radio-dongcheng`, which goes by a link now."""
    below = path(link) | {"group": "radio-dongcheng", "carries": True}
    ends = {at: end("dongcheng", at, protection=below, selector="protection", **changes) for at in SITES}
    return group("dongcheng", protection="radio-dongcheng", selector="protection", ends=ends)


def shown(one: dict[str, Any]) -> str:
    choose_language("en")
    state = healthy()
    state["groups"] = [one if each["id"] == one["id"] else each for each in state["groups"]]
    model = NetworkModel()
    model.load(state, 1000)
    lines = lay_out(detail_of(model, f"group:{one['id']}"), 78, Look(UNICODE), NOW_NS)
    return "\n".join("".join(text for text, _role in line).rstrip() for line in lines)


@pytest.mark.parametrize("link", ["sat-dongcheng", "fibre-haidian"])
def test_the_link_by_which_a_group_below_goes_is_named_with_that_group(link: str) -> None:
    one = nested(link)
    assert (link_of(one, "protection"), link_of(one, "working")) == (link, "fibre-dongcheng")
    assert f"radio-dongcheng:  {link} (" in shown(one)


def test_before_any_end_is_heard_the_group_s_own_name_stands() -> None:
    one = nested("sat-dongcheng") | {"ends": {}}
    assert link_of(one, "protection") == "radio-dongcheng"
    assert "radio-dongcheng" in shown(one)


def test_a_penalty_is_shown_with_the_time_that_a_path_stays_suppressed() -> None:
    damping = {
        "suppress": 3000.0, "reuse": 1000.0,
        "working": {"penalty": 3400, "suppressed_until_ns": NOW_NS + 90 * SECOND},
        "protection": {"penalty": 12, "suppressed_until_ns": None},
    }  # fmt: skip
    lines = [line.split() for line in shown(nested("sat-dongcheng", damping=damping)).splitlines()]
    working, protection = [line[1:] for line in lines if line[:1] == ["penalty"]]
    assert " ".join(working).count("3400, suppressed for") == 2
    assert protection == ["12", "12"]
