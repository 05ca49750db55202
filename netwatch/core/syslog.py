"""Reads syslog messages: RFC 5424, and what RFC 3164 found in use. What is no header is text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from .ber import MalformedError

MOST_OCTETS: Final = 8192
"""RFC 5424 6.1: receivers should take 2,048 octets; longer ones are cut off here."""
_PRI: Final = re.compile(rb"<(\d{1,3})>")
_NEW: Final = re.compile(
    rb"([1-9]\d{0,2}) (\S{1,64}) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) (-|(?=\[))", re.DOTALL
)
_ELEMENT: Final = re.compile(rb'\[([^ =\]"]{1,32})((?: [^ =\]"]{1,32}="(?:[^"\\\]]|\\.)*")*)\]', re.DOTALL)
_PARAMETER: Final = re.compile(rb' ([^ =\]"]{1,32})="((?:[^"\\\]]|\\.)*)"', re.DOTALL)
_OLD: Final = re.compile(rb"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )(?:([\w.:-]{1,255}) )?", re.DOTALL)
_TAG: Final = re.compile(rb"([\w./-]{1,32})(?:\[(\w{1,16})\])?: ?")


@dataclass(frozen=True, slots=True)
class Message:
    """A line of a device's log."""

    facility: int
    severity: int
    """RFC 5424 6.2.1: 0 emergency to 7 debug."""
    host: str
    application: str
    text: str
    at: datetime | None = None
    """The device's own time where it tells one with its zone; it may be wrong."""
    data: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """RFC 5424 structured data."""


def parse(datagram: bytes) -> Message:
    """Read a message.

    Raises:
        MalformedError: it has no priority, or one that does not exist.
    """
    datagram = datagram[:MOST_OCTETS]
    match = _PRI.match(datagram)
    if match is None:
        raise MalformedError("no priority")
    facility, severity = divmod(int(match[1]), 8)
    if facility > 23:
        raise MalformedError("priority")
    rest = datagram[match.end() :]
    new = _NEW.match(rest)
    if new is not None:
        return _rfc5424(facility, severity, rest, new)
    old = _OLD.match(rest)
    host = _text(old[1]) if old and old[1] else ""
    rest = rest[old.end() :] if old else rest
    tag = _TAG.match(rest)
    return Message(facility, severity, host, _text(tag[1]) if tag else "", _text(rest[tag.end() :] if tag else rest))


def _rfc5424(facility: int, severity: int, rest: bytes, header: re.Match[bytes]) -> Message:
    at, data = header.end(), {}
    while (element := _ELEMENT.match(rest, at)) is not None:
        data[_text(element[1])] = {
            _text(name): _text(re.sub(rb'\\(["\\\]])', rb"\1", told)) for name, told in _PARAMETER.findall(element[2])
        }
        at = element.end()
    text = rest[at:].removeprefix(b" ").removeprefix(b"\xef\xbb\xbf")
    host, application = (_text(header[n]).removeprefix("-") for n in (3, 4))
    return Message(facility, severity, host, application, _text(text), _time(_text(header[2])), data)


def _time(text: str) -> datetime | None:
    try:
        told = datetime.fromisoformat(text)
        return told.astimezone(UTC) if told.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _text(raw: bytes) -> str:
    """Return octets as text that is safe to show: control characters become spaces."""
    return "".join(c if c.isprintable() else " " for c in raw.decode("utf-8", "replace")).strip()
