"""What devices say of the interfaces in which links end, for links that no fast path watches. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lifeline.model.inventory import Inventory

from .live import LiveStates
from .views import LiveView

_STATE: Final = "if.oper["
_DOWN: Final = {"up": False, "down": True, "lower-layer-down": True, "not-present": True}
End = tuple[str, str]
"""Site and interface."""


@dataclass(slots=True)
class _Port:
    """An interface as it was last told."""

    word: str
    view: LiveView


class Ports:
    """The ends of links without a continuity check, as the devices there show them (IF-MIB ifOperStatus)."""

    def __init__(self, inventory: Inventory) -> None:
        """Know where such links end."""
        self._link_at: dict[End, str] = {
            (end.site, end.interface): name
            for name, link in inventory.links.items()
            if link.bfd is None
            for end in (link.a, link.b)
        }
        self._sites = {site for site, _interface in self._link_at}
        self._ports: dict[End, _Port] = {}

    def take(self, view: LiveView) -> Iterator[str]:
        """Take a device's live state; yield the links of which it says something new."""
        if view.site not in self._sites:
            return
        for state in view.body.get("states", ()):
            name = str(state.get("name", "")) if isinstance(state, Mapping) else ""
            end = view.site, name.removeprefix(_STATE).removesuffix("]")
            if not name.startswith(_STATE) or (link := self._link_at.get(end)) is None:
                continue
            before, now = self._ports.get(end), _Port(str(state.get("word")), view)
            self._ports[end] = now
            if before is None or (before.word, before.view.fresh) != (now.word, view.fresh):
                yield link

    def age(self, live: LiveStates) -> Iterator[str]:
        """Yield the links at whose ends a device's word has become stale."""
        for end, port in self._ports.items():
            view = live.get((port.view.subject, port.view.node))
            if view is not None and view.fresh != port.view.fresh:
                port.view = view
                yield self._link_at[end]

    def told(self, site: str, interface: str) -> dict[str, Any] | None:
        """Return what is known of an interface; None where nobody has said anything."""
        port = self._ports.get((site, interface))
        if port is None:
            return None
        return {
            "link": self._link_at[site, interface],
            "signal_fail": _DOWN.get(port.word),
            "fresh": port.view.fresh,
            "heard_at_ns": port.view.heard_at_ns,
        }
