"""Messages in words and as JSON; the same for all senders. Pure."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from .pipeline import Message, Standing

SCHEMA: Final = "lifeline.notification/1"
_WHY: Final = {
    "raised": "", "worse": "WORSE: ", "again": "STILL: ", "escalated": "UNACKNOWLEDGED: ", "resolved": "RESOLVED: ",
}  # fmt: skip


def subject(message: Message) -> str:
    """Return one line that says it all."""
    first, others = message.alarms[0], len(message.alarms) - 1 + message.more
    text = f"{_WHY[message.why]}[{first.severity}] {first.text}"
    return " ".join(f"{text} (and {others} more)".split() if others else text.split())


def body(message: Message, hub: str) -> str:
    """Return the whole message as text."""
    lines = [line for alarm in message.alarms for line in _lines(alarm)]
    if message.more:
        lines.append(f"and {message.more} more")
    return "\n".join([*lines, f"-- lifeline, {hub}", ""])


def document(message: Message, hub: str) -> dict[str, Any]:
    """Return the message as JSON."""
    return {
        "schema": SCHEMA,
        "hub": hub,
        "why": message.why,
        "subject": subject(message),
        "alarms": [asdict(alarm) for alarm in message.alarms],
        "more": message.more,
    }


def _lines(alarm: Standing) -> list[str]:
    at = datetime.fromtimestamp(alarm.raised_at_ns / 1e9, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    lines = [f"{alarm.severity}: {alarm.text}", f"  {alarm.id}, since {at}, {alarm.probable_cause}"]
    if alarm.consequences:
        lines.append(f"  {alarm.consequences} other alarms follow from it")
    return lines
