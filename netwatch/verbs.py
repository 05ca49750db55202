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


@netwatch.command(
    help=_("Probe the way to SITE hop by hop and say where it breaks. Exit 3 when it does."),
    epilog=_("Example: lifeline netwatch trace sbs-dongcheng --inventory govnet.yml --from noc-a"),
)
@click.argument("target", metavar="SITE")
@click.option("--inventory", "file", required=True, envvar="LIFELINE_INVENTORY", help=_("The inventory file."))
@click.option("--from", "start", required=True, envvar="LIFELINE_SITE", help=_("The site this machine stands at."))
@click.option("--far-end", multiple=True, help=_("A command that runs ours at SITE, a word each: both ends probe."))
@click.option("--json", "as_json", is_flag=True, help=_("Print JSON."))
def trace(target: str, file: str, start: str, far_end: tuple[str, ...], as_json: bool) -> int:
    """Trace a path."""
    import dataclasses
    import json
    from pathlib import Path

    from lifeline.config import load_inventory

    from .core.path import Places, locate, sites_of
    from .io.trace import trace as probed

    inventory = load_inventory(Path(file))
    addresses = {}
    for site in (target, start):
        if site not in inventory.sites:
            raise click.BadParameter(_("there is no site {name!r}").format(name=site))
        known = [str(it.address) for it in inventory.sites[site].devices.values() if it.address is not None]
        if not known:
            raise click.BadParameter(_("{site} has no device with an address").format(site=site))
        addresses[site] = known[0]
    places = Places(inventory)
    try:
        near = probed(addresses[target])
        far = probed(addresses[start], far_end) if far_end else None
    except (RuntimeError, TimeoutError) as error:
        raise click.ClickException(str(error)) from error
    found = locate(near, far, places, start, target)
    if as_json:
        body = {"near": dataclasses.asdict(near), "far": dataclasses.asdict(far) if far else None,
                "break": dataclasses.asdict(found) if found else None}  # fmt: skip
        click.echo(json.dumps({"schema": "lifeline.trace/1", **body}))
    else:
        for hop, site, link in sites_of(near, places):
            click.echo(f"{hop.distance:2}  {hop.address:15}  {hop.round_trip_ms:8.2f} ms  {site}  {link}".rstrip())
        click.echo(found.text if found else _("The path is whole."))
        if found and found.links:
            click.echo(_("Links that may be broken: {links}").format(links=", ".join(found.links)))
    return 3 if found else 0
