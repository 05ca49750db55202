from __future__ import annotations

from lab.drivers.satellite import netem_arguments
from lab.topology import Impairment


def test_netem_is_told_the_whole_impairment() -> None:
    satellite = Impairment(delay_ms=270, jitter_ms=5, loss_pct=0.0001, rate_kbps=4000)
    assert " ".join(netem_arguments(satellite)) == "delay 270ms 5ms loss random 0.0001% rate 4000kbit limit 960"


def test_without_a_rate_nothing_queues_but_for_the_delay() -> None:
    assert netem_arguments(Impairment(delay_ms=20)) == ["delay", "20ms", "0ms", "limit", "100000"]
