"""APS between the groups here and their far ends: datagrams that belong to one link, as BFD's do.

They are sent over the protection path, and heard on both: one that comes over the working path tells of cables that are
swapped. A message counts only with TTL 255, from the link's other end, by the link's own interface.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..core.aps import APS_PORT, ApsMessage, ApsMessageError
from ..io.link_socket import TTL, LinkSocket
from .group import GroupEnd
from .listeners import Listeners
from .path import Path
from .poller import Poller

Deliver = Callable[[GroupEnd, Path, ApsMessage], None]
Refuse = Callable[[str], None]


class ApsPost:
    """Brings messages out and in.

    Attributes:
        listeners: one socket for each interface and address of this end.

    Args:
        poller: waits for the sockets.
        groups: the ends of groups here.
        deliver: told of each message for a group, and of the path by which it came.
        refuse: told why a message was dropped.
        lost: told when an interface went away under a socket.
    """

    def __init__(
        self,
        poller: Poller,
        groups: Iterable[GroupEnd],
        deliver: Deliver,
        refuse: Refuse,
        lost: Callable[[Path, OSError], None],
    ) -> None:
        self._groups = list(groups)
        self._deliver, self._refuse = deliver, refuse
        paths = {path.plan.link: path for group in self._groups for path in group.links}.values()
        self._by_address = {(path.plan.interface, path.plan.remote): path for path in paths}
        self._here = {path.plan.link: [g for g in self._groups if path in g.links] for path in paths}
        self.listeners = Listeners(
            poller, f"UDP port {APS_PORT}", {_home(path): path for path in paths}, _open, self._read, lost
        )

    def send(self, group: GroupEnd, message: ApsMessage) -> None:
        """Send a message over a group's protection path, or count it as unsent: the next one is due soon."""
        path = group.by_protection
        sock = self.listeners.get(_home(path))
        try:
            if sock is None:
                group.aps_unsent += 1
            else:
                signed = group.keys.sign(message) if group.keys else message
                sock.send(signed.encode(), path.plan.remote, APS_PORT)
        except OSError:  # no light, no neighbour: what keeps BFD silent as well, and is told there
            group.aps_unsent += 1

    def _read(self, path: Path, sock: LinkSocket) -> None:
        for datagram in sock.drain():
            try:
                message = ApsMessage.decode(datagram.payload)
            except ApsMessageError as error:
                self._refuse(f"APS: {error}")
                continue
            came_by = self._by_address.get((path.plan.interface, datagram.source))
            if came_by is None or datagram.port != APS_PORT:
                self._refuse("APS: not from a far end")
            elif datagram.ttl != TTL:
                self._refuse(f"APS: TTL {datagram.ttl}, must be {TTL}")
            elif (group := self._addressee(came_by, message.group)) is None:
                self._refuse("APS: no such group")
            elif reason := _forgery(group, message):
                self._refuse(f"APS: {reason}")
            else:
                self._deliver(group, came_by, message)

    def _addressee(self, path: Path, number: int) -> GroupEnd | None:
        """Find the group of a message; a stranger's is for the only group that a link protects, which will complain."""
        here = self._here[path.plan.link]
        if meant := next((group for group in here if group.plan.number == number), None):
            return meant
        protected = [group for group in here if path is group.protection]
        return protected[0] if len(protected) == 1 else None


def _forgery(group: GroupEnd, message: ApsMessage) -> str:
    """Return why a message is not to be believed, or an empty string."""
    if group.keys is not None:
        return group.keys.refusal(message)
    return "authenticated, but authentication is not in use" if message.auth else ""


def _home(path: Path) -> tuple[str, str]:
    return path.plan.interface, path.plan.local


def _open(path: Path) -> LinkSocket:
    plan = path.plan
    assert path.index is not None
    return LinkSocket(plan.version, plan.interface, path.index, plan.local, APS_PORT)
