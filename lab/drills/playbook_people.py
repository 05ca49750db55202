"""The people of a drill: each has a token, reaches the hub by TLS with the command, and hears when it calls."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from noc.tokens import Role

from ..daemons import CALL_PORT
from ..driver import LabError
from ..drivers import linux

PEOPLE: Final = ("drill-ann", "drill-bob")
_LIFELINE = str(Path(sys.executable).with_name("lifeline"))


class Node(Protocol):
    """What people need of a lab."""

    def run(self, node: str, argv: Sequence[str]) -> Any:
        """Run a program on a node, and return what it printed."""
        ...


@dataclass(frozen=True, slots=True)
class People:
    """The people at the hub's node."""

    lab: Node
    node: str
    url: str
    """Where they reach the hub, by TLS."""

    def admit(self) -> None:
        """Give each a token of an approver."""
        for who in PEOPLE:
            self._sh(f"{_LIFELINE} token revoke {who}")  # of a drill that was killed
            self._sh(f"umask 077; {_LIFELINE} token create {who} --role {Role.APPROVER} > {_file(who)}")

    def dismiss(self) -> None:
        """Take the tokens away."""
        for who in PEOPLE:
            with suppress(LabError):  # a node that is off keeps no token's file; the token ends with the lab
                self._sh(f"rm -f {_file(who)}; {_LIFELINE} token revoke {who}")

    def approve(self, who: str, run: Mapping[str, Any]) -> Any:
        """Approve a run; return how the command ended."""
        access = f"LIFELINE_TOKEN_FILE={_file(who)} LIFELINE_CA=/run/etc/hub.crt"
        words = f"playbook approve {run['run']} --hash {run['hash']} --hub {self.url}"
        return self._sh(f"{access} {_LIFELINE} {words}")

    def _sh(self, script: str) -> Any:
        return self.lab.run(self.node, ["sh", "-c", script])


def listen(netns: Path) -> socket.socket:
    """Return a socket that hears whom the lab's hub calls.

    Args:
        netns: of the hub's node.
    """
    with linux.network_namespace(netns):
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setblocking(False)
    listener.bind(("127.0.0.1", CALL_PORT))
    return listener


def _file(who: str) -> str:
    return f"/run/lifeline/{who}.token"
