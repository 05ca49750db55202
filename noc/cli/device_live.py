"""`lifeline device list` and `show`: what netwatch sees of the devices now."""

from __future__ import annotations

import click

from lifeline.i18n import _
from noc.client import HubClient

from .ask import View, ask, clock_text, hub_option
from .output import ExitCode, Styled, VerbError, emit, emit_json, emit_table, json_option

_ORDER = ("down", "soft-down", "soft-up", "unknown", "up")
_COLOURS = {
    "up": "green", "down": "red", "ok": "green", "critical": "red", "major": "red", "minor": "yellow",
    "warning": "yellow", "unknown": "yellow", "good": "green",
}  # fmt: skip


@click.command("list", help=_("List the devices that are watched, the worst first."))
@click.argument("site", required=False)
@hub_option()
@json_option()
def list_(site: str | None, hub: str | None, as_json: bool) -> None:
    """List devices."""
    prefix = f"device:{site}/" if site else "device:"

    async def question(client: HubClient) -> list[View]:
        return list(await client.live(prefix))

    views = sorted(ask(hub, question), key=_badness)
    if as_json:
        emit_json("lifeline.devices/1", {"devices": views})
        return
    emit_table(
        [_("Site"), _("Device"), _("Kind"), _("Address"), _("Answers"), _("Worst"), _("What")],
        [[it["body"].get("site"), it["body"].get("device"), it["body"].get("kind"), it["body"].get("address"),
          _styled(reach_of(it)), _styled(worst_of(it)), what_of(it)] for it in views],
    )  # fmt: skip


@click.command(
    help=_("Show DEVICE, written SITE/ID: whether it answers, its states and its readings."),
    epilog=_("Example: lifeline device show sbs-dongcheng/router"),
)
@click.argument("identifier", metavar="DEVICE")
@hub_option()
@json_option()
def show(identifier: str, hub: str | None, as_json: bool) -> ExitCode:
    """Show a device."""

    async def question(client: HubClient) -> list[View]:
        return list(await client.live(f"device:{identifier}"))

    views = ask(hub, question)
    if not views:
        raise VerbError(_("nothing is known of {device}; is netwatch running?").format(device=identifier))
    view = views[0]
    body = view["body"]
    if as_json:
        emit_json("lifeline.device-live/1", {"device": view})
        return _exit_of(view)
    emit(f"{body['site']}/{body['device']}  {body['kind']}  {body['vendor']} {body['model']}".rstrip())
    heard = clock_text(view["heard_at_ns"]) or _("never")
    emit(_("{reach}, told by {node} at {at}").format(reach=reach_of(view), node=view["node"], at=heard))
    if body["why"]:
        emit(body["why"])
    if body["states"]:
        emit("")
        emit_table([_("State"), _("Is"), _("Health")],
                   [[it["name"], it["word"], _styled(it["health"])] for it in body["states"]])  # fmt: skip
    if body["readings"]:
        emit("")
        emit_table(
            [_("Reading"), _("Value"), _("Unit"), _("Per second"), _("Quality")],
            [[it["metric"], it["value"], it["unit"], it.get("per_s"), _styled(it["quality"])]
             for it in body["readings"]],
        )  # fmt: skip
    return _exit_of(view)


def reach_of(view: View) -> str:
    """Return whether a device answers; what is not fresh is unknown."""
    return str(view["body"].get("reach", "unknown")) if view["fresh"] else "unknown"


def worst_of(view: View) -> str:
    """Return the worst health among a device's states, which come the worst first."""
    states = view["body"].get("states") or []
    return str(states[0]["health"]) if states and view["fresh"] else "unknown"


def what_of(view: View) -> str:
    """Return why a device does not answer, or its worst state."""
    body = view["body"]
    if body.get("why"):
        return str(body["why"])
    bad = [f"{it['name']}: {it['word']}" for it in body.get("states", ()) if it["health"] not in {"ok", "unknown"}]
    return ", ".join(bad[:2])


def _exit_of(view: View) -> ExitCode:
    match reach_of(view), worst_of(view):
        case ("down", _worst):
            return ExitCode.CRITICAL
        case ("up", "ok" | "unknown"):
            return ExitCode.OK
        case (_reach, "critical"):
            return ExitCode.CRITICAL
    return ExitCode.DEGRADED


def _badness(view: View) -> tuple[int, str]:
    reach = reach_of(view)
    return (_ORDER.index(reach) if reach in _ORDER else 0), str(view["subject"])


def _styled(word: str) -> Styled:
    return Styled(word, _COLOURS.get(word))
