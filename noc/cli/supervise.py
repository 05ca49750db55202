"""`lifeline supervise`: keep a node's daemons running."""

from __future__ import annotations

from pathlib import Path

import click

from lifeline.i18n import _


@click.command(help=_("Start the daemons that FILE names, watch them, and start them again when they end."))
@click.option(
    "--config",
    "file",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=_("Which daemons run on this node (YAML)."),
)
def supervise(file: Path) -> None:
    """Run until SIGTERM; the daemons stop in reverse order."""
    import asyncio

    from lifeline.runtime.logging import configure_logging
    from lifeline.runtime.supervisor import Supervisor
    from lifeline.runtime.supervisor_config import load_config

    config = load_config(file)
    configure_logging(f"{config.node}/supervisor")

    async def run() -> None:
        await Supervisor(config).run()

    asyncio.run(run())
