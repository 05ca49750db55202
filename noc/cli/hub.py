"""`lifeline hub`: prepare a hub's data directory, and run the hub."""

from __future__ import annotations

import socket
from pathlib import Path

import click

from lifeline.config import load_inventory
from lifeline.i18n import _
from noc.listen import Listener, is_loopback, is_unspecified, parse_address
from noc.tls import ensure_certificate
from noc.tokens import TokenStore

from .output import ExitCode, VerbError, emit, emit_json, json_option, narrate

_data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/var/lib/lifeline"),
    show_default=True,
    help=_("Directory of the journal, the tokens and the certificate."),
)


@click.group(help=_("Run the hub"))
def hub() -> None:
    """Group the verbs."""


@hub.command(
    help=_("""Prepare a hub's data directory: its certificate and the first administrator's token.

What is there already is left as it is. Give the certificate that is named to every agent (`--ca`) and client
(LIFELINE_CA).

\b
Example:
  lifeline hub init --name-or-address noc-a.example --name-or-address 10.0.10.1""")
)
@_data
@click.option(
    "--name-or-address",
    "names",
    multiple=True,
    metavar="NAME",
    help=_("A DNS name or IP address under which the hub will be reached; repeat for more."),
)
@json_option()
def init(data: Path, names: tuple[str, ...], as_json: bool) -> None:
    """Make what a hub needs before it runs."""
    pair = ensure_certificate(data, names)
    token = TokenStore(data).create_first()
    if as_json:
        emit_json("lifeline.hub-init/1", {"certificate": str(pair.certificate), "token": token})
        return
    emit(_("certificate: {file}").format(file=pair.certificate))
    if token is not None:
        emit(_("first administrator's token, shown this once: {token}").format(token=token))


@hub.command(
    help=_("""Run the hub until it is told to stop.

It always listens on RUN/hub.sock, for this machine's administrator. With --listen it listens on TCP too: beyond
loopback only with --tls, or in the clear with an explicit --insecure.

\b
Examples:
  lifeline hub run --inventory govnet.inventory.yml
  lifeline hub run --inventory govnet.inventory.yml --name noc-a --listen 10.0.10.1:8443 --tls""")
)
@click.option(
    "--inventory", required=True, type=click.Path(path_type=Path), help=_("The inventory of the whole network.")
)
@_data
@click.option(
    "--run",
    "run_directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/run/lifeline"),
    show_default=True,
    help=_("Directory of the local socket."),
)
@click.option(
    "--notifications",
    type=click.Path(path_type=Path),
    help=_("File that says whom to tell of what, and where the heartbeat goes."),
)
@click.option(
    "--playbooks",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    multiple=True,
    help=_("A directory of playbooks besides those that ship; repeat for more."),
)
@click.option("--allow-host", multiple=True, metavar="HOST[:PORT]", help=_("A host that playbooks may reach."))
@click.option("--allow-program", multiple=True, metavar="PATH", help=_("A program that playbooks may run."))
@click.option(
    "--set",
    "defaults",
    multiple=True,
    metavar="NAME=VALUE",
    help=_("What a parameter of playbooks is unless a run is given something else, such as whom to call."),
)
@click.option(
    "--known-hosts",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("/etc/lifeline/known_hosts"),
    show_default=True,
    help=_("Host keys of the routers that playbooks change, in OpenSSH's format."),
)
@click.option(
    "--audit-copy",
    type=click.Path(path_type=Path, file_okay=False),
    help=_("A second place for the audit's end, by preference on another disk; DATA/audit otherwise."),
)
@click.option("--name", help=_("The hub's name, by habit the site it runs at; this machine's name otherwise."))
@click.option("--listen", "addresses", multiple=True, metavar="HOST:PORT", help=_("A TCP address; repeat for more."))
@click.option("--tls", is_flag=True, help=_("Speak TLS on TCP, with a certificate of its own made at first start."))
@click.option(
    "--insecure", is_flag=True, help=_("Allow TCP beyond loopback without TLS. Tokens can be read on the way.")
)
def run(
    inventory: Path,
    data: Path,
    run_directory: Path,
    notifications: Path | None,
    playbooks: tuple[Path, ...],
    allow_host: tuple[str, ...],
    allow_program: tuple[str, ...],
    defaults: tuple[str, ...],
    known_hosts: Path,
    audit_copy: Path | None,
    name: str | None,
    addresses: tuple[str, ...],
    tls: bool,
    insecure: bool,
) -> ExitCode:
    """Run a hub."""
    from failover.steps.kind import Allowed
    from lifeline.journal.engine import JournalBusyError, JournalError
    from lifeline.runtime.logging import configure_logging
    from noc.playbooks import PlaybookSettings
    from noc.serve import run_hub

    name = name or socket.gethostname().partition(".")[0]
    loaded = load_inventory(inventory)
    set_for_all = _pairs(defaults)
    listeners = _listeners(addresses, data, tls=tls, insecure=insecure)
    if notifications is not None:
        from noc.notify.config import load

        told = load(notifications)
    else:
        told = None
    configure_logging(f"{name}/hub")
    if (token := TokenStore(data).create_first()) is not None:
        narrate(_("first administrator's token, shown this once: {token}").format(token=token))
    try:
        allowed = Allowed(frozenset(allow_host), frozenset(allow_program), known_hosts)
        settings = PlaybookSettings(playbooks, allowed, audit_copy, set_for_all)
        run_hub(loaded, data, run_directory, name, listeners, told, settings)
    except JournalBusyError as error:
        raise VerbError(_("another hub runs on this data: {error}").format(error=error)) from None
    except JournalError as error:
        raise VerbError(str(error)) from None
    return ExitCode.OK


