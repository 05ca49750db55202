"""What a change would do to a router, without doing it: read and compared, and no more. Sans-IO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import configuration
from .dialects import Dialect
from .redaction import redact
from .settings import Goal


@dataclass(frozen=True, slots=True)
class Preview:
    """How a router stands, and what would have to be typed."""

    before: tuple[str, ...]
    """Lines of the settings in question, redacted."""
    commands: tuple[str, ...]
    """None where it stands as wanted."""

    @property
    def as_wanted(self) -> bool:
        """Whether nothing would have to be done."""
        return not self.commands


def reading(dialect: Dialect, goals: Sequence[Goal]) -> tuple[str, ...]:
    """Return the commands that show what the goals are about."""
    return configuration.read_commands(dialect, goals)


def preview(dialect: Dialect, goals: Sequence[Goal], shown: str) -> Preview:
    """Return what would be done to a router that shows this.

    Raises:
        ConfigurationError: what it shows cannot be its configuration, or not all of it.
    """
    seen = configuration.parse(dialect, shown, goals)
    lines = tuple(map(redact, configuration.lines(dialect, seen)))
    if configuration.holds(dialect, goals, seen):
        return Preview(lines, ())
    return Preview(lines, configuration.commands(dialect, seen, configuration.wanted(dialect, goals, seen)))
