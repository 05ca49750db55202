"""`lifeline fastpath run` and `lifeline agent run`: check everything, compile a plan, become the lean process.

All that can be wrong is told here, where there is a person to read it; what runs afterwards reads a plan that is right.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from socket import if_nameindex
from typing import NoReturn

import click

from lifeline.config import load_inventory
from lifeline.config.problems import did_you_mean
from lifeline.config.secrets import SecretError, read_key
from lifeline.i18n import _
from lifeline.model.inventory import Inventory
from lifeline.runtime.files import write_json

from .actuator_plan import compile_actuators
from .agent.plan import AgentPlan
from .keys import FILE as KEYS_FILE
from .keys import Keys
from .plan import FastPathPlan, PlanError, compile_plan
from .traffic_plan import compile_traffic

_CAP_NET_ADMIN = 12

_inventory = click.option(
    "--inventory",
    required=True,
    type=click.Path(path_type=Path),
    envvar="LIFELINE_INVENTORY",
    help=_("The inventory file."),
)
_site = click.option("--site", required=True, envvar="LIFELINE_SITE", help=_("The site this machine stands at."))
_run_directory = click.option(
    "--run",
    "run_directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/run/lifeline"),
    show_default=True,
    help=_("Directory of sockets and compiled plans."),
)


_data_directory = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/var/lib/lifeline"),
    show_default=True,
    help=_("Directory of what must outlive a restart of the machine."),
)


class _Refusal(click.ClickException):
    """Something in the inventory or the options is wrong; the text says what would be right."""

    exit_code = 2


class _Failure(click.ClickException):
    """This machine does not let us; the text says what to grant."""

    exit_code = 1


@click.group(help=_("The fast path: watches both paths of a site and switches in milliseconds."))
def fastpath() -> None:
    """Hold the fast path's verbs."""


@fastpath.command("run", help=_("Run the fast path of a site until it is told to stop."))
@_inventory
@_site
@_data_directory
@_run_directory
def run_fast_path(inventory: Path, site: str, data: Path, run_directory: Path) -> NoReturn:
    """Compile the site's plan and become the fast path."""
    loaded, plan = _plan(inventory, site)
    keys = _keys(loaded, plan)
    if not plan.sessions:
        raise _Refusal(_("site {site} has no link with bfd: there is nothing to watch here").format(site=site))
    if not _may_change_routes():
        text = _("changing routes needs CAP_NET_ADMIN: run as root, or grant it (in systemd: {setting})")
        raise _Failure(text.format(setting="AmbientCapabilities=CAP_NET_ADMIN"))
    for warning in _missing_interfaces(plan):
        click.echo(warning, err=True)
    path = _prepare(run_directory) / "fastpath-plan.json"
    write_json(path.with_name(KEYS_FILE), keys.to_json())
    plan.save(path)
    _become("failover.fastpath", path, _prepare(data))


@fastpath.command(help=_("""Use the keys that the inventory names now, without a change of any session's state.

A rollover loses nothing in three steps, each at both ends before the next: add the new key, sign with it, take the old
one away. Only keys may have changed; for anything else restart the fast path.

\b
Example:
  lifeline fastpath rekey --inventory /etc/lifeline/inventory.yml --site sbs-dongcheng"""))  # fmt: skip
@_inventory
@_site
@_run_directory
def rekey(inventory: Path, site: str, run_directory: Path) -> None:
    """Write the keys beside the plan, and have the running fast path use them."""
    from .io.fastpath_client import order_rekey

    loaded, plan = _plan(inventory, site)
    keys = _keys(loaded, plan)
    path = run_directory / "fastpath-plan.json"
    try:
        standing = FastPathPlan.load(path)
        if standing.without_keys() != plan.without_keys():
            raise _Refusal(
                _("more than keys has changed since the fast path of {site} began: restart it").format(site=site)
            )
        write_json(path.with_name(KEYS_FILE), keys.to_json())
        plan.save(path)
        if error := order_rekey(run_directory / "fastpath.sock"):
            raise _Failure(error)
    except PlanError as error:
        raise _Failure(str(error)) from None
    except OSError as error:
        raise _Failure(_("the fast path of {site} is not reached: {reason}").format(site=site, reason=error)) from None
    rings = len(list(plan.key_plans))
    click.echo(
        _("{site}: {n} sessions and groups use the keys of {inventory}").format(
            site=site, n=rings, inventory=inventory
        ),
        err=True,
    )


@click.group(help=_("The agent: tells the hub what happens at a site, and loses nothing while it cannot."))
def agent() -> None:
    """Hold the agent's verbs."""


