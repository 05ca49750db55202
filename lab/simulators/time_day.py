"""A day in virtual time without any attack: noise, outages of receivers, a leap second.

Whoever is accused in it is accused falsely.
"""

from __future__ import annotations

from collections.abc import Iterator

from timesync.core.reasons import Reason

from .time_sky import Fault
from .time_world import World

LEAP_AT_S = 0.6
"""Share of the day at which the leap second is inserted."""


def false_accusations(world: World, seconds: int) -> Iterator[str]:
    """Live through a day and yield each accusation, and each moment without service.

    Each receiver is silent once for five minutes and once for twenty seconds, loses its fix once for two minutes, and
    passes the leap second up to two seconds late.
    """
    names = sorted(world.receivers)
    plan: list[tuple[float, str, Fault | None]] = []
    for n, name in enumerate(names):
        for share, lasts in ((0.2 + 0.1 * n, 300), (0.5 + 0.03 * n, 20), (0.8 + 0.05 * n, 120)):
            plan += [(share * seconds, name, Fault("silent", 0)), (share * seconds + lasts, name, None)]
    plan.sort(key=lambda it: it[0])
    leap_at = world.now + LEAP_AT_S * seconds
    began = world.now
    world.arbiter.leap_at_s = leap_at
    while world.now < began + seconds:
        while plan and began + plan[0][0] <= world.now:
            _at, name, fault = plan.pop(0)
            world.receivers[name].fault = fault
        for n, name in enumerate(names):
            passed = world.now + 1 >= leap_at
            world.leap_s[name] = 19 if passed else 18
            # The samples are continuous time; a receiver that passes the leap second late is a second off meanwhile.
            world.utc_lag_s[name] = 1.0 if passed and world.now + 1 < leap_at + 2 * n else 0.0
        world.arbiter.leap_s = 19 if world.now + 1 >= leap_at else 18
        decision = world.step()
        for name, view in decision.sources.items():
            if view.reason is not None and (view.reason.accuses or view.reason is Reason.DIVERGED):
                yield f"{world.now - began:.0f} s: {name} {view.reason} {view.evidence}"
        if not decision.serve:
            yield f"{world.now - began:.0f} s: no service, {decision.state}"
