"""A generator's controller on Modbus TCP, as Deep Sea's GenComm lays it out: start sequence, failure to start, fuel.

It plays by its own clock: `step(seconds)` moves it on, so that a simulated plant can run faster than time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


class EngineState(IntEnum):
    """GenComm page 5 offset 128."""

    STOPPED = 0
    PRE_HEAT = 1
    WARMING = 2
    RUNNING = 3
    COOLING = 4


class Mode(IntEnum):
    """GenComm page 3 offset 4."""

    STOP = 0
    AUTO = 1
    MANUAL = 2


_MODE_KEYS = {35700: Mode.STOP, 35701: Mode.AUTO, 35702: Mode.MANUAL}
_START_KEY = 35705
_KEYS = 0x1008
"""The key and its complement, by which a controller knows that it was meant."""
_PAGES = 160 * 256
_NOT_THERE = 0xFFFF
"""GenComm 10.1: unimplemented."""
_SHUTDOWN = 1 << 12
_UNIT = 1
_WRITE = 16


@dataclass
class Tank:
    """A tank, which several sets may burn from; a day tank is refilled from another by its pump."""

    capacity_l: float
    fuel_l: float
    floor_l: float = 0.0
    """What no suction pipe reaches."""
    refilled_from: Tank | None = None
    pump_l_per_h: float = 0.0
    leak_l_per_h: float = 0.0
    most_l: float = 0.0
    """The most that was in it after it was filled."""

    @property
    def dry(self) -> bool:
        """Whether the suction pipe draws air."""
        return self.fuel_l <= self.floor_l

    def draw(self, litres: float) -> None:
        """Take fuel out."""
        self.fuel_l = max(0.0, self.fuel_l - litres)

    def fill(self, litres: float) -> float:
        """Put fuel in; return how much of it found room."""
        taken = min(litres, self.capacity_l - self.fuel_l)
        self.fuel_l += taken
        self.most_l = max(self.most_l, self.fuel_l)
        return taken

    def refill(self, litres: float) -> None:
        """Fill it up to so many litres; what is beyond stays: fuel that goes without being burnt looks like theft."""
        self.fuel_l = max(self.fuel_l, litres)

    def step(self, seconds: float) -> None:
        """Let it leak, and its pump refill it, for so long."""
        self.draw(self.leak_l_per_h * seconds / 3600)
        bulk = self.refilled_from
        if bulk is not None:
            bulk.draw(self.fill(min(self.pump_l_per_h * seconds / 3600, max(0.0, bulk.fuel_l - bulk.floor_l))))


@dataclass
class Genset:
    """A set's physics: what it does once it is called for."""

    rated_kw: float
    tank: Tank
    burn_l_per_h: tuple[float, ...]
    """At 25, 50, 75 and 100 %."""
    start_s: float = 10.0
    attempts: int = 1
    """Before its controller gives up."""
    crank_cycle_s: float = 30.0
    """Cranking and rest of an attempt that fails."""
    fails_to_start: bool = False
    stops_after_s: float | None = None
    mode: Mode = Mode.AUTO
    state: EngineState = EngineState.STOPPED
    called: bool = False
    """Whether the transfer switch asks for it."""
    started: bool = False
    """Whether it was started by hand; counts in manual mode only."""
    load_kw: float = 0.0
    run_s: float = 0.0
    starts: int = 0
    shut_down: bool = False
    start_failed: bool = False
    mains_ok: bool = True
    """What it senses of the utility."""
    _in_state_s: float = field(default=0.0, repr=False)
    _tried: int = field(default=0, repr=False)

    @property
    def wanted(self) -> bool:
        """Whether it shall run: called for in automatic mode, or started by hand in manual mode."""
        return self.called if self.mode is Mode.AUTO else self.started and self.mode is Mode.MANUAL

    def press(self, key: int) -> None:
        """Press a system control key (GenComm page 16 offset 8)."""
        if key in _MODE_KEYS:
            self.mode, self.started = _MODE_KEYS[key], False
        elif key == _START_KEY and self.mode is Mode.MANUAL:
            self.started = True

    @property
    def carries(self) -> bool:
        """Whether it can carry load."""
        return self.state is EngineState.RUNNING

    def step(self, seconds: float) -> None:
        """Go on by so many seconds."""
        self._in_state_s += seconds
        wanted = self.wanted and not self.shut_down
        if self.state is EngineState.STOPPED and wanted:
            self.starts, self._tried = self.starts + 1, 1
            self._enter(EngineState.PRE_HEAT)
        elif self.state is EngineState.PRE_HEAT:
            self._crank(wanted=wanted)
        elif self.state is EngineState.RUNNING:
            self._run(seconds)
            if not self.wanted:
                self._enter(EngineState.COOLING)
        elif self.state is EngineState.COOLING and self._in_state_s >= 60:
            self._enter(EngineState.STOPPED)

    def _crank(self, *, wanted: bool) -> None:
        fails = self.fails_to_start or self.tank.dry
        if not wanted:
            self._enter(EngineState.STOPPED)
        elif not fails and self._in_state_s >= self.start_s:
            self._enter(EngineState.RUNNING)
        elif fails and self._in_state_s >= self.crank_cycle_s:
            if self._tried >= self.attempts:
                self.shut_down = self.start_failed = True
                self._enter(EngineState.STOPPED)
            else:
                self._tried += 1
                self._enter(EngineState.PRE_HEAT)

    def reset(self) -> None:
        """Do what a service visit does: reset its alarms, put it into automatic mode."""
        self.shut_down, self.start_failed = False, False
        self.mode, self.started = Mode.AUTO, False

    def _run(self, seconds: float) -> None:
        self.run_s += seconds
        self.tank.draw(self.burn(self.load_kw) * seconds / 3600)
        failed = self.stops_after_s is not None and self._in_state_s >= self.stops_after_s
        if failed or self.tank.dry:
            self.shut_down = True
            self._enter(EngineState.STOPPED)

    def _enter(self, state: EngineState) -> None:
        self.state, self._in_state_s = state, 0.0

    def burn(self, kw: float) -> float:
        """Return what it burns, litres per hour."""
        table = [2 * self.burn_l_per_h[0] - self.burn_l_per_h[1], *self.burn_l_per_h]
        at = min(kw / self.rated_kw * 4, 4.0)
        n = min(int(at), 3)
        return table[n] + (table[n + 1] - table[n]) * (at - n)

    def registers(self) -> dict[int, int]:
        """Return the controller's registers."""
        runs = self.state in {EngineState.RUNNING, EngineState.COOLING}
        watts = int(self.load_kw * 1000) if self.carries else 0
        run_s = int(self.run_s)
        return {
            0x0304: int(self.mode),
            0x0306: _SHUTDOWN if self.shut_down else 0,
            0x0403: round(100 * self.tank.fuel_l / self.tank.capacity_l),
            0x0405: 274 if runs else 252,
            0x0406: 1500 if runs else 0,
            0x0407: 500 if runs else 0,
            0x0423: 500 if self.mains_ok else 0,
            **dict.fromkeys((1060, 1062, 1064), 0),
            **dict.fromkeys((1061, 1063, 1065), 2300 if self.mains_ok else 0),
            0x0580: int(self.state),
            0x0600: watts >> 16,
            0x0601: watts & 0xFFFF,
            0x0706: run_s >> 16,
            0x0707: run_s & 0xFFFF,
            0x0710: self.starts >> 16,
            0x0711: self.starts & 0xFFFF,
            0x9A04: 0x1311 if self.start_failed else 0x1111,
            0x9A06: 0x1131 if self.tank.dry else 0x1111,
        }


