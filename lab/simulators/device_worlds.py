"""What can be wrong with the lab's simulated devices: faults by name, done to a room, a station or a controller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .netwatch_worlds import Controller, Room, Station

World = Room | Station | Controller
LINE_FAULTS: Final = ("hang", "slow", "garbage")
"""Of any device's agent: `lab.simulators.device_snmp.Line`."""
ANY_FAULTS: Final = (*LINE_FAULTS, "reset", "trap-storm")
"""Of any device: `reset` restarts it, counters and all; `trap-storm` sends notifications without end."""


def _always(value: bool) -> Callable[[float], bool]:
    return lambda _size: value


def _sized(usual: float) -> Callable[[float], float]:
    return lambda size: size or usual


_FAULTS: Final[Mapping[type[World], Mapping[str, Mapping[str, Callable[[float], Any]]]]] = {
    Room: {
        "hot": {"temperature_c": _sized(48.0)},
        "cold": {"temperature_c": _sized(2.0)},
        "humid": {"humidity_pct": _sized(92.0)},
        "quake": {"acceleration_m_s2": _sized(1.8), "seismic": _always(True)},
        "water": {"water": _always(True)},
        "smoke": {"smoke": _always(True)},
        "door": {"door": _always(True)},
        "stuck": {"stuck": _always(True)},
    },
    Station: {
        "isolated": {"isolated": _always(True)},
        "off-air": {"off_air": _always(True)},
        "no-sync": {"synchronized": _always(False)},
        "no-control-channel": {"control_channel": _always(False)},
        "channel-failed": {"failed_channel": _always(True)},
    },
    Controller: {"stopped": {"stopped": _always(True)}},
}
"""Attributes that a fault changes, and their values from its size; 0 stands for the usual size."""
KINDS: Final = {"sensor": Room, "base-station": Station, "radio-controller": Controller}
"""Which world a device of the inventory is, by its kind."""
MODES: Final = tuple(dict.fromkeys((*ANY_FAULTS, *(name for faults in _FAULTS.values() for name in faults))))


def fits(world: World) -> list[str]:
    """Return the faults that a device may have."""
    return [*ANY_FAULTS, *_FAULTS[type(world)]]


@dataclass(slots=True)
class Broken:
    """What is wrong with a device's world, and how it was before."""

    kind: str | None = None
    before: dict[str, Any] = field(default_factory=dict)

    def break_(self, world: World, kind: str, size: float) -> None:
        """Let something be wrong.

        Raises:
            ValueError: the device cannot have this fault.
        """
        if kind not in fits(world):
            raise ValueError(f"its faults are {', '.join(fits(world))}")
        self.mend(world)
        self.kind = kind
        for name, value in _FAULTS[type(world)].get(kind, {}).items():
            self.before[name] = getattr(world, name)
            setattr(world, name, value(size))

    def mend(self, world: World) -> None:
        """Let it be as before."""
        for name, value in self.before.items():
            setattr(world, name, value)
        self.kind, self.before = None, {}
