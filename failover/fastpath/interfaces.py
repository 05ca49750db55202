"""The interfaces of this machine as the kernel tells of them: index, name, light."""

from __future__ import annotations

from ..io.netlink import RouteSocket
from ..io.rtnetlink import Link


class Interfaces:
    """A table kept by news and, when news were lost, by a dump."""

    def __init__(self) -> None:
        self.by_index: dict[int, Link] = {}

    def load(self, socket: RouteSocket) -> None:
        """Read the table anew from the kernel."""
        self.by_index = {link.index: link for link in socket.links()}

    def changed(self, link: Link) -> None:
        """Take an interface's present state."""
        self.by_index[link.index] = link

    def removed(self, link: Link) -> None:
        """Forget an interface."""
        self.by_index.pop(link.index, None)

    def find(self, name: str) -> Link | None:
        """Return the interface of that name."""
        return next((link for link in self.by_index.values() if link.name == name), None)

    def index_of(self, interface: str) -> int | None:
        """Return the index of the interface of that name."""
        return link.index if (link := self.find(interface)) else None
