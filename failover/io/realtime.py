"""Makes a process fit for milliseconds: no garbage collector, no paging, ahead of ordinary processes.

Each wish may be refused; the process then runs with more lateness, and says so.
"""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path

_MCL_CURRENT, _MCL_FUTURE = 1, 2
_OOM_SCORE_LAST = -900


def become_realtime(priority: int = 50) -> dict[str, str]:
    """Freeze the collector, lock memory, take SCHED_FIFO and step back in the out-of-memory killer's queue.

    Args:
        priority: SCHED_FIFO priority; 50 is below the kernel's own interrupt threads on PREEMPT_RT.

    Returns:
        what was refused: wish -> reason and remedy. Empty when all was granted.
    """
    refused: dict[str, str] = {}
    gc.collect()
    gc.freeze()
    gc.disable()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE) != 0:
        reason = os.strerror(ctypes.get_errno())
        refused["mlockall"] = f"{reason}: grant CAP_IPC_LOCK or LimitMEMLOCK=infinity; paging may delay a switch"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        refused["SCHED_FIFO"] = (
            f"{error.strerror}: grant CAP_SYS_NICE or LimitRTPRIO={priority}; a busy machine may delay a switch"
        )
    try:
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE_LAST), encoding="ascii")
    except OSError as error:
        refused["oom_score_adj"] = f"{error.strerror}: grant CAP_SYS_RESOURCE or OOMScoreAdjust={_OOM_SCORE_LAST}"
    return refused
