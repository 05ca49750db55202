"""Asks an upsd over TCP; encrypted where it offers TLS (`STARTTLS`)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

from lifeline.devices import Decoded, shipped

from ..core.nut import NutError, decode_nut, parse_variables

PORT = 3493
_MOST_LINES = 2000


class NutClient:
    """One UPS at one upsd; the connection is kept while it works."""

    def __init__(self, host: str, ups: str, port: int = PORT) -> None:
        self._host, self._port, self._ups = host, port, ups
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.encrypted = False

    async def ask(self) -> Decoded:
        """Return what the UPS says.

        Raises:
            NutError: upsd refuses.
            OSError: it cannot be reached, or went away.
        """
        try:
            reader, writer = self._streams = self._streams or await self._open()
            writer.write(f"LIST VAR {self._ups}\n".encode())
            await writer.drain()
            lines = await _answer(reader)
        except BaseException:
            self.close()  # what is still on its way must not be taken for the next answer
            raise
        return decode_nut(parse_variables(self._ups, lines), shipped().vocabulary)

    async def instant(self, command: str, user: str, password: str) -> None:
        """Give the UPS an instant command (RFC 9271 4.2.9), such as `test.battery.start`.

        Raises:
            NutError: upsd refuses the user or the command, in its own word.
            OSError: it cannot be reached, or went away.
        """
        if any(sign in user + password for sign in '\r\n"\\'):
            raise NutError("a user or password with line ends, quotes or backslashes cannot be told to upsd")
        try:
            reader, writer = self._streams = self._streams or await self._open()
            for line in (f'USERNAME "{user}"', f'PASSWORD "{password}"', f"INSTCMD {self._ups} {command}"):
                writer.write(f"{line}\n".encode())
                await writer.drain()
                answer = await _line(reader)
                if not answer.startswith("OK"):
                    raise NutError(answer.removeprefix("ERR ").strip())  # noqa: TRY301 - the connection is closed below
        except BaseException:
            self.close()
            raise

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(b"STARTTLS\n")
            self.encrypted = (await _line(reader)).startswith("OK")
            if self.encrypted:
                # Certificates of UPS servers sign themselves; encryption still keeps listeners out.
                context = ssl.create_default_context()
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                await writer.start_tls(context)
        except BaseException:
            writer.close()
            raise
        return reader, writer

    def close(self) -> None:
        """Forget the connection."""
        if self._streams is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._streams[1].close()
        self._streams = None


async def _answer(reader: asyncio.StreamReader) -> list[str]:
    lines: list[str] = []
    while not lines or not lines[-1].startswith(("END ", "ERR ")):
        lines.append(await _line(reader))
        if len(lines) > _MOST_LINES:
            raise NutError("an answer without end")
    return lines


async def _line(reader: asyncio.StreamReader) -> str:
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise ConnectionResetError("upsd closed the connection")
    return line.decode("utf-8", "replace").rstrip("\r\n")
