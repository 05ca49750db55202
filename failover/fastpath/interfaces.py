"""The interfaces and addresses of this machine as the kernel tells of them."""

from __future__ import annotations

from ..io import rtnetlink
from ..io.netlink import RouteSocket
from ..io.rtnetlink import Address, Link, Parsed


class Interfaces:
    """A table kept by news and, when news were lost, by a dump."""

    def __init__(self) -> None:
        self.by_index: dict[int, Link] = {}
        self.addresses: set[Address] = set()

    def load(self, socket: RouteSocket) -> None:
        """Read the table anew from the kernel."""
        self.by_index = {link.index: link for link in socket.links()}
        self.addresses = set(socket.addresses())

    def hear(self, kind: int, content: Parsed) -> None:
        """Take the kernel's news of an interface or an address."""
        if isinstance(content, Link):
            if kind == rtnetlink.RTM_DELLINK:
                self.by_index.pop(content.index, None)
                self.addresses = {address for address in self.addresses if address.index != content.index}
            else:
                self.by_index[content.index] = content
        elif isinstance(content, Address):
            if kind == rtnetlink.RTM_DELADDR:
                self.addresses.discard(content)
            else:
                self.addresses.add(content)

    def find(self, name: str) -> Link | None:
        """Return the interface of that name."""
        return next((link for link in self.by_index.values() if link.name == name), None)

    def index_of(self, interface: str) -> int | None:
        """Return the index of the interface of that name."""
        return link.index if (link := self.find(interface)) else None
