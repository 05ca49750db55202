"""The steps `netmiko.config` and `netmiko.command` through real SSH to simulated vendors' command lines."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter
from vendor_cli import VENDORS, Router
from vendor_ssh import USER, VendorServer

from failover.steps import Context, StepError
from failover.steps.kind import Allowed
from failover.steps.routers import Frr, RouterCommand, RouterConfig
from lifeline.model.inventory import Inventory

PASSWORD = "Tr0ub4dor-and-3"
PORT = "GigabitEthernet0/1"
HOP = "10.0.0.2"


@pytest.fixture(params=["cisco_ios", "huawei_vrpv8"])
def bench(request, tmp_path, monkeypatch):
    """Yield a router, its driver's name and port, and what a step may use."""
    ios = request.param == "cisco_ios"
    router = Router(routes={f"10.50.0.0 255.255.0.0 {HOP}": "200" if ios else "preference 200"}, costs={PORT: 100})
    server = VendorServer(VENDORS[request.param], router, PASSWORD)
    monkeypatch.setenv("STEP_PASSWORD", PASSWORD)
    inventory = TypeAdapter(Inventory).validate_python({
        "lifeline": 1,
        "credentials": {"routers": {"kind": "ssh", "user": USER, "secret": {"env": "STEP_PASSWORD"}}},
        "sites": {"core": {"kind": "core-room-wired", "name": "Core", "devices": {
            "edge": {"kind": "router", "address": "127.0.0.1", "credential": "routers"},
            "bare": {"kind": "router", "address": "127.0.0.1"}}}},
    })  # fmt: skip
    allowed = Allowed(known_hosts=server.known_hosts(tmp_path / "known_hosts"))
    context = Context("r", "r/do/s/1", "playbook:t", 1, None, inventory, None, lambda _key: None, allowed=allowed)
    yield router, {"device": "core/edge", "driver": request.param, "port": server.port}, context
    server.close()


def cheaper(where):
    setting = {"route": "10.50.0.0/16", "next_hop": HOP, "distance": 10}
    return RouterConfig().args({**where, "settings": [setting], "guard": "off"})


async def test_a_router_is_brought_there_read_back_and_taken_back(bench):
    router, where, context = bench
    kind, args = RouterConfig(), cheaper(where)
    seen = await kind.look(args, context)
    assert seen.result == "untouched"
    assert "to be typed" in seen.detail
    done = await kind.do(args, context)
    assert done.result == "did"
    assert done.before != done.after
    assert [rest.split()[-1] for rest in router.routes.values()] == ["10"]
    assert (await kind.look(args, context)).result == "achieved"
    assert (await kind.do(args, context)).result == "did"  # again: nothing is written
    gone = kind.args({**where, "guard": "off", "settings": [
        {"route": "10.50.0.0/16", "next_hop": HOP, "present": False}]})  # fmt: skip
    assert (await kind.do(gone, context)).result == "did"
    assert router.routes == {}


async def test_a_router_shows_and_is_never_changed_by_asking(bench):
    router, where, context = bench
    kind, before = RouterCommand(), dict(router.routes)
    verb = "show running-config" if where["driver"] == "cisco_ios" else "display current-configuration"
    done = await kind.do(kind.args({**where, "commands": [verb], "expect": r"10\.50\.0\.0"}), context)
    assert done.result == "did"
    assert "10.50.0.0" in done.after
    assert PASSWORD not in done.after
    missed = await kind.do(kind.args({**where, "commands": [verb], "expect": "no such text"}), context)
    assert missed.result == "failed"
    for bad in ("reload", "show run\nreload", "show run | redirect x", "configure terminal", "show run; reload"):
        with pytest.raises(StepError, match="does not only show"):
            await kind.do(kind.args({**where, "commands": [bad]}), context)
    assert router.routes == before


async def test_what_cannot_be_reached_or_proved_is_told(bench, tmp_path, monkeypatch):
    router, where, context = bench
    kind, before = RouterConfig(), dict(router.routes)
    with pytest.raises(StepError, match="no device 'core/none'"):
        await kind.do(cheaper(where | {"device": "core/none"}), context)
    with pytest.raises(StepError, match="no ssh credential"):
        await kind.do(cheaper(where | {"device": "core/bare"}), context)
    with pytest.raises(StepError, match="no driver 'nonesuch'"):
        await kind.do(cheaper(where | {"driver": "nonesuch"}), context)
    monkeypatch.delenv("STEP_PASSWORD")
    secretless = await kind.do(cheaper(where), context)
    assert secretless.result == "failed"
    assert "STEP_PASSWORD" in secretless.detail
    context.allowed.known_hosts.write_text("")
    monkeypatch.setenv("STEP_PASSWORD", PASSWORD)
    assert (await kind.do(cheaper(where), context)).result == "failed"
    away = await kind.do(cheaper(where | {"port": 9}), context)
    assert away.result == "failed"
    assert router.routes == before


async def test_frr_on_this_machine_is_asked_by_vtysh(bench, tmp_path, monkeypatch):
    _router, _where, context = bench
    script = tmp_path / "vtysh"
    script.write_text("#!/bin/sh\necho 'Exiting: failed to connect to any daemons.' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    kind = Frr()
    args = kind.args({"settings": [{"route": "10.50.0.0/16", "next_hop": HOP, "distance": 10}], "guard": "off"})
    with pytest.raises(StepError, match="connect"):
        await kind.look(args, context)
    assert (await kind.do(args, context)).result == "failed"
