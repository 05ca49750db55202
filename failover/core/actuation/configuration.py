"""What a configuration says of the settings in question, and the commands that lead from one such state to another.

Only the settings that goals name are looked at: they are the scope. What else stands in the configuration is neither
read nor written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from .dialects import OPTION_WORDS, Dialect
from .settings import CostKey, Goal, Key, RouteKey, StaticRoute


class ConfigurationError(ValueError):
    """What the device showed cannot be its configuration, or not all of it; the text says why."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a setting is set to."""

    number: int
    """Distance or cost."""
    options: str = ""
    """What else stands in a route's line, such as a tag; kept when the distance changes."""


Scope = Mapping[Key, tuple[Value, ...]]
"""Per setting its values: none where it is absent; more than one only where a device keeps several lines."""


def read_commands(dialect: Dialect, goals: Iterable[Goal]) -> tuple[str, ...]:
    """Return the commands that show all that the goals are about, each once."""
    commands = {
        dialect.read_routes[key.prefix.version]
        if isinstance(key, RouteKey)
        else dialect.read_interface.format(interface=key.interface)
        for key in _keys(goals)
    }
    return tuple(sorted(commands))


def parse(dialect: Dialect, shown: str, goals: Iterable[Goal]) -> Scope:
    """Return how the settings in question stand.

    Args:
        dialect: who has answered.
        shown: the answers to `read_commands`.
        goals: what is in question.

    Raises:
        ConfigurationError: the answer is a refusal, truncated, or about something else.
    """
    if said := dialect.refusal(shown):
        raise ConfigurationError(f"it answers {said!r}")
    lines = [line.rstrip() for line in shown.splitlines() if line.strip()]
    if dialect.complete and (not lines or lines[-1] != dialect.complete):
        raise ConfigurationError(f"its configuration is truncated: the last line is not {dialect.complete!r}")
    found: dict[Key, list[Value]] = {key: [] for key in _keys(goals)}
    interfaces: set[str] = set()
    block = ""
    for line in lines:
        if not line.startswith(" "):
            block = line
            if line.startswith("interface "):
                interfaces.add(line.removeprefix("interface ").strip())
            route = _parse_route(dialect, line)
            if route and route[0] in found:
                found[route[0]].append(route[1])
        elif block.startswith("interface ") and (cost := _parse_cost(dialect, line)) is not None:
            key = CostKey(block.removeprefix("interface ").strip())
            if key in found:
                found[key].append(Value(cost))
    if "{interface}" in dialect.read_interface:
        _check_shown(found, interfaces)
    return {key: tuple(values) for key, values in found.items()}


def holds(dialect: Dialect, goals: Iterable[Goal], scope: Scope) -> bool:
    """Tell whether every goal is reached."""
    for goal in goals:
        values = scope[goal.setting.key]
        if not goal.present:
            if values:
                return False
        elif [value.number for value in values] != [_number(dialect, goal)]:
            return False
    return True


def wanted(dialect: Dialect, goals: Iterable[Goal], before: Scope) -> Scope:
    """Return how the settings shall stand; options that stand now are kept."""
    after = dict(before)
    for goal in goals:
        now = before[goal.setting.key]
        options = now[0].options if now else ""
        after[goal.setting.key] = (Value(_number(dialect, goal), options),) if goal.present else ()
    return after


def commands(dialect: Dialect, now: Scope, then: Scope) -> tuple[str, ...]:
    """Return the configuration commands that lead from one state to another; none where they are equal.

    A new distance or cost replaces the old one without a gap. Routes are added before others are removed.
    """
    adding: list[str] = []
    removing: list[str] = []
    for key, values in then.items():
        present = now[key]
        if present == values:
            continue
        if not values:
            removing += (line for value in present for line in _remove(dialect, key, value))
        elif len(present) <= 1 and len(values) == 1:
            adding += _add(dialect, key, values[0])
        else:
            # Several lines for one setting: removing one may remove all (FRR), so begin anew.
            adding += (line for value in present for line in _remove(dialect, key, value))
            adding += (line for value in values for line in _add(dialect, key, value))
    return (*adding, *removing)


def lines(dialect: Dialect, scope: Scope) -> tuple[str, ...]:
    """Return the settings as configuration lines, for the record."""
    return tuple(" / ".join(_add(dialect, key, value)[:2]) for key, values in scope.items() for value in values)


