"""The order of repair, and facts that playbooks ask the hub for."""

from __future__ import annotations

from typing import Any

from noc.repair import Broken, repair_order


def ends(working: bool = True, protection: bool = False, fresh: bool = True) -> dict[str, dict[str, Any]]:
    end = {"fresh": fresh, "working": {"signal_fail": working}, "protection": {"signal_fail": protection}}
    return {"station": end, "core": {**end, "fresh": True}}


def test_the_dark_come_first_then_the_unknown_then_whose_power_ends_first() -> None:
    turns = repair_order(
        [
            Broken("backbone", "core", []),
            Broken("carried-long", "a", [ends()], lasts_h=9.0),
            Broken("carried-short", "b", [ends()], lasts_h=2.5),
            Broken("carried-unsaid", "c", [ends()]),
            Broken("dark", "d", [ends(protection=True)], lasts_h=20.0),
            Broken("unheard", "e", [ends(fresh=False)]),
        ]
    )
    assert [it.link for it in turns] == [
        "dark", "unheard", "carried-short", "carried-long", "carried-unsaid", "backbone",
    ]  # fmt: skip
    assert turns[0].why == "d has no path left; its own power lasts 20.0 h at least"
    assert turns[2].why == "b is carried by its other path; its own power lasts 2.5 h at least"
    assert turns[-1].why == "routing goes around it"
    assert [it.rank for it in turns] == [1, 2, 3, 4, 5, 6]
