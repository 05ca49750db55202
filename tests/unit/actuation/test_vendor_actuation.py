"""Changes on simulated vendors' routers over real SSH: done, done again, refused, cut off, and undone."""

from __future__ import annotations

import asyncio
import inspect
import logging
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from vendor_cli import VENDORS, Router
from vendor_ssh import USER, VendorServer

from failover.core.actuation import DIALECTS, Goal, GuardPolicy, OspfCost, Policy, Result, StaticRoute
from failover.io.actuators import Actuators, SshDevice, Timeouts
from lifeline.clock import monotonic_s
from lifeline.model.inventory import SecretRef

PASSWORD = "Tr0ub4dor-and-3"
PREFIX, HOP = ip_network("10.50.0.0/16"), ip_address("10.0.0.2")
PORT = "GigabitEthernet0/1"
GOALS = [
    Goal(StaticRoute(PREFIX, HOP, distance=10)),
    Goal(StaticRoute(ip_network("10.51.0.0/16"), HOP, PORT, distance=10)),
    Goal(StaticRoute(ip_network("10.52.0.0/16"), HOP), present=False),
    Goal(OspfCost(PORT, 500)),
]
GUARDED = ("cisco_ios", "huawei_vrpv8", "hp_comware")
FAST = Policy(pause_s=0.05, settle_s=0.05)


class Bench:
    """A router, its server, and the way to it."""

    def __init__(self, platform, folder, monkeypatch):
        mask = "16" if platform == "hp_comware" else "255.255.0.0"
        self.platform = platform
        ios = platform == "cisco_ios"
        self.router = Router(
            routes={
                f"10.50.0.0 {mask} {HOP}": "200 tag 7" if ios else "preference 200 tag 7",
                f"10.52.0.0 {mask} {HOP}": "",
            },
            costs={PORT: 100},
        )
        self.before = dict(self.router.routes), dict(self.router.costs)
        self.server = VendorServer(VENDORS[platform], self.router, PASSWORD)
        self.folder = folder
        self.env = f"EDGE_PASSWORD_{platform}"
        self.monkeypatch = monkeypatch
        monkeypatch.setenv(self.env, PASSWORD)
        self.device = SshDevice(
            name="core/edge",
            address="127.0.0.1",
            dialect=DIALECTS[platform],
            user=USER,
            secret=SecretRef(env=self.env),
            port=self.server.port,
            known_hosts=self.server.known_hosts(folder / "known_hosts"),
            timeouts=Timeouts(connect_s=5, auth_s=5, read_s=2),
            transcripts=folder,
        )
        self.actuators = Actuators(sessions=4, sleep=self.sleep)
        self.waits = []

    async def sleep(self, seconds):
        """To wait for a device's timer is to let it run out."""
        self.waits.append(seconds)
        if seconds > 30:
            self.router.expire()
        else:
            await asyncio.sleep(seconds)

    async def apply(self, goals=GOALS, policy=FAST, probe=None, **changes):
        return await self.actuators.apply(replace(self.device, **changes), goals, policy, probe)

    async def close(self):
        await self.actuators.close()
        await asyncio.to_thread(self.server.close)

    @property
    def stands_as_before(self):
        return (self.router.routes, self.router.costs) == self.before and self.router.snapshot is None

    @property
    def stands_as_wanted(self):
        words = [line for line in self.router.routes.items() if not line[0].startswith("10.52")]
        distances = [rest.replace("preference ", "").split()[0] for _, rest in words]
        return distances == ["10", "10"] and len(words) == len(self.router.routes) and self.router.costs == {PORT: 500}


def on(*platforms):
    """Make a test of a check: it runs on a bench of each of these platforms, on all at once."""

    def decorate(check):
        async def test(tmp_path, monkeypatch, **given):
            folders = {platform: tmp_path / platform for platform in platforms}
            for folder in folders.values():
                folder.mkdir()
            benches = [Bench(platform, folder, monkeypatch) for platform, folder in folders.items()]
            outcomes = await asyncio.gather(*(check(bench, **given) for bench in benches), return_exceptions=True)
            await asyncio.gather(*(bench.close() for bench in benches))
            for platform, outcome in zip(platforms, outcomes, strict=True):
                if isinstance(outcome, BaseException):
                    outcome.add_note(f"on {platform}")
            if failed := [outcome for outcome in outcomes if isinstance(outcome, BaseException)]:
                raise failed[0] if len(failed) == 1 else BaseExceptionGroup("on several platforms", failed)

        own = list(inspect.signature(check).parameters.values())[1:]
        fixtures = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in ("tmp_path", "monkeypatch")]
        test.__signature__ = inspect.Signature([*(each.replace(kind=fixtures[0].kind) for each in own), *fixtures])
        test.__name__, test.__module__ = check.__name__, check.__module__
        return test

    return decorate