@agent.command("run", help=_("Run the agent of a site until it is told to stop."))
@_inventory
@_site
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/var/lib/lifeline"),
    show_default=True,
    help=_("Directory of the outbox."),
)
@_run_directory
@click.option(
    "--hub", "hubs", multiple=True, required=True, envvar="LIFELINE_HUB", help=_("A hub's address; repeat for more.")
)
@click.option(
    "--token-file", type=click.Path(path_type=Path), envvar="LIFELINE_TOKEN_FILE", help=_("File with the hub's token.")
)
@click.option(
    "--ca",
    type=click.Path(path_type=Path),
    envvar="LIFELINE_CA",
    help=_("File with the hub's certificate or its issuer."),
)
@click.option(
    "--known-hosts",
    type=click.Path(path_type=Path),
    default=Path("/etc/lifeline/known_hosts"),
    show_default=True,
    help=_("Host keys of the routers that follow a switch, in OpenSSH's format."),
)
@click.option(
    "--metrics",
    default="127.0.0.1:9469",
    show_default=True,
    help=_("Where metrics and health are served; 'off': nowhere."),
)
def run_agent(
    inventory: Path,
    site: str,
    data: Path,
    run_directory: Path,
    hubs: tuple[str, ...],
    token_file: Path | None,
    ca: Path | None,
    known_hosts: Path,
    metrics: str,
) -> NoReturn:
    """Compile the agent's plan and become the agent."""
    loaded, fast_path = _plan(inventory, site)
    if token_file is None and any(hub.startswith("http") for hub in hubs):
        raise _Refusal(_("a hub that is not on a Unix socket wants a token: give --token-file"))
    for file in (token_file, ca):
        _must_be_readable(file)
    plan = AgentPlan.compile(
        fast_path,
        hubs=hubs,
        token_file=str(token_file.absolute()) if token_file else None,
        ca=str(ca.absolute()) if ca else None,
        data=str(data.absolute()),
        run=str(run_directory.absolute()),
        metrics=None if metrics == "off" else metrics,
        traffic=compile_traffic(loaded, site),
        actuators=compile_actuators(loaded, site),
        known_hosts=str(known_hosts.absolute()),
    )
    path = _prepare(run_directory) / "agent-plan.json"
    plan.save(path)
    _become("failover.agent", path)


@agent.command(help=_("""Say what LINK carries at present, such as a satellite in rain; the agent divides it for that.

Both ends divide what they send: say it at both. It stands until it is withdrawn or the machine restarts. Whatever
reads the modem says it in the same way, under a name of its own; the least that anybody says counts.

\b
Examples:
  lifeline agent capacity sat-dongcheng                # what is said now
  lifeline agent capacity sat-dongcheng --kbps 2000
  lifeline agent capacity sat-dongcheng --clear"""))  # fmt: skip
@click.argument("link", metavar="LINK")
@click.option("--kbps", type=click.IntRange(min=1), help=_("What it carries, in kbit/s."))
@click.option("--clear", is_flag=True, help=_("Withdraw it: the link carries what the inventory says."))
@click.option("--by", default="operator", show_default=True, metavar="NAME", help=_("Who says so."))
@_run_directory
def capacity(link: str, kbps: int | None, clear: bool, by: str, run_directory: Path) -> None:
    """Tell, withdraw or show what a link carries."""
    from lifeline.runtime.capacity import Capacities, tell, withdraw

    if kbps is not None and clear:
        raise _Refusal(_("give --kbps or --clear, not both"))
    try:
        if kbps is not None:
            tell(run_directory, link, kbps, by)
        elif clear and not withdraw(run_directory, link, by):
            raise _Failure(_("{by} has said nothing of {link}").format(by=by, link=link))
    except ValueError as error:
        raise _Refusal(str(error)) from None
    except OSError as error:
        raise _Failure(f"{error.filename}: {error.strerror}") from None
    word = Capacities(run_directory).now().get(link)
    if word is None:
        click.echo(_("{link}: as the inventory says").format(link=link))
    else:
        click.echo(_("{link}: {kbps} kbit/s, says {by}").format(link=link, kbps=word.kbps, by=word.by))


def _plan(inventory: Path, site: str) -> tuple[Inventory, FastPathPlan]:
    """Return the inventory and the plan of a site.

    Raises:
        ConfigError: the inventory is wrong.
        _Refusal: there is no such site, or it cannot be protected as the inventory says.
    """
    loaded = load_inventory(inventory)
    if site not in loaded.sites:
        _nearest, hint = did_you_mean(site, loaded.sites, _("sites"))
        raise _Refusal(_("{inventory} has no site {site!r}").format(inventory=inventory, site=site) + f"; {hint}")
    try:
        return loaded, compile_plan(loaded, site)
    except PlanError as error:
        raise _Refusal(f"{inventory}: {error}") from None


def _keys(inventory: Inventory, plan: FastPathPlan) -> Keys:
    """Return the keys that a plan names.

    Raises:
        _Refusal: one cannot be fetched, or is none.
    """
    secrets = {}
    for name in {credential for ring in plan.key_plans for _id, credential in ring.keys}:
        try:
            secrets[name] = read_key(inventory.credentials[name])
        except SecretError as error:
            raise _Refusal(_("credential {name}: {error}").format(name=name, error=error)) from None
    return Keys(secrets)


def _may_change_routes() -> bool:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_NET_ADMIN & 1)
    return False


def _missing_interfaces(plan: FastPathPlan) -> Iterable[str]:
    """Yield a warning for each interface that is not there: it may come later, or be misspelt."""
    present = {name for _index, name in if_nameindex()}
    for session in plan.sessions:
        if session.interface not in present:
            _nearest, hint = did_you_mean(session.interface, present, _("interfaces"))
            yield _("link {link}: there is no interface {interface!r} yet, waiting for it").format(
                link=session.link, interface=session.interface
            ) + (f"; {hint}" if hint else "")


def _must_be_readable(file: Path | None) -> None:
    if file is None:
        return
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _Refusal(f"{file}: {getattr(error, 'strerror', None) or error}") from None
    if not content.strip():
        raise _Refusal(_("{file} is empty").format(file=file))


def _prepare(directory: Path) -> Path:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _Failure(f"{directory}: {error.strerror}") from None
    return directory.absolute()


def _become(module: str, *arguments: Path) -> NoReturn:
    """Replace this process; YAML, pydantic and click leave its memory with it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *map(str, arguments)])  # noqa: S606 - no shell is the point
