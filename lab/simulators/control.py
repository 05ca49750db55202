"""The socket through which a room of simulated things is told what shall be wrong: a line of JSON each way."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

Asked = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Carries a request out and returns the answer; what is no request it raises as ValueError, KeyError or TypeError."""


class Room(Protocol):
    """Things of which something can be wrong."""

    def fault(self, at: str, kind: str, size: float, /) -> None:
        """Let something be wrong with one of them."""
        ...

    def heal(self, at: str, /) -> None:
        """Let nothing be wrong with one of them."""
        ...

    def look(self) -> dict[str, Any]:
        """Return what there is and what is wrong with it."""
        ...


def carry_out(room: Room, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out what every room can be asked: {"act": "fault" | "heal" | "look", "at", "kind", "size"}.

    Raises:
        ValueError, KeyError, TypeError: it is no request.
    """
    match wanted["act"]:
        case "fault":
            room.fault(wanted["at"], wanted["kind"], float(wanted.get("size", 0)))
        case "heal":
            room.heal(wanted["at"])
        case "look":
            pass
        case act:
            raise ValueError(f"no act {act}")
    return room.look()


async def obey(asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry out one request, and answer with `ok` and what came of it or the `error`."""
    try:
        answer = {"ok": True, **await asked(json.loads(await reader.readline()))}
    except (ValueError, KeyError, TypeError) as error:
        answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    writer.write(json.dumps(answer).encode() + b"\n")
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def controlled(asked: Asked, path: str) -> AsyncIterator[None]:
    """Take requests at a Unix socket; one that an earlier life left is removed."""
    Path(path).unlink(missing_ok=True)  # noqa: ASYNC240 - nothing else runs yet
    async with await asyncio.start_unix_server(lambda reader, writer: obey(asked, reader, writer), path):
        yield
