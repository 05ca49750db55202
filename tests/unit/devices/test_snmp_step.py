"""The step `snmp.set` against a real snmpd, by SNMPv3 authPriv."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import TypeAdapter
from snmp_agents import SNMPD, free_port, snmpd

from failover.steps import Context, StepError
from failover.steps.equipment import SnmpSet
from lifeline.model.inventory import Inventory

NAME = "1.3.6.1.2.1.1.5.0"  # sysName
ONLY_READ = "1.3.6.1.2.1.1.3.0"  # sysUpTime
USERS = ("createUser writer SHA-256 auth-secret-1 AES priv-secret-1", "rwuser writer authpriv")


def inventory(kind: str = "snmp-v3") -> Inventory:
    login = {"kind": "snmp-v3", "user": "writer", "secret": {"env": "STEP_AUTH"},
             "privacy_secret": {"env": "STEP_PRIV"}}  # fmt: skip
    if kind != "snmp-v3":
        login = {"kind": kind, "secret": {"env": "STEP_AUTH"}}
    return TypeAdapter(Inventory).validate_python({
        "lifeline": 1,
        "credentials": {"writer": login},
        "sites": {"a": {"kind": "super-base-station", "name": "A", "devices": {
            "unit": {"kind": "router", "address": "127.0.0.1", "credential": "writer"}}}},
    })  # fmt: skip


def context(kind: str = "snmp-v3") -> Context:
    return Context("r", "r/do/s/1", "playbook:t", 1, None, inventory(kind), None, lambda _key: None)


@pytest.mark.skipif(SNMPD is None, reason="needs snmpd (Debian package snmpd)")
async def test_an_object_is_set_and_read_back_by_a_real_agent(tmp_path, monkeypatch):
    monkeypatch.setattr("failover.steps.equipment.TIMEOUT_S", 0.5)
    monkeypatch.setenv("STEP_AUTH", "auth-secret-1")
    monkeypatch.setenv("STEP_PRIV", "priv-secret-1")
    kind, within = SnmpSet(), context()
    async with snmpd(tmp_path, *USERS) as port:
        args = kind.args({"device": "a/unit", "oid": NAME, "value": "core-7", "port": port})
        for _attempt in range(100):
            try:
                before = await kind.look(args, within)
                break
            except StepError:
                await asyncio.sleep(0.05)
        assert before.result == "untouched"
        done = await kind.do(args, within)
        assert (done.result, done.after) == ("did", "core-7")
        assert (await kind.look(args, within)).result == "achieved"
        refused = await kind.do(kind.args({"device": "a/unit", "oid": ONLY_READ, "value": 1, "port": port}), within)
        assert refused.result == "failed"
        monkeypatch.setenv("STEP_PRIV", "another-secret-9")
        assert (await kind.do(args, within)).result in {"lost", "failed"}


async def test_what_cannot_be_is_refused_before_anything_is_sent(monkeypatch):
    kind = SnmpSet()
    monkeypatch.delenv("STEP_AUTH", raising=False)
    monkeypatch.setenv("STEP_PRIV", "priv-secret-1")
    args = kind.args({"device": "a/unit", "oid": NAME, "value": 1, "port": free_port()})
    with pytest.raises(StepError, match="STEP_AUTH"):
        await kind.do(args, context())
    with pytest.raises(StepError, match="no snmp-v3 credential"):
        await kind.do(args, context("snmp-v2c"))
    with pytest.raises(StepError, match="no device 'a/other'"):
        await kind.do(kind.args({"device": "a/other", "oid": NAME, "value": 1}), context())
