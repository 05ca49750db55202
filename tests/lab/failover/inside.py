"""Runs a function in a network namespace: in a thread, because a namespace is a thread's."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000


def inside(namespace: str, function: Callable[..., T], *arguments: Any) -> T:
    """Return what a function returns (or raise what it raises) when called in a named network namespace."""
    result: list[T] = []
    error: list[BaseException] = []

    def work() -> None:
        try:
            descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(descriptor, _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            result.append(function(*arguments))
        except BaseException as caught:  # noqa: BLE001 - raised again in the caller's thread
            error.append(caught)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if error:
        raise error[0]
    return result[0]
