"""Network UPS Tools: what an upsd answers, and what its variables mean in the vocabulary of devices. Sans-IO.

Protocol: docs/net-protocol.txt of NUT 2.8 (RFC 9271). Variables: docs/nut-names.txt. Runtime is in seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from lifeline.devices import Decoded, Health, Measurement, State
from lifeline.devices.vocabulary import Vocabulary
from lifeline.i18n import _
from lifeline.model.inventory import DeviceKind
from lifeline.model.records import Quality

_VAR = re.compile(r'VAR (\S+) (\S+) "((?:[^"\\]|\\.)*)"\Z')
_ESCAPE = re.compile(r"\\(.)")

METRICS = {
    "battery.charge": "battery.charge",
    "battery.runtime": "battery.runtime_s",
    "battery.voltage": "battery.voltage",
    "battery.voltage.nominal": "battery.voltage_nominal",
    "battery.current": "battery.current",
    "battery.temperature": "battery.temperature",
    "input.voltage": "input.voltage",
    "input.voltage.nominal": "input.voltage_nominal",
    "input.frequency": "input.frequency",
    "input.realpower": "input.realpower",
    "output.voltage": "output.voltage",
    "output.current": "output.current",
    "output.frequency": "output.frequency",
    "output.realpower": "output.realpower",
    "ups.realpower": "output.realpower",
    "ups.power": "output.apparentpower",
    "ups.load": "ups.load",
    "ups.realpower.nominal": "ups.realpower_rated",
    "ups.power.nominal": "ups.apparentpower_rated",
    "ups.temperature": "ups.temperature",
}
"""NUT's variable to the vocabulary's metric; both have the same units."""

_SOURCES = (
    ("OFF", "off"),
    ("BYPASS", "bypass"),
    ("OB", "on-battery"),
    ("BOOST", "boost"),
    ("TRIM", "trim"),
    ("OL", "online"),
)
"""What feeds the load, by the flag that decides: OFF is never power, whatever else stands beside it (nut #2044)."""
_BATTERY = (("LB", "low"), ("DISCHRG", "discharging"), ("CHRG", "charging"))
_TESTS = (("pass", "passed"), ("ok", "passed"), ("fail", "failed"), ("progress", "running"), ("abort", "aborted"))


class NutError(Exception):
    """What upsd refuses, in its own word: UNKNOWN-UPS, DATA-STALE, DRIVER-NOT-CONNECTED ..."""


def parse_variables(ups: str, lines: Iterable[str]) -> dict[str, str]:
    """Return a UPS's variables from the answer to `LIST VAR <ups>`.

    Raises:
        NutError: upsd refuses, or its answer is none to that question or only half of one.
    """
    variables: dict[str, str] = {}
    begun = ended = False
    for line in lines:
        if line.startswith("ERR "):
            raise NutError(line[4:].strip())
        if line == f"BEGIN LIST VAR {ups}":
            begun = True
        elif line == f"END LIST VAR {ups}":
            ended = True
        elif (found := _VAR.match(line)) and found[1] == ups and begun:
            variables[found[2]] = _ESCAPE.sub(r"\1", found[3])
        else:
            raise NutError(_("no answer to the question: {line!r}").format(line=line[:80]))
    if not (begun and ended):
        raise NutError(_("half an answer"))
    return variables


def decode_nut(variables: Mapping[str, str], vocabulary: Vocabulary) -> Decoded:
    """Return what a UPS said, in the vocabulary of devices; what cannot be understood is missing, with its reason."""
    measurements = {it.metric: it for it in _measured(variables, vocabulary)}
    states = tuple(
        State(name, "", word, vocabulary.states[name].words.get(word, Health.UNKNOWN), "", "ups.status", "ups.status")
        for name, word in _states(variables)
    )
    problems = tuple(f"{it.metric}: {it.reason}" for it in measurements.values() if it.reason)
    if not variables.get("ups.status"):
        problems += (_("ups.status is missing: what feeds the load is unknown"),)
    return Decoded(
        "nut", DeviceKind.UPS, variables.get("device.mfr", ""), variables.get("device.model", ""),
        variables.get("device.serial", ""), variables.get("ups.firmware", ""), tuple(measurements.values()), states,
        problems,
    )  # fmt: skip


def _measured(variables: Mapping[str, str], vocabulary: Vocabulary) -> Iterator[Measurement]:
    for variable, metric in METRICS.items():
        if variable not in variables:
            continue
        entry = vocabulary.metrics[metric]
        value, quality, reason = None, Quality.MISSING, ""
        try:
            value = float(variables[variable])
        except ValueError:
            reason = _("{text!r} is no number").format(text=variables[variable][:40])
        else:
            low, high = entry.range or (float("-inf"), float("inf"))
            if value < 0 <= low or value != value:  # noqa: PLR0124 - NaN alone differs from itself
                value, reason = None, _("{text} stands for no figure").format(text=variables[variable][:40])
            elif low <= value <= high:
                quality = Quality.GOOD
            else:
                quality = Quality.SUSPECT
                reason = _("{value:g} {unit} lies outside {low:g} to {high:g}").format(
                    value=value, unit=entry.unit, low=low, high=high)  # fmt: skip
        yield Measurement(metric, "", value, entry.unit, quality, reason, variable, variable)


def _states(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    flags = variables.get("ups.status", "").split()
    if (source := next((word for flag, word in _SOURCES if flag in flags), None)) is not None:
        yield "ups.source", source
    if (battery := next((word for flag, word in _BATTERY if flag in flags), None)) is not None:
        yield "battery.status", battery
    if flags:
        yield "battery.replace", "yes" if "RB" in flags else "no"
    result = variables.get("ups.test.result", "").lower()
    if "CAL" in flags:
        result = "in progress"
    if (test := next((word for sign, word in _TESTS if sign in result), None)) is not None:
        yield "battery.test", test
