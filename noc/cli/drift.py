"""`lifeline inventory drift`: how the network differs from the inventory."""

from __future__ import annotations

from pathlib import Path

import click

from lifeline.i18n import _

from .output import ExitCode, emit, emit_json, json_option, narrate


@click.command(
    help=_("Hold the inventory against what the routers say of interfaces, addresses and neighbours."),
    epilog=_("Example: lifeline inventory drift --inventory govnet.yml"),
)
@click.option(
    "--inventory", "file", type=click.Path(path_type=Path), required=True, envvar="LIFELINE_INVENTORY",
    help=_("The inventory file."),
)  # fmt: skip
@json_option()
def drift(*, file: Path, as_json: bool) -> int:
    """Tell how the network differs from the inventory; exit 10 when it does, or when a router could not be asked."""
    import asyncio
    import dataclasses

    from lifeline.config import load_inventory
    from netwatch.core.drift import differences
    from netwatch.io.neighbours import ask_all

    inventory = load_inventory(file)
    told, silent = asyncio.run(ask_all(inventory))
    found = differences(inventory, told)
    if as_json:
        told_of = [dataclasses.asdict(it) for it in found]
        emit_json("lifeline.drift/1", {"differences": told_of, "silent": silent, "asked": sorted(told)})
    else:
        for it in found:
            emit(f"{it.kind}: {it.text}")
        for site, why in silent.items():
            narrate(_("{site} was not asked: {why}").format(site=site, why=why))
        if not found:
            emit(_("{n} routers agree with the inventory.").format(n=len(told)))
    return ExitCode.DEGRADED if found or silent else ExitCode.OK
