"""`lifeline alarm`: what stands, since when, who has seen it."""

from __future__ import annotations

import secrets
from typing import Any

import click

from lifeline.i18n import _
from noc.client import HubClient

from .ask import View, ask, clock_text, hub_option, styled
from .output import ExitCode, emit, emit_json, emit_table, json_option


@click.group(help=_("List, show and acknowledge alarms"))
def alarm() -> None:
    """Group the verbs."""


@alarm.command("list", help=_("List active alarms, worst first; with --all the cleared ones too."))
@click.option("--all", "all_", is_flag=True, help=_("Cleared alarms too."))
@hub_option()
@json_option()
def list_(all_: bool, hub: str | None, as_json: bool) -> None:
    """List alarms."""
    alarms = ask(hub, lambda client: client.alarms(active=None if all_ else True))
    if as_json:
        emit_json("lifeline.alarms/1", {"alarms": alarms})
        return
    emit_table(
        [_("Alarm"), _("Severity"), _("Since"), _("Acknowledged by"), _("Text")],
        [[it["id"], _severity(it), clock_text(it["raised_at_ns"]), it["acknowledged_by"], it["text"]] for it in alarms],
    )


def _severity(it: View) -> object:
    return styled("cleared" if it["is_cleared"] else it["perceived_severity"])


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
    emit("")
    emit_table(
        [_("When"), _("What"), _("Severity"), _("By"), _("Text")],
        [
            [clock_text(act["at_ns"]), act["act"], styled(act["perceived_severity"]), act["by"], act["text"]]
            for act in it["history"]
        ],
    )


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
    return _command("alarm.acknowledge", identifier, text, hub, as_json)


@alarm.command(help=_("Take back the acknowledgement of ALARM."))
@click.argument("identifier", metavar="ALARM")
@click.option("--text", default="", help=_("Why, for the record."))
@hub_option()
@json_option()
def unacknowledge(identifier: str, text: str, hub: str | None, as_json: bool) -> ExitCode:
    """Take back an acknowledgement."""
    return _command("alarm.unacknowledge", identifier, text, hub, as_json)


def _command(name: str, identifier: str, text: str, hub: str | None, as_json: bool) -> ExitCode:
    """Send a command; a retry inside the client carries the same key and acts once."""
    key = secrets.token_hex(16)

    async def question(client: HubClient) -> Any:
        return await client.command(name, identifier, text, idempotency_key=key)

    outcome = ask(hub, question)
    if as_json:
        emit_json("lifeline.command/1", {"command": outcome})
    else:
        emit(f"{outcome['command']} {outcome['target']}: {outcome['phase']}" + (
            f" ({outcome['detail']})" if outcome["detail"] else ""))  # fmt: skip
    return ExitCode.OK if outcome["phase"] == "done" else ExitCode.REFUSED
