"""The `tui` verb: chooses language and symbols, then imports the interface."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lifeline.i18n import _, choose_language

if TYPE_CHECKING:
    from .app import Relaunch

SCREENS = ("overview", "links", "log")
DEFAULT_HUB = "unix:///run/lifeline/hub.sock"


@click.command(
    help=_("Open the terminal interface: how the network stands, why, and what happened. It acts only when armed.")
)
@click.option(
    "--hub",
    envvar="LIFELINE_HUB",
    default=DEFAULT_HUB,
    show_default=True,
    help=_("The hub: unix:///path or https://host:port. LIFELINE_HUB otherwise."),
)
@click.option(
    "--token-file",
    envvar="LIFELINE_TOKEN_FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help=_("File with the access token; the hub's Unix socket needs none."),
)
@click.option(
    "--ca",
    envvar="LIFELINE_CA",
    type=click.Path(path_type=Path, dir_okay=False),
    help=_("PEM file with the hub's certificate or its issuer's."),
)
@click.option("--lang", type=click.Choice(["en", "zh"]), help=_("Language of texts; LIFELINE_LANG otherwise."))
@click.option("--ascii", "ascii_only", is_flag=True, help=_("Draw with ASCII symbols only, for serial consoles."))
@click.option("--no-color", is_flag=True, help=_("Show no colours; NO_COLOR does the same."))
@click.option(
    "--screen", type=click.Choice(SCREENS), default="overview", show_default=True, help=_("The first screen.")
)
def tui(
    hub: str, token_file: Path | None, ca: Path | None, lang: str | None, ascii_only: bool, no_color: bool, screen: str
) -> int:
    """Choose language and symbols, then run the interface until it is left."""
    if not sys.stdin.isatty() or not sys.stderr.isatty():  # Textual reads the one and draws on the other
        raise click.UsageError(_("the terminal interface needs a terminal; use `lifeline status` or `lifeline watch`"))
    no_color = no_color or bool(os.environ.get("NO_COLOR"))
    if no_color:
        os.environ["NO_COLOR"] = "1"  # Textual takes it out again
    bare_console = os.environ.get("TERM") in ("linux", "dumb", "vt100", "vt102", "vt220")
    # The kernel's console has no Chinese glyphs, whatever LANG says; who asks for Chinese gets it.
    os.environ["LIFELINE_LANG"] = choose_language(
        lang or os.environ.get("LIFELINE_LANG") or ("en" if bare_console else None)
    )
    ascii_only = ascii_only or bare_console or not (sys.stderr.encoding or "").lower().startswith("utf")

    gc.disable()  # nothing that imports make is garbage; looking for some is a tenth of the time to the first frame
    from noc.client import HubClient

    from .app import Ended, LifelineApp, Relaunch
    from .look import ASCII, UNICODE, Look

    gc.freeze()
    gc.enable()
    client = HubClient(hub, token=_read_token(token_file), ca=ca)
    result = LifelineApp(client, hub, Look(ASCII if ascii_only else UNICODE), screen).run()
    if isinstance(result, Relaunch):
        _relaunch(result, hub, token_file, ca, ascii_only=ascii_only, no_color=no_color)
    if isinstance(result, Ended):
        click.echo(result.reason, err=True)
        return result.exit_code
    return 0


def _read_token(path: Path | None) -> str | None:
    """Return the token in a file, or the environment's."""
    if path is None:
        return os.environ.get("LIFELINE_TOKEN") or None
    try:
        return path.read_text().strip()
    except OSError as error:
        raise click.UsageError(_("token file {path}: {reason}").format(path=path, reason=error.strerror)) from None


def _relaunch(
    wanted: Relaunch, hub: str, token_file: Path | None, ca: Path | None, *, ascii_only: bool, no_color: bool
) -> None:
    """Replace this process by one in another language."""
    arguments = ["--lang", wanted.language, "tui", "--hub", hub, "--screen", wanted.screen]
    arguments += ["--token-file", str(token_file)] if token_file else []
    arguments += ["--ca", str(ca)] if ca else []
    arguments += ["--ascii"] if ascii_only else []
    arguments += ["--no-color"] if no_color else []
    environment = {**os.environ, "LIFELINE_LANG": wanted.language}
    os.execve(sys.executable, [sys.executable, "-m", "noc.cli.main", *arguments], environment)  # noqa: S606 - ourselves
