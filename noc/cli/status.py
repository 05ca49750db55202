"""`lifeline status` and `lifeline watch`: how the network stands, once and for ever."""

from __future__ import annotations

import asyncio

import click

from lifeline.i18n import _, ngettext
from noc.client import HubClient, StreamMessage

from .ask import EXIT_OF_HEALTH, View, ask, clock_text, emit_alarms, health, hub_option, name_of, styled
from .event import told
from .output import ExitCode, emit, emit_json, emit_table, json_option, narrate


@click.command(
    help=_("""Show how the network stands: sites worst first, traffic off its working path, active alarms.

The exit code says it too: 0 ok, 10 degraded or unknown, 11 critical, 3 no hub answers.

\b
Examples:
  lifeline status
  lifeline status --json | jq .overall
  lifeline status >/dev/null || page-somebody""")
)
@hub_option()
@json_option()
def status(hub: str | None, as_json: bool) -> ExitCode:
    """Show the state; exit by the overall health."""
    state = ask(hub, HubClient.state)
    if as_json:
        emit_json("lifeline.state/1", {key: value for key, value in state.items() if key != "schema"})
    else:
        _show(state)
    return EXIT_OF_HEALTH.get(state["overall"], ExitCode.DEGRADED)


def _show(state: View) -> None:
    sites = ngettext("{n} site", "{n} sites", len(state["sites"])).format(n=len(state["sites"]))
    alarms = ngettext("{n} active alarm", "{n} active alarms", len(state["alarms"])).format(n=len(state["alarms"]))
    emit(f"{health(state)}  {sites}, {alarms}  {clock_text(state['generated_at_ns'])}\n")
    emit_table(
        [_("Site"), _("Name"), _("Health"), _("Agent"), _("What")],
        [[site["id"], name_of(site), health(site), styled(site["agent"]), site["text"]] for site in state["sites"]],
    )
    off_working = [group for group in state["groups"] if group["selector"] != "working"]
    if off_working:
        emit("\n" + _("Off the working path"))
        emit_table(
            [_("Group"), _("Traffic on"), _("State"), _("Why")],
            [[group["id"], styled(group["selector"]), group["state"], why_of(group)] for group in off_working],
        )
    if state["alarms"]:
        emit("\n" + _("Active alarms"))
        emit_alarms(state["alarms"], state["generated_at_ns"])


def why_of(group: View) -> str:
    """Return why a group carries where it does, from its freshest end."""
    ends = sorted(group["ends"].values(), key=lambda end: (end["fresh"], end["heard_at_ns"] or 0))
    return str(ends[-1]["why"]) if ends else _("neither end has been heard")


@click.command(
    help=_("""Follow the network as it changes, until interrupted; reconnects by itself.

\b
Examples:
  lifeline watch
  lifeline watch --json | jq -c 'select(.kind == "event")'""")
)
@hub_option()
@json_option()
def watch(hub: str | None, as_json: bool) -> None:
    """Print events and changed views as they come, one a line."""

    async def follow() -> None:
        async with HubClient(hub) as client:
            async for message in client.stream():
                if as_json:
                    body = {"kind": message.kind, "cursor": message.cursor, "data": message.data}
                    emit_json("lifeline.watch/1", body, one_line=True)
                else:
                    _tell(message)

    asyncio.run(follow())


def _tell(message: StreamMessage) -> None:
    data = message.data
    match message.kind:
        case "connected":
            narrate(_("connected"))
        case "disconnected":
            narrate(_("disconnected: {reason}; again in {seconds:.1f} s").format(
                reason=data["reason"], seconds=data["retry_in_s"]))  # fmt: skip
        case "event":
            emit(told(data))
        case "state":
            pass  # the events say what changed; `--json` has the views
