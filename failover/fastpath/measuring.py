"""STAMP beside BFD: a prober on each path to be measured, and an answer to the far ends that measure theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf

from ..core.quality import SignalDegrade
from ..core.stamp import STAMP_PORT, Timescale
from ..io.stamp_session import PathEnd, Prober, Refuse, Responder
from .listeners import Listeners
from .path import Path
from .poller import Poller

Degrade = Callable[[Path, SignalDegrade], None]
Home = tuple[str, str]


class Measuring:
    """The measurements of this site.

    Attributes:
        probers, responders: their sockets.

    Args:
        poller: waits for the sockets.
        paths: all paths; those with a `quality` are measured, and answered for.
        scale: of this process's timestamps.
        degrade: told of each judgement.
        refuse: told why a packet was dropped.
        lost: told when an interface went away under a socket.
    """

    def __init__(
        self,
        poller: Poller,
        paths: Iterable[Path],
        scale: Timescale,
        degrade: Degrade,
        refuse: Refuse,
        lost: Callable[[Path, OSError], None],
    ) -> None:
        self._paths = [(path, path.prober) for path in paths if path.prober is not None]
        self._degrade = degrade
        homes: dict[Home, list[Path]] = {}
        for path, _prober in self._paths:
            homes.setdefault(_home(path), []).append(path)
        self._responders: Mapping[Home, Responder] = {
            home: Responder(scale, frozenset(path.plan.remote for path in there), refuse)
            for home, there in homes.items()
        }
        of_path = {path.plan.link: path for path, _prober in self._paths}
        of_home = {home: there[0] for home, there in homes.items()}
        self.probers = Listeners(poller, "STAMP probes", of_path, _probe, lambda _, prober: prober.drain(), lost)
        self.responders = Listeners(
            poller, f"UDP port {STAMP_PORT}", of_home, self._respond, lambda _, responder: responder.drain(), lost
        )

    def refresh(self) -> bool:
        """Open what can be opened; return whether all is open."""
        return all([self.probers.refresh(), self.responders.refresh()])

    def deadline(self) -> float:
        """Return when `handle_timer` has something to do, monotonic seconds."""
        return min([prober.deadline for _path, prober in self._paths], default=inf)

    def handle_timer(self, now: float) -> None:
        """Send the probes and pass the judgements that are due."""
        for path, prober in self._paths:
            if prober.deadline <= now and (change := prober.handle_timer()) is not None:
                self._degrade(path, change)

    def _respond(self, path: Path) -> Responder:
        assert path.index is not None
        responder = self._responders[_home(path)]
        responder.open(path.plan.version, path.plan.interface, path.index, path.plan.local)
        return responder


def _home(path: Path) -> Home:
    return path.plan.interface, path.plan.local


def _probe(path: Path) -> Prober:
    plan, prober = path.plan, path.prober
    assert prober is not None
    assert path.index is not None
    if not prober.open(PathEnd(plan.version, plan.interface, path.index, plan.local, plan.remote)):
        raise OSError(prober.trouble)
    return prober
