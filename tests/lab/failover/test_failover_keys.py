"""Authenticated BFD and APS between two real fast paths: a wrong key brings nothing Up, a rollover loses nothing."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from failover_world import FastPathProcess, Probes, World, plan_of, two_sites, until

from failover.io.fastpath_client import order_rekey
from failover.keys import FILE, KeyPlan, Keys
from failover.plan import FastPathPlan
from lifeline.runtime.files import write_json

pytestmark = pytest.mark.lab

OLD, NEW, WRONG = b"a key of long ago 1", b"a key of today    2", b"nobody's key      3"
NOTHING_LOST = {"a->b": 0, "b->a": 0}


def keyed(plan: FastPathPlan, keys: tuple[tuple[int, str], ...], signing: int) -> FastPathPlan:
    """Return a plan whose sessions and group use these keys."""
    bfd, aps = KeyPlan(keys, signing, "meticulous-sha1"), KeyPlan(keys, signing)
    return dataclasses.replace(
        plan,
        sessions=tuple(dataclasses.replace(session, auth=bfd) for session in plan.sessions),
        groups=tuple(dataclasses.replace(group, auth=aps) for group in plan.groups),
    )


class Ends:
    def __init__(self, world: World, directory: Path) -> None:
        self.world, self.directory = world, directory
        self.plans = {site: self._plan(site) for site in "ab"}
        self.a = self._start("a", {"first": OLD})
        self.b = self._start("b", {"first": WRONG})

    def _plan(self, site: str) -> FastPathPlan:
        mine, theirs = (1, 2) if site == "a" else (2, 1)
        paths = {
            "fibre": ("fibre", f"10.64.0.{mine}", f"10.64.0.{theirs}", 10_000, 3),
            "sat": ("sat", f"10.66.0.{mine}", f"10.66.0.{theirs}", 50_000, 3),
        }
        own, other = ("10.1.0.0/24", "10.2.0.0/24") if site == "a" else ("10.2.0.0/24", "10.1.0.0/24")
        return plan_of(site, paths, (other,), (own,))

    def _start(self, site: str, secrets: dict[str, bytes]) -> FastPathProcess:
        return self.world.fast_path(site, keyed(self.plans[site], ((1, "first"),), 1), self.directory, secrets)

    def rekey(self, end: FastPathProcess, keys: tuple[tuple[int, str], ...], signing: int, **secrets: bytes) -> str:
        """Do what `lifeline fastpath rekey` does."""
        write_json(end.run / FILE, Keys(secrets).to_json())
        keyed(self.plans[end.name], keys, signing).save(end.run / "fastpath-plan.json")
        return order_rekey(end.run / "fastpath.sock")

    def normal(self) -> bool:
        return all(end.group()["state"] == "Normal" and end.group()["aps"]["heard"] for end in (self.a, self.b))

    def since(self) -> list[int]:
        return [path["since_ns"] for end in (self.a, self.b) for path in end.snapshot()["paths"]]


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    with two_sites("k") as world:
        yield Ends(world, tmp_path_factory.mktemp("keys"))


def test_a_wrong_key_never_comes_up_and_is_told_and_the_right_one_does(ends: Ends) -> None:
    until("a has refused b", lambda: ends.a.path("fibre")["auth"]["refused"] == "hash is wrong for key 1")
    until("the paths count as failed", lambda: all(path["signal_fail"] for path in ends.b.snapshot()["paths"]))
    assert {path["bfd"] for end in (ends.a, ends.b) for path in end.snapshot()["paths"]} == {"Down"}
    assert ends.rekey(ends.b, ((1, "first"),), 1, first=OLD) == ""
    until("both ends are Normal", ends.normal)


def test_a_rollover_in_three_steps_changes_no_session_and_loses_nothing(ends: Ends) -> None:
    until("both ends are Normal", ends.normal)
    before, probes = ends.since(), Probes(ends.world, ends.directory, "10.1.0.1", "10.2.0.1")
    both = ((1, "first"), (2, "second"))
    for keys, signing in ((both, 1), (both, 2), (((2, "second"),), 2)):
        for end in (ends.a, ends.b):
            assert ends.rekey(end, keys, signing, first=OLD, second=NEW) == ""
            time.sleep(0.3)  # several detection times with the two ends at different steps
    assert ends.since() == before
    assert ends.a.path("fibre")["auth"]["signing"] == ends.b.path("sat")["auth"]["signing"] == 2
    answer = ends.a.order(1, "manual", "protection")
    assert answer["accepted"]
    until("b follows by signed APS", lambda: ends.b.group()["selector"] == "protection", 3)
    assert ends.a.order(2, "clear")["accepted"]
    until("both ends are Normal", ends.normal)
    assert {way: outage.lost for way, outage in probes.stop().items()} == NOTHING_LOST


def test_a_key_that_only_one_end_has_takes_the_sessions_down(ends: Ends) -> None:
    until("both ends are Normal", ends.normal)
    assert ends.rekey(ends.a, ((3, "third"),), 3, third=WRONG) == ""
    until("b refuses a", lambda: ends.b.path("fibre")["auth"]["refused"] == "unknown Key ID 3")
    until("the paths count as failed", lambda: all(path["signal_fail"] for path in ends.b.snapshot()["paths"]))
    assert ends.rekey(ends.a, ((2, "second"),), 2, second=NEW) == ""
    until("both ends are Normal", ends.normal)


def test_what_is_no_change_of_keys_is_refused_and_changes_nothing(ends: Ends) -> None:
    until("both ends are Normal", ends.normal)
    assert "no key for credential gone" in ends.rekey(ends.a, ((2, "gone"),), 2)
    plan = keyed(ends.plans["a"], ((2, "second"),), 2)
    dataclasses.replace(plan, groups=()).save(ends.a.run / "fastpath-plan.json")
    assert "restart the fast path" in order_rekey(ends.a.run / "fastpath.sock")
    assert ends.normal()


def test_secrets_are_readable_by_their_owner_only_and_stand_in_no_plan(ends: Ends) -> None:
    assert (ends.a.run / FILE).stat().st_mode & 0o077 == 0
    assert OLD.hex() not in (ends.a.run / "fastpath-plan.json").read_text()
    assert OLD.decode() not in (ends.a.run / "fastpath-plan.json").read_text()
