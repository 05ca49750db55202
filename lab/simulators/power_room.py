"""A site's power plant with its devices on real protocols: upsd, Modbus TCP and SNMP; what is wrong can be chosen.

The plant goes by this machine's clock, or faster when its clock is hastened. UPS are told by a real upsd with dummy
drivers, generators' controllers and tank gauges by Modbus servers, transfer switches by SNMP agents; all of them tell
what `power_plant` says. Once the last fault is healed the plant is serviced: alarms reset, tanks and batteries full.

    python -m lab.simulators.power_room PLANT.json
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from pydantic import TypeAdapter

from lifeline.clock import monotonic_s
from lifeline.model.power import PowerPlant

from .control import carry_out, controlled
from .netwatch_agent import Agent, SnmpUser
from .power_devices import LYING_CONTROLLER, LYING_UPS, gauge, transfer_switch
from .power_genset import GensetServer, RegisterServer
from .power_nut import NutServer
from .power_plant import SimulatedPlant

CLOCK: Final = "clock"
"""What is hastened."""
_LEAST_NICE: Final = 19
_TICK_S: Final = 0.5
_FORETELL_STEP_S: Final = 120.0


class SnmpServer(asyncio.DatagramProtocol):
    """A transfer switch's agent on UDP."""

    def __init__(self, agent: Agent) -> None:
        self.agent, self.silent = agent, False
        self._began_s = monotonic_s()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Answer, unless it is silent or was not asked rightly."""
        answer = None if self.silent else self.agent.answer(data, monotonic_s() - self._began_s)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


class Room:
    """The plant's room between its start and its end.

    Attributes:
        plant: what happens.
        faults: what is wrong, by where.
        rate: how much faster than this machine's its clock goes.
    """

    def __init__(self, spec: PowerPlant, devices: Mapping[str, Mapping[str, Any]], user: SnmpUser | None) -> None:
        """Begin whole.

        Args:
            spec: the plant.
            devices: what answers for its parts, by name: `protocol`, `address`, `port`, and `parts`, (section, name,
                the name that its protocol knows) each.
            user: who may ask SNMP agents.
        """
        self.plant = SimulatedPlant(spec)
        self.plant.step(1.0)  # loads draw from the first word on
        self.faults: dict[str, str] = {}
        self.rate = 1.0
        self._undo: dict[str, Callable[[], None]] = {}
        self._devices = devices
        self._ups = {name: {part: told for _section, part, told in it["parts"]} for name, it in devices.items()
                     if it["protocol"] == "nut"}  # fmt: skip
        self._modbus = {name: self._registers(it) for name, it in devices.items() if it["protocol"] == "modbus"}
        self._snmp = {name: SnmpServer(Agent(transfer_switch(self.plant, it["parts"][0][1]), user,
                                             b"\x80\x00\x1f\x88\x04" + name.encode()))
                      for name, it in devices.items() if it["protocol"] == "snmp"}  # fmt: skip
        self._lying: set[str] = set()
        self.nut: NutServer | None = None

    def _registers(self, device: Mapping[str, Any]) -> RegisterServer:
        sections = {section: part for section, part, _told in device["parts"]}
        address, port = device["address"], device["port"]
        if "generators" in sections:
            return GensetServer(self.plant.gensets[sections["generators"]], port, address)
        return RegisterServer(gauge(self.plant.tanks[sections["tanks"]]), port, address)

    def upsd(self, directory: Path) -> NutServer | None:
        """Return the upsd that tells of the plant's UPS, not yet started; None where nothing asks one."""
        asked = [it for it in self._devices.values() if it["protocol"] == "nut"]
        if not asked:
            return None
        told = {name: self.plant.nut_variables(part) for it in self._ups.values() for part, name in it.items()}
        self.nut = NutServer(directory, told, asked[0]["port"], [it["address"] for it in asked])
        return self.nut

    async def run(self) -> None:
        """Let time pass until cancelled."""
        async with AsyncExitStack() as stack:
            for server in self._modbus.values():
                await stack.enter_async_context(server)
            for name, agent in self._snmp.items():
                it = self._devices[name]
                transport, _protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                    partial(_same, agent), (it["address"], it["port"])
                )
                stack.callback(transport.close)
            then_s = monotonic_s()
            while True:
                now_s = monotonic_s()
                self.plant.step((now_s - then_s) * self.rate)
                then_s = now_s
                await self.publish()
                await asyncio.sleep(_TICK_S)

    async def publish(self) -> None:
        """Let every device tell what is; those that lie tell what is not, and the silent ones nothing."""
        for device, parts in self._ups.items():
            lie = LYING_UPS if device in self._lying else {}
            for part, name in parts.items():
                if self.nut is not None:
                    self.nut.tell(name, {**self.plant.nut_variables(part), **lie})
        for device, server in self._modbus.items():
            server.lie = LYING_CONTROLLER if device in self._lying else {}
            if self.faults.get(device) == "silent":
                await server.hush()
            else:
                await server.speak()
                await server.publish()

    # ---------------------------------------------------------------- what is wrong

    def fits(self) -> dict[str, list[str]]:
        """Return what each fault can hit."""
        plant = self.plant
        strings = [f"{name}/{string}" for name, unit in plant.units.items() for string in unit.strings]
        sets, tanks, devices = list(plant.gensets), list(plant.tanks), list(self._devices)
        liars = [name for name in devices if name not in self._snmp]
        return {
            "lost": list(plant.feeds), "no-start": sets, "stops": sets,
            "stuck": [name for name, it in plant.switches.items() if it.inputs],
            "leak": tanks, "empty": tanks, "level": tanks, "open": strings, "bypass": list(plant.spec.ups),
            "silent": devices, "lies": liars, "hasten": [CLOCK],
        }  # fmt: skip

    def fault(self, at: str, kind: str, size: float = 0.0) -> None:
        """Let something go wrong.

        Args:
            at: a part, string or device, or `clock`.
            kind: one of `lab.plants.FAULTS`.
            size: minutes until a generator stops, litres per hour of a leak, per cent of a tank's level, times of the
                clock.

        Raises:
            ValueError: it does not fit.
        """
        if at not in self.fits().get(kind, ()):
            raise ValueError(f"{kind} fits {', '.join(self.fits().get(kind, ())) or 'nothing here'}")
        if not math.isfinite(size) or size < 0:
            raise ValueError(f"{size} is no size")
        self.heal(at)
        self._undo[at] = self._break(at, kind, size)
        self.faults[at] = kind

    def heal(self, at: str) -> None:
        """Let it be right again; after the last fault the plant is serviced."""
        undo = self._undo.pop(at, None)
        if undo is not None:
            undo()
            del self.faults[at]
            if not self.faults:
                self.plant.service()

    def _break(self, at: str, kind: str, size: float) -> Callable[[], None]:
        """Break something; return what mends it."""
        plant = self.plant
        match kind:
            case "lost":
                plant.feeds[at] = False
                return lambda: plant.feeds.update({at: True})
            case "no-start" | "stops":
                genset = plant.gensets[at]
                name = {"no-start": "fails_to_start", "stops": "stops_after_s"}[kind]
                return _set(genset, name, True if kind == "no-start" else size * 60)
            case "leak":
                return _set(plant.tanks[at], "leak_l_per_h", size)
            case "empty" | "level":
                tank = plant.tanks[at]
                before_l = tank.fuel_l
                tank.fuel_l = tank.floor_l if kind == "empty" else tank.capacity_l * min(size, 100) / 100
                return lambda: tank.refill(before_l)
            case "hasten":
                return _set(self, "rate", max(1.0, size))
            case "silent":
                return self._silence(at)
        members = {"stuck": plant.stuck, "open": plant.open_strings, "bypass": plant.bypassed, "lies": self._lying}
        members[kind].add(at)
        return lambda: members[kind].discard(at)

    def _silence(self, device: str) -> Callable[[], None]:
        """Make a device silent; Modbus servers follow at the next tick."""
        if device in self._snmp:
            return _set(self._snmp[device], "silent", value=True)
        upses = list(self._ups.get(device, {}).values())
        if self.nut is not None:
            for name in upses:
                self.nut.freeze(name)

        def thaw() -> None:
            if self.nut is not None:
                for name in upses:
                    self.nut.thaw(name)

        return thaw

    # ---------------------------------------------------------------- from outside

    def look(self) -> dict[str, Any]:
        """Return how the plant is and what is wrong with it."""
        plant = self.plant
        return {
            "at_s": plant.now_s, "rate": self.rate, "dark": plant.dark, "dark_at_s": plant.dark_at_s,
            "feeds": dict(plant.feeds), "switches": {name: it.at for name, it in plant.switches.items()},
            "generators": {name: {"state": it.state.name.lower(), "shut_down": it.shut_down, "load_kw": it.load_kw}
                           for name, it in plant.gensets.items()},
            "tanks": {name: {"fuel_l": it.fuel_l, "capacity_l": it.capacity_l} for name, it in plant.tanks.items()},
            "ups": {name: {"on_battery": it.on_battery, "charge": it.charge, "load_kw": it.load_kw}
                    for name, it in plant.units.items()},
            "faults": dict(self.faults), "fits": self.fits(),
        }  # fmt: skip

    async def asked(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a request.

        Args:
            wanted: `act`: `fault` (`at`, `kind`, `size`), `heal` (`at`), `deliver` (`at`, `litres`), `foretell`
                (`hours`), `look`.

        Raises:
            ValueError, KeyError, TypeError: it is no request.
        """
        match wanted["act"]:
            case "deliver":
                return {"taken_l": self.plant.tanks[wanted["at"]].fill(float(wanted["litres"]))}
            case "foretell":
                hours = float(wanted["hours"])
                return {"dark_h": await asyncio.to_thread(self.plant.foretell, hours, _FORETELL_STEP_S)}
            case _:
                return carry_out(self, wanted)


def _same(agent: SnmpServer) -> SnmpServer:
    return agent


def _set(thing: object, name: str, value: object) -> Callable[[], None]:
    """Set an attribute; return what sets it back."""
    before = getattr(thing, name)
    setattr(thing, name, value)
    return lambda: setattr(thing, name, before)


async def live(room: Room, control: str) -> None:
    """Be the room until cancelled, taking orders at a Unix socket."""
    async with controlled(room.asked, control):
        await room.run()


def main(arguments: Sequence[str]) -> int:
    """Be a plant's room until told to stop."""
    (path,) = arguments
    os.nice(_LEAST_NICE)  # routes and daemons come first
    config = json.loads(Path(path).read_text(encoding="utf-8"))
    spec = TypeAdapter(PowerPlant).validate_python(config["power"])
    room = Room(spec, config["devices"], SnmpUser(**config["user"]) if config.get("user") else None)
    upsd = room.upsd(Path(config["nut"]))
    # upsd ends with the thread that starts it, so it is started here.
    with upsd if upsd is not None else contextlib.nullcontext(), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(live(room, config["control"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
