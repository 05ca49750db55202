"""`lifeline event`: the journal, page by page or as it grows."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from lifeline.i18n import _
from lifeline.model.records import EventKind
from noc.client import HubClient

from .ask import View, ask, clock_text, hub_option
from .output import VerbError, emit, emit_json, json_option


@click.group(help=_("List the journal's events"))
def event() -> None:
    """Group the verbs."""


@event.command(
    "list",
    help=_("""List events, oldest first. The last line's cursor is where the next page begins.

\b
Examples:
  lifeline event list --kind condition
  lifeline event list --subject link:fibre-dongcheng --json
  lifeline event list --after 1200 --limit 50
  lifeline event list --follow"""),
)
@click.option("--after", type=click.IntRange(min=0), default=0, help=_("Begin behind this cursor."))
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True, help=_("At most so many."))
@click.option("--subject", metavar="KIND:ID", help=_("Only events of this subject."))
@click.option("--kind", type=click.Choice([kind.value for kind in EventKind]), help=_("Only events of this kind."))
@click.option("--follow", is_flag=True, help=_("Go on with new events until interrupted."))
@hub_option()
@json_option()
def list_(
    after: int, limit: int, subject: str | None, kind: str | None, follow: bool, hub: str | None, as_json: bool
) -> None:
    """List a page of the journal, or follow it."""
    if follow:
        asyncio.run(_follow(hub, after, subject, kind, as_json=as_json))
        return
    events = ask(hub, lambda client: client.events(after, limit, subject=subject, kind=kind))
    if as_json:
        emit_json("lifeline.events/1", {"events": events, "next": events[-1]["cursor"] if events else after})
        return
    for one in events:
        emit(told(one))


async def _follow(hub: str | None, after: int, subject: str | None, kind: str | None, *, as_json: bool) -> None:
    async with HubClient(hub) as client:
        async for message in client.stream(after or None):
            if message.kind != "event" or not _wanted(message.data, subject, kind):
                continue
            if as_json:
                emit_json("lifeline.event/1", message.data, one_line=True)
            else:
                emit(told(message.data))


def _wanted(one: View, subject: str | None, kind: str | None) -> bool:
    return subject in (None, one["subject"]) and kind in (None, one["kind"])


@event.command(help=_("Show the event at CURSOR whole."))
@click.argument("cursor", type=click.IntRange(min=1))
@hub_option()
def show(cursor: int, hub: str | None) -> None:
    """Show one event as JSON."""
    events = ask(hub, lambda client: client.events(cursor - 1, 1))
    if not events or events[0]["cursor"] != cursor:
        raise VerbError(_("the journal has no event at cursor {cursor}").format(cursor=cursor))
    emit_json("lifeline.event/1", events[0])


def told(one: View) -> str:
    """Return an event in one line: cursor, time, subject, what it says."""
    return f"{one['cursor']:>6}  {clock_text(one['observed_at_ns'])}  {one['subject']}  {_say(one)}"


def _say(one: View) -> str:
    body: dict[str, Any] = one["body"]
    match one["kind"]:
        case "condition":
            return f"{body['name']} {body['perceived_severity']}: {body['text']}"
        case "protection":
            return f"{body['site']}: {body['state']}, traffic on {body['selector']}. {body['why']}"
        case "bfd":
            return f"{body['site']}: BFD {body['previous']} -> {body['state']} ({body['diag']})"
        case "alarm":
            return f"{body['act']} by {body['by']}" + (f": {body['text']}" if body.get("text") else "")
        case "command":
            by = f"{body['command']} {body['phase']} by {body['by']}"
            # The hub tells of what was asked and answered, an end of what it received and did.
            return f"{by}, says {one['node']}" if body.get("at") else by
        case kind:
            told_of = ", ".join(f"{name} {value}" for name, value in body.items() if value not in (None, ""))
            return f"{kind}: {told_of}"
