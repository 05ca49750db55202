"""Command lines of bought routers, simulated: prompts, modes, paging, complaints, commit-confirm, and what goes wrong.

Written from the vendors' manuals and recorded sessions, and without a look at the product's own tables.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field


class Dropped(Exception):  # noqa: N818 - not an error of the test's
    """The connection is gone."""


@dataclass
class Faults:
    """What goes wrong, by pattern of the line that sets it off."""

    reject: str = ""
    ignore: str = ""
    drop_before: str = ""
    drop_after: str = ""
    slow: str = ""
    slow_s: float = 0.0
    times: int = 1
    """How often, all together; slow ones not counted."""

    def strikes(self, pattern: str, line: str) -> bool:
        if not pattern or not re.search(pattern, line) or self.times <= 0:
            return False
        self.times -= 1
        return True


@dataclass
class Router:
    """What all sessions with a device share."""

    hostname: str = "edge"
    ports: tuple[str, ...] = ("GigabitEthernet0/1", "GigabitEthernet0/2")
    routes: dict[str, str] = field(default_factory=dict)
    """By what identifies a route, the rest of its line."""
    costs: dict[str, int] = field(default_factory=dict)
    has_guard: bool = True
    pages: bool = True
    faults: Faults = field(default_factory=Faults)
    snapshot: tuple[dict[str, str], dict[str, int]] | None = None
    typed: list[str] = field(default_factory=list)

    def arm(self) -> None:
        self.snapshot = self.snapshot or (dict(self.routes), dict(self.costs))

    def expire(self) -> None:
        """Let the commit-confirm timer run out."""
        if self.snapshot:
            (self.routes, self.costs), self.snapshot = self.snapshot, None


class Cli:
    """One session. A line in, what the device says out; the prompt is asked for apart."""

    greeting = ""
    unpage = ""
    invalid = ""
    negation = "no"
    words = "ip route"
    more = " --More-- "

    def __init__(self, router: Router) -> None:
        self.router = router
        self.mode = ""
        self.paging = router.pages
        self.asking: str | None = None

    @property
    def routes(self) -> dict[str, str]:
        return self.router.routes

    @property
    def costs(self) -> dict[str, int]:
        return self.router.costs

    def prompt(self) -> str:
        raise NotImplementedError

    def mode_line(self, line: str) -> str | None:
        """Handle what moves between modes and guards the change; None if it is no such line."""
        raise NotImplementedError

    def handle(self, line: str) -> str:
        line = line.strip()
        self.router.typed.append(line)
        faults = self.router.faults
        if faults.strikes(faults.drop_before, line):
            raise Dropped
        if faults.strikes(faults.reject, line):
            return self.invalid
        if faults.strikes(faults.ignore, line):
            return ""
        said = self.answer(line)
        if faults.strikes(faults.drop_after, line):
            raise Dropped
        return said

    def answer(self, line: str) -> str:
        if not line:
            return ""
        if line == self.unpage:
            self.paging = False
            return ""
        said = self.mode_line(line)
        if said is not None:
            return said
        shown = self.show(line)
        if shown is not None:
            return shown
        return self.configure(line) if self.mode else self.invalid

    def show(self, line: str) -> str | None:
        found = re.fullmatch(r"(?:show running-config|display current-configuration)(?: (.*))?", line)
        if not found:
            return None
        what = found[1] or ""
        if what.startswith("interface "):
            port = what.removeprefix("interface ")
            return "\n".join([*self.header(), *self.port(port), *self.footer()]) if self.is_port(port) else self.invalid
        lines = [*self.header(), *(line for port in self.router.ports for line in self.port(port)), *self.route_lines()]
        if what.startswith("| include "):
            return "\n".join(each for each in lines if re.search(what.removeprefix("| include "), each))
        return "\n".join([*lines, *self.footer()])

    def header(self) -> list[str]:
        return ["!"]

    def footer(self) -> list[str]:
        return ["end"]

    def is_port(self, port: str) -> bool:
        return port in self.router.ports

    def port(self, port: str) -> list[str]:
        cost = [f" {self.cost_word} {self.router.costs[port]}"] if port in self.router.costs else []
        return [f"interface {port}", " description secret nothing", *cost, "!"]

    cost_word = "ip ospf cost"

    def route_lines(self) -> list[str]:
        return [f"{self.words} {route} {rest}".strip() for route, rest in self.router.routes.items()]

    def configure(self, line: str) -> str:
        undo = line.startswith(self.negation + " ")
        words = line.removeprefix(self.negation + " ")
        if words.startswith("interface ") and not undo:
            port = words.removeprefix("interface ")
            if not self.is_port(port):
                return self.invalid
            self.mode = port
            return ""
        if words.startswith(self.cost_word) and self.is_port(self.mode):
            if undo:
                self.costs.pop(self.mode, None)
            else:
                self.costs[self.mode] = int(words.split()[-1])
            return ""
        if words.startswith(self.words + " "):
            return self.route(words.removeprefix(self.words).split(), undo=undo)
        return self.invalid

    def route(self, words: list[str], *, undo: bool) -> str:
        """Keep a route under prefix, mask and way; a second one of the same replaces the first."""
        try:
            network = ipaddress.ip_network(f"{words[0]}/{words[1]}")
            way = 3
            if not re.match(r"[A-Z]", words[2]):
                ipaddress.ip_address(words[2])
            elif len(words) > 3 and re.fullmatch(r"[0-9.]+\.[0-9.]+", words[3]):
                way = 4
        except (ValueError, IndexError):
            return self.invalid
        key = " ".join([self.spell(network), *words[2:way]])
        if undo:
            return self.missing if self.routes.pop(key, None) is None else ""
        self.routes[key] = self.plain(" ".join(words[way:]))
        return ""

    missing = ""

    def spell(self, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
        return f"{network.network_address} {network.netmask}"

    def plain(self, rest: str) -> str:
        """What of a route's rest is shown: not what is the default anyway."""
        return rest