@on(*VENDORS)
async def test_a_change_is_made_once_verified_and_confirmed(bench):
    record = await bench.apply()
    assert record.result is Result.CHANGED, record
    assert bench.stands_as_wanted
    assert bench.router.snapshot is None
    assert record.guarded is (bench.platform in GUARDED)
    assert record.before is not None
    assert any("200" in line and "tag 7" in line for line in record.before)
    assert "tag 7" in next(iter(bench.router.routes.values())), "what else stood in the line is kept"

    bench.router.expire()
    typed = len(bench.router.typed)
    again = await bench.apply()
    assert again.result is Result.UNCHANGED
    assert again.commands == ()
    assert not [line for line in bench.router.typed[typed:] if line.startswith(("conf", "system"))]


@on(*VENDORS)
async def test_a_line_that_the_device_refuses_undoes_the_whole_change(bench):
    bench.router.faults.reject = "10.51.0.0"
    record = await bench.apply()
    assert record.result is Result.RESTORED, record
    assert bench.stands_as_before
    assert "10.51.0.0" in record.reason


@on(*VENDORS)
async def test_a_line_that_is_taken_but_does_nothing_is_noticed_and_undone(bench):
    bench.router.faults.ignore = "ospf cost"
    record = await bench.apply()
    assert record.result is Result.RESTORED, record
    assert bench.stands_as_before
    assert "does not show the change" in record.reason


@pytest.mark.parametrize(
    ("when", "line"), [("drop_before", "10.50.0.0"), ("drop_after", "10.51.0.0"), ("drop_after", "ospf cost")]
)
@on(*VENDORS)
async def test_a_connection_that_breaks_in_the_middle_leaves_nothing_half_done(bench, when, line):
    setattr(bench.router.faults, when, f"^ip route.*{line}|^(ip )?{line}")
    record = await bench.apply()
    assert record.result is Result.RESTORED, record
    assert bench.stands_as_before
    assert "broke" in record.reason


@on(*GUARDED)
async def test_a_change_that_cuts_us_off_is_taken_back_by_the_device(bench):
    bench.router.faults.drop_after = "^(end|return)"

    async def cut_off(seconds):
        bench.server.refuses = seconds < 1
        await bench.sleep(seconds)

    bench.actuators._sleep = cut_off
    record = await bench.apply()
    assert record.result is Result.RESTORED, record
    assert bench.stands_as_before
    assert max(bench.waits) > 50


@on("huawei_vrp")
async def test_without_guard_a_device_that_stays_away_needs_a_human(bench):
    bench.router.faults.drop_after = "10.51.0.0"

    async def cut_off(seconds):
        bench.server.refuses = True

    bench.actuators._sleep = cut_off
    record = await bench.apply()
    assert record.result is Result.NEEDS_HUMAN
    assert record.after is None
    assert not bench.stands_as_before


@on(*VENDORS)
async def test_a_probe_has_the_last_word(bench):
    seen = []

    async def probe():
        seen.append(bench.stands_as_wanted)
        return "5 of 5 pings lost"

    record = await bench.apply(probe=probe)
    assert seen == [True], "it is asked while the change stands"
    assert record.result is Result.RESTORED
    assert record.reason == "5 of 5 pings lost"
    assert bench.stands_as_before


@on(*VENDORS)
async def test_a_probe_that_breaks_has_not_passed(bench):
    async def probe():
        raise RuntimeError("no such host")

    record = await bench.apply(probe=probe)
    assert record.result is Result.RESTORED
    assert "no such host" in record.reason
    assert bench.stands_as_before


@on(*GUARDED)
async def test_a_confirmation_that_gets_lost_is_settled_by_the_timer(bench):
    confirm = {"cisco_ios": "^configure confirm", "huawei_vrpv8": "^commit$", "hp_comware": "^configuration commit$"}
    bench.router.faults.drop_before = confirm[bench.platform]
    record = await bench.apply()
    assert record.result is Result.RESTORED, record
    assert bench.stands_as_before

    bench.router.faults.drop_before, bench.router.faults.times = "", 1
    bench.router.faults.drop_after = confirm[bench.platform]
    record = await bench.apply()
    assert record.result is Result.CHANGED, record
    assert bench.stands_as_wanted


@on(*GUARDED)
async def test_a_device_without_the_guard_is_changed_only_where_the_guard_is_not_required(bench):
    bench.router.has_guard = False
    record = await bench.apply(policy=replace(FAST, guard=GuardPolicy.REQUIRE))
    assert record.result is Result.UNTOUCHED
    assert bench.stands_as_before
    record = await bench.apply()
    assert record.result is Result.CHANGED
    assert not record.guarded
    assert bench.stands_as_wanted


@on(*VENDORS)
async def test_a_slow_device_is_waited_for(bench):
    bench.router.faults.slow, bench.router.faults.slow_s = "10.51.0.0", 1.0
    record = await bench.apply()
    assert record.result is Result.CHANGED
    assert bench.stands_as_wanted


