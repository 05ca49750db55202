"""The audit at a hub: entries are linked one after the other, and the chain's end is countersigned elsewhere."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from lifeline.audit import AUDITED, Entry, Head, link, sign
from lifeline.clock import wall_ns
from lifeline.model.records import Event
from lifeline.runtime.logging import EdgeLog

KEY_FILE: Final = "audit.key"
HEAD_FILE: Final = "audit.heads"
SIGN_S: Final = 1.0
"""The end is countersigned at most this often, at most so late, and when the hub stops."""

log = structlog.get_logger(__name__)


class Sealing:
    """Links entries. They take turns, so that the chain is in the order of the journal.

    Attributes:
        on_sealed: is told of each new end.
    """

    def __init__(self, head: Callable[[], Head], commit: Callable[[Sequence[Event]], Awaitable[bool]]) -> None:
        """Prepare.

        Args:
            head: returns the end of the chain as the journal has it.
            commit: puts events into the journal, all or none, and returns whether it did.
        """
        self.on_sealed: Callable[[Head], None] | None = None
        self._head = head
        self._commit = commit
        self._turn = asyncio.Lock()

    async def commit(self, events: Sequence[Event]) -> bool:
        """Commit events, linked if they are entries; return whether there was room.

        Whoever gives up waiting leaves the transaction to end by itself: the next one builds on what became of it.
        """
        if all(event.kind not in AUDITED for event in events):
            return await self._commit(events)
        return await asyncio.shield(asyncio.create_task(self._in_turn(events)))

    async def _in_turn(self, events: Sequence[Event]) -> bool:
        async with self._turn:
            head, linked = self._head(), []
            for event in events:
                if event.kind not in AUDITED:
                    linked.append(event)
                    continue
                head, body = link(head, Entry(event.kind.value, event.subject, event.observed_at_ns, event.body))
                linked.append(dataclasses.replace(event, body=body))
            kept = await self._commit(linked)
            if kept and self.on_sealed is not None:
                self.on_sealed(head)
            return kept


class Countersign:
    """Notes the end of the chain in a second place, under a key of its own."""

    def __init__(self, data: Path, copy: Path) -> None:
        """Open the second place.

        Args:
            data: where the key is, made at the first start.
            copy: directory of the second place, by preference on another disk or machine.

        Raises:
            OSError: one of them cannot be written.
        """
        self._key = audit_key(data)
        copy.mkdir(parents=True, exist_ok=True)
        self._file = (copy / HEAD_FILE).open("a", encoding="ascii")
        self._head = Head()
        self._signed = 0
        self._news = asyncio.Event()
        self._edges = EdgeLog(log)

    def note(self, head: Head) -> None:
        """Take note of the end."""
        self._head = head
        self._news.set()

    async def run(self) -> None:
        """Write the end down whenever there is a new one, at most once a second, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await asyncio.to_thread(self._write)
            except OSError as error:
                self._edges.failed("sign", "the audit's end is not countersigned", error)
                self._news.set()
            else:
                self._edges.succeeded("sign", "the audit's end is countersigned again")
            await asyncio.sleep(SIGN_S)

    def close(self) -> None:
        """Write the last end and close."""
        self._write()
        self._file.close()

    def _write(self) -> None:
        head = self._head
        if head.number == self._signed:
            return
        self._file.write(sign(head, wall_ns(), self._key) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._signed = head.number


def audit_key(data: Path) -> bytes:
    """Return the key of countersignatures, made at first use, for its owner only.

    Raises:
        ValueError: the file holds no key.
        OSError: it cannot be read or written.
    """
    path = data / KEY_FILE
    if not path.exists():
        new = path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(32))
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)  # whole or not at all: an empty key would sign for everybody
    key = bytes.fromhex(path.read_text(encoding="ascii"))
    if not key:
        raise ValueError(f"{path} holds no key")
    return key