class Ios(Cli):
    unpage = "terminal length 0"
    invalid = "            ^\n% Invalid input detected at '^' marker.\n"
    missing = "%No matching route to delete"

    def prompt(self) -> str:
        mode = {"": "", "config": "(config)"}.get(self.mode, "(config-if)")
        return f"{self.router.hostname}{mode}#"

    def mode_line(self, line: str) -> str | None:
        router = self.router
        if line.startswith("terminal width"):
            return ""
        if line == "configure terminal":
            self.mode = "config"
            return "Enter configuration commands, one per line.  End with CNTL/Z."
        if re.fullmatch(r"configure terminal revert timer \d+", line):
            if not router.has_guard:
                return "%The configuration archive is not enabled: no rollback can be scheduled"
            router.arm()
            self.mode = "config"
            return "Rollback Confirmed Change: Backing up current running config to flash:edge-1"
        if line == "configure confirm":
            pending, router.snapshot = router.snapshot, None
            return "" if pending else "%No Rollback Confirmed Change pending"
        if line == "configure revert now":
            pending = router.snapshot
            router.expire()
            return "Rollback Done" if pending else "%No Rollback Confirmed Change pending"
        if line == "end" and self.mode:
            self.mode = ""
            return "%SYS-5-CONFIG_I: Configured from console by lifeline on vty0"
        if line == "exit" and self.mode:
            self.mode = "" if self.mode == "config" else "config"
            return ""
        return None

    def plain(self, rest: str) -> str:
        return re.sub(r"^1\b ?", "", rest)