@on(*VENDORS)
async def test_a_device_slower_than_the_timeout_is_never_believed_unseen(bench):
    bench.router.faults.slow, bench.router.faults.slow_s = "^ip route.*10.51.0.0", 1.5
    hasty = Timeouts(connect_s=5, auth_s=5, read_s=0.7)
    record = await bench.apply(policy=replace(FAST, settle_s=1.5), timeouts=hasty)
    assert record.result is Result.RESTORED, record
    assert bench.stands_as_before, "it is not believed before it may have ended what it was doing"
    assert "did not answer within 0.7 s" in record.reason


@on(*VENDORS)
async def test_an_answer_that_stops_at_a_pager_is_no_configuration(bench):
    bench.router.faults.reject = "^(terminal length|screen-length)"
    bench.router.ports = (PORT, *(f"GigabitEthernet0/{n}" for n in range(2, 40)))
    for n in range(60, 100):
        bench.router.routes[f"10.{n}.0.0 {'16' if bench.platform == 'hp_comware' else '255.255.0.0'} {HOP}"] = ""
    record = await bench.apply(timeouts=Timeouts(connect_s=5, auth_s=5, read_s=0.7))
    assert record.result is Result.UNTOUCHED, record
    assert not [line for line in bench.router.typed if line.startswith(("conf", "system"))]


@on(*VENDORS)
async def test_a_refused_read_is_no_empty_configuration(bench):
    bench.router.faults.reject = "^(show|display)"
    record = await bench.apply()
    assert record.result is Result.UNTOUCHED
    assert bench.stands_as_before


@on(*VENDORS)
async def test_a_wrong_password_changes_nothing(bench):
    bench.monkeypatch.setenv(bench.env, "wrong-horse")
    record = await bench.apply()
    assert record.result is Result.UNTOUCHED
    assert record.reason == "core/edge does not let lifeline in"
    bench.monkeypatch.delenv(bench.env)
    assert f"{bench.env} is not set" in (await bench.apply()).reason


async def _host_key_refused(bench, **changes):
    record = await bench.apply(**changes)
    assert record.result is Result.UNTOUCHED
    assert bench.server.sessions == 0
    return record.reason


@on("cisco_ios")
async def test_no_password_is_sent_to_a_device_that_does_not_prove_itself(bench):
    missing = bench.folder / "none"
    assert "has no host key in" in await _host_key_refused(bench, known_hosts=missing)
    bench.server.change_host_key()
    assert "shows another host key" in await _host_key_refused(bench)
    record = await bench.apply(verify_host_key=False)
    assert record.result is Result.CHANGED, "unless one asks for it"


@on("cisco_ios")
async def test_a_device_that_is_away_is_told_so(bench):
    bench.server.refuses = True
    record = await bench.apply()
    assert record.result is Result.UNTOUCHED
    assert "core/edge cannot be reached" in record.reason
    assert record.before is None


@on("hp_comware")
async def test_changes_of_one_device_take_turns(bench):
    first = [Goal(StaticRoute(PREFIX, HOP, distance=10))]
    second = [Goal(StaticRoute(PREFIX, HOP, distance=20))]
    records = await asyncio.gather(bench.apply(first), bench.apply(second), bench.apply(first))
    assert [record.result for record in records] == [Result.CHANGED] * 3
    assert bench.server.most_at_once == 1


@on("huawei_vrp")
async def test_a_cancelled_change_is_still_finished(bench):
    bench.router.faults.slow, bench.router.faults.slow_s = "10.50.0.0", 0.5
    running = asyncio.ensure_future(bench.apply())
    while "system-view" not in bench.router.typed:  # noqa: ASYNC110 - the router lives in another thread
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bench.stands_as_wanted


@on(*VENDORS)
async def test_no_secret_is_in_any_log_record_or_transcript(bench, caplog):
    for logger in ("netmiko", "paramiko"):
        caplog.set_level(logging.DEBUG, logger)
    greeting = f"your password {PASSWORD} has expired; {PASSWORD}\n"
    bench.monkeypatch.setattr(VENDORS[bench.platform], "greeting", greeting)
    bench.router.faults.reject = "10.51.0.0"
    kept = [str((await bench.apply()).to_json())]
    [transcript] = bench.folder.glob("*.log")
    told = transcript.read_text()
    assert "10.51.0.0" in told
    assert "secret nothing" not in told, "what announces a secret is redacted whoever it is"
    assert transcript.stat().st_mode & 0o077 == 0

    bench.monkeypatch.setenv(bench.env, "wrong-horse")
    kept += [str((await bench.apply()).to_json()), told, transcript.read_text(), caplog.text]
    assert caplog.text, "they do log"
    for text in kept:
        assert PASSWORD not in text
        assert "wrong-horse" not in text


@on(*VENDORS)
async def test_a_change_takes_seconds_not_minutes(bench):
    started = monotonic_s()
    assert (await bench.apply()).result is Result.CHANGED
    assert monotonic_s() - started < 15
