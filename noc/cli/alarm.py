"""`lifeline alarm`: what stands, since when, who has seen it."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click

from lifeline.i18n import _
from noc.client import HubClient

from .ask import Duration, View, ask, clock_text, command, hub_option, styled
from .output import ExitCode, emit, emit_json, emit_table, json_option

_COLUMNS = (
    "id", "resource", "alarm_type_id", "perceived_severity", "event_type", "probable_cause", "text", "raised_at_ns",
    "changed_at_ns", "cleared_at_ns", "root", "why", "acknowledged_by", "shelved_until_ns", "maintenance",
)  # fmt: skip


@click.group(help=_("List, explain, acknowledge and shelve alarms"))
def alarm() -> None:
    """Group the verbs."""


@alarm.command(
    "list",
    help=_("""List active alarms, worst first: the root causes, and how many alarms follow from each.

\b
Examples:
  lifeline alarm list
  lifeline alarm list --consequences --csv > alarms.csv"""),
)
@click.option("--all", "all_", is_flag=True, help=_("Cleared alarms too."))
@click.option("--consequences", is_flag=True, help=_("Alarms that follow from others too."))
@click.option("--csv", "as_csv", is_flag=True, help=_("Print CSV instead of text; times in nanoseconds, UTC."))
@hub_option()
@json_option()
def list_(all_: bool, consequences: bool, as_csv: bool, hub: str | None, as_json: bool) -> None:
    """List alarms."""
    alarms = ask(hub, lambda client: client.alarms(active=None if all_ else True))
    standing = {it["id"] for it in alarms if not it["is_cleared"]}
    shown = [it for it in alarms if consequences or it["root"] in (None, it["id"]) or it["root"] not in standing]
    if as_json:
        emit_json("lifeline.alarms/1", {"alarms": alarms})
    elif as_csv:
        _write_csv(alarms if consequences or all_ else shown)
    else:
        emit_table(
            [_("Alarm"), _("Severity"), _("Since"), _("Follow"), _("Seen"), _("Text")],
            [
                [
                    it["id"],
                    _severity(it),
                    clock_text(it["raised_at_ns"]),
                    len(it["consequences"]),
                    _seen(it),
                    it["text"],
                ]
                for it in shown
            ],
        )


def _write_csv(alarms: Iterable[View]) -> None:
    """Write alarms as CSV (RFC 4180, lines ended as the platform has it)."""
    import csv

    writer = csv.DictWriter(sys.stdout, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(alarms)


def _severity(it: View) -> object:
    return styled("cleared" if it["is_cleared"] else it["perceived_severity"])


def _seen(it: View) -> str | None:
    """Return what somebody has made of an alarm: its shelf, its window, or who has acknowledged it."""
    if it["shelved_until_ns"]:
        return _("shelved until {at}").format(at=clock_text(it["shelved_until_ns"]))
    return _("maintenance") if it["maintenance"] else it["acknowledged_by"]


@alarm.command(help=_("Show ALARM with its reporters and history."))
@click.argument("identifier", metavar="ALARM")
@hub_option()
@json_option()
def show(identifier: str, hub: str | None, as_json: bool) -> None:
    """Show an alarm."""
    it = ask(hub, lambda client: client.alarm(identifier))
    if as_json:
        emit_json("lifeline.alarm/1", {"alarm": it})
        return
    emit(f"{it['id']}  {it['resource']}  {_severity(it)}")
    emit(it["text"])
    emit(f"{it['event_type']}, {it['probable_cause']}")
    emit(_("reported by {reporters}").format(reporters=", ".join(it["reporters"]) or _("nobody any more")))
    if it["acknowledged_by"]:
        emit(_("acknowledged by {who} at {at}").format(
            who=it["acknowledged_by"], at=clock_text(it["acknowledged_at_ns"])))  # fmt: skip
    emit(it["why"])
    for note in it["notes"]:
        emit(_("note by {who} at {at}: {text}").format(who=note["by"], at=clock_text(note["at_ns"]), text=note["text"]))
    emit("")
    emit_table(
        [_("When"), _("What"), _("Severity"), _("By"), _("Text")],
        [
            [clock_text(act["at_ns"]), act["act"], styled(act["perceived_severity"]), act["by"], act["text"]]
            for act in it["history"]
        ],
    )


@alarm.command(help=_("Explain ALARM: what it follows from, and what follows from it."))
@click.argument("identifier", metavar="ALARM")
@hub_option()
@json_option()
def why(identifier: str, hub: str | None, as_json: bool) -> None:
    """Explain an alarm with its evidence."""

    async def question(client: HubClient) -> tuple[View, dict[str, View]]:
        it = await client.alarm(identifier)
        return it, {other["id"]: other for other in await client.alarms()}

    it, known = ask(hub, question)
    above = _above(it, known)
    below = [known[name] for name in it["consequences"] if name in known]
    if as_json:
        emit_json("lifeline.alarm-why/1", {"alarm": it, "why": it["why"], "causes": above, "consequences": below})
        return
    emit(it["why"] or _("It has cleared."))
    for title, rows in ((_("Causes"), above), (_("Consequences"), below)):
        if rows:
            emit(f"\n{title}")
            emit_table(
                [_("Alarm"), _("Severity"), _("Since"), _("Text")],
                [[row["id"], _severity(row), clock_text(row["raised_at_ns"]), row["text"]] for row in rows],
            )


def _above(it: View, known: dict[str, View]) -> list[View]:
    """Return the alarms that one follows from, nearest first."""
    found: dict[str, View] = {}
    waiting = list(it["parents"])
    while waiting:
        name = waiting.pop(0)
        if name in known and name not in found:
            found[name] = known[name]
            waiting += known[name]["parents"]
    return list(found.values())


@alarm.command(
    help=_("""Acknowledge ALARM: somebody has seen it and is on it.

