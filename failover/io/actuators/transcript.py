"""What was said in a session, without secrets, for the people who must find out why a device did what it did."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

from ...core.actuation import redact

_MOST_BYTES = 1 << 20
"""A device that talks without end does not fill the disk."""


class Transcript(io.BufferedIOBase):
    """A file that only its owner reads, replaced by each session; a line is redacted before it is written.

    Args:
        path: of the file; None keeps nothing.
        secrets: that were used to log in.
    """

    def __init__(self, path: Path | None, secrets: Sequence[str]) -> None:
        super().__init__()
        self._secrets = tuple(secrets)
        self._line = b""
        self._left = _MOST_BYTES
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # netmiko writes bytes and nothing else
        """Take what was said; whole lines go to the file."""
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._put(line)
        return len(data)

    def say(self, text: str) -> None:
        """Take a text of ours."""
        self.write(text.encode() + b"\n")

    def close(self) -> None:
        """Write what is left and release the file."""
        if self._line:
            self._put(self._line)
            self._line = b""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        super().close()

    def _put(self, line: bytes) -> None:
        if self._file is None or self._left <= 0:
            return
        text = redact(line.decode(errors="replace").rstrip("\r"), self._secrets) + "\n"
        self._left -= os.write(self._file, text.encode()[: self._left])
