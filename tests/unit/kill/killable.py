"""What is killed: a daemon that writes numbered events, and the hub."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from lifeline.model.records import EventKind
from lifeline.runtime.outbox import Outbox
from lifeline.runtime.uplink import Uplink

INVENTORY = "lifeline: 1\nsites: {sbs-test: {kind: super-base-station, name: Test}}\n"
NODE = "sbs-test/agent"
PAUSE_S = 0.004


def hub(arguments: Sequence[str]) -> int:
    """Be `lifeline hub run`."""
    from noc.cli.main import main

    return main(["hub", "run", *arguments])


def write(arguments: Sequence[str]) -> int:
    """Put events until SIGTERM or a kill; with `drain`, put none and end when the hub has committed all.

    Args:
        arguments: outbox, hub URL, the log of what `put` has promised, `write` or `drain`.

    The promise is logged after `put` has returned, so an event whose writer dies between the two is kept without
    having been promised: at most one a life.
    """
    outbox, hub, promises, mode = arguments
    asyncio.run(_run(outbox, hub, promises, drain=mode == "drain"))
    return 0


async def _run(path: str, hub: str, promises: str, *, drain: bool) -> None:
    with Outbox(path, NODE) as outbox:
        assert outbox.corrupt is None
        uplink = Uplink(outbox, "sbs-test", [hub])
        running = asyncio.create_task(uplink.run())
        if drain:
            assert await uplink.flush(20)
        else:
            await _write(outbox, uplink, promises)
        running.cancel()


async def _write(outbox: Outbox, uplink: Uplink, promises: str) -> None:
    log = os.open(promises, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    number = 0
    while True:
        number += 1
        event = outbox.put(EventKind.BFD, "link:fibre", {"number": number})
        os.write(log, f"{event.boot_id} {event.seq} {number}\n".encode())
        uplink.notify()
        await asyncio.sleep(PAUSE_S)
