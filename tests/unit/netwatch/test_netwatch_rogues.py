"""A poller at work, and agents that hang, talk nonsense, answer for others, go in circles or lose their clock."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from lab.simulators.netwatch_fleet import address
from lifeline.devices import shipped
from lifeline.devices.snmp import Access
from lifeline.model.inventory import DeviceKind
from netwatch.core.device import DeviceWatch
from netwatch.io.poll import Poller, Target

SITES = 8
ROGUES = [0, 1]


class Listener:
    """Judges as the daemon does, and has others wait for what it knows."""

    def __init__(self, targets):
        self.watches = {it.subject: DeviceWatch(it.subject, DeviceKind.ROUTER) for it in targets}
        self.heard_of = dict.fromkeys(self.watches, 0)
        self.silences = dict.fromkeys(self.watches, 0)
        self.news = asyncio.Event()

    def recognised(self, subject, family):
        self.watches[subject].knows(family)

    def heard(self, subject, news, now_s):
        self.watches[subject].heard(news, now_s)
        self.heard_of[subject] += 1
        self.news.set()
        return self.watches[subject].reach.soft, self.watches[subject].reach.down

    def silent(self, subject, why, now_s):
        self.watches[subject].silent(why, now_s)
        self.silences[subject] += 1
        self.news.set()
        return self.watches[subject].reach.soft, self.watches[subject].reach.down

    def down(self):
        return {subject for subject, it in self.watches.items() if it.reach.down}

    async def until(self, holds):
        async with asyncio.timeout(25):
            while not holds():
                self.news.clear()
                await self.news.wait()


def subject(n):
    return f"device:{n}/r"


@contextlib.asynccontextmanager
async def polling(port):
    access = Access(user="lifeline", auth_secret="authentication", privacy_secret="private-for-us")
    targets = [
        Target(subject(n), address(n), access, "generic-snmp", port, period_s=0.3, timeout_s=0.25) for n in range(SITES)
    ]
    listener = Listener(targets)
    poller = Poller(targets, shipped(), listener)
    task = asyncio.create_task(poller.run())
    try:
        await listener.until(lambda: min(listener.heard_of.values()) >= 2)  # a walk, and a plain round
        yield poller, listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("fault", ["hang", "garbage", "other-source", "other-request"])
async def test_who_does_not_answer_for_himself_is_down_and_nobody_else_is(fleet, fault):
    port, order = fleet
    rogues = {subject(n) for n in ROGUES}
    async with polling(port) as (poller, listener):
        order(fault, ROGUES)
        try:
            await listener.until(lambda: listener.down() == rogues)
        finally:
            order("none")
        assert poller.failed.total() >= 3 * len(rogues)
        assert all(listener.watches[it].why for it in rogues)
        assert all(listener.silences[it] == 0 for it in listener.silences if it not in rogues)
        poller.hurry(subject(0))
        await listener.until(lambda: subject(0) not in listener.down())


@pytest.mark.parametrize("fault", ["other-engine", "clock"])
async def test_a_swapped_engine_or_a_jump_of_its_clock_is_got_over(fleet, fault):
    port, order = fleet
    async with polling(port) as (_poller, listener):
        order(fault, ROGUES)
        try:
            before = {it: listener.heard_of[it] for it in map(subject, ROGUES)}
            await listener.until(lambda: all(listener.heard_of[it] >= n + 3 for it, n in before.items()))
            assert listener.down() == set()
        finally:
            order("none")


async def test_a_text_of_sixty_kilobytes_ends_nothing_and_grows_nothing(fleet):
    port, order = fleet
    async with polling(port) as (_poller, listener):
        order("huge", ROGUES)
        try:
            await listener.until(lambda: min(listener.silences[subject(n)] for n in ROGUES) >= 1)
            others = {it: n for it, n in listener.heard_of.items() if listener.silences[it] == 0}
            await listener.until(lambda: all(listener.heard_of[it] > n for it, n in others.items()))
        finally:
            order("none")
        assert len(others) == SITES - len(ROGUES)


async def test_an_agent_that_goes_in_circles_is_cut_off_counted_and_told(fleet):
    port, order = fleet
    order("loop", ROGUES)
    try:
        async with polling(port) as (poller, listener):
            device, watch = poller.devices[subject(0)], listener.watches[subject(0)]
            assert device.cut_off
            assert poller.devices[subject(5)].cut_off == set()
            told = watch.cut_off(device.cut_off)[subject(0), "agent-senseless"]
            assert "cut off" in told.text
            assert watch.cut_off(set())[subject(0), "agent-senseless"] is None
    finally:
        order("none")