class RegisterServer:
    """A device on Modbus TCP: what `read` returns at each `publish`, until it is told to be silent or to lie."""

    def __init__(self, read: Callable[[], Mapping[int, int]], port: int, host: str = "127.0.0.1") -> None:
        self._read, self._address = read, (host, port)
        self._server: ModbusTcpServer | None = None
        self._told: dict[int, int] = {}
        self.lie: Mapping[int, int] = {}
        """Registers that it tells otherwise than they are."""

    async def __aenter__(self) -> Self:
        await self.speak()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.hush()

    async def speak(self) -> None:
        """Take connections."""
        if self._server is None:
            registers = SimData(0, count=_PAGES, values=_NOT_THERE, datatype=DataType.REGISTERS)
            device = SimDevice(_UNIT, simdata=[registers], action=self._written)
            self._server = ModbusTcpServer(device, address=self._address)
            await self._server.listen()
            self._told = {}
            await self.publish()

    async def hush(self) -> None:
        """Close every connection and take none."""
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()  # type: ignore[no-untyped-call] # it ships types, but none for this

    async def publish(self) -> None:
        """Put what has changed into the registers."""
        if self._server is None:
            return
        now = {**self._read(), **self.lie}
        for register, value in now.items():
            if self._told.get(register) != value:
                await self._server.async_setValues(_UNIT, _WRITE, register, [value])
        self._told = now

    async def _written(
        self,
        _function: int,
        first: int,
        address: int,
        _count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> None:
        """Obey a key that comes with its complement; the registers show at once what it changed."""
        if address == _KEYS and values and len(values) == 2 and values[0] + values[1] == 0xFFFF:
            self.pressed(int(values[0]))
            for register, value in self._read().items():
                registers[register - first] = value

    def pressed(self, key: int) -> None:
        """Take a key; a device without any ignores it."""


class GensetServer(RegisterServer):
    """A generator's controller."""

    def __init__(self, genset: Genset, port: int, host: str = "127.0.0.1") -> None:
        super().__init__(genset.registers, port, host)
        self.genset = genset

    def pressed(self, key: int) -> None:
        """Press a system control key."""
        self.genset.press(key)
