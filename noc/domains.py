"""Which daemon carries out which commands: the routes beside those of protection groups, as a table.

A command is `domain.verb`. It goes to the daemon that speaks for its target, by what it shows live; where nobody
shows it, to the domain's daemon at the target's site.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .live import LiveStates
from .subjects import Subjects


@dataclass(frozen=True, slots=True)
class Domain:
    """Who carries out the commands of a domain."""

    daemon: str
    """The daemon's name, such as `power` in `sbs-a/power`."""
    targets: frozenset[str]
    """Kinds of subjects that it acts on."""


DOMAINS: Final[dict[str, Domain]] = {
    "power": Domain("power", frozenset({"power", "device"})),
    "time": Domain("time", frozenset({"time", "device"})),
    "actuator": Domain("agent", frozenset({"actuation"})),
    "netwatch": Domain("netwatch", frozenset({"device", "link", "site"})),
}


class NoSuchCommandError(ValueError):
    """No domain has such a command, or not for such a target."""


def route(command: str, target: str, live: LiveStates, subjects: Subjects) -> tuple[str, str]:
    """Return the daemon to which a command goes, and why to that one, as a clause for people.

    Raises:
        NoSuchCommandError: no such domain, or it does not act on such a target.
        LookupError: the target belongs to no site and nobody speaks for it.
    """
    name, _, _verb = command.partition(".")
    domain = DOMAINS.get(name)
    if domain is None:
        raise NoSuchCommandError(f"no domain has {command!r}; there are {', '.join(DOMAINS)}")
    kind = target.partition(":")[0]
    if kind not in domain.targets:
        raise NoSuchCommandError(f"{command} acts on {', '.join(sorted(domain.targets))}, not on {target!r}")
    if node := live.node_for(target, domain.daemon):
        return node, "it speaks for the target"
    if not (sites := subjects.sites(target)):
        raise LookupError(target)
    return f"{sites[0]}/{domain.daemon}", "the target's site"
