"""Which sites a subject belongs to: `power:sbs-a/ups1` to sbs-a, `traffic:fibre-a` to both ends of fibre-a. Pure."""

from __future__ import annotations

from typing import Final

from lifeline.model.inventory import Inventory

_OF_LINK: Final = frozenset({"link", "traffic"})
"""Kinds whose identifier is a link's."""
_OF_NO_SITE: Final = frozenset({"srg", "playbook", "drill", "alarm"})
"""Kinds that stand above sites. All kinds that are not listed have identifiers `SITE` or `SITE/part`."""


class Subjects:
    """The subjects of one inventory."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def sites(self, subject: str) -> tuple[str, ...]:
        """Return the sites that a subject is part of; none for what stands above sites or is not in the inventory."""
        kind, _, name = subject.partition(":")
        if kind in _OF_LINK:
            link = self._inventory.links.get(name)
            return (link.a.site, link.b.site) if link else ()
        if kind == "group":
            group = self._inventory.protection_groups.get(name)
            return self.sites(f"link:{group.working}") if group else ()
        return () if kind in _OF_NO_SITE else (name.partition("/")[0],)

    def may_speak(self, site: str, subject: str) -> bool:
        """Tell whether a daemon that is bound to one site may speak for a subject."""
        return site in self.sites(subject)
