"""`lifeline power test` and `control`: what acts on a plant, in two steps."""

from __future__ import annotations

import secrets
from typing import Any

import click

from lifeline.i18n import _
from noc.client import HubClient

from .ask import ask, hub_option
from .output import ExitCode, emit, emit_json, json_option, narrate

_EXIT = {"done": ExitCode.OK, "planned": ExitCode.OK, "refused": ExitCode.REFUSED}
_text = click.option("--text", default="", help=_("Why, for the record."))
_yes = click.option("--yes", is_flag=True, help=_("Act; without it only what would happen is shown."))


@click.command(help=_("Test the batteries of UNIT at SITE; without --yes tell what would happen.\n\n"
                      "\b\nExample:\n  lifeline power test core-wired ups-a --yes"))  # fmt: skip
@click.argument("site")
@click.argument("unit")
@_text
@_yes
@hub_option()
@json_option()
def test(site: str, unit: str, text: str, yes: bool, hub: str | None, as_json: bool) -> ExitCode:
    """Order a battery test."""
    return _order("battery-test", site, unit, text, hub, yes=yes, as_json=as_json)


@click.command(help=_("Start or stop a generator at SITE, or have a switch transfer; without --yes tell what would "
                      "happen.\n\n\b\nExamples:\n  lifeline power control core-wired generator-1 start\n"
                      "  lifeline power control core-wired generator-1 stop --yes"))  # fmt: skip
@click.argument("site")
@click.argument("unit")
@click.argument("what", type=click.Choice(["start", "stop", "transfer"]))
@_text
@_yes
@hub_option()
@json_option()
def control(site: str, unit: str, what: str, text: str, yes: bool, hub: str | None, as_json: bool) -> ExitCode:
    """Order a start, a stop or a transfer."""
    return _order(what, site, unit, text, hub, yes=yes, as_json=as_json)


def _order(what: str, site: str, unit: str, text: str, hub: str | None, *, yes: bool, as_json: bool) -> ExitCode:
    """Predict, or act; a retry inside the client carries the same key and acts once."""
    key = secrets.token_hex(16) if yes else None

    async def question(client: HubClient) -> Any:
        return await client.command(f"power.{what}", f"power:{site}/{unit}", text, idempotency_key=key, dry_run=not yes)

    command = ask(hub, question)
    if as_json:
        emit_json("lifeline.command/1", {"command": command})
    elif command["dry_run"]:
        for sentence in command["plan"]:
            emit(sentence)
        if command["phase"] == "planned":
            narrate(_("Nothing was done. Add --yes to act."))
    else:
        emit(_("{target}: {phase}").format(target=command["target"], phase=command["phase"]))
        emit(command["detail"])
    return _EXIT.get(command["phase"], ExitCode.TIMEOUT)
