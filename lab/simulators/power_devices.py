"""What the plant's smaller devices tell: an APC transfer switch by SNMP, a tank's gauge on Modbus; liars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from netwatch.core import ber

from .netwatch_agent import Cell
from .power_genset import Tank
from .power_plant import SimulatedPlant

_XATS: Final = "1.3.6.1.4.1.318.1.1.17"
_NO_FIGURE: Final = 32767
LYING_UPS: Final = {
    "ups.status": "OL", "battery.charge": "100.0", "battery.runtime": "3932100", "ups.realpower": "0", "ups.load": "0",
}  # fmt: skip
"""On mains, full, without load, and 65,535 minutes to go: whatever really is."""
LYING_CONTROLLER: Final = {0x0403: 250}
"""A tank at 250 %."""


def transfer_switch(plant: SimulatedPlant, name: str) -> Mapping[str, Cell | Callable[[float], Cell]]:
    """Return what a switch of two sources tells in PowerNet-MIB's xATS, live.

    Args:
        plant: whose it is.
        name: of the switch.
    """
    switch = plant.switches[name]

    def number(value: Callable[[], int]) -> Callable[[float], Cell]:
        return lambda _now_s: (ber.INTEGER, value())

    def selected() -> int:
        return 1 if switch.at is None else 2 + switch.inputs.index(switch.at)

    told: dict[str, Cell | Callable[[float], Cell]] = {
        "1.3.6.1.2.1.1.1.0": (ber.OCTET_STRING, "APC automatic transfer switch (simulated)"),
        "1.3.6.1.2.1.1.2.0": (ber.OBJECT_IDENTIFIER, "1.3.6.1.4.1.318.1.3.32.1"),
        "1.3.6.1.2.1.1.3.0": lambda now_s: (ber.TIME_TICKS, int(now_s * 100)),
        "1.3.6.1.2.1.1.5.0": (ber.OCTET_STRING, name),
        f"{_XATS}.3.1.1.0": number(selected),
        f"{_XATS}.3.1.2.0": number(lambda: 1),
        f"{_XATS}.3.1.4.0": number(lambda: 1 if plant.calls(name) else 2),
    }
    for n, source in enumerate(switch.inputs[:2], start=1):
        told[f"{_XATS}.4.{n}.4.0"] = number(lambda source=source: 1 if plant.lives(source) else 2)  # type: ignore[misc] # bound here
        told[f"{_XATS}.4.{n}.2.0"] = number(lambda source=source: 2 if switch.at == source else 1)  # type: ignore[misc] # bound here
    return told


def gauge(tank: Tank) -> Callable[[], dict[int, int]]:
    """Return what a tank's gauge tells in the generic register map: its level, and nothing else."""
    nothing = dict.fromkeys(range(1, 16), _NO_FIGURE)
    return lambda: {0: round(1000 * tank.fuel_l / tank.capacity_l), **nothing}
