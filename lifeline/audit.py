"""The audit: every entry carries the hash of the one before it, so that none can be changed or taken out unseen.

An entry is an event of the hub's own that says what people or playbooks have done, of one of the kinds `AUDITED`. The
last hash is countersigned in a second place; so cutting the end off is seen too. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from .model.records import EventKind, Json

AUDITED: Final = frozenset({EventKind.PLAYBOOK, EventKind.COMMAND, EventKind.ALARM, EventKind.MAINTENANCE})
"""Kinds of events that are entries when the hub itself wrote them: whoever acted, it went through the hub."""
HUB_SUFFIX: Final = "/hub"
"""Ends the name of a hub as a writer; no daemon may call itself so."""
FIRST: Final = "0" * 64
"""What stands before the first entry."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain."""

    number: int = 0
    hash: str = FIRST


def digest(value: Json) -> str:
    """Return the SHA-256 of a JSON value in canonical form, in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def head_of(node: str, kind: EventKind, body: Mapping[str, Json]) -> Head | None:
    """Return the chain's end after an event, None if the event is no entry."""
    seal = body.get("audit")
    if kind not in AUDITED or not node.endswith(HUB_SUFFIX) or not isinstance(seal, Mapping):
        return None
    return Head(int(seal["n"]), str(seal["hash"]))


@dataclass(frozen=True, slots=True)
class Entry:
    """What of an event is sealed: everything but where it stands, and that the chain says."""

    kind: str
    subject: str
    at_ns: int
    """When the hub wrote it, wall time."""
    body: Json


def link(head: Head, entry: Entry) -> tuple[Head, dict[str, Json]]:
    """Return the chain's new end, and an entry's body with its link."""
    body, after = entry.body, Head(head.number + 1, _hash(head, entry))
    return after, {**body, "audit": {"n": after.number, "before": head.hash, "hash": after.hash}}


def _hash(head: Head, entry: Entry) -> str:
    sealed = {key: value for key, value in entry.body.items() if key != "audit"}
    return digest([head.number + 1, head.hash, entry.kind, entry.subject, entry.at_ns, sealed])


def sign(head: Head, at_ns: int, key: bytes) -> str:
    """Return a countersignature as a line: number, hash, wall time, HMAC-SHA256."""
    signed = f"{head.number} {head.hash} {at_ns}"
    return f"{signed} {hmac.new(key, signed.encode(), hashlib.sha256).hexdigest()}"


def verify(entries: Iterable[Entry], signatures: Iterable[str], key: bytes) -> tuple[Head, list[str]]:
    """Check a chain against itself and against its countersignatures.

    Args:
        entries: the hub's own events of the kinds `AUDITED`, in order.
        signatures: lines as `sign` wrote them.
        key: of the signatures.

    Returns:
        The chain's end, and what is wrong, as sentences; none when all is well.
    """
    signed, wrong = _signed(signatures, key)
    head = Head()
    for entry in entries:
        seal = entry.body.get("audit") if isinstance(entry.body, Mapping) else None
        if not isinstance(seal, Mapping) or not isinstance(seal.get("n"), int):
            wrong.append(f"an entry ({entry.kind}) of {entry.subject} after entry {head.number} has no seal: "
                         "it was changed, or added by others")  # fmt: skip
            continue
        if seal.get("n") != head.number + 1:
            wrong.append(f"entry {head.number + 1} is missing: {seal.get('n')} follows {head.number}")
            head = Head(int(seal["n"]) - 1, str(seal.get("before")))
        if seal.get("before") != head.hash or _hash(head, entry) != seal.get("hash"):
            wrong.append(f"entry {seal.get('n')} of {entry.subject} was changed, or the one before it")
        head = Head(int(seal["n"]), str(seal.get("hash")))
        if signed.pop(head.number, {head.hash}) != {head.hash}:
            wrong.append(f"entry {head.number} is not the one that was countersigned")
    if beyond := [number for number in signed if number > head.number]:
        wrong.append(f"entries {head.number + 1} to {max(beyond)} are missing: they were countersigned")
    return head, wrong


def _signed(signatures: Iterable[str], key: bytes) -> tuple[dict[int, set[str]], list[str]]:
    """Return the hashes that were countersigned by number: two for one number are two histories."""
    signed: dict[int, set[str]] = {}
    wrong = []
    for line in filter(None, map(str.strip, signatures)):
        text, _, mac = line.rpartition(" ")
        if not hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), mac):
            wrong.append(f"a countersignature does not fit its key: {json.dumps(line[:40])}")
            continue
        number, value, _at = text.split(" ")
        signed.setdefault(int(number), set()).add(value)
    return signed, wrong
