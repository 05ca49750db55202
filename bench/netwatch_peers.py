"""The peers' cost of one bare GET of the same objects from the same agents: pysnmp, and Net-SNMP's command line."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

from lab.simulators.netwatch_fleet import address

from .netwatch_fleet import AUTH, PRIVACY, SITES, USER, cpu_s

_PYSNMP = """
import asyncio, json, resource, sys
from pysnmp.hlapi.v3arch.asyncio import (
    ContextData, ObjectIdentity, ObjectType, SnmpEngine, UdpTransportTarget, UsmUserData, get_cmd,
    usmAesCfb128Protocol, usmHMACSHAAuthProtocol,
)
order = json.load(sys.stdin)

async def main():
    engine = SnmpEngine()
    user = UsmUserData(order["user"], order["auth"], order["privacy"], authProtocol=usmHMACSHAAuthProtocol,
                       privProtocol=usmAesCfb128Protocol)
    names = [ObjectType(ObjectIdentity(oid)) for oid in order["oids"]]
    targets = [await UdpTransportTarget.create((host, order["port"]), timeout=5) for host in order["hosts"]]
    async def ask(target):
        error, status, _index, bound = await get_cmd(engine, user, target, ContextData(), *names, lookupMib=False)
        if error or status or len(bound) != len(names):
            raise SystemExit(f"pysnmp: {error or status}")
    for target in targets:
        await ask(target)  # engine discovery and keys
    def used():
        it = resource.getrusage(resource.RUSAGE_SELF)
        return it.ru_utime + it.ru_stime
    began = used()
    for n in range(order["gets"]):
        await ask(targets[n % len(targets)])
    print(1000 * (used() - began) / order["gets"])

asyncio.run(main())
"""


def pysnmp_ms(port: int, oids: list[str], gets: int) -> float:
    """Return pysnmp's processor time per GET, ms: one engine, no MIB, nothing judged."""
    hosts = [address(n) for n in range(min(20, SITES))]
    order = {"user": USER, "auth": AUTH, "privacy": PRIVACY, "port": port, "oids": oids, "hosts": hosts, "gets": gets}
    done = subprocess.run([sys.executable, "-c", _PYSNMP], input=json.dumps(order), capture_output=True, text=True,
                          check=True, timeout=120)  # fmt: skip
    return float(done.stdout)


def net_snmp_ms(port: int, oids: list[str], gets: int) -> float:
    """Return the processor time of a `snmpget`, ms."""
    began = cpu_s(resource.RUSAGE_CHILDREN)
    for n in range(gets):
        subprocess.run(
            ["snmpget", "-v3", "-u", USER, "-l", "authPriv", "-a", "SHA", "-A", AUTH, "-x", "AES", "-X", PRIVACY,
             "-On", "-t", "5", f"{address(n % SITES)}:{port}", *oids],
            stdout=subprocess.DEVNULL, check=True, env={"MIBS": "", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
    return 1000 * (cpu_s(resource.RUSAGE_CHILDREN) - began) / gets
