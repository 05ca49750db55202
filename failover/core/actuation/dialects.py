"""How each platform is spoken to, as data: what to type, how it answers, what it offers against cutting oneself off.

Sources: FRR user guide (STATIC, OSPFv2) and FRR 8.4's own behaviour; Cisco IOS "Configuration Rollback Confirmed
Change"; Huawei "commit (All views except the user view)" and "abort trial" (two-phase mode, VRP8 only); H3C/HPE
"Configuring configuration commit delay".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

LINES: Final = "{lines}"
"""Stands, in a script, for the commands that make the change."""


@dataclass(frozen=True, slots=True)
class Step:
    """A line to type."""

    line: str
    arms: bool = False
    """Whether a refusal means that the device cannot restore itself, rather than that the change is wrong."""
    answer: str = ""
    """What to answer if the device asks back; what is not foreseen is answered with no."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Commit-confirm: the device restores itself unless the change is confirmed in time."""

    write: tuple[Step, ...]
    confirm: tuple[Step, ...]
    revert: tuple[Step, ...]
    """Restores at once; empty where only waiting or undoing by hand does."""
    unit_s: int
    """The device counts in these: seconds or minutes."""
    least_s: int = 60

    def seconds(self, asked_s: float) -> int:
        """Return how long the device will wait when asked for at least so long."""
        units = -(-max(asked_s, self.least_s) // self.unit_s)
        return int(units * self.unit_s)


@dataclass(frozen=True, slots=True)
class Dialect:
    """A platform."""

    platform: str
    """Its name in the inventory, and netmiko's device type."""
    read_routes: Mapping[int, str]
    """By IP version, the command that shows all static routes."""
    read_interface: str
    """Shows `{interface}`."""
    complete: str
    """The last line of what the read commands show, to tell a truncated answer; empty where there is none."""
    refused: re.Pattern[str]
    """A line that says no."""
    route: Mapping[int, str]
    """By IP version, the words before a static route's prefix."""
    prefix: Mapping[int, str]
    """By IP version, how a prefix is written: `{network}`, `{length}`, `{netmask}`."""
    via: str
    """Order of `{next_hop}` and `{interface}`; an absent one is left out."""
    distance: str
    """How `{distance}` is written; what precedes the number is looked for when reading."""
    default_distance: int
    cost: str
    """The line of an interface's OSPF cost."""
    no_cost: str
    negation: str
    write: tuple[Step, ...]
    abandon: tuple[Step, ...]
    """Leaves configuration mode after a refusal, whatever of it was reached."""
    guard: Guard | None = None
    enable: bool = False
    """Whether reading the configuration may need `enable` first."""
    behind_shell: bool = False
    """Whether the device answers with a shell, behind which vtysh is run per script."""

    def script(self, template: Sequence[Step], lines: Sequence[str] = (), guard_s: int = 0) -> tuple[Step, ...]:
        """Return a template with its placeholders filled."""
        filled: list[Step] = []
        for step in template:
            if step.line == LINES:
                filled.extend(map(Step, lines))
            else:
                line = step.line.format(minutes=guard_s // 60, seconds=guard_s)
                filled.append(Step(line, step.arms, step.answer))
        return tuple(filled)

    def refusal(self, said: str) -> str | None:
        """Return the line by which the device said no, or None."""
        found = self.refused.search(said)
        return found.group().strip() if found else None


OPTION_WORDS: Final[Mapping[str, int]] = {
    "tag": 1, "name": 1, "track": 1, "label": 1, "table": 1, "nexthop-vrf": 1, "color": 1,
    "permanent": 0, "onlink": 0, "multicast": 0, "global": 0,
}  # fmt: skip
"""Words that may stand beside a bare distance (FRR, IOS), and how many words belong to each."""

_SLASH = "{network}/{length}"
_LEAVE_VRP = (Step("return", answer="n"),)

FRR: Final = Dialect(
    platform="linux",
    read_routes={4: "show running-config", 6: "show running-config"},
    read_interface="show running-config",
    complete="end",
    refused=re.compile(r"^%.*", re.MULTILINE),
    route={4: "ip route", 6: "ipv6 route"},
    prefix={4: _SLASH, 6: _SLASH},
    via="{next_hop} {interface}",
    distance="{distance}",
    default_distance=1,
    cost="ip ospf cost {cost}",
    no_cost="no ip ospf cost",
    negation="no",
    write=(Step("configure terminal"), Step(LINES)),
    abandon=(),
    behind_shell=True,
)

CISCO_IOS: Final = Dialect(
    platform="cisco_ios",
    read_routes={4: "show running-config | include ^ip route", 6: "show running-config | include ^ipv6 route"},
    read_interface="show running-config interface {interface}",
    complete="",
    # A percent sign also begins a system message, %FACILITY-SEVERITY-MNEMONIC, which says nothing of our command.
    refused=re.compile(r"^ *%(?! ?[A-Z0-9_]+-[0-7]-).*", re.MULTILINE),
    route={4: "ip route", 6: "ipv6 route"},
    prefix={4: "{network} {netmask}", 6: _SLASH},
    via="{interface} {next_hop}",
    distance="{distance}",
    default_distance=1,
    cost="ip ospf cost {cost}",
    no_cost="no ip ospf cost",
    negation="no",
    write=(Step("configure terminal"), Step(LINES), Step("end")),
    abandon=(Step("end"),),
    guard=Guard(
        # Needs `archive` with a `path` in the device's configuration; without, the first line is refused.
        write=(Step("configure terminal revert timer {minutes}", arms=True), Step(LINES), Step("end")),
        confirm=(Step("configure confirm"),),
        revert=(Step("configure revert now"),),
        unit_s=60,
    ),
    enable=True,
)

HUAWEI_VRP: Final = Dialect(
    platform="huawei_vrp",
    read_routes={
        4: "display current-configuration | include ip route-static",
        6: "display current-configuration | include ipv6 route-static",
    },
    read_interface="display current-configuration interface {interface}",
    complete="",
    refused=re.compile(r"^ *Error:.*", re.MULTILINE),
    route={4: "ip route-static", 6: "ipv6 route-static"},
    prefix={4: "{network} {netmask}", 6: "{network} {length}"},
    via="{interface} {next_hop}",
    distance="preference {distance}",
    default_distance=60,
    cost="ospf cost {cost}",
    no_cost="undo ospf cost",
    negation="undo",
    write=(Step("system-view"), Step(LINES), Step("return")),
    abandon=_LEAVE_VRP,
)

HUAWEI_VRPV8: Final = Dialect(
    platform="huawei_vrpv8",
    read_routes=HUAWEI_VRP.read_routes,
    read_interface=HUAWEI_VRP.read_interface,
    complete="",
    refused=HUAWEI_VRP.refused,
    route=HUAWEI_VRP.route,
    prefix=HUAWEI_VRP.prefix,
    via=HUAWEI_VRP.via,
    distance=HUAWEI_VRP.distance,
    default_distance=60,
    cost=HUAWEI_VRP.cost,
    no_cost=HUAWEI_VRP.no_cost,
    negation="undo",
    write=(Step("system-view"), Step(LINES), Step("commit"), Step("return")),
    abandon=(Step("clear configuration candidate"), *_LEAVE_VRP),
    guard=Guard(
        write=(Step("system-view"), Step(LINES), Step("commit trial {seconds}", arms=True), Step("return")),
        confirm=(Step("system-view"), Step("commit"), Step("return")),
        revert=(Step("system-view"), Step("abort trial", answer="y"), Step("return")),
        unit_s=1,
    ),
)

HP_COMWARE: Final = Dialect(
    platform="hp_comware",
    read_routes=HUAWEI_VRP.read_routes,
    read_interface=HUAWEI_VRP.read_interface,
    complete="",
    # Comware's log lines begin with a percent sign and a date.
    refused=re.compile(r"^ *%(?! ?[A-Z][a-z]{2} +[0-9]).*", re.MULTILINE),
    route=HUAWEI_VRP.route,
    prefix={4: "{network} {length}", 6: "{network} {length}"},
    via=HUAWEI_VRP.via,
    distance=HUAWEI_VRP.distance,
    default_distance=60,
    cost=HUAWEI_VRP.cost,
    no_cost=HUAWEI_VRP.no_cost,
    negation="undo",
    write=HUAWEI_VRP.write,
    abandon=(Step("return"),),
    guard=Guard(
        write=(
            Step("system-view"),
            Step("configuration commit delay {minutes}", arms=True),
            Step(LINES),
            Step("return"),
        ),
        confirm=(Step("system-view"), Step("configuration commit"), Step("return")),
        revert=(),
        unit_s=60,
    ),
)

DIALECTS: Final[Mapping[str, Dialect]] = {
    each.platform: each for each in (FRR, HUAWEI_VRP, HUAWEI_VRPV8, HP_COMWARE, CISCO_IOS)
}
"""By platform."""
