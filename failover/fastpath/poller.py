"""One wait for all sockets: an epoll that is itself waited for by select(), whose timeout has microseconds."""

from __future__ import annotations

import select
from collections.abc import Callable

Reader = Callable[[], None]


class Poller:
    """Calls the reader of each socket that has something to read."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Reader] = {}

    def watch(self, fd: int, reader: Reader, events: int = select.EPOLLIN) -> None:
        """Call `reader` whenever `fd` is readable, or with `events` 0 when it has an error to tell."""
        self._readers[fd] = reader
        self._epoll.register(fd, events)

    def forget(self, fd: int) -> None:
        """Leave `fd` alone from now on; call this before it is closed."""
        self._epoll.unregister(fd)
        del self._readers[fd]

    def wait(self, timeout_s: float) -> None:
        """Wait until something is readable, or the time is over."""
        select.select([self._epoll], [], [], timeout_s)

    def read(self) -> None:
        """Call the readers of what is readable now."""
        for fd, _events in self._epoll.poll(0):
            if reader := self._readers.get(fd):
                reader()
