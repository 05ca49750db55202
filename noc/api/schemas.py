"""What requests and answers look like, where the views of `noc.views` do not say it already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..views import AlarmView, CommandView, EventView, GroupView, LinkView, SiteView


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
class CommandsPage:
    """The latest commands, newest first."""

    schema: Literal["lifeline.commands/1"]
    commands: list[CommandView]


class CommandRequest(BaseModel):
    """A command: what to do, to what, and why."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    command: Literal["alarm.acknowledge", "alarm.unacknowledge"]
    """What to do."""
    target: Annotated[str, Field(min_length=1, max_length=500)]
    """What to do it to: an alarm's id."""
    text: Annotated[str, Field(max_length=2000)] = ""
    """Why, for the record."""


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
