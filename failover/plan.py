"""What one site's fast path has to do, compiled from the inventory: plain data, JSON in and out.

The fast path reads this and nothing else, so that it starts without YAML, pydantic or the hub. Addresses stay texts;
times carry their unit in the name. The plan is valid by construction: `compile_plan` refuses what cannot be switched.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .keys import KeyPlan
from .quality_plan import QualityPlan

if TYPE_CHECKING:  # pydantic must stay out of the fast path's memory
    from lifeline.model.inventory import Inventory, Link, ProtectionGroup
from lifeline.runtime.files import write_json

SCHEMA = "lifeline.fastpath-plan/1"
SESSION_BITS = 12
"""Low bits of a BFD discriminator that number the session; the others are drawn at random."""
FIRST_NEXTHOP_ID = 1_000_000_000
"""Nexthop objects of ours are numbered from here, in the order of the inventory's groups.

FRR's zebra numbers its own up to 250,000,000 (ZEBRA_NHG_PROTO_UPPER) and others count up from 1: a busy router would
sooner or later use a low number of ours, and one of us would replace the other's.
"""


class PlanError(ValueError):
    """The inventory is well formed but this site cannot be protected as it says; the text names the group or link."""


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """This site's end of a link: a BFD session (RFC 5881 single hop), and its measurement where it has one."""

    link: str
    interface: str
    local: str
    remote: str
    discriminator: int
    """Number of the session, unique at this site: the low bits of My Discriminator, and the STAMP session's number."""
    interval_us: int
    """Desired Min TX and Required Min RX Interval."""
    detect_mult: int
    quality: QualityPlan | None = None
    """How the path is measured beside BFD, None for not at all."""
    auth: KeyPlan | None = None
    """How BFD packets are authenticated, None for not at all."""

    @property
    def version(self) -> int:
        """IP version of the path, 4 or 6."""
        return 6 if ":" in self.remote else 4


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """One end of a protection group: two paths, and the networks that follow the selector."""

    id: str
    nexthop_id: int
    working: str
    """A link."""
    protection: str
    """A link, or another group; a group that serves as a path has no prefixes of its own."""
    prefixes: tuple[str, ...]
    revertive: bool
    wtr_ms: int
    hold_off_ms: int
    damping: Mapping[str, float] | None = None
    """Fields of the state machine's DampingConfig, None for no damping."""
    auth: KeyPlan | None = None
    """How APS messages are signed, None for not at all."""

    @property
    def number(self) -> int:
        """The group in APS messages, 32 bits: made from its name, so that both ends agree without being told."""
        return zlib.crc32(self.id.encode())


