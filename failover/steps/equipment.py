"""Steps that write to equipment: Modbus registers behind interlocks, SNMP objects, kernel routes. All read back."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import Annotated, Any, Final

from pydantic import Field
from pydantic.dataclasses import dataclass

from lifeline.config import SecretError, read_secret
from lifeline.model.fields import STRICT, Address, Network

from ..core.playbook import Outcome, Recovery, Sight, judge
from .kind import Context, StepError, StepKind
from .outside import require_host

TIMEOUT_S: Final = 3.0


@dataclass(frozen=True, config=STRICT)
class InterlockArgs:
    """What must be so, or nothing is written."""

    fact: str
    that: str
    max_age_s: float = Field(default=10.0, gt=0)


@dataclass(frozen=True, config=STRICT)
class ModbusArgs:
    """Which registers get which words."""

    host: str
    register: int = Field(ge=0, le=65_535)
    values: list[int] = Field(min_length=1, max_length=100)
    interlocks: list[InterlockArgs] = Field(min_length=1)
    """A write without an interlock is not to be had."""
    port: int = Field(default=502, ge=1, le=65_535)
    unit: int = Field(default=1, ge=0, le=255)


class ModbusWrite(StepKind):
    """Writes holding registers when every interlock holds, and reads them back."""

    name, text, Args = "modbus.write", "Write Modbus registers, behind interlocks.", ModbusArgs
    recovery = Recovery.PROBE

    async def do(self, args: ModbusArgs, context: Context) -> Outcome:
        """Write."""
        require_host(context, args.host, args.port)
        for lock in args.interlocks:
            check = {"fact": lock.fact, "that": lock.that, "max_age_s": lock.max_age_s}
            verdict = judge(check, context.facts, {})
            if not verdict.holds:
                raise StepError(f"interlock: {verdict.why}")
        from pymodbus.exceptions import ModbusException

        client = await _modbus(args)
        try:
            before = await client.read_holding_registers(args.register, count=len(args.values), device_id=args.unit)
            answer = await client.write_registers(args.register, args.values, device_id=args.unit)
        except ModbusException as error:
            return Outcome("lost", str(error))
        finally:
            client.close()
        if answer.isError():
            return Outcome("failed", f"{args.host} refuses to write register {args.register}")
        return Outcome("did", "", None if before.isError() else list(before.registers), args.values)

    async def look(self, args: ModbusArgs, context: Context) -> Sight:
        """Read back."""
        require_host(context, args.host, args.port)
        from pymodbus.exceptions import ModbusException

        client = await _modbus(args)
        try:
            answer = await client.read_holding_registers(args.register, count=len(args.values), device_id=args.unit)
        except ModbusException as error:
            raise StepError(str(error)) from None
        finally:
            client.close()
        if answer.isError():
            raise StepError(f"{args.host} refuses to read register {args.register}")
        stands = list(answer.registers) == args.values
        return Sight("achieved" if stands else "untouched", f"registers hold {answer.registers}", answer.registers)


async def _modbus(args: ModbusArgs) -> Any:
    from pymodbus.client import AsyncModbusTcpClient

    client = AsyncModbusTcpClient(args.host, port=args.port, timeout=TIMEOUT_S, retries=1, reconnect_delay=0)
    if not await client.connect():
        client.close()
        raise StepError(f"{args.host}:{args.port} cannot be reached")
    return client


@dataclass(frozen=True, config=STRICT)
class SnmpArgs:
    """Which object gets which integer or text."""

    device: str
    """`site/device` of the inventory, with an SNMPv3 credential."""
    oid: Annotated[str, Field(pattern=r"^\d+(\.\d+)+$")]
    value: int | str
    port: int = Field(default=161, ge=1, le=65_535)


class SnmpSet(StepKind):
    """Sets an object by SNMPv3 authPriv and reads it back; v1 and v2c cannot write here."""

    name, text, Args = "snmp.set", "Set an SNMP object, by SNMPv3.", SnmpArgs
    recovery = Recovery.PROBE

    async def do(self, args: SnmpArgs, context: Context) -> Outcome:
        """Set."""
        from pysnmp.hlapi.v3arch import asyncio as snmp

        value = snmp.Integer32(args.value) if isinstance(args.value, int) else snmp.OctetString(args.value)
        return await self._ask(args, context, snmp.set_cmd, snmp.ObjectType(snmp.ObjectIdentity(args.oid), value))

    async def look(self, args: SnmpArgs, context: Context) -> Sight:
        """Get."""
        from pysnmp.hlapi.v3arch import asyncio as snmp

        outcome = await self._ask(args, context, snmp.get_cmd, snmp.ObjectType(snmp.ObjectIdentity(args.oid)))
        if outcome.result != "did":
            raise StepError(outcome.detail)
        stands = outcome.after == str(args.value)
        return Sight("achieved" if stands else "untouched", f"{args.oid} is {outcome.after}", outcome.after)

    @staticmethod
    async def _ask(args: SnmpArgs, context: Context, asks: Any, what: Any) -> Outcome:
        from pysnmp.hlapi.v3arch import asyncio as snmp

        site, _, identifier = args.device.partition("/")
        known = context.inventory.sites.get(site)
        device = known.devices.get(identifier) if known else None
        if device is None or device.address is None:
            raise StepError(f"the inventory has no device {args.device!r} with an address")
        credential = context.inventory.credentials.get(device.credential or "")
        if credential is None or credential.kind != "snmp-v3" or credential.privacy_secret is None:
            raise StepError(f"device {args.device} has no snmp-v3 credential with privacy")
        try:
            login = snmp.UsmUserData(
                credential.user, read_secret(credential.secret), read_secret(credential.privacy_secret),
                authProtocol=snmp.USM_AUTH_HMAC192_SHA256, privProtocol=snmp.USM_PRIV_CFB128_AES,
            )  # fmt: skip
        except SecretError as error:
            raise StepError(str(error)) from None
        engine = snmp.SnmpEngine()
        try:
            target = await snmp.UdpTransportTarget.create((str(device.address), args.port), TIMEOUT_S, 1)
            trouble, status, _index, bound = await asks(engine, login, target, snmp.ContextData(), what)
        finally:
            engine.close_dispatcher()
        if trouble:
            return Outcome("lost", str(trouble))
        if int(status):
            return Outcome("failed", str(status.prettyPrint()))
        return Outcome("did", "", after=str(bound[0][1].prettyPrint()))


@dataclass(frozen=True, config=STRICT)
class RouteArgs:
    """A route of this machine's kernel."""

    prefix: Network
    via: Address | None = None
    device: str | None = None
    table: int = Field(default=254, ge=1, le=2**32 - 1)
    metric: int = Field(default=0, ge=0, le=2**32 - 1)
    present: bool = True


