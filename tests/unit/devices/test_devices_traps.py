"""Notifications become conditions, whichever way SNMP's versions name them."""

from __future__ import annotations

import pytest

from lifeline.devices import meanings, shipped
from lifeline.model.records import PerceivedSeverity

DESCR = "1.3.6.1.2.1.33.1.6.2.1.2.7"


@pytest.mark.parametrize("trap", ["1.3.6.1.4.1.318.0.5", ".1.3.6.1.4.1.318.0.5"])
def test_a_vendors_trap_raises_and_its_pair_clears(trap):
    family = shipped().family("apc-ups")
    [raised] = meanings(family, trap, {})
    [cleared] = meanings(family, "1.3.6.1.4.1.318.0.9", {})
    assert (raised.condition, raised.severity) == ("on-battery", PerceivedSeverity.MAJOR)
    assert (cleared.condition, cleared.severity) == ("on-battery", PerceivedSeverity.CLEARED)


@pytest.mark.parametrize("trap", ["1.3.6.1.2.1.33.2.3", "1.3.6.1.2.1.33.2.0.3"])
def test_a_binding_says_which_alarm_it_is(trap):
    family = shipped().family("rfc1628")
    [low] = meanings(family, trap, {DESCR: "1.3.6.1.2.1.33.1.6.3.3"})
    assert low.condition == "battery-low"
    assert meanings(family, trap, {DESCR: "1.3.6.1.2.1.33.1.6.3.99"}) == []
    assert meanings(family, trap, {}) == []


def test_a_link_trap_names_its_interface():
    [down] = meanings(shipped().family("generic-snmp"), "1.3.6.1.6.3.1.1.5.3", {"1.3.6.1.2.1.2.2.1.1.4": 4})
    assert (down.condition, down.instance) == ("interface-down", "4")


def test_a_trap_nobody_knows_means_nothing():
    assert meanings(shipped().family("apc-ups"), "1.3.6.1.4.1.99999.0.1", {}) == []