\b
Example:
  lifeline alarm acknowledge path-down.link.fibre-dongcheng --text "crew on the way\"""")
)
@click.argument("identifier", metavar="ALARM")
@click.option("--text", default="", help=_("Why, for the record."))
@hub_option()
@json_option()
def acknowledge(identifier: str, text: str, hub: str | None, as_json: bool) -> ExitCode:
    """Acknowledge an alarm."""
    return command("alarm.acknowledge", identifier, hub, as_json, text)


@alarm.command(help=_("Take back the acknowledgement of ALARM."))
@click.argument("identifier", metavar="ALARM")
@click.option("--text", default="", help=_("Why, for the record."))
@hub_option()
@json_option()
def unacknowledge(identifier: str, text: str, hub: str | None, as_json: bool) -> ExitCode:
    """Take back an acknowledgement."""
    return command("alarm.unacknowledge", identifier, hub, as_json, text)


@alarm.command(
    help=_("""Shelve ALARM: it stands, and nobody is told of it until the time is over.

\b
Example:
  lifeline alarm shelve path-down.link.fibre-dongcheng --for 2h --text "fibre crew at work\"""")
)
@click.argument("identifier", metavar="ALARM")
@click.option("--for", "for_s", type=Duration(), required=True, help=_("How long: 90s, 30min, 2h, 1d."))
@click.option("--text", default="", help=_("Why, for the record."))
@hub_option()
@json_option()
def shelve(identifier: str, for_s: float, text: str, hub: str | None, as_json: bool) -> ExitCode:
    """Shelve an alarm."""
    return command("alarm.shelve", identifier, hub, as_json, text, {"for_s": for_s})


@alarm.command(help=_("Take ALARM off its shelf."))
@click.argument("identifier", metavar="ALARM")
@click.option("--text", default="", help=_("Why, for the record."))
@hub_option()
@json_option()
def unshelve(identifier: str, text: str, hub: str | None, as_json: bool) -> ExitCode:
    """Take an alarm off its shelf."""
    return command("alarm.unshelve", identifier, hub, as_json, text)


@alarm.command(help=_("Write a note on ALARM."))
@click.argument("identifier", metavar="ALARM")
@click.argument("text")
@hub_option()
@json_option()
def note(identifier: str, text: str, hub: str | None, as_json: bool) -> ExitCode:
    """Write a note on an alarm."""
    return command("alarm.note", identifier, hub, as_json, text)
