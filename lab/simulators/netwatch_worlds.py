"""What the lab's agents tell: a router, a room's sensors, a trunked base station and its controller, with faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import sin
from zlib import crc32

from netwatch.core import ber

from .netwatch_agent import Cell

Told = dict[str, Cell | Callable[[float], Cell]]
_IF, _IFX = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
_SENSOR, _ENTITY = "1.3.6.1.2.1.99.1.1.1", "1.3.6.1.2.1.47.1.1.1.1"
_STATION = "1.3.6.1.4.1.3570.2.2.2.1"
_CONTROLLER = "1.3.6.1.4.1.3570.3.6.2"
_RUNNING, _SITE_TRUNKING = 3, 1


def _system(descr: str, object_id: str, name: str) -> Told:
    return {
        "1.3.6.1.2.1.1.1.0": (ber.OCTET_STRING, descr),
        "1.3.6.1.2.1.1.2.0": (ber.OBJECT_IDENTIFIER, object_id),
        "1.3.6.1.2.1.1.3.0": lambda now_s: (ber.TIME_TICKS, int(now_s * 100)),
        "1.3.6.1.2.1.1.5.0": (ber.OCTET_STRING, name),
    }


def router(name: str, interfaces: int = 2, restarted_s: Callable[[], float] = lambda: 0.0) -> Told:
    """Return a router with traffic on its interfaces.

    Args:
        name: sysName.
        interfaces: how many.
        restarted_s: when it last restarted, on the agent's clock: its counters begin anew then.
    """
    told = _system("Simulated router", "1.3.6.1.4.1.8072.3.2.10", name)
    told["1.3.6.1.2.1.1.3.0"] = lambda now_s: (ber.TIME_TICKS, int((now_s - restarted_s()) * 100))
    told["1.3.6.1.4.1.2021.10.1.5.1"] = lambda now_s: (ber.INTEGER, int(60 + 20 * sin(now_s / 50)))
    seed = crc32(name.encode()) % 1000
    for n in range(1, interfaces + 1):
        per_s = 100_000 + 1000 * seed + 7 * n
        count = lambda now_s, rate=per_s: (ber.COUNTER64, int((now_s - restarted_s()) * rate))  # noqa: E731 - bound here
        told |= {
            f"{_IF}.2.{n}": (ber.OCTET_STRING, f"eth{n}"),
            f"{_IF}.7.{n}": (ber.INTEGER, 1),
            f"{_IF}.8.{n}": (ber.INTEGER, 1),
            f"{_IF}.14.{n}": (ber.COUNTER32, 0),
            f"{_IF}.20.{n}": (ber.COUNTER32, 0),
            f"{_IFX}.1.{n}": (ber.OCTET_STRING, f"eth{n}"),
            f"{_IFX}.6.{n}": count,
            f"{_IFX}.10.{n}": count,
            f"{_IFX}.15.{n}": (ber.GAUGE32, 1000),
        }
    return told


@dataclass
class Room:
    """A room's sensors: what they feel now."""

    temperature_c: float = 22.0
    humidity_pct: float = 45.0
    acceleration_m_s2: float = 0.0
    water: bool = False
    smoke: bool = False
    door: bool = False
    seismic: bool = False
    stuck: bool = False
    """The temperature is told as it was when this was set."""
    _kept: float = field(default=22.0, repr=False)

    def told(self, name: str) -> Told:
        """Return its ENTITY-SENSOR-MIB, live."""
        rows: list[tuple[str, int, str, Callable[[float], int]]] = [
            ("Room temperature", 8, "", self._temperature),
            ("Room humidity", 9, "", lambda _now_s: int(self.humidity_pct * 100)),
            ("Ground acceleration", 1, "m/s2", lambda _now_s: int(self.acceleration_m_s2 * 100)),
            ("Water under the floor", 12, "", lambda _now_s: 1 if self.water else 2),
            ("Smoke detector", 12, "", lambda _now_s: 1 if self.smoke else 2),
            ("Cabinet door", 12, "", lambda _now_s: 1 if self.door else 2),
            ("Seismic switch", 12, "", lambda _now_s: 1 if self.seismic else 2),
        ]
        told = _system("Simulated room sensors", "1.3.6.1.4.1.8072.3.2.255", name)
        for n, (label, kind, units, value) in enumerate(rows, start=1):
            told |= {
                f"{_ENTITY}.7.{n}": (ber.OCTET_STRING, label),
                f"{_SENSOR}.1.{n}": (ber.INTEGER, kind),
                f"{_SENSOR}.2.{n}": (ber.INTEGER, 9),
                f"{_SENSOR}.3.{n}": (ber.INTEGER, 0 if kind == 12 else 2),
                f"{_SENSOR}.4.{n}": lambda now_s, value=value: (ber.INTEGER, value(now_s)),  # type: ignore[misc]  # bound
                f"{_SENSOR}.5.{n}": (ber.INTEGER, 1),
                f"{_SENSOR}.6.{n}": (ber.OCTET_STRING, units),
            }
        return told

    def _temperature(self, now_s: float) -> int:
        if not self.stuck:
            self._kept = self.temperature_c + 0.3 * sin(now_s / 20)
        return int(self._kept * 100)


