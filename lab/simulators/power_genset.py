"""A generator's controller on Modbus TCP, as Deep Sea's GenComm lays it out: start sequence, failure to start, fuel.

It plays by its own clock: `step(seconds)` moves it on, so that a simulated plant can run faster than time.
"""

from __future__ import annotations

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
_SHUTDOWN = 1 << 12
_UNIT = 1
_WRITE = 16


@dataclass
class Genset:
    """A set's physics: what it does once it is called for."""

    rated_kw: float
    tank_l: float
    burn_l_per_h: tuple[float, ...]
    """At 25, 50, 75 and 100 %."""
    fuel_l: float = 0.0
    floor_l: float = 0.0
    start_s: float = 10.0
    fails_to_start: bool = False
    stops_after_s: float | None = None
    leak_l_per_h: float = 0.0
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
    _in_state_s: float = field(default=0.0, repr=False)

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
        self.fuel_l = max(0.0, self.fuel_l - self.leak_l_per_h * seconds / 3600)
        self._in_state_s += seconds
        wanted = self.wanted and not self.shut_down
        if self.state is EngineState.STOPPED and wanted:
            self.starts += 1
            self._enter(EngineState.PRE_HEAT)
        elif self.state is EngineState.PRE_HEAT and self._in_state_s >= self.start_s:
            if self.fails_to_start:
                self.shut_down = True
                self._enter(EngineState.STOPPED)
            else:
                self._enter(EngineState.RUNNING)
        elif self.state is EngineState.RUNNING:
            self._run(seconds)
            if not self.wanted:
                self._enter(EngineState.COOLING)
        elif self.state is EngineState.COOLING and self._in_state_s >= 60:
            self._enter(EngineState.STOPPED)

    def _run(self, seconds: float) -> None:
        self.run_s += seconds
        self.fuel_l = max(0.0, self.fuel_l - self.burn(self.load_kw) * seconds / 3600)
        failed = self.stops_after_s is not None and self._in_state_s >= self.stops_after_s
        if failed or self.fuel_l <= self.floor_l:
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
            0x0403: round(100 * self.fuel_l / self.tank_l),
            0x0405: 274 if runs else 252,
            0x0406: 1500 if runs else 0,
            0x0407: 500 if runs else 0,
            0x0580: int(self.state),
            0x0600: watts >> 16,
            0x0601: watts & 0xFFFF,
            0x0706: run_s >> 16,
            0x0707: run_s & 0xFFFF,
            0x0710: self.starts >> 16,
            0x0711: self.starts & 0xFFFF,
            0x9A04: 0x1311 if self.shut_down and self.fails_to_start else 0x1111,
        }


class GensetServer:
    """The controller's Modbus TCP server."""

    def __init__(self, genset: Genset, port: int, host: str = "127.0.0.1") -> None:
        self.genset = genset
        registers = SimData(0, count=_PAGES, values=0, datatype=DataType.REGISTERS)
        device = SimDevice(_UNIT, simdata=[registers], action=self._written)
        self._server = ModbusTcpServer(device, address=(host, port))

    async def __aenter__(self) -> Self:
        await self._server.listen()
        await self.publish()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._server.shutdown()  # type: ignore[no-untyped-call] # it ships types, but none for this

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
            self.genset.press(int(values[0]))
            for register, value in self.genset.registers().items():
                registers[register - first] = value

    async def publish(self) -> None:
        """Put the set's state into the registers."""
        for register, value in self.genset.registers().items():
            await self._server.async_setValues(_UNIT, _WRITE, register, [value])
