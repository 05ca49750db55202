"""`lifeline netwatch`: the daemon, and single probes by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lifeline.i18n import _
from lifeline.runtime.options import daemon_options

if TYPE_CHECKING:
    from lifeline.runtime.daemon import Settings


@click.group(help=_("Watch the network's devices"))
def netwatch() -> None:
    """Group the verbs."""


@netwatch.command(
    "run",
    help=_("Ask the devices of all sites, or of those named, how they are, and tell the hub."),
    epilog=_("Example: lifeline netwatch run --inventory govnet.yml --site noc-a --hub unix:///run/lifeline/hub.sock"),
)
@daemon_options(metrics="127.0.0.1:9473")
@click.option("--watch", "sites", multiple=True, help=_("A site whose devices are watched; repeat for more."))
@click.option("--period", "period_s", type=click.FloatRange(1, 3600), default=5.0, show_default=True,
              help=_("Seconds between questions to a device."))  # fmt: skip
@click.option("--traps", default="", help=_("host:port where SNMP notifications are received."))
@click.option("--syslog", default="", help=_("host:port where log lines are received, UDP and TCP."))
def run(settings: Settings, sites: tuple[str, ...], period_s: float, traps: str, syslog: str) -> int:
    """Be the daemon."""
    from .daemon import Choice, run_netwatch

    return run_netwatch(settings, Choice(sites, period_s, traps, syslog))


@netwatch.command(
    help=_("Probe a service once: tcp, tls, http or ssh. Exit 3 when it does not serve."),
    epilog=_("Example: lifeline netwatch probe ssh 10.1.11.1"),
)
@click.argument("kind", type=click.Choice(["tcp", "tls", "http", "ssh"]))
@click.argument("host")
@click.option("--port", type=click.IntRange(1, 65535), help=_("TCP port; the service's own by default."))
@click.option("--timeout", "timeout_s", type=click.FloatRange(0.1, 60), default=3.0, show_default=True,
              help=_("Seconds."))  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help=_("Print JSON."))
def probe(kind: str, host: str, port: int | None, timeout_s: float, as_json: bool) -> int:
    """Probe once."""
    import asyncio
    import dataclasses
    import json

    from .io.probes import probe as ask

    found = asyncio.run(ask(kind, host, port, timeout_s))
    if as_json:
        click.echo(json.dumps({"schema": "lifeline.probe/1", "kind": kind, "host": host, **dataclasses.asdict(found)}))
    elif found.ok:
        click.echo(" ".join([f"{found.took_s * 1000:.1f} ms", *(f"{k} {v:.0f}" for k, v in found.values.items())]))
    else:
        click.echo(found.why, err=True)
    return 0 if found.ok else 3
