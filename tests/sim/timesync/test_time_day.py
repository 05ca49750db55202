"""Hours of sound sources with outages and a leap second: nobody is accused. The whole day is in `make bench`."""

import pytest

from lab.simulators.time_day import false_accusations
from lab.simulators.time_world import World


@pytest.mark.parametrize(("seed", "oscillator"), [(11, "ocxo"), (12, "computer")])
def test_nobody_is_accused_falsely(seed, oscillator):
    world = World(seed=seed, oscillator=oscillator, limit_ns=1500 if oscillator == "ocxo" else 1e6, qualification_s=120)
    world.run(200)
    assert list(false_accusations(world, 4000)) == []
