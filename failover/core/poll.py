"""The Poll Sequence, by which a changed interval is told (RFC 5880 6.5, 6.8.3): its table as data.

P stands in our packets while it runs, and the far end answers with F. One Final answers one change: after a second
change the running poll is stale, and the next one begins after the stale Final and one packet without F (6.8.3's third
choice).
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Poll(Enum):
    """Where our Poll Sequence stands."""

    IDLE = "idle"
    ACTIVE = "active"
    STALE = "stale"
    """An interval changed after the poll began: its Final settles nothing."""
    SPENT = "spent"
    """The stale Final came; the next poll waits for a packet without F."""


class PollInput(Enum):
    """What moves a Poll Sequence."""

    CHANGE = "interval changed"
    FINAL = "packet with F"
    PLAIN = "packet without F"


POLL_TRANSITIONS: Final[dict[tuple[Poll, PollInput], Poll]] = {
    # Changed values take effect on ACTIVE -> IDLE.                                           RFC 5880 6.5, 6.8.3
    (Poll.IDLE, PollInput.CHANGE): Poll.ACTIVE,
    (Poll.IDLE, PollInput.FINAL): Poll.IDLE,
    (Poll.IDLE, PollInput.PLAIN): Poll.IDLE,
    (Poll.ACTIVE, PollInput.CHANGE): Poll.STALE,
    (Poll.ACTIVE, PollInput.FINAL): Poll.IDLE,
    (Poll.ACTIVE, PollInput.PLAIN): Poll.ACTIVE,
    (Poll.STALE, PollInput.CHANGE): Poll.STALE,
    (Poll.STALE, PollInput.FINAL): Poll.SPENT,
    (Poll.STALE, PollInput.PLAIN): Poll.STALE,
    (Poll.SPENT, PollInput.CHANGE): Poll.SPENT,
    (Poll.SPENT, PollInput.FINAL): Poll.SPENT,
    (Poll.SPENT, PollInput.PLAIN): Poll.ACTIVE,
}
