"""Sockets that live as long as an interface does: open while it exists, anew when it was made anew."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from .narration import say
from .path import Path
from .poller import Poller


class Socket(Protocol):
    """What is kept open."""

    def fileno(self) -> int:
        """Return its number, for polling."""

    def close(self) -> None:
        """Close it."""


K = TypeVar("K", bound=Hashable)
S = TypeVar("S", bound=Socket)


class Listeners(Generic[K, S]):
    """Sockets of one kind.

    Args:
        poller: waits for them.
        title: what they are, for people.
        paths: by what tells one socket from another, a path that stands for all that share it.
        make: opens the socket of such a path, whose interface exists; raises OSError.
        read: called when it is readable; raises OSError when the interface has gone.
        lost: called after `read` has raised, with the path.
    """

    def __init__(
        self,
        poller: Poller,
        title: str,
        paths: Mapping[K, Path],
        make: Callable[[Path], S],
        read: Callable[[Path, S], None],
        lost: Callable[[Path, OSError], None],
    ) -> None:
        self._poller, self._title, self._paths = poller, title, paths
        self._make, self._read, self._lost = make, read, lost
        self._standing: dict[K, tuple[int, S]] = {}
        self._troubles: dict[K, str] = {}

    @property
    def troubles(self) -> list[str]:
        """Why sockets that should be open are not."""
        return list(self._troubles.values())

    def __iter__(self) -> Iterator[S]:
        """Iterate over the open sockets."""
        return (opened for _index, opened in self._standing.values())

    def get(self, key: K) -> S | None:
        """Return an open socket, None where it is not."""
        standing = self._standing.get(key)
        return standing[1] if standing else None

    def refresh(self) -> bool:
        """Bring all in line with the interfaces, as far as it goes; return whether all are open."""
        for key, path in self._paths.items():
            standing = self._standing.get(key)
            if standing and standing[0] == path.index:
                continue
            if standing:
                self._poller.forget(standing[1].fileno())
                standing[1].close()
                del self._standing[key]
            if path.index is not None:
                self._open(key, path, path.index)
        return len(self._standing) == len(self._paths)

    def _open(self, key: K, path: Path, index: int) -> None:
        try:
            opened = self._make(path)
        except OSError as error:
            text = f"{self._title}, {path.plan.local} on {path.plan.interface}: {error.strerror or error}"
            if self._troubles.get(key) != text:
                say("warning", "cannot listen", trouble=text)
            self._troubles[key] = text
            return
        self._troubles.pop(key, None)
        self._standing[key] = (index, opened)
        self._poller.watch(opened.fileno(), lambda: self._hear(path, opened))

    def _hear(self, path: Path, opened: S) -> None:
        try:
            self._read(path, opened)
        except OSError as error:
            self._lost(path, error)
