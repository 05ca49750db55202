"""`lifeline maintenance`: what is worked on, and until when."""

from __future__ import annotations

import click

from lifeline.i18n import _
from noc.client import HubClient

from .ask import Duration, ask, clock_text, command, hub_option
from .output import ExitCode, emit_json, emit_table, json_option


@click.group(help=_("Say what is worked on"))
def maintenance() -> None:
    """Group the verbs."""


@maintenance.command("list", help=_("List maintenance windows, planned and open."))
@hub_option()
@json_option()
def list_(hub: str | None, as_json: bool) -> None:
    """List windows."""
    windows = ask(hub, HubClient.maintenance)
    if as_json:
        emit_json("lifeline.maintenance/1", {"windows": windows})
        return
    emit_table(
        [_("Window"), _("On"), _("From"), _("Until"), _("By"), _("Text")],
        [
            [it["id"], it["subject"], clock_text(it["from_ns"]), clock_text(it["until_ns"]), it["by"], it["text"]]
            for it in windows
        ],
    )


@maintenance.command(
    help=_("""Open a maintenance window on SUBJECT: its alarms stand, and nobody is told of them.

A site covers its devices, power, time and daemons, and the links that end there; a shared-risk group its links.

\b
Examples:
  lifeline maintenance begin site:sbs-dongcheng --for 2h --text "new rectifier"
  lifeline maintenance begin srg:duct-chaoyang --for 6h""")
)
@click.argument("subject")
@click.option("--for", "for_s", type=Duration(), required=True, help=_("How long: 90s, 30min, 2h, 1d."))
@click.option("--text", default="", help=_("Why, for the record."))
@hub_option()
@json_option()
def begin(subject: str, for_s: float, text: str, hub: str | None, as_json: bool) -> ExitCode:
    """Open a window."""
    return command("maintenance.begin", subject, hub, as_json, text, {"for_s": for_s})


@maintenance.command(help=_("End a maintenance WINDOW before its time."))
@click.argument("window")
@hub_option()
@json_option()
def end(window: str, hub: str | None, as_json: bool) -> ExitCode:
    """End a window."""
    return command("maintenance.end", window, hub, as_json)