@dataclass(frozen=True, slots=True)
class FastPathPlan:
    """Everything the fast path of one site knows."""

    site: str
    source_networks: tuple[str, ...]
    """Networks of this site: packets of our own take their source address from these, never from a path's interface,
    because an address that belongs to the cut fibre cannot be answered over the satellite."""
    sessions: tuple[SessionPlan, ...]
    groups: tuple[GroupPlan, ...]

    def links_of(self, path: str) -> tuple[str, ...]:
        """Return the links by which a path may go, the one to be preferred first; a link is its own."""
        group = next((group for group in self.groups if group.id == path), None)
        return (path,) if group is None else (group.working, *self.links_of(group.protection))

    def session(self, link: str) -> SessionPlan:
        """Return the session over a link of this plan."""
        return next(s for s in self.sessions if s.link == link)

    def without_keys(self) -> FastPathPlan:
        """Return the plan with the types of authentication only: two that are alike differ in their keys at most."""
        return dataclasses.replace(
            self,
            sessions=tuple(dataclasses.replace(s, auth=s.auth and KeyPlan((), 0, s.auth.type)) for s in self.sessions),
            groups=tuple(dataclasses.replace(g, auth=g.auth and KeyPlan((), 0)) for g in self.groups),
        )

    @property
    def key_plans(self) -> Iterator[KeyPlan]:
        """What is authenticated here."""
        rings = (*(session.auth for session in self.sessions), *(group.auth for group in self.groups))
        return (ring for ring in rings if ring is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON."""
        return {"schema": SCHEMA, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> FastPathPlan:
        """Build a plan from JSON.

        Raises:
            PlanError: not a plan of this version, or a key is missing or unknown.
        """
        if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
            raise PlanError(f"not a {SCHEMA}")
        try:
            return cls(
                site=data["site"],
                source_networks=tuple(data["source_networks"]),
                sessions=tuple(_read_session(s) for s in data["sessions"]),
                groups=tuple(_read_group(g) for g in data["groups"]),
            )
        except (KeyError, TypeError) as error:
            raise PlanError(f"damaged plan: {error}") from None

    @classmethod
    def load(cls, path: Path) -> FastPathPlan:
        """Read a plan from a file.

        Raises:
            PlanError: the file is no plan.
            OSError: the file cannot be read.
        """
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except json.JSONDecodeError as error:
            raise PlanError(f"{path}: {error}") from None

    def save(self, path: Path) -> None:
        """Write the plan to a file, whole or not at all."""
        write_json(path, self.to_json())


def _read_session(data: Mapping[str, Any]) -> SessionPlan:
    quality = data.get("quality")
    auth = KeyPlan.from_json(data.get("auth"))
    return SessionPlan(**{**data, "quality": QualityPlan.from_json(quality) if quality else None, "auth": auth})


def _read_group(data: Mapping[str, Any]) -> GroupPlan:
    auth = KeyPlan.from_json(data.get("auth"))
    return GroupPlan(**{**data, "prefixes": tuple(data["prefixes"]), "auth": auth})


def compile_plan(inventory: Inventory, site: str) -> FastPathPlan:
    """Compile the inventory for one site: a session per link with `bfd`, a group per protection group ending here.

    Raises:
        KeyError: the inventory has no such site.
        PlanError: a group cannot be switched here; the text names it.
    """
    here = inventory.sites[site]
    links = {key: link for key, link in inventory.links.items() if link.end_at(site) and link.bfd}
    sessions = tuple(_session(key, link, site, number) for number, (key, link) in enumerate(links.items(), start=1))
    groups = [
        _group(key, group, site, FIRST_NEXTHOP_ID + index)
        for index, (key, group) in enumerate(inventory.groups_at(site).items())
    ]
    groups.sort(key=lambda group: len(inventory.links_of_path(group.id)))  # a group after its path
    plan = FastPathPlan(site, tuple(str(p) for p in here.prefixes), sessions, tuple(groups))
    check_plan(plan)
    return plan


def _session(key: str, link: Link, site: str, discriminator: int) -> SessionPlan:
    near, far = link.end_at(site), link.far_end(site)
    assert near is not None
    assert link.bfd is not None
    return SessionPlan(
        link=key,
        interface=near.interface,
        local=str(near.address.ip),
        remote=str(far.address.ip),
        discriminator=discriminator,
        interval_us=link.bfd.interval_ms * 1000,
        detect_mult=link.bfd.detect_mult,
        quality=QualityPlan.compile(link.quality) if link.quality else None,
        auth=KeyPlan.compile(link.bfd.auth),
    )


def _group(key: str, group: ProtectionGroup, site: str, nexthop_id: int) -> GroupPlan:
    return GroupPlan(
        id=key,
        nexthop_id=nexthop_id,
        working=group.working,
        protection=group.protection,
        prefixes=tuple(str(p) for p in group.prefixes.get(site, ())),
        revertive=group.revertive,
        wtr_ms=group.wtr_ms,
        hold_off_ms=group.hold_off_ms,
        damping=dataclasses.asdict(group.damping) if group.damping else None,
        auth=KeyPlan.compile(group.auth),
    )


def check_plan(plan: FastPathPlan) -> None:
    """Refuse what the kernel or the protocol could not do.

    Raises:
        PlanError: see the texts.
    """
    sessions = {s.link: s for s in plan.sessions}
    owners: dict[str, str] = {}
    numbers: dict[int, str] = {}
    if len(plan.sessions) >= 1 << SESSION_BITS:
        raise PlanError(
            f"{len(plan.sessions)} links with bfd at {plan.site}, at most {(1 << SESSION_BITS) - 1} are possible"
        )
    for session in plan.sessions:
        if (":" in session.local) != (":" in session.remote):
            raise PlanError(f"link {session.link}: one end is IPv4, the other IPv6")
    below = {group.protection for group in plan.groups}
    known: set[str] = set()
    for group in plan.groups:
        for path in (group.working, group.protection):
            if path not in sessions and path not in known:
                raise PlanError(f"group {group.id}: link {path} has no bfd, nothing would notice its failure")
        known.add(group.id)
        if len({sessions[link].version for link in plan.links_of(group.id)}) > 1:
            raise PlanError(f"group {group.id}: working and protection must both be IPv4 or both IPv6")
        if (other := numbers.setdefault(group.number, group.id)) != group.id:
            raise PlanError(f"group {group.id}: its name and {other} make the same number, rename one of them")
        if not group.prefixes and group.id not in below:
            raise PlanError(f"group {group.id}: no prefixes for site {plan.site}, nothing would be switched")
        for prefix in group.prefixes:
            # RFC 5549 style: IPv4 may go by an IPv6 next hop, never the other way round.
            if ip_network(prefix).version == 6 and sessions[group.working].version == 4:
                raise PlanError(f"group {group.id}: IPv6 prefix {prefix} cannot go by an IPv4 next hop")
            if (other := owners.setdefault(prefix, group.id)) != group.id:
                raise PlanError(f"group {group.id}: prefix {prefix} belongs to group {other} already")
