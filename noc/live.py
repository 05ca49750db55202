"""Live states of whatever daemons watch: the latest word per subject and daemon, bounded, never kept. Pure.

Ends of protection groups are not here: `noc.projection` judges those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .subjects import Subjects
from .views import LiveView

STALE_S: Final = 15.0
"""A state not told again for this long is stale: three looks of a daemon that looks each 5 s."""
OURS: Final = frozenset({"site", "link", "group", "alarm"})
"""Kinds whose views the hub works out itself; no daemon shows these."""
STATES_MAX: Final = 20_000
STATE_MAX_BYTES: Final = 64 * 1024

Key = tuple[str, str]
"""Subject and node."""


class LiveStates:
    """What daemons show.

    Attributes:
        refused: states not taken for want of room.
    """

    def __init__(self, subjects: Subjects) -> None:
        self.refused = 0
        self._subjects = subjects
        self._views: dict[Key, LiveView] = {}
        self._told_s: dict[Key, float] = {}
        self._dirty: set[Key] = set()

    def __len__(self) -> int:
        """Return how many states are known."""
        return len(self._views)

    def put(self, node: str, subject: str, body: Mapping[str, Any], now_s: float, now_ns: int) -> bool:
        """Take a state; return False when there is no room for another one."""
        key = (subject, node)
        before = self._views.get(key)
        if before is None and len(self._views) >= STATES_MAX and not self._forget_stalest():
            self.refused += 1
            return False
        self._told_s[key] = now_s
        self._views[key] = LiveView(subject, node, self._site(subject, node), now_ns, True, body)
        if before is None or not before.fresh or before.body != body:
            self._dirty.add(key)
        return True

    def age(self, now_s: float, silent: frozenset[str] = frozenset()) -> None:
        """Let states become stale that were not told of late, or whose daemon is silent."""
        for key, view in self._views.items():
            if view.fresh and (now_s - self._told_s[key] >= STALE_S or view.node in silent):
                self._views[key] = LiveView(view.subject, view.node, view.site, view.heard_at_ns, False, view.body)
                self._dirty.add(key)

    def get(self, key: Key) -> LiveView | None:
        """Return a state."""
        return self._views.get(key)

    def find(self, subject: str = "") -> Iterator[LiveView]:
        """Yield the states of a subject, or of all that begin with it when it ends in `:` or `/` or is empty."""
        prefix = not subject or subject.endswith((":", "/"))
        for key in sorted(self._views):
            if key[0] == subject or (prefix and key[0].startswith(subject)):
                yield self._views[key]

    def node_for(self, target: str, daemon: str) -> str | None:
        """Return the daemon of a name, such as `power`, that speaks for a target or for the whole that it is part of.

        One whose word is fresh is preferred.
        """
        wholes = (target, target.partition("/")[0])
        found = [view for view in self._views.values() if view.subject in wholes]
        speakers = [view for view in found if view.node.partition("/")[2] == daemon]
        best = max(speakers, key=lambda view: (view.fresh, view.subject == target, view.heard_at_ns), default=None)
        return best.node if best else None

    def take_dirty(self) -> set[Key]:
        """Return what has changed since this was last asked, and begin anew."""
        dirty, self._dirty = self._dirty, set()
        return dirty

    def _site(self, subject: str, node: str) -> str:
        sites = self._subjects.sites(subject)
        return sites[0] if len(sites) == 1 else node.partition("/")[0]

    def _forget_stalest(self) -> bool:
        stale = [key for key, view in self._views.items() if not view.fresh]
        if not stale:
            return False
        oldest = min(stale, key=self._told_s.__getitem__)
        del self._views[oldest], self._told_s[oldest]
        return True
