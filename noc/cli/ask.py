"""What the verbs that ask a hub share: the `--hub` option, one event loop per call, and the words of health."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from lifeline.i18n import _, language
from noc.client import HubClient

from .output import ExitCode, Styled, emit, emit_json, emit_table

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")

View = Mapping[str, Any]

EXIT_OF_HEALTH = {"ok": ExitCode.OK, "critical": ExitCode.CRITICAL}
"""Degraded and unknown are DEGRADED: unknown is never healthy."""

_COLOUR = {
    "ok": "green", "up": "green", "working": "green", "cleared": "green",
    "degraded": "yellow", "warning": "yellow", "minor": "yellow", "protection": "yellow", "mixed": "yellow",
    "major": "red", "critical": "red", "down": "red", "silent": "red",
    "unknown": "magenta", "indeterminate": "magenta", "never": "magenta",
}  # fmt: skip
_SYMBOL = {"ok": "✔", "degraded": "⚠", "unknown": "?", "critical": "✖"}


def hub_option() -> Callable[[_F], _F]:
    """Return the `--hub` option, passed to the verb as `hub`."""
    return click.option(
        "--hub", metavar="URL", help=_("The hub to ask: unix:///PATH or https://HOST:PORT; LIFELINE_HUB otherwise.")
    )


def ask(hub: str | None, question: Callable[[HubClient], Awaitable[_T]]) -> _T:
    """Ask the hub one thing and return its answer.

    Raises:
        HubUnreachableError, HubRefusedError, HubAddressError: told by the command line with their exit codes.
    """

    async def run() -> _T:
        async with HubClient(hub) as client:
            return await question(client)

    return asyncio.run(run())


def styled(word: str) -> Styled:
    """Return a state's word in its colour."""
    return Styled(word, _COLOUR.get(word))


def health(view: View) -> Styled:
    """Return a view's health: symbol, word and colour."""
    word = view["health"] if "health" in view else view["overall"]
    return Styled(f"{_SYMBOL[word]} {word}", _COLOUR[word])


def name_of(view: View) -> str:
    """Return a view's name in the user's language."""
    return str((language() == "zh_CN" and view.get("name_zh")) or view["name"])


def clock_text(at_ns: int | None) -> str | None:
    """Return a wall time as ISO 8601 UTC with milliseconds, or None."""
    if at_ns is None:
        return None
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def age_text(seconds: float) -> str:
    """Return a span as people say it: `4 s`, `12 min`, `3 h`, `2 d`."""
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


class Duration(click.ParamType[float]):
    """A span of time as people write it: `90s`, `30min`, `2h`, `1d`; seconds to the program."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)", str(value).strip())
        if match is None:
            self.fail(_("{value!r} is no span of time, such as 90s, 30min, 2h or 1d").format(value=value), param, ctx)
        return float(match[1]) * {"s": 1, "min": 60, "h": 3600, "d": 86_400}[match[2]]


def command(
    name: str, target: str, hub: str | None, as_json: bool, text: str = "", arguments: Mapping[str, Any] | None = None
) -> ExitCode:
    """Send a command that the hub carries out itself, and tell what became of it.

    A retry inside the client carries the same key and acts once.
    """
    key = secrets.token_hex(16)

    async def question(client: HubClient) -> Any:
        return await client.command(name, target, text, idempotency_key=key, arguments=arguments)

    outcome = ask(hub, question)
    if as_json:
        emit_json("lifeline.command/1", {"command": outcome})
    else:
        detail = f" ({outcome['detail']})" if outcome["detail"] else ""
        emit(f"{outcome['command']} {outcome['target']}: {outcome['phase']}{detail}")
    return ExitCode.OK if outcome["phase"] == "done" else ExitCode.REFUSED


def emit_alarms(alarms: Iterable[View], now_ns: int) -> None:
    """Write active alarms as a table.

    Args:
        alarms: their views.
        now_ns: the hub's wall time, from which ages count.
    """
    emit_table(
        [_("Alarm"), _("Severity"), _("For"), _("Text")],
        [
            [it["id"], styled(it["perceived_severity"]), age_text((now_ns - it["raised_at_ns"]) / 1e9), it["text"]]
            for it in alarms
        ],
    )
