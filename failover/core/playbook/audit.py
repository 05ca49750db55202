"""The audit: every entry carries the hash of the one before it, so that none can be changed or taken out unseen.

The last hash is countersigned in a second place; so cutting the end off is seen too. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lifeline.model.records import Json

from .plan import digest

FIRST: Final = "0" * 64
"""What stands before the first entry."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain."""

    number: int = 0
    hash: str = FIRST


def link(head: Head, subject: str, body: Mapping[str, Json]) -> tuple[Head, dict[str, Json]]:
    """Return the chain's new end, and an entry's body with its link."""
    after = Head(head.number + 1, _hash(head, subject, body))
    return after, {**body, "audit": {"n": after.number, "before": head.hash, "hash": after.hash}}


def _hash(head: Head, subject: str, body: Mapping[str, Json]) -> str:
    sealed = {key: value for key, value in body.items() if key != "audit"}
    return digest([head.number + 1, head.hash, subject, sealed])


def sign(head: Head, at_ns: int, key: bytes) -> str:
    """Return a countersignature as a line: number, hash, wall time, HMAC-SHA256."""
    signed = f"{head.number} {head.hash} {at_ns}"
    return f"{signed} {hmac.new(key, signed.encode(), hashlib.sha256).hexdigest()}"


def verify(
    entries: Iterable[tuple[str, Mapping[str, Json]]], signatures: Iterable[str], key: bytes
) -> tuple[Head, list[str]]:
    """Check a chain against itself and against its countersignatures.

    Args:
        entries: subject and body, in order.
        signatures: lines as `sign` wrote them.
        key: of the signatures.

    Returns:
        The chain's end, and what is wrong, as sentences; none when all is well.
    """
    signed, wrong = _signed(signatures, key)
    head = Head()
    for subject, body in entries:
        seal = body.get("audit")
        if not isinstance(seal, Mapping):
            wrong.append(f"an entry of {subject} after entry {head.number} has no seal: it was added by others")
            continue
        if seal.get("n") != head.number + 1:
            wrong.append(f"entry {head.number + 1} is missing: {seal.get('n')} follows {head.number}")
            head = Head(int(seal.get("n", 0)) - 1, str(seal.get("before")))
        if seal.get("before") != head.hash or _hash(head, subject, body) != seal.get("hash"):
            wrong.append(f"entry {seal.get('n')} of {subject} was changed, or the one before it")
        head = Head(int(seal["n"]), str(seal.get("hash")))
        if signed.pop(head.number, head.hash) != head.hash:
            wrong.append(f"entry {head.number} is not the one that was countersigned")
    if beyond := [number for number in signed if number > head.number]:
        wrong.append(f"entries {head.number + 1} to {max(beyond)} are missing: they were countersigned")
    return head, wrong


def _signed(signatures: Iterable[str], key: bytes) -> tuple[dict[int, str], list[str]]:
    signed: dict[int, str] = {}
    wrong = []
    for line in filter(None, map(str.strip, signatures)):
        text, _, mac = line.rpartition(" ")
        if not hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), mac):
            wrong.append(f"a countersignature does not fit its key: {json.dumps(line[:40])}")
            continue
        number, value, _at = text.split(" ")
        signed[int(number)] = value
    return signed, wrong
