"""What is taken for a plant's state where nobody measures it: `load=70%,fuel=80%,charge=100%,temp=20`."""

from __future__ import annotations

import re
from datetime import date

from lifeline.i18n import _

from .network import Network
from .situation import Known, Origin, Situation

_WORDS = ("load", "fuel", "charge", "temp")


def assumed(network: Network, text: str, today: date) -> Situation:
    """Return the situation that a text describes; what it does not name stays unknown.

    Args:
        network: the plant.
        text: shares in per cent; the load also in kW, the temperature in degrees Celsius.
        today: the day.

    Raises:
        ValueError: the text is not understood; its own says what would be right.
    """
    wanted = dict(_item(item) for item in text.split(",") if item.strip())
    design_kw = sum(load.kw for load in network.loads if not load.cooling)
    share = wanted["load"][0] / 100 if "load" in wanted else None
    if share is not None and wanted["load"][1] == "kw":
        share = wanted["load"][0] / design_kw
    fuel, charge, temp = ((wanted.get(word) or (None, ""))[0] for word in ("fuel", "charge", "temp"))

    def known(value: float | None) -> Known:
        return Known(value, origin=Origin.ASSUMED)

    return Situation(
        today,
        load_kw={} if share is None else {it.name: known(it.kw * share) for it in network.loads if not it.cooling},
        charge={} if charge is None else {name: known(charge / 100) for name in network.units},
        fuel_l={} if fuel is None else {name: known(it.capacity_l * fuel / 100) for name, it in network.tanks.items()},
        temp_c={} if temp is None else {name: known(temp) for name in network.units},
    )


def _item(text: str) -> tuple[str, tuple[float, str]]:
    found = re.fullmatch(r"\s*([a-z]+)\s*=\s*(-?\d+(?:\.\d+)?)\s*(%|kw|)\s*", text.lower())
    if not found or found[1] not in _WORDS or (found[3] == "kw" and found[1] != "load"):
        raise ValueError(
            _("{text!r} is no assumption; write them like {example}").format(
                text=text, example="load=70%,fuel=80%,charge=100%,temp=20"
            )
        )
    value = float(found[2])
    if found[1] != "temp" and (value < 0 or (value > 100 and found[1] != "load")):
        raise ValueError(_("{text!r} lies outside 0 to 100 %").format(text=text))
    return found[1], (value, found[3])
