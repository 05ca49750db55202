"""What requests and answers look like, where the views of `noc.views` do not say it already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lifeline.alarms import Window

from .. import protection
from ..commands import ACTS, WINDOWS
from ..domains import DOMAINS
from ..views import AlarmView, CommandView, EventView, GroupView, LinkView, LiveView, ReadingView, SiteView


@dataclass(frozen=True, slots=True)
class HealthView:
    """How the hub itself is."""

    schema: Literal["lifeline.health/1"]
    status: Literal["ok", "failed"]
    hub: str
    version: str
    journal: str
    """`ok`, or why it takes no events."""
    cursor: int
    uptime_s: float


@dataclass(frozen=True, slots=True)
class SitesPage:
    """All sites, worst first."""

    schema: Literal["lifeline.sites/1"]
    sites: list[SiteView]


@dataclass(frozen=True, slots=True)
class LinksPage:
    """All links."""

    schema: Literal["lifeline.links/1"]
    links: list[LinkView]


@dataclass(frozen=True, slots=True)
class GroupsPage:
    """All protection groups."""

    schema: Literal["lifeline.groups/1"]
    groups: list[GroupView]


@dataclass(frozen=True, slots=True)
class LivePage:
    """What daemons show live, in the order of subjects."""

    schema: Literal["lifeline.live/1"]
    live: list[LiveView]


@dataclass(frozen=True, slots=True)
class ReadingsPage:
    """Latest readings, in the order of subjects."""

    schema: Literal["lifeline.readings/1"]
    readings: list[ReadingView]


@dataclass(frozen=True, slots=True)
class AlarmsPage:
    """Alarms: active ones worst first, then cleared ones."""

    schema: Literal["lifeline.alarms/1"]
    alarms: list[AlarmView]


@dataclass(frozen=True, slots=True)
class EventsPage:
    """A page of the journal, oldest first."""

    schema: Literal["lifeline.events/1"]
    events: list[EventView]
    next: int
    """The cursor behind which the next page begins."""
    head: int
    """Cursor of the latest event."""


@dataclass(frozen=True, slots=True)
class WindowsPage:
    """Maintenance windows, planned or open."""

    schema: Literal["lifeline.maintenance/1"]
    windows: list[Window]


@dataclass(frozen=True, slots=True)
class CommandsPage:
    """The latest commands, newest first."""

    schema: Literal["lifeline.commands/1"]
    commands: list[CommandView]


class CommandRequest(BaseModel):
    """A command: what to do, to what, and why."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    command: Annotated[str, Field(pattern=r"^[a-z]+\.[a-z][a-z0-9-]*$", max_length=64)]
    """What to do, `domain.verb`. `alarm.`: acknowledge, unacknowledge, shelve (`for_s` or `until_ns`), unshelve, note.
    `maintenance.`: begin on a subject (`for_s` or `until_ns`, `from_ns`), end a window. `protection.`: lockout, force,
    manual, exercise, freeze, clear. Or a verb of the domains `power`, `time` and `netwatch`."""
    target: Annotated[str, Field(min_length=1, max_length=500)]
    """What to do it to: an alarm's id, or a subject, such as `group:` and a protection group's id."""
    text: Annotated[str, Field(max_length=2000)] = ""
    """Why, for the record."""
    at: str | None = None
    """Of a protection command: the site at whose end it acts; the hub chooses when there is none."""
    to: Literal["working", "protection"] | None = None
    """Of `protection.manual`: the path that shall carry."""
    dry_run: bool | None = None
    """Of a command to a daemon: predict, and do nothing. That is the default: `false` must be said to act."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """What else the command needs, as its domain documents it."""

    @field_validator("command")
    @classmethod
    def _known(cls, command: str) -> str:
        named = (*ACTS, *WINDOWS, *sorted(protection.COMMANDS))
        if command not in named and command.partition(".")[0] not in DOMAINS:
            known = ", ".join([*named, *(f"{name}.VERB" for name in DOMAINS)])
            raise ValueError(f"there is no command {command!r}; there are {known}")
        return command

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        """Refuse members that the command does not have, and ask for the one that it must have."""
        domain = self.command.partition(".")[0]
        if self.command in (*ACTS, *WINDOWS) and any(it is not None for it in (self.at, self.to, self.dry_run)):
            raise ValueError(f"{self.command} has no `at`, `to` or `dry_run`")
        if domain in DOMAINS and self.at is not None:
            raise ValueError(f"{self.command} has no `at`: its target says where")
        if (self.command == "protection.manual") != (self.to is not None):
            raise ValueError("`to` belongs to protection.manual, which must have it")
        return self


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
