"""What a protection command means: at which end it acts, what it would do, and whether it stands. Pure functions.

ITU-T G.8031 has a command given at one end; the far end follows by APS. Freeze and Clear concern their own end only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lifeline.model.inventory import Inventory, SiteKind
from lifeline.model.records import Json
from lifeline.runtime.wire import PROTECTION_COMMANDS, CommandResult

PREFIX: Final = "protection."
COMMANDS: Final = frozenset(PREFIX + command for command in PROTECTION_COMMANDS)
CENTRES: Final = frozenset({SiteKind.CORE_ROOM_WIRED, SiteKind.CORE_ROOM_800M, SiteKind.COMMAND_CENTRE})

_HOLDING: Final = frozenset({"lockout", "freeze"})
"""Commands under which traffic stays on a path even when it fails."""

End = Mapping[str, Any]
"""One end's word on a group, as the fast path reports it."""


class NoSuchEndError(ValueError):
    """The group does not end at that site."""


class UnreachableError(Exception):
    """No end where the command could act can be reached now; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Place:
    """The end at which a command acts, and why that one, as a clause for people."""

    site: str
    why: str


def choose_end(
    inventory: Inventory,
    group: str,
    command: str,
    at: str | None,
    ends: Mapping[str, End],
    reached: Callable[[str], bool],
) -> Place:
    """Return the end at which a command acts.

    What the operator says; for Clear the end where something stands that it can clear; else the station's end, the
    nearest to what is at stake, or the other while that cannot be reached. What keeps traffic where it is (`_HOLDING`)
    goes to the centre's end first: a station held on a path that is then cut would be out of reach of the Clear.

    Args:
        inventory: what exists.
        group: the group's id.
        command: one of `PROTECTION_COMMANDS`.
        at: the site that the operator named.
        ends: what each end last said.
        reached: whether a site's agent is connected and heard.

    Raises:
        NoSuchEndError: the group does not end at `at`.
        UnreachableError: the end that was named, or that it must be, or both are not reached.
    """
    link = inventory.links[inventory.protection_groups[group].working]
    sites = sorted((link.a.site, link.b.site), key=lambda site: inventory.sites[site].kind in CENTRES)
    if at is not None:
        if at not in sites:
            raise NoSuchEndError(f"{group} ends at {sites[0]} and {sites[1]}, not at {at!r}")
        place = Place(at, "as ordered")
    elif command == "clear" and (held := [site for site in sites if clearable(ends.get(site, {}))]):
        place = Place(held[0], "where the command stands")
    else:
        holding = command in _HOLDING
        first, second = reversed(sites) if holding else sites
        place = Place(first, "the centre's end, which no cut puts out of reach" if holding else "the station's end")
        if not reached(first) and reached(second):
            place = Place(second, f"because the agent of {first} is not connected")
        elif not reached(first):
            raise UnreachableError(f"neither the agent of {first} nor that of {second} is connected")
    if not reached(place.site):
        raise UnreachableError(f"the agent of {place.site} is not connected ({place.why})")
    return place


def clearable(end: End) -> bool:
    """Tell whether an end has something that Clear would end: a command, a freeze, or its own wait to restore."""
    return bool(end.get("commands")) or end.get("request") == "WTR"


def stands(command: str, to: str | None, end: End) -> bool:
    """Tell whether a command is in force at an end, as far as the end's own word shows it."""
    if command == "clear":
        return not clearable(end)
    return (f"{command} {to}" if to else command) in end.get("commands", ())


def brief(end: End | None) -> dict[str, Json] | None:
    """Return what of an end's state belongs into the record of a command."""
    if not end:
        return None
    return {name: end.get(name) for name in ("state", "request", "selector", "frozen", "why") if name in end}


def plan(group: str, command: str, to: str | None, place: Place) -> str:
    """Return what will be ordered, as a sentence."""
    what = {
        "lockout": "lock out protection",
        "force": "force to protection",
        "manual": f"switch manually to {to}",
        "exercise": "exercise the protocol",
        "freeze": "freeze",
        "clear": "clear",
    }[command]
    return f"Order: {what}, group {group}, at {place.site} ({place.why})."


def effect(links: Mapping[str, str], result: CommandResult, end: End) -> Iterable[str]:
    """Yield what a dry run found, as sentences.

    Args:
        links: the links of `working` and `protection`.
        result: the agent's answer.
        end: the end's present state.
    """
    if not result.accepted:
        yield f"It would be refused: {result.reason}"
        return
    predicted = result.predicted or {}
    before, after = str(end.get("selector")), str(predicted.get("selector"))
    if before in links and after in links and before != after:
        yield f"Traffic would move from {links[before]} to {links[after]}."
        paths = [end.get(name, {}) for name in links]
        if all(path.get("signal_fail") is False for path in paths):
            yield "Both paths work: no loss is expected."
        else:
            yield "Not both paths are known to work: expect loss."
    elif after in links:
        yield f"Traffic would stay on {links[after]}."
    if state := predicted.get("state"):
        yield f"State: {end.get('state', 'unknown')}, then {state}."
