"""What tests of several domains talk to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

MailServer = Callable[[], AbstractAsyncContextManager[tuple[int, list[str]]]]


@pytest.fixture
def mail_server() -> MailServer:
    """Return what takes mail while it is entered: its port, and the lines as they are heard."""
    return _mail_server


@asynccontextmanager
async def _mail_server() -> AsyncIterator[tuple[int, list[str]]]:
    lines: list[str] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        in_mail = False
        async for raw in reader:
            text = raw.decode().rstrip("\r\n")
            lines.append(text)
            if in_mail and text != ".":
                continue
            answers = {"DATA": b"354 go\r\n", "QUIT": b"221 bye\r\n"}
            writer.write(answers.get(text.upper(), b"250 ok\r\n"))
            in_mail = text.upper() == "DATA"
            if text.upper() == "QUIT":
                break
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], lines
