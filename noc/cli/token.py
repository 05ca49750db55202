"""`lifeline token`: who may ask the hub over the network. Works on the hub's own machine, on its data directory."""

from __future__ import annotations

from pathlib import Path

import click

from lifeline.i18n import _
from noc.tokens import Role, TokenStore

from .ask import clock_text
from .output import emit, emit_json, emit_table, json_option, narrate

_data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/var/lib/lifeline"),
    show_default=True,
    help=_("The hub's data directory."),
)


@click.group(help=_("Create, list and revoke access tokens"))
def token() -> None:
    """Group the verbs."""


@token.command(
    help=_("""Create a token named NAME and print it: this once, only its hash is kept. It holds at once.

A viewer reads everything; an operator also acknowledges alarms; an agent delivers events of the site NAME
and does nothing else.

\b
Examples:
  lifeline token create sbs-dongcheng --role agent > token
  lifeline token create shift-desk --role operator""")
)
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help=_("What it may do."))
@_data
@json_option()
def create(name: str, role: str, data: Path, as_json: bool) -> None:
    """Create a token."""
    secret = TokenStore(data).create(name, role)
    if as_json:
        emit_json("lifeline.token/1", {"name": name, "role": role, "token": secret})
        return
    emit(secret)
    narrate(_("Keep it now: it cannot be shown again. Use it through LIFELINE_TOKEN_FILE."))


@token.command("list", help=_("List tokens: names and roles, never the tokens themselves."))
@_data
@json_option()
def list_(data: Path, as_json: bool) -> None:
    """List tokens."""
    tokens = TokenStore(data).all().values()
    if as_json:
        rows = [{"name": it.name, "role": it.role.value, "created_at_ns": it.created_at_ns} for it in tokens]
        emit_json("lifeline.tokens/1", {"tokens": rows})
        return
    emit_table(
        [_("Token"), _("Role"), _("Created")],
        [[it.name, it.role.value, clock_text(it.created_at_ns)] for it in tokens],
    )


@token.command(help=_("Revoke the token named NAME: whoever bears it is refused within seconds."))
@click.argument("name")
@_data
def revoke(name: str, data: Path) -> None:
    """Revoke a token."""
    TokenStore(data).revoke(name)
    narrate(_("{name} is revoked").format(name=name))
