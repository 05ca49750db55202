"""What makes a link a satellite path: our relay, or the kernel's netem where it has it.

Both stand between the two ports of a link in the fabric, treat each direction alike and answer the same questions.
netem costs no process; it is a kernel module that many kernels lack.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from lifeline.i18n import _

from ..driver import LabError
from ..place import Place, write_durably
from ..relay_control import RelayControl
from ..topology import Impairment, Link
from .fabric import Fabric
from .preflight import has_netem

_FRAME_BYTES = 300
"""A path's mean frame, for netem, whose queue counts frames instead of time."""
_UNLIMITED = 100_000


class Emulator(Protocol):
    """Keeps the satellite paths of a lab as they should be."""

    def start(self) -> None:
        """Begin, with the topology's impairments."""
        ...

    def is_alive(self) -> bool:
        """Tell whether the paths carry traffic as far as the emulator is concerned."""
        ...

    def impair(self, link: str, impairment: Impairment) -> None:
        """Change a path, both directions, from the next frame on."""
        ...

    def impairment(self, link: str) -> Impairment:
        """Return what a path does now."""
        ...

    def stats(self) -> dict[str, Any]:
        """Return `emulator`, and `links`: by link what passed and what did not, per direction."""
        ...


def emulator(links: Sequence[Link], fabric: Fabric, place: Place) -> Emulator:
    """Return the emulator of a lab: the one it was deployed with, else the one that fits this machine."""
    kept = place.root / "satellite.json"
    if not kept.exists():
        write_durably(kept, {"emulator": "netem" if links and has_netem() else "relay"})
    kind = json.loads(kept.read_text())["emulator"]
    return NetemEmulator(links, fabric, place) if kind == "netem" else RelayEmulator(links, fabric, place)


class RelayEmulator:
    """One process of ours for all paths of a lab, `lab.relay`."""

    def __init__(self, links: Sequence[Link], fabric: Fabric, place: Place) -> None:
        self._links = links
        self._fabric = fabric
        self._place = place
        self._control = RelayControl(place.relay_socket)

    def start(self) -> None:
        """Start the process; a LabError has why it did not come up."""
        links = [
            {
                "id": link.id,
                "hub": self._fabric.port(link, link.hub.node),
                "site": self._fabric.port(link, link.site.node),
                "impairment": link.impairment.to_json(),
            }
            for link in self._links
            if link.impairment
        ]
        config = self._place.root / "relay.json"
        write_durably(config, {"socket": str(self._place.relay_socket), "seed": 1, "links": links})
        with (
            (self._place.root / "relay.log").open("ab") as log,
            subprocess.Popen(
                ["nsenter", f"--net={self._fabric.pin}", "--", sys.executable, "-m", "lab.relay", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            ) as process,
        ):
            await_ready(process, _("the satellite relay, see {log}").format(log=log.name))

    def is_alive(self) -> bool:
        """Tell whether the process answers."""
        return self._control.answers()

    def impair(self, link: str, impairment: Impairment) -> None:
        """Change a path, both directions, from the next frame on."""
        self._control.impair(link, impairment)

    def impairment(self, link: str) -> Impairment:
        """Return what a path does now, as the process says."""
        return self._control.impairment(link)

    def stats(self) -> dict[str, Any]:
        """Return by link and direction the counters of `lab.pipe.Counters`."""
        return {"emulator": "relay", **self._control.stats()}


class NetemEmulator:
    """A bridge per path, and on each of its two ports a netem queueing discipline towards the node."""

    def __init__(self, links: Sequence[Link], fabric: Fabric, place: Place) -> None:
        self._links = {link.id: link for link in links}
        self._fabric = fabric
        self._kept = place.root / "satellite.json"

    def start(self) -> None:
        """Bridge the paths and set the disciplines."""
        first = "impairments" not in json.loads(self._kept.read_text())
        for link in self._links.values():
            assert link.impairment
            if first:
                self._fabric.join(link)
            self._set(link, link.impairment)
        self._keep({link.id: link.impairment.to_json() for link in self._links.values() if link.impairment})

    def is_alive(self) -> bool:
        """Tell whether every path still has its disciplines."""
        return all(
            self._discipline(port)["kind"] == "netem" for link in self._links.values() for port in self._ports(link)
        )

    def impair(self, link: str, impairment: Impairment) -> None:
        """Change a path, both directions, from the next frame on."""
        self._set(self._links[link], impairment)
        self._keep(self._impairments() | {link: impairment.to_json()})

    def impairment(self, link: str) -> Impairment:
        """Return what a path was told last; a LabError when its disciplines are gone."""
        for port in self._ports(self._links[link]):
            if self._discipline(port)["kind"] != "netem":
                raise LabError(_("{link} has lost its netem discipline on {port}").format(link=link, port=port))
        return Impairment.from_json(self._impairments()[link])

    def stats(self) -> dict[str, Any]:
        """Return by link and direction what was delivered; netem counts loss and full queues as one, `dropped`."""
        links = {}
        for link in self._links.values():
            counters = {}
            for direction, node in (("to_site", link.site.node), ("to_hub", link.hub.node)):
                found = self._discipline(self._fabric.port(link, node))
                delivered, dropped = found["packets"], found["drops"]
                counters[direction] = {
                    "packets": delivered + dropped, "bytes": found["bytes"], "lost": 0,
                    "dropped": dropped, "delivered": delivered,
                }  # fmt: skip
            links[link.id] = {"impairment": self._impairments()[link.id], **counters}
        return {"emulator": "netem", "links": links}

    def _set(self, link: Link, impairment: Impairment) -> None:
        for port in self._ports(link):
            self._fabric.run(["tc", "qdisc", "replace", "dev", port, "root", "netem", *netem_arguments(impairment)])

    def _ports(self, link: Link) -> list[str]:
        return [self._fabric.port(link, end.node) for end in link.ends]

    def _discipline(self, port: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(
            self._fabric.run(["tc", "-s", "-j", "qdisc", "show", "dev", port, "root"])
        )
        return found[0] if found else {"kind": "none"}

    def _impairments(self) -> dict[str, dict[str, float]]:
        kept: dict[str, dict[str, float]] = json.loads(self._kept.read_text())["impairments"]
        return kept

    def _keep(self, impairments: Mapping[str, Mapping[str, float]]) -> None:
        write_durably(self._kept, {"emulator": "netem", "impairments": dict(impairments)})


def netem_arguments(impairment: Impairment) -> list[str]:
    """Return tc-netem(8)'s words for an impairment. With a rate netem keeps frames in order whatever the jitter."""
    words = ["delay", f"{impairment.delay_ms:g}ms", f"{impairment.jitter_ms:g}ms"]
    if impairment.loss_pct:
        words += ["loss", "random", f"{impairment.loss_pct:g}%"]
    limit = _UNLIMITED
    if impairment.rate_kbps:
        words += ["rate", f"{impairment.rate_kbps:g}kbit"]
        held_s = (impairment.delay_ms + impairment.jitter_ms + impairment.queue_ms) / 1000
        limit = math.ceil(impairment.rate_kbps * 1000 / 8 / _FRAME_BYTES * held_s) + 1
    return [*words, "limit", str(limit)]


def await_ready(process: subprocess.Popen[bytes], who: str) -> None:
    """Read what a launched program says until it is ready; what it says instead is why it failed.

    Raises:
        LabError: with what it said.
    """
    assert process.stdout is not None
    said = []
    for raw in process.stdout:
        line = raw.decode(errors="replace").strip()
        if line == "ready":
            return
        said.append(line)
    raise LabError(_("{who} did not come up: {why}").format(who=who, why=" ".join(said) or "-"))