def _keys(goals: Iterable[Goal]) -> list[Key]:
    return list(dict.fromkeys(goal.setting.key for goal in goals))


def _number(dialect: Dialect, goal: Goal) -> int:
    if isinstance(goal.setting, StaticRoute):
        return dialect.default_distance if goal.setting.distance is None else goal.setting.distance
    return goal.setting.cost


def _check_shown(found: Iterable[Key], interfaces: set[str]) -> None:
    """A device that was asked for an interface must have shown it, under that very name."""
    for key in found:
        if isinstance(key, CostKey) and key.interface not in interfaces:
            hint = f"; it shows {', '.join(sorted(interfaces))}" if interfaces else ""
            raise ConfigurationError(f"it shows no interface {key.interface}{hint}")


# Reading lines


def _parse_route(dialect: Dialect, line: str) -> tuple[RouteKey, Value] | None:
    """Return a static route of the main table, or None: another kind of line, or a route of a VRF."""
    for version, words in dialect.route.items():
        if line.startswith(words + " "):
            return _parse_route_words(dialect, version, line.removeprefix(words).split())
    return None


def _parse_route_words(dialect: Dialect, version: int, words: list[str]) -> tuple[RouteKey, Value] | None:
    parts = len(dialect.prefix[version].split())
    try:
        prefix = ip_network("/".join(words[:parts]), strict=False)
    except ValueError:
        return None
    rest = words[parts:]
    next_hop = interface = None
    while rest and (next_hop is None or interface is None):
        try:
            address = ip_address(rest[0])
        except ValueError:
            if interface is not None or rest[0] in OPTION_WORDS or rest[0].isdigit():
                break
            interface = rest.pop(0)
        else:
            next_hop = address
            rest.pop(0)
            if dialect.via.endswith("{next_hop}"):
                break  # nothing but options follows it
    distance, options = _parse_options(dialect, rest)
    return RouteKey(prefix, next_hop, interface), Value(distance, options)


def _parse_options(dialect: Dialect, rest: Sequence[str]) -> tuple[int, str]:
    """Return the distance, and all the other words in their order."""
    keyword = dialect.distance.split()[:-1]
    distance, options = dialect.default_distance, []
    words = iter(rest)
    for word in words:
        if word == "description":  # VRP, Comware: free text to the end of the line
            options += [word, *words]
        elif keyword and word == keyword[0]:
            distance = int(next(words, dialect.default_distance))
        elif not keyword and word.isdigit():
            distance = int(word)
        else:
            options += [word, *_arguments(words, 0 if keyword else OPTION_WORDS.get(word, 0))]
    return distance, " ".join(options)


def _arguments(words: Iterator[str], count: int) -> list[str]:
    return [word for _, word in zip(range(count), words, strict=False)]


def _parse_cost(dialect: Dialect, line: str) -> int | None:
    words, pattern = line.split(), dialect.cost.split()
    if len(words) == len(pattern) and words[:-1] == pattern[:-1] and words[-1].isdigit():
        return int(words[-1])
    return None


# Writing lines


def _add(dialect: Dialect, key: Key, value: Value) -> list[str]:
    if isinstance(key, CostKey):
        return _in_interface(dialect, key, dialect.cost.format(cost=value.number))
    return [_join(_route(dialect, key), dialect.distance.format(distance=value.number), value.options)]


def _remove(dialect: Dialect, key: Key, value: Value) -> list[str]:
    if isinstance(key, CostKey):
        return _in_interface(dialect, key, dialect.no_cost)
    line = _route(dialect, key)
    # FRR, IOS: the distance may be named; VRP and Comware: `undo` names the route only.
    distance = "" if dialect.negation == "undo" else dialect.distance.format(distance=value.number)
    return [_join(dialect.negation, line, distance)]


def _route(dialect: Dialect, key: RouteKey) -> str:
    prefix = dialect.prefix[key.prefix.version].format(
        network=key.prefix.network_address, length=key.prefix.prefixlen, netmask=key.prefix.netmask
    )
    via = dialect.via.format(next_hop=key.next_hop or "", interface=key.interface or "")
    return _join(dialect.route[key.prefix.version], prefix, via.strip())


def _in_interface(dialect: Dialect, key: CostKey, line: str) -> list[str]:
    return [f"interface {key.interface}", line, "quit" if dialect.negation == "undo" else "exit"]


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)
