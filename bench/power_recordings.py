"""Recordings of UPS, DC plants, transfer switches and gensets through the power core: decoded, and mutated.

They are not part of the project: LIFELINE_RECORDINGS says where they are.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lifeline.devices import decode, identify, read_recording, shipped
from lifeline.model.inventory import DeviceKind
from lifeline.model.power import BatteryString, DcPlant, Generator, Monitor, PowerPlant, Technology, TransferSwitch, Ups
from lifeline.model.records import Quality
from power.core.autonomy import assess
from power.core.judge import Judge
from power.core.network import Network
from power.core.observe import Answer, observe

from .figures import Figure

ROOT = Path(os.environ.get("LIFELINE_RECORDINGS", Path(__file__).parents[2] / "shared" / "recordings"))
KINDS = {"ups": {DeviceKind.UPS}, "dc": {DeviceKind.RECTIFIER},
         "genset_ats": {DeviceKind.GENERATOR, DeviceKind.TRANSFER_SWITCH}}  # fmt: skip
MUTANTS = 30
ALL_ONES = frozenset({0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF})
"""What devices write where they have no figure."""
_RUBBISH = ("", "nan", "1e999", "-", "9" * 500, b"\xff" * 64, -1, 0, 65535, 2**32 - 1, 2**64)
_MONITOR = Monitor(device="x", protocol="snmp")
_STRING = {"a": BatteryString(Technology.VRLA, 20.0)}
PLANTS = {
    DeviceKind.UPS: PowerPlant(8, 5, ups={"part": Ups(module_kw=10, strings=_STRING, monitor=_MONITOR)}),
    DeviceKind.RECTIFIER: PowerPlant(8, 5, dc_plants={"part": DcPlant(10, strings=_STRING, monitor=_MONITOR)}),
    DeviceKind.GENERATOR: PowerPlant(
        8, 5, generators={"part": Generator(20, tank_l=200, burn_l_per_h_full_load=6, monitor=_MONITOR)},
        ups={"ups": Ups(module_kw=10, strings=_STRING)},
    ),
    DeviceKind.TRANSFER_SWITCH: PowerPlant(
        8, 5, generators={"g": Generator(20, tank_l=200, burn_l_per_h_full_load=6)},
        switches={"part": TransferSwitch(["g"], monitor=_MONITOR)}, ups={"ups": Ups(module_kw=10, input="part")},
    ),
}  # fmt: skip


def measure() -> list[Figure]:
    """Return the figures of the recordings; without recordings they cannot be measured."""
    names = ("power recordings identified and decoded", "sentinels taken as values", "crashes on mutated recordings")
    if not (ROOT / "manifest.json").exists():
        note = f"no recordings at {ROOT}: set LIFELINE_RECORDINGS"
        return [Figure(names[0], None, "%", 100, "higher", note=note),
                *(Figure(name, None, "", 0, note=note) for name in names[1:])]  # fmt: skip
    items = [it for it in json.loads((ROOT / "manifest.json").read_text(encoding="utf-8"))["items"]
             if it["format"] == "snmprec" and it["kind"] in KINDS]  # fmt: skip
    decoded = sentinels = mutants = crashes = 0
    for item in items:
        answers = read_recording(ROOT / item["file"])
        matches = identify(answers, shipped())
        if not matches or shipped().profiles[matches[0].profile].kind not in KINDS[item["kind"]]:
            print(f"{item['id']} is not recognised", file=sys.stderr)
            continue
        told = decode(shipped().family(matches[0].profile), answers)
        ranged = shipped().vocabulary.metrics
        decoded += bool(told.measurements or told.states)
        sentinels += sum(
            1 for it in told.measurements
            if it.quality is Quality.GOOD and answers.get(it.place) in ALL_ONES and ranged[it.metric].range is not None
        )  # fmt: skip
        rng = random.Random(item["id"])
        for _mutant in range(MUTANTS):
            mutants += 1
            crashes += _crashes(item["id"], matches[0].profile, _mutated(answers, rng))
    return [
        Figure(names[0], 100 * decoded / len(items), "%", 100, "higher",
               note=f"{len(items)} recordings of UPS, DC plants, gensets and transfer switches"),
        Figure(names[1], sentinels, "", 0),
        Figure(names[2], crashes, "", 0, note=f"{mutants} mutants, decoded, observed, reckoned and judged"),
    ]  # fmt: skip


def _mutated(answers: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    return {oid: rng.choice(_RUBBISH) if rng.random() < 0.2 else raw
            for oid, raw in answers.items() if rng.random() > 0.1}  # fmt: skip


def _crashes(name: str, profile: str, answers: dict[str, Any]) -> bool:
    try:
        identify(answers, shipped())
        told = decode(shipped().family(profile), answers)
        network = Network(PLANTS[told.kind])
        observed = observe(network, {"part": Answer(told, 0.0)}, 0.0, dt.date(2026, 11, 24))
        Judge("site").judge(observed, assess(network, observed.situation), 0.0)
    except Exception as error:  # noqa: BLE001 - any at all is what is counted
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        return True
    return False


if __name__ == "__main__":
    for figure in measure():
        print(figure)
