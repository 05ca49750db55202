"""Talks to the running relay through its socket."""

from __future__ import annotations

import json
import socket
import tempfile
from pathlib import Path
from typing import Any

from lifeline.i18n import _

from .driver import LabError
from .topology import Impairment

_WITHIN_S = 2.0


class RelayControl:
    """The relay as a lab's driver sees it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def answers(self) -> bool:
        """Tell whether the relay is alive."""
        try:
            self.stats()
        except LabError:
            return False
        return True

    def impair(self, link: str, impairment: Impairment) -> None:
        """Change a path's impairment, both directions, from the next frame on."""
        self._ask({"link": link, "impairment": impairment.to_json()})

    def impairment(self, link: str) -> Impairment:
        """Return a path's impairment."""
        return Impairment.from_json(self.stats()["links"][link]["impairment"])

    def stats(self) -> dict[str, Any]:
        """Return `late_max_ms` and, by link, its impairment and the counters of `to_site` and `to_hub`."""
        return self._ask({})

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="lifeline-") as folder, _socket(Path(folder)) as client:
            try:
                client.sendto(json.dumps(request).encode(), str(self._path))
                answer: dict[str, Any] = json.loads(client.recv(1 << 20))
            except OSError as error:
                raise LabError(_("the satellite relay does not answer: {error}").format(error=error)) from error
        if "error" in answer:
            raise LabError(_("the satellite relay refused: {error}").format(error=answer["error"]))
        return answer


def _socket(folder: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    client.settimeout(_WITHIN_S)
    client.bind(str(folder / "client.sock"))
    return client
