"""A fleet of agents, and netwatch's poller and judges without a hub."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

from lab.simulators.netwatch_fleet import address
from lifeline.devices import Family, shipped
from lifeline.devices.follow import News
from lifeline.devices.snmp import Access
from lifeline.model.inventory import DeviceKind
from netwatch.core.device import DeviceWatch
from netwatch.io.poll import Poller, Target

SITES = int(os.environ.get("BENCH_SITES", "1000"))
AUTH, PRIVACY, USER = "authentication", "private-for-us", "lifeline"
PROFILE = "generic-snmp"


class Fleet:
    """The simulator's process."""

    def __init__(self, port: int, sites: int) -> None:
        self._argv = [sys.executable, "-m", "lab.simulators.netwatch_fleet", "--port", str(port), "--sites", str(sites),
                      "--user", USER, "--auth", AUTH, "--privacy", PRIVACY]  # fmt: skip

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    def order(self, fault: str, sites: list[int] | None = None) -> dict[str, Any]:
        """Put a fault into sites, all of them where None."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"fault": fault, "sites": sites}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def targets(port: int, timeout_s: float = 2.0, retries: int = 1) -> list[Target]:
    """Return every site's router as a target."""
    access = Access(user=USER, auth_secret=AUTH, privacy_secret=PRIVACY)
    return [Target(f"device:site-{n}/router", address(n), access, PROFILE, port, timeout_s=timeout_s, retries=retries)
            for n in range(SITES)]  # fmt: skip


class Listening:
    """The judges of all devices; what they say goes nowhere."""

    def __init__(self) -> None:
        self.watches: dict[str, DeviceWatch] = {}
        self.silences = self.judged = 0

    @property
    def subjects(self) -> list[str]:
        return list(self.watches)

    def poller(self, wanted: list[Target]) -> Poller:
        self.watches = {target.subject: DeviceWatch(target.subject, DeviceKind.ROUTER) for target in wanted}
        return Poller(wanted, shipped(), self)

    def oids(self, poller: Poller) -> list[str]:
        """Return the objects that one device is asked for."""
        follower = poller.devices[self.subjects[0]].follower
        assert follower is not None
        return sorted(follower.objects)

    def recognised(self, subject: str, family: Family) -> None:
        self.watches[subject].knows(family)

    def heard(self, subject: str, news: News, now_s: float) -> tuple[bool, bool]:
        watch = self.watches[subject]
        self.judged += len(watch.heard(news, now_s))
        return watch.reach.soft, watch.reach.down

    def silent(self, subject: str, why: str, now_s: float) -> tuple[bool, bool]:
        self.silences += 1
        watch = self.watches[subject]
        watch.silent(why, now_s)
        return watch.reach.soft, watch.reach.down


def cpu_s(who: int = resource.RUSAGE_SELF) -> float:
    """Return the processor time used so far, user and system."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def memory_mib() -> float:
    """Return what is resident now."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - read in one call, often
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
