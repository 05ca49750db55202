"""Takes secrets out of what routers show. What is kept tells that something stood there, never what."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

REDACTED: Final = "[redacted]"

_TELLING: Final = re.compile(
    r"(?im)\b(passw\w*|secret|community|cipher|simple|md5|sha\d*|hmac-\w+|key-string|pre-shared-key"
    r"|[\w-]*authentication-key|message-digest-key|authentication-mode|private-key)(?P<gap>[ \t:=]+)\S[^\r\n]*"
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without these secrets, and without what follows a word that announces one.

    Args:
        text: whole lines, as a device shows them.
        secrets: what was used to log in.
    """
    for secret in sorted((each for each in secrets if each), key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return _TELLING.sub(lambda found: f"{found[1]}{found['gap']}{REDACTED}", text)
