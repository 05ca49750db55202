"""The Basic Encoding Rules as far as SNMP uses them (X.690 8; RFC 3417 8): definite lengths, one byte of tag.

Whatever a datagram holds, reading it ends in a value or in `MalformedError`: every length is checked before it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OBJECT_IDENTIFIER: Final = 0x06
SEQUENCE: Final = 0x30
IP_ADDRESS: Final = 0x40
COUNTER32: Final = 0x41
GAUGE32: Final = 0x42
TIME_TICKS: Final = 0x43
OPAQUE: Final = 0x44
COUNTER64: Final = 0x46
MOST_ARCS: Final = 128
"""RFC 2578 3.5: an object identifier has at most 128 sub-identifiers."""
_NUMBERS: Final = frozenset({INTEGER, COUNTER32, GAUGE32, TIME_TICKS, COUNTER64})

Value = int | str | bytes


class MalformedError(ValueError):
    """A datagram is not what it should be; the text says why, in few words that can be counted."""


def element(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return an element's tag and where its contents start and stop.

    Raises:
        MalformedError: it does not lie within `data[at:end]`.
    """
    if at + 2 > end:
        raise MalformedError("cut short")
    tag, length, start = data[at], data[at + 1], at + 2
    if length >= 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 4:
            raise MalformedError("length form")  # RFC 3417 8 (1): the definite form only
        if start + octets > end:
            raise MalformedError("cut short")
        length = int.from_bytes(data[start : start + octets], "big")
        start += octets
    if start + length > end:
        raise MalformedError("cut short")
    return tag, start, start + length


def expect(data: bytes, at: int, end: int, wanted: int) -> tuple[int, int]:
    """Return where the contents of an element of a known tag start and stop.

    Raises:
        MalformedError: it is another, or none.
    """
    tag, start, stop = element(data, at, end)
    if tag != wanted:
        raise MalformedError("unexpected tag")
    return start, stop


def number(data: bytes, start: int, stop: int) -> int:
    """Return an integer's value; it has at most 9 octets: a Counter64 with its sign's.

    Raises:
        MalformedError: it has none, or more.
    """
    if not 1 <= stop - start <= 9:
        raise MalformedError("integer size")
    return int.from_bytes(data[start:stop], "big", signed=True)


def identifier(data: bytes, start: int, stop: int) -> str:
    """Return an object identifier in dotted numbers.

    Raises:
        MalformedError: it is empty, ends within an arc, or has too many or too large ones.
    """
    if start == stop or data[stop - 1] & 0x80:
        raise MalformedError("object identifier")
    arcs: list[int] = []
    arc = 0
    for octet in data[start:stop]:
        arc = arc << 7 | octet & 0x7F
        if arc > 0xFFFFFFFF:
            raise MalformedError("object identifier")
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    if len(arcs) >= MOST_ARCS:
        raise MalformedError("object identifier")
    first = min(arcs[0] // 40, 2)  # X.690 8.19.4
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def value(data: bytes, tag: int, start: int, stop: int, most: int = 4096) -> Value | None:
    """Return what a variable is bound to; None for null and for the exceptions of RFC 3416.

    Args:
        data: the datagram.
        tag: of the value.
        start: of its contents.
        stop: of its contents.
        most: octets of a string that are kept.

    Raises:
        MalformedError: its contents do not fit its tag.
    """
    if tag in _NUMBERS:
        found = number(data, start, stop)
        if found < 0 and tag != INTEGER:
            found += 1 << 8 * (stop - start)  # some agents leave the leading zero out
        return found
    if tag == OBJECT_IDENTIFIER:
        return identifier(data, start, stop)
    if tag == IP_ADDRESS:
        if stop - start != 4:
            raise MalformedError("address size")
        return ".".join(map(str, data[start:stop]))
    if tag in {OCTET_STRING, OPAQUE}:
        raw = data[start : min(stop, start + most)]
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw
        return text if text.isprintable() else raw
    if tag == NULL or 0x80 <= tag <= 0x82:
        return None
    raise MalformedError("value type")


def bindings(data: bytes, at: int, end: int, most: int) -> Iterator[tuple[str, Value | None]]:
    """Yield a list of variable bindings.

    Args:
        data: the datagram.
        at: where the list's SEQUENCE begins.
        end: where what holds it ends.
        most: bindings that are read; the rest is left.

    Raises:
        MalformedError: it is no such list.
    """
    at, stop = expect(data, at, end, SEQUENCE)
    for _nth in range(most):
        if at == stop:
            return
        inner, at = expect(data, at, stop, SEQUENCE)
        start, end_of_name = expect(data, inner, at, OBJECT_IDENTIFIER)
        name = identifier(data, start, end_of_name)
        tag, start, end_of_value = element(data, end_of_name, at)
        yield name, value(data, tag, start, end_of_value)
