"""Logs: one JSON object per line on stderr, secrets redacted, repeated errors told once.

stdout is data, stderr is narration. Keys and event texts stay English whatever the interface speaks.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from ..clock import monotonic_s

_SECRET_KEY = re.compile(r"token|secret|passw|community|credential|authorization|private_?key|api_?key", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]+")
_NOT_SECRET = frozenset({"token_file", "secret_file", "fencing_token"})
_REDACTED = "[redacted]"


def configure_logging(daemon: str, level: int = logging.INFO) -> None:
    """Send structlog's and the standard library's records to stderr as JSON lines that name the daemon.

    Args:
        daemon: the writer, such as `sbs-dongcheng/agent`.
        level: a `logging` level; lower records are dropped.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.dict_tracebacks,
        _name_daemon(daemon),
        redact,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=json.dumps, ensure_ascii=False, default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in ("alembic", "websockets", "uvicorn.access", "httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))


def _name_daemon(daemon: str) -> structlog.typing.Processor:
    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("daemon", daemon)
        return event

    return add


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace secrets in a record, at any depth: values under telling keys, and `Bearer ...` inside texts."""
    for key, value in event.items():
        event[key] = _redacted(key, value)
    return event


def _redacted(key: str, value: Any) -> Any:
    if _SECRET_KEY.search(key) and key not in _NOT_SECRET and not isinstance(value, (bool, int, type(None))):
        return _REDACTED
    if isinstance(value, str):
        return _SECRET_VALUE.sub(rf"\1 {_REDACTED}", value)
    if isinstance(value, dict):
        return {k: _redacted(str(k), v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted("", v) for v in value]
    return value


class EdgeLog:
    """Tells the edges of a repeating error: when it begins, when its text changes, and when it is over.

    A hub that cannot be reached for a day is two lines, not eighty thousand.
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self._failing: dict[str, tuple[str, float, int]] = {}

    def failed(self, key: str, event: str, error: object, **context: Any) -> None:
        """Note a failure under `key`; a warning is written only when it or its text is new."""
        text = str(error) or type(error).__name__
        before, since_s, count = self._failing.get(key, ("", monotonic_s(), 0))
        self._failing[key] = (text, since_s, count + 1)
        if text != before:
            self._log.warning(event, error=text, **context)

    def succeeded(self, key: str, event: str, **context: Any) -> None:
        """Note a success under `key`; written only after a failure, with how often and how long it had failed."""
        if key in self._failing:
            _, since_s, count = self._failing.pop(key)
            self._log.info(event, failures=count, failing_s=round(monotonic_s() - since_s, 3), **context)
