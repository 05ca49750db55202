"""Checks what protection groups, their paths and their keys say of one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..i18n import _
from ..model.fields import Network
from ..model.inventory import Inventory, Link, ProtectionGroup
from ..model.protection import Key
from .problems import Finding, KeyPath, did_you_mean

_MAX_HINTS = 32
"""A search for the nearest name takes 10 ms among a thousand; a file with a wrong prefix everywhere needs no 1,000."""


def check_protection(inventory: Inventory, data: Any) -> list[Finding]:
    """Return the mistakes between groups, links and credentials.

    Args:
        inventory: the sound entries.
        data: the whole document, to know an entry that exists but is faulty from one that does not exist.
    """
    checker = _Checker(inventory, data if isinstance(data, dict) else {})
    return [*checker.groups(), *checker.keys()]


class _Checker:
    """One pass over the groups: two paths, same two sites, nothing shared, all watched, traffic named once."""

    def __init__(self, inventory: Inventory, data: Mapping[str, Any]) -> None:
        self._links, self._groups = inventory.links, inventory.protection_groups
        self._credentials = inventory.credentials
        self._data = data
        self._hints = 0
        groups = data.get("protection_groups")
        entries = [entry for entry in groups.values() if isinstance(entry, dict)] if isinstance(groups, dict) else []
        self._paths = {str(entry.get(role)) for entry in entries for role in ("working", "protection")}
        """What serves as a path, by faulty entries too."""

    def _missing(self, path: KeyPath, sections: Iterable[str], name: str, what: str) -> Iterator[Finding]:
        """Yield a finding for a reference to nothing. A malformed section, told already, may hold any name."""
        declared = [self._data.get(section, {}) for section in sections]
        if any(not isinstance(names, dict) or name in names for names in declared):
            return
        self._hints += 1
        names = [known for section in declared for known in section]
        hint = did_you_mean(name, names, _("there are"))[1] if self._hints <= _MAX_HINTS else ""
        yield Finding(path, _("there is no {what} {name!r}").format(what=what, name=name), hint)

    def groups(self) -> Iterator[Finding]:
        """Check each group."""
        taken: dict[tuple[str, Network], str] = {}
        for name, group in self._groups.items():
            path: KeyPath = ("protection_groups", name)
            yield from self._names(path, group)
            if group.working == group.protection:
                yield Finding((*path, "protection"), _("a link cannot protect itself"))
                continue
            links, again = self._walk(name)
            if again:
                message = _("{path} comes twice on the way down: {chain}").format(
                    path=repr(again), chain=" -> ".join([*self._chain(name), again])
                )
                yield Finding((*path, "protection"), message)
                continue
            if (working := self._links.get(group.working)) is None:
                continue
            for link in links[1:]:
                yield from self._check_pair(path, name, working, link)
            yield from self._check_traffic(path, name, group, working)
            for site, networks in group.prefixes.items():
                for index, network in enumerate(networks):
                    if (other := taken.setdefault((site, network), name)) != name:
                        message = _("{network} at {site!r} follows group {other!r} already").format(
                            network=network, site=site, other=other)  # fmt: skip
                        yield Finding((*path, "prefixes", site, index), message)

    def _names(self, path: KeyPath, group: ProtectionGroup) -> Iterator[Finding]:
        """Check that both paths exist, that nobody can mistake one, and that somebody would see them fail."""
        if group.working in self._groups and group.working not in self._links:
            yield Finding((*path, "working"), _("{name!r} is a group; only the protection path may be one").format(
                name=group.working))  # fmt: skip
        else:
            yield from self._missing((*path, "working"), ["links"], group.working, _("link"))
        if group.protection in self._groups and group.protection in self._links:
            yield Finding((*path, "protection"), _("{name!r} is a link and a group; rename one of them").format(
                name=group.protection))  # fmt: skip
        sections = ["links", "protection_groups"]
        yield from self._missing((*path, "protection"), sections, group.protection, _("link or group"))
        for role, name in (("working", group.working), ("protection", group.protection)):
            link = self._links.get(name)
            if link is not None and link.bfd is None:
                message = _("link {link!r} has no bfd; without it nobody sees it fail").format(link=name)
                yield Finding((*path, role), message)

    def _chain(self, name: str) -> list[str]:
        """Return the groups from one downwards, each once."""
        chain: list[str] = []
        while name in self._groups and name not in chain and (not chain or name not in self._links):
            chain.append(name)
            name = self._groups[name].protection
        return chain

    def _walk(self, name: str) -> tuple[list[str], str]:
        """Return the links of a group from the uppermost down, and the first group or link that would come again."""
        chain = self._chain(name)
        last = self._groups[chain[-1]].protection
        if last in chain:
            return [], last
        links = [*(self._groups[group].working for group in chain), last]
        return links, next((link for index, link in enumerate(links) if link in links[:index]), "")

    def _check_pair(self, path: KeyPath, name: str, working: Link, below: str) -> Iterator[Finding]:
        """Check that a link may stand in for the working one."""
        group = self._groups[name]
        if (link := self._links.get(below)) is None:
            return
        by = _("its link {link!r}: ").format(link=below) if below != group.protection else ""
        if _sites(working) != _sites(link):
            message = _("joins {protection}, but working joins {working}").format(
                protection=_joined(link), working=_joined(working))  # fmt: skip
            yield Finding((*path, "protection"), by + message)
        for srg in sorted(set(working.srgs) & set(link.srgs)):
            message = _("shares {srg!r} with working link {link!r}; one event takes both").format(
                srg=srg, link=group.working)  # fmt: skip
            yield Finding((*path, "protection"), by + message)

    def _check_traffic(self, path: KeyPath, name: str, group: ProtectionGroup, working: Link) -> Iterator[Finding]:
        """Check that both ends, and no other sites, say which networks follow; a group that is a path says nothing."""
        if name in self._paths and name not in self._links:
            if group.prefixes:
                message = _("serves other groups as a path: prefixes belong to the uppermost")
                yield Finding((*path, "prefixes"), message, at_key=True)
            return
        for site in group.prefixes:
            if working.end_at(site) is None:
                message = _("{site!r} is not an end of this group, which joins {sites}").format(
                    site=site, sites=_joined(working))  # fmt: skip
                yield Finding((*path, "prefixes", site), message, at_key=True)
        for end in (working.a, working.b):
            if not group.prefixes.get(end.site):
                message = _("no prefixes at {site!r}: its traffic would not follow the switch").format(site=end.site)
                yield Finding((*path, "prefixes", end.site), message, at_key=True)

    def keys(self) -> Iterator[Finding]:
        """Check that keys are credentials of the right kind."""
        for name, link in self._links.items():
            if link.bfd is not None and link.bfd.auth is not None:
                yield from self._check_keys(("links", name, "bfd", "auth"), link.bfd.auth.keys, "bfd-sha1")
        for name, group in self._groups.items():
            if group.auth is not None:
                yield from self._check_keys(("protection_groups", name, "auth"), group.auth.keys, "aps-sha256")

    def _check_keys(self, path: KeyPath, keys: Iterable[Key], kind: str) -> Iterator[Finding]:
        for index, key in enumerate(keys):
            where: KeyPath = (*path, "keys", index, "credential")
            yield from self._missing(where, ["credentials"], key.credential, _("credential"))
            credential = self._credentials.get(key.credential)
            if credential is not None and credential.kind != kind:
                message = _("credential {name!r} is of the kind {found}, must be {kind}").format(
                    name=key.credential, found=credential.kind, kind=kind)  # fmt: skip
                yield Finding(where, message)


def _sites(link: Link) -> frozenset[str]:
    return frozenset({link.a.site, link.b.site})


def _joined(link: Link) -> str:
    return _("{a!r} and {b!r}").format(a=link.a.site, b=link.b.site)
