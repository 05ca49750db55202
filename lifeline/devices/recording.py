"""Reads snmpsim's recordings: `OID|type|value` a line, the value in hexadecimal where an x follows the type."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

Value = int | float | str | bytes
"""What a device may answer; text that is no UTF-8 stays bytes."""

_INTEGERS = {"2", "65", "66", "67", "70"}  # INTEGER, Counter32, Gauge32, TimeTicks, Counter64 (RFC 2578 7.1)
_NOTHING = {"5", "128", "129", "130"}  # Null, noSuchObject, noSuchInstance, endOfMibView
_MOST = 64 * 2**20


def read_recording(path: Path) -> dict[str, Value]:
    """Return a recording's objects by OID without a leading dot.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is larger than 64 MiB.
    """
    with path.open("rb") as stream:
        raw = stream.read(_MOST + 1)
    if len(raw) > _MOST:
        raise ValueError(f"{path} is larger than 64 MiB")
    return parse_recording(raw.decode("utf-8", "surrogateescape"))


def parse_recording(text: str) -> dict[str, Value]:
    """Return a recording's objects by OID; lines that are none are left out, as an agent would not answer them."""
    values: dict[str, Value] = {}
    for line in text.split("\n"):
        oid, bar, rest = line.strip("\r").partition("|")
        kind, second, value = rest.partition("|")
        if not (bar and second) or kind.partition(":")[0] in _NOTHING:
            continue
        parsed = _parsed(kind, value)
        if parsed is not None:
            values[oid.strip().lstrip(".")] = parsed
    return values


def _parsed(kind: str, value: str) -> Value | None:
    number = kind.rstrip("ex").partition(":")[0]
    if kind.endswith("x"):
        try:
            return bytes.fromhex(value)
        except ValueError:
            return None
    if number in _INTEGERS:
        try:
            return int(value) if len(value) < 100 else None
        except ValueError:
            return None
    return value


def text_of(value: Value, most: int = 1024) -> str:
    """Return a value as one line of text: what a device says never moves a cursor or fills a screen.

    Args:
        value: as the device gave it.
        most: characters kept.
    """
    if isinstance(value, bytes):
        value = value[: most * 4].decode("utf-8", "replace")
    if not isinstance(value, str):
        return str(value) if isinstance(value, float) or -(2**256) < value < 2**256 else "?"
    return " ".join("".join(c if c.isprintable() else " " for c in value[:most]).split())


def normalised(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return objects with their OIDs without leading dots."""
    return {oid.lstrip("."): value for oid, value in values.items()}
