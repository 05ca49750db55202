"""Anything may happen, in any order; what must hold is held after every step (`World.check`), the rest at the end."""

import pytest
from failover_simulation import World
from hypothesis import given, settings
from hypothesis import strategies as st

from failover.core import protection
from failover.core.packet import Diagnostic, State
from failover.core.protection import Selector

W, P = Selector.WORKING, Selector.PROTECTION

SECONDS = st.floats(0.0, 4.0)
FAULTS = st.one_of(
    st.tuples(st.just("cut"), st.sampled_from(Selector), st.sampled_from(["a", "b", "ab"])),
    st.tuples(st.just("heal"), st.sampled_from([*Selector, None])),
    st.tuples(st.just("restart"), st.sampled_from("ab")),
    st.tuples(st.just("farewell"), st.sampled_from("ab")),
    st.tuples(st.just("sleep"), st.sampled_from(["a", "b", "ab"]), st.floats(0.0, 2.0)),
    st.tuples(st.just("admin"), st.sampled_from("ab"), st.sampled_from(Selector), st.booleans()),
    st.tuples(st.just("carrier"), st.sampled_from("ab"), st.sampled_from(Selector)),
    st.tuples(st.just("loss"), st.sampled_from(Selector), st.floats(0.0, 0.5)),
)


def inject(world, fault):
    match fault:
        case ("cut", path, senders):
            world.cut(path, *senders)
        case ("heal", path):
            world.heal(path)
        case ("restart", who):
            world.restart(who)
        case ("farewell", who):
            world.farewell(who)
        case ("sleep", who, seconds):
            for name in who:
                world.ends[name].asleep_until = world.now + seconds
        case ("admin", who, path, down):
            end = world.ends[who]
            session = end.sessions[path]
            world.perform(end, path, (session.admin_down if down else session.admin_up)(world.now))
        case ("carrier", who, path):
            end = world.ends[who]
            world.perform(end, path, end.sessions[path].path_failed(Diagnostic.PATH_DOWN, world.now))
        case ("loss", path, loss):
            for (_, name), channel in world.channels.items():
                if name is path:
                    channel.loss = loss


def calm(world):
    """End all that is not a cut."""
    for end in world.ends.values():
        end.asleep_until = world.now
        for path, session in end.sessions.items():
            world.perform(end, path, session.admin_up(world.now))
    for channel in world.channels.values():
        channel.loss = 0.0


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    script=st.lists(st.tuples(FAULTS, SECONDS), max_size=12),
    revertive=st.booleans(),
    reorders=st.booleans(),
    aps=st.booleans(),
)
def test_both_ends_agree_on_a_path_that_works_whatever_came_before(seed, script, revertive, reorders, aps):
    world = World(seed, revertive=revertive, fibre_interval_us=50_000, aps=aps)
    for channel in world.channels.values():
        channel.reorders = reorders
        channel.jitter_s = 0.003
    for fault, seconds in script:
        inject(world, fault)
        world.run(seconds)
    calm(world)
    world.run(20.0)
    works = {path: not any(world.channels[end, path].cut for end in "ab") for path in Selector}
    for end in world.ends.values():
        for path, session in end.sessions.items():
            assert (session.state is State.UP) is works[path]
    # A far end whose last word was AdminDown, and whose path was cut before it could take that back, has told us to
    # judge nothing from its silence (RFC 5880 6.8.16). Over APS it tells us what it sees, as long as that gets through.
    told = [
        (aps and works[P]) or not any(s.remote_state is State.ADMIN_DOWN for s in end.sessions.values())
        for end in world.ends.values()
    ]
    if works[W] is not works[P]:
        best = W if works[W] else P
        assert all(on is best or not knows for on, knows in zip(world.selectors(), told, strict=True))
    if works[W] and works[P]:
        states = {end.protection.state for end in world.ends.values()}
        if revertive:
            assert world.selectors() == (W, W)
            assert states == {protection.State.NORMAL}
        else:
            assert states <= {protection.State.NORMAL, protection.State.DO_NOT_REVERT}
            assert not aps or len(set(world.selectors())) == 1


@pytest.mark.parametrize("seed", range(2))
def test_an_hour_of_slightly_lossy_paths_switches_nothing(seed):
    world = World(seed, detect_mult=5, fibre_interval_us=100_000)
    for channel in world.channels.values():
        channel.loss = 0.002  # five in a row: once in 10^13 packets
        channel.jitter_s = 0.002
    world.run(600.0)
    world.log.clear()
    world.run(3000.0)
    assert world.effects(protection.Select) == []
    assert world.normal()
