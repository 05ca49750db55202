"""Probes the services of the inventory, each in its own rhythm; no more than so many at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from lifeline.clock import monotonic_s

from ..core.pace import Pace
from ..core.service import ServiceWatch
from .probes import Probed, probe

AT_ONCE: Final = 64


async def probe_all(
    services: Sequence[tuple[ServiceWatch, str]], probed: Callable[[ServiceWatch, Probed, float], None]
) -> None:
    """Probe until cancelled.

    Args:
        services: and the address of each.
        probed: told of each outcome.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def follow(watch: ServiceWatch, address: str) -> None:
        pace = Pace(f"{watch.subject} {watch.name}", watch.service.period_s, max(60.0, watch.service.period_s))
        await asyncio.sleep(pace.first())
        while True:
            async with places:
                found = await probe(watch.service.probe, address, watch.port, watch.service.timeout_s)
            probed(watch, found, monotonic_s())
            await asyncio.sleep(pace.after(soft=watch.reach.soft, down=watch.reach.down))

    async with asyncio.TaskGroup() as tasks:
        for watch, address in services:
            tasks.create_task(follow(watch, address))
