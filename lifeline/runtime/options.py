"""The command-line options that every daemon has: `lifeline power run`, `lifeline time run`, `lifeline netwatch run`.

@power.command("run", help=...)
@daemon_options(metrics="127.0.0.1:9471")
def run_power(settings: Settings) -> int:
    inventory = load(settings)
    return run("power", settings, partial(work, inventory=inventory))
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..i18n import _

if TYPE_CHECKING:
    from ..model.inventory import Inventory
    from .daemon import Settings


class OptionError(click.ClickException):
    """An option cannot be used; the text says what would be right."""

    exit_code = 2


def daemon_options(metrics: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a verb the options of a daemon; it is called with `settings`, beside whatever options it has of its own.

    Args:
        metrics: where metrics and health are served by default, `host:port`.
    """

    def decorate(verb: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(verb)
        def call(
            *,
            inventory: Path,
            site: str,
            data: Path,
            run_directory: Path,
            hubs: tuple[str, ...],
            token_file: Path | None,
            ca: Path | None,
            metrics: str,
            **own: Any,
        ) -> Any:
            from .daemon import Settings

            for file in (token_file, ca):
                _must_be_readable(file)
            if token_file is None and any(hub.startswith("http") for hub in hubs):
                raise OptionError(_("a hub that is not on a Unix socket wants a token: give --token-file"))
            served = None if metrics == "off" else metrics
            settings = Settings(inventory, site, data, run_directory, hubs, token_file, ca, served)
            return verb(settings=settings, **own)

        for option in reversed(_options(metrics)):
            call = option(call)
        return call

    return decorate


def load(settings: Settings) -> Inventory:
    """Return the inventory, in which the daemon's site stands.

    Raises:
        ConfigError: the inventory is wrong.
        OptionError: there is no such site.
    """
    from ..config import load_inventory
    from ..config.problems import did_you_mean

    inventory = load_inventory(settings.inventory)
    if settings.site not in inventory.sites:
        _nearest, hint = did_you_mean(settings.site, inventory.sites, _("sites"))
        text = _("{inventory} has no site {site!r}").format(inventory=settings.inventory, site=settings.site)
        raise OptionError(f"{text}; {hint}")
    return inventory


def _options(metrics: str) -> list[Callable[[Callable[..., Any]], Callable[..., Any]]]:
    file, directory = click.Path(path_type=Path), click.Path(path_type=Path, file_okay=False)
    return [
        click.option(
            "--inventory", required=True, type=file, envvar="LIFELINE_INVENTORY", help=_("The inventory file.")
        ),
        click.option("--site", required=True, envvar="LIFELINE_SITE", help=_("The site this machine stands at.")),
        click.option(
            "--data", type=directory, default=Path("/var/lib/lifeline"), show_default=True,
            help=_("Directory of the outbox."),
        ),
        click.option(
            "--run", "run_directory", type=directory, default=Path("/run/lifeline"), show_default=True,
            help=_("Directory of sockets and compiled plans."),
        ),
        click.option(
            "--hub", "hubs", multiple=True, required=True, envvar="LIFELINE_HUB",
            help=_("A hub's address; repeat for more."),
        ),
        click.option("--token-file", type=file, envvar="LIFELINE_TOKEN_FILE", help=_("File with the hub's token.")),
        click.option(
            "--ca", type=file, envvar="LIFELINE_CA", help=_("File with the hub's certificate or its issuer.")
        ),
        click.option(
            "--metrics", default=metrics, show_default=True,
            help=_("Where metrics and health are served; 'off': nowhere."),
        ),
    ]  # fmt: skip


def _must_be_readable(file: Path | None) -> None:
    if file is None:
        return
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise OptionError(f"{file}: {getattr(error, 'strerror', None) or error}") from None
    if not content.strip():
        raise OptionError(_("{file} is empty").format(file=file))
