"""Programs that are asked something: none outlives whoever asked it."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence


async def ask(argv: Sequence[str], within_s: float, *, stderr: int = DEVNULL) -> tuple[int, str]:
    """Run a program to its end; return its exit code and what it printed.

    Raises:
        FileNotFoundError: there is no such program.
        TimeoutError: it did not end in time; it has been killed.
    """
    process = await asyncio.create_subprocess_exec(*argv, stdin=DEVNULL, stdout=PIPE, stderr=stderr)
    try:
        async with asyncio.timeout(within_s):
            printed, _none = await process.communicate()
    finally:
        if process.returncode is None:  # nobody waits for its answer any more
            process.kill()
            await process.wait()
    return process.returncode or 0, printed.decode("utf-8", "replace")