@hub.command(
    help=_("""Check that a hub answers and that its journal takes events; for cron, systemd timers and other monitors.

Say nothing and exit 0 while all is well; otherwise say what is wrong and exit 3 (no answer), 4 (too late) or 11 (its
journal takes no events). With several hubs all must be well.

\b
Example:
  lifeline hub check --hub https://noc-a.example:8443 --hub https://noc-b.example:8443 || wall "lifeline is silent\"""")
)
@click.option("--hub", "hubs", multiple=True, metavar="URL", help=_("A hub's address; repeat for more."))
@json_option()
def check(hubs: tuple[str, ...], as_json: bool) -> ExitCode:
    """Notice when lifeline itself is silent."""
    from noc.client import HubClient, HubRefusedError, HubUnreachableError

    from .ask import ask

    worst, found = ExitCode.OK, []
    for url in hubs or (None,):
        try:
            answer = ask(url, HubClient.health)
            code = ExitCode.OK if answer["status"] == "ok" else ExitCode.CRITICAL
            text = str(answer["journal"])
        except (HubUnreachableError, HubRefusedError) as error:
            code, text = ExitCode(error.exit_code), str(error)
        if code is not ExitCode.OK and not as_json:
            narrate(text)
        found.append({"hub": url, "exit_code": int(code), "text": text})
        worst = max(worst, code)
    if as_json:
        emit_json("lifeline.hub-check/1", {"hubs": found})
    return worst


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    """Return NAME=VALUE texts as a mapping.

    Raises:
        VerbError: one is not of that form.
    """
    for text in given:
        if "=" not in text:
            raise VerbError(_("--set {text}: must be NAME=VALUE").format(text=text), ExitCode.USAGE)
    return {name: value for name, _equals, value in (text.partition("=") for text in given)}


def _listeners(addresses: tuple[str, ...], data: Path, *, tls: bool, insecure: bool) -> list[Listener]:
    """Return what to listen on.

    Raises:
        VerbError: an address is none, or would send tokens in the clear.
        TlsError: the certificate that stands is not valid for an address.
    """
    try:
        places = [parse_address(address) for address in addresses]
    except ValueError as error:
        raise VerbError(f"--listen: {error}", ExitCode.USAGE) from None
    open_places = [host for host, _port in places if not is_loopback(host)]
    if open_places and not (tls or insecure):
        raise VerbError(
            _("--listen {host}: whoever is on the way would read tokens; add --tls, or --insecure if you mean it")
            .format(host=open_places[0]), ExitCode.USAGE)  # fmt: skip
    names = [host for host, _port in places if not is_unspecified(host)]
    certificate = ensure_certificate(data, names) if tls and places else None
    return [Listener(host, port, certificate) for host, port in places]