@dataclass
class Station:
    """A trunked base station (Tait's MIB is public and a good model): how it serves."""

    isolated: bool = False
    off_air: bool = False
    synchronized: bool = True
    control_channel: bool = True
    failed_channel: bool = False
    forward_power_w: int = 50

    def told(self, name: str) -> Told:
        """Return its MIB, live."""
        live: dict[str, Callable[[], int]] = {
            f"{_STATION}.1.1.2.2.0": lambda: 0 if self.off_air else 1,
            f"{_STATION}.1.1.2.3.0": lambda: 3 if self.control_channel else 1,
            f"{_STATION}.1.1.2.4.0": lambda: 255 if self.failed_channel else 2,
            f"{_STATION}.1.1.1.4.0": lambda: _SITE_TRUNKING if self.isolated else 2,
            f"{_STATION}.4.1.1.1.0": lambda: 1 if self.isolated else _RUNNING,
            f"{_STATION}.3.3.19.0": lambda: 1 if self.synchronized else 2,
            f"{_STATION}.2.3.2.1.0": lambda: self.forward_power_w,
            f"{_STATION}.3.1.1.0": lambda: 2 if self.off_air or self.isolated else 1,
        }
        told = _system("TB9300 (simulated)", "1.3.6.1.4.1.3570.2.2", name)
        told[f"{_STATION}.2.2.1.1.1.0"] = (ber.OCTET_STRING, "TB9300")
        for place, value in live.items():
            told[place] = lambda _now_s, value=value: (ber.INTEGER, value())  # type: ignore[misc]  # bound here
        return told


@dataclass
class Controller:
    """A trunked network's controller: which of its sites it reaches."""

    sites: dict[str, Station]
    """By name; it sees of them what their stations do."""
    stopped: bool = False
    """It controls nothing; its agent, a program of its own, says so."""

    def told(self, name: str) -> Told:
        """Return its MIB, live."""
        told = _system("TN9300 (simulated)", "1.3.6.1.4.1.3570.3.6", name)
        told[f"{_CONTROLLER}.1.5.0"] = lambda _now_s: (ber.INTEGER, 1 if self.stopped else 3)
        for n, (site, station) in enumerate(self.sites.items(), start=1):
            live: dict[int, Callable[[], int]] = {
                5: lambda it=station: 2 if it.isolated or it.off_air else 1,  # type: ignore[misc]  # bound here
                26: lambda it=station: int(it.failed_channel),  # type: ignore[misc]  # bound here
                42: lambda it=station: 1 if it.control_channel else 2,  # type: ignore[misc]  # bound here
            }
            told |= {
                f"{_CONTROLLER}.2.1.1.2.{n}": (ber.OCTET_STRING, site),
                f"{_CONTROLLER}.2.1.1.4.{n}": (ber.INTEGER, 1),
                f"{_CONTROLLER}.2.1.1.21.{n}": (ber.INTEGER, 8),
            }
            for column, value in live.items():
                told[f"{_CONTROLLER}.2.1.1.{column}.{n}"] = lambda _now_s, value=value: (ber.INTEGER, value())  # type: ignore[misc]  # bound here
        return told
