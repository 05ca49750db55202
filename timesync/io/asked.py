"""Programs that are asked something: none outlives whoever asked it."""

from __future__ import annotations

import asyncio


async def ended(process: asyncio.subprocess.Process) -> None:
    """End a program that was asked something, when nobody waits for its answer any more."""
    if process.returncode is None:
        process.kill()
        await process.wait()
