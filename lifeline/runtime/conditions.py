"""Conditions that any daemon may raise about itself."""

from __future__ import annotations

from pathlib import Path

from ..model.records import Condition, EventType, PerceivedSeverity, ProbableCause


def database_corrupt(node: str, set_aside: Path | None) -> Condition:
    """Return the condition to put after a database was opened: raised when it was set aside, else cleared.

    Args:
        node: the daemon that owns the database, such as `sbs-dongcheng/agent`.
        set_aside: where the corrupt file went, None when it was sound.
    """
    if set_aside is None:
        severity, text = PerceivedSeverity.CLEARED, "The database is sound"
    else:
        severity, text = PerceivedSeverity.MAJOR, f"The database was corrupt; it was set aside as {set_aside}"
    return Condition(
        subject=f"daemon:{node}",
        name="database-corrupt",
        perceived_severity=severity,
        event_type=EventType.PROCESSING_ERROR,
        probable_cause=ProbableCause.CORRUPT_DATA,
        text=text,
        detail={"set_aside": str(set_aside) if set_aside else None},
    )


def journal_full(node: str, text: str) -> Condition:
    """Return the condition that a hub's journal takes no events: raised with what it says, cleared with nothing.

    Args:
        node: the hub's name as a writer of events.
        text: what the hub says of it, empty when there is room again.
    """
    return Condition(
        subject=f"daemon:{node}",
        name="journal-full",
        perceived_severity=PerceivedSeverity.CRITICAL if text else PerceivedSeverity.CLEARED,
        event_type=EventType.PROCESSING_ERROR,
        probable_cause=ProbableCause.STORAGE_CAPACITY_PROBLEM,
        text=text or "The journal has room again",
    )


def crash_loop(daemon: str, exits: int) -> Condition:
    """Return the condition that a daemon keeps ending: raised after `exits` exits, cleared with 0.

    Args:
        daemon: such as `sbs-dongcheng/agent`.
        exits: how many there were within the window.
    """
    if exits:
        severity, text = PerceivedSeverity.CRITICAL, f"The daemon ended {exits} times in a short while"
    else:
        severity, text = PerceivedSeverity.CLEARED, "The daemon runs steadily"
    return Condition(
        subject=f"daemon:{daemon}",
        name="crash-loop",
        perceived_severity=severity,
        event_type=EventType.PROCESSING_ERROR,
        probable_cause=ProbableCause.SOFTWARE_PROGRAM_ABNORMALLY_TERMINATED,
        text=text,
        detail={"exits": exits},
    )


def notifications_failing(node: str, receivers: list[str]) -> Condition:
    """Return the condition that people cannot be told: raised with whom, cleared with nobody.

    Args:
        node: the hub's name as a writer of events.
        receivers: whom messages do not reach.
    """
    if receivers:
        severity, text = PerceivedSeverity.MAJOR, f"Notifications do not reach {', '.join(sorted(receivers))}"
    else:
        severity, text = PerceivedSeverity.CLEARED, "Notifications get through"
    return Condition(
        subject=f"daemon:{node}",
        name="notifications-failing",
        perceived_severity=severity,
        event_type=EventType.COMMUNICATIONS,
        probable_cause=ProbableCause.COMMUNICATIONS_SUBSYSTEM_FAILURE,
        text=text,
        detail={"receivers": sorted(receivers)},
    )