class KernelRoute(StepKind):
    """Adds or removes a kernel route by netlink, and reads it back."""

    name, text, Args = "kernel.route", "Add or remove a route of this machine's kernel.", RouteArgs
    recovery = Recovery.PROBE

    async def do(self, args: RouteArgs, _context: Context) -> Outcome:
        """Add or remove it."""
        from pyroute2.netlink.exceptions import NetlinkError

        if args.via is None and args.device is None:
            raise StepError("kernel.route needs via or device")
        try:
            await asyncio.to_thread(_route, "add" if args.present else "del", args)
        except NetlinkError as error:
            return Outcome("failed", str(error))
        return Outcome("did")

    async def look(self, args: RouteArgs, _context: Context) -> Sight:
        """Look it up."""
        found = await asyncio.to_thread(_routes, args)
        told = f"{len(found)} such routes"
        return Sight("achieved" if bool(found) is args.present else "untouched", told, len(found))


def _spec(args: RouteArgs, ipr: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"dst": str(args.prefix), "table": args.table}
    if args.metric:
        spec["priority"] = args.metric
    if args.via is not None:
        spec["gateway"] = str(args.via)
    if args.device is not None:
        found = ipr.link_lookup(ifname=args.device)
        if not found:
            raise StepError(f"there is no interface {args.device}")
        spec["oif"] = found[0]
    return spec


def _route(what: str, args: RouteArgs) -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ipr:
        ipr.route(what, **_spec(args, ipr))


def _routes(args: RouteArgs) -> list[Any]:
    from pyroute2 import IPRoute

    with IPRoute() as ipr:
        spec = _spec(args, ipr)
        network = ip_network(spec["dst"])
        return [
            route
            for route in ipr.get_routes(family=2 if network.version == 4 else 10, table=args.table)
            if (route.get_attr("RTA_DST"), route["dst_len"]) == (str(network.network_address), network.prefixlen)
            and ("gateway" not in spec or route.get_attr("RTA_GATEWAY") == spec["gateway"])
            and ("oif" not in spec or route.get_attr("RTA_OIF") == spec["oif"])
            and (route.get_attr("RTA_PRIORITY") or 0) == args.metric
        ]