class Vrp(Cli):
    greeting = "Info: The max number of VTY users is 15, and the number\n      of current VTY users on line is 1.\n"
    unpage = "screen-length 0 temporary"
    invalid = "            ^\nError: Unrecognized command found at '^' position."
    missing = "Error: The specified route does not exist."
    negation = "undo"
    words = "ip route-static"
    cost_word = "ospf cost"
    more = "  ---- More ----"
    star = ""

    def header(self) -> list[str]:
        return ["#"]

    def footer(self) -> list[str]:
        return ["#", "return"]

    def prompt(self) -> str:
        if not self.mode:
            return f"<{self.router.hostname}>"
        view = "" if self.mode == "system" else f"-{self.mode}"
        return f"[{self.star}{self.router.hostname}{view}]"

    def mode_line(self, line: str) -> str | None:
        if line == "system-view" and not self.mode:
            self.mode = "system"
            return "Enter system view, return user view with Ctrl+Z."
        if line == "quit" and self.mode:
            self.mode = "" if self.mode == "system" else "system"
            return ""
        if line == "return" and self.mode:
            self.mode = ""
            return ""
        return None

    def plain(self, rest: str) -> str:
        return re.sub(r"^preference 60\b ?", "", rest)


class Comware(Vrp):
    greeting = "******\n* Copyright (c) 2004-2026 New H3C Technologies Co., Ltd. All rights reserved.*\n******\n"
    unpage = "screen-length disable"
    invalid = "            ^\n % Unrecognized command found at '^' position."
    missing = " % The route does not exist."

    def spell(self, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
        return f"{network.network_address} {network.prefixlen}"

    def mode_line(self, line: str) -> str | None:
        if re.fullmatch(r"configuration commit delay \d+", line) and self.mode == "system":
            if not self.router.has_guard:
                return self.invalid
            self.router.arm()
            return ""
        if line == "configuration commit" and self.mode == "system":
            self.router.snapshot = None
            return ""
        return super().mode_line(line)


class VrpV8(Vrp):
    """Two-phase mode: what is typed stands in a candidate until it is committed."""

    def __init__(self, router: Router) -> None:
        super().__init__(router)
        self.candidate: tuple[dict[str, str], dict[str, int]] | None = None

    @property
    def routes(self) -> dict[str, str]:
        return self._draft()[0]

    @property
    def costs(self) -> dict[str, int]:
        return self._draft()[1]

    def _draft(self) -> tuple[dict[str, str], dict[str, int]]:
        self.candidate = self.candidate or (dict(self.router.routes), dict(self.router.costs))
        return self.candidate

    @property
    def star(self) -> str:
        return "*" if self.candidate else "~"

    def mode_line(self, line: str) -> str | None:
        if self.asking:
            asked, self.asking = self.asking, None
            return self.answered(asked, line.lower())
        if line == "clear configuration candidate" and self.mode:
            self.candidate = None
            return ""
        if line == "abort trial" and self.mode:
            if not self.router.snapshot:
                return "Error: No trial configuration exists."
            self.asking = line
            return "Warning: The trial configuration will be aborted. Continue? [Y/N]:"
        if line == "commit" and self.mode:
            self.take()
            self.router.snapshot = None
            return "Committing....done."
        if re.fullmatch(r"commit trial \d+", line) and self.mode:
            if not self.router.has_guard:
                return self.invalid
            self.router.arm()
            self.take()
            return "Committing..done.\nInfo: The system enters the trial configuration mode."
        if line == "return" and self.mode and self.candidate:
            self.asking = line
            return "Warning: Uncommitted configurations found. Are you sure to commit them before exiting? [Y/N/C]:"
        return super().mode_line(line)

    def answered(self, asked: str, answer: str) -> str:
        if asked == "abort trial" and answer == "y":
            self.router.expire()
        if asked == "return":
            self.candidate = None
            self.mode = ""
        return ""

    def take(self) -> None:
        if self.candidate:
            (self.router.routes, self.router.costs), self.candidate = self.candidate, None


VENDORS = {"cisco_ios": Ios, "huawei_vrp": Vrp, "huawei_vrpv8": VrpV8, "hp_comware": Comware}
