"""What was said in sessions, without secrets, for the people who must find out why a device did what it did."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from lifeline.clock import wall_ns

from ...core.actuation import redact

_MOST_BYTES = 1 << 20
"""Of a session, and of a file before it is set aside: neither a talkative device nor time fills the disk."""
_log = logging.getLogger(__name__)


class Transcript(io.BufferedIOBase):
    """One session in a device's file, which only its owner reads. Each line is redacted before it is written.

    A transcript that cannot be kept is told once and never stands in the way of a change.

    Args:
        path: of the file; sessions are added to it, and a full one becomes `.1`. None keeps nothing.
        secrets: that were used to log in.
    """

    def __init__(self, path: Path | None, secrets: Sequence[str]) -> None:
        super().__init__()
        self._secrets = tuple(secrets)
        self._line = b""
        self._left = _MOST_BYTES
        self._file: int | None = None
        if path is None:
            return
        try:
            if path.exists() and path.stat().st_size > _MOST_BYTES:
                path.replace(path.with_name(path.name + ".1"))
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            _log.warning("no transcript at %s: %s", path, error.strerror)
        self.say(f"--- session at {datetime.fromtimestamp(wall_ns() / 1e9, UTC).isoformat(timespec='seconds')}")

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
        try:
            self._left -= os.write(self._file, text.encode()[: self._left])
        except OSError as error:
            _log.warning("the transcript ends here: %s", error.strerror)
            self._left = 0
