"""`lifeline drill`: list the drills, run one, score it."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import click

from lifeline.i18n import _
from noc.cli.output import ExitCode, VerbError, colour_wanted, emit_json, emit_table, json_option, narrate
from noc.client import HubClient

from ..daemons import HUB_PORT, hub_node
from ..driver import LabError
from ..lab import DEFAULT_NAME, Lab
from ..probe import ProbeLog
from ..scorecard import render
from . import fibre_cut, playbook_drills, power_drills, protection, time_drills
from .drill import Drill, service_address
from .playbook_people import People
from .playbook_play import PlaybookDrill, PlaybookScript
from .power_play import PowerDrill, PowerScript
from .record import SCHEMA, DrillReport, Target, Verdict
from .script import Script, Scripted
from .time_play import TimeDrill, TimeScript

_CATALOGUE = (
    {fibre_cut.NAME: fibre_cut.OBJECTIVE}
    | {name: kind.objective for kinds in (protection.KINDS, time_drills.KINDS) for name, kind in kinds.items()}
    | {name: kind.objective for name, kind in power_drills.KINDS.items()}
    | {drill: playbook_drills.KINDS[name].objective for drill, name in playbook_drills.NAMES.items()}
)
_SEEDS = 2**32
S = TypeVar("S")

lab_option = click.option(
    "--lab", "lab_name", default=DEFAULT_NAME, envvar="LIFELINE_LAB", show_default=True, help=_("Name of the lab.")
)


@click.group(help=_("Run drills in the lab and score them."))
def drill() -> None:
    """Drills in the lab."""


@drill.command("list", help=_("List the drills."))
@json_option()
def list_(*, as_json: bool) -> None:
    """List the drills."""
    if as_json:
        emit_json("lifeline.drills/1", {"drills": [{"name": n, "objective": o} for n, o in _CATALOGUE.items()]})
    else:
        emit_table([_("Drill"), _("Objective")], [(name, _(text)) for name, text in _CATALOGUE.items()])


@drill.group(help=_("Run one drill; the lab must be up, and is healed whatever happens."))
def run() -> None:
    """Run one drill."""


@run.command(fibre_cut.NAME, help=_(fibre_cut.OBJECTIVE))
@click.option("--mode", type=click.Choice(fibre_cut.MODES), default="silent", show_default=True,
              help=_("Both directions go silent, one does, or the site also loses its carrier."))  # fmt: skip
@click.option("--site", help=_("Site whose fibre is cut; drawn by the seed otherwise."))
@click.option("--direction", type=click.Choice(fibre_cut.DIRECTIONS),
              help=_("What a one-way cut silences; drawn by the seed otherwise."))  # fmt: skip
@click.option("--seed", type=click.IntRange(0), help=_("Repeats a drill's draws; a new one otherwise."))
@click.option("--target-ms", type=click.FloatRange(0), default=50, show_default=True,
              help=_("Most that a direction may lose, and longest that the switch may take."))  # fmt: skip
@click.option("--steady-within-s", type=click.FloatRange(0), default=15, show_default=True,
              help=_("How long the steady state is awaited, before and after."))  # fmt: skip
@lab_option
@click.option("--logs", type=click.Path(file_okay=False, path_type=Path), help=_("Folder for the raw probe logs."))
@json_option()
def fibre_cut_(
    *,
    mode: str,
    site: str | None,
    direction: str | None,
    seed: int | None,
    target_ms: float,
    steady_within_s: float,
    lab_name: str,
    logs: Path | None,
    as_json: bool,
) -> int:
    """Run the fibre-cut drill."""
    lab = open_lab(lab_name)
    seed = random.randrange(_SEEDS) if seed is None else seed
    try:
        target, direction = fibre_cut.plan(lab.inventory, mode=mode, site=site, direction=direction, seed=seed)
    except ValueError as error:
        raise VerbError(str(error), ExitCode.USAGE) from None
    pace = fibre_cut.Pace(steady_within=steady_within_s)
    report = run_fibre_cut(lab, target, mode, direction, seed, target_ms=target_ms, logs=logs, pace=pace)
    return _tell(report, as_json=as_json)


def _scripted(name: str, kind: protection.Kind) -> None:
    """Add the verb that runs a script."""

    @run.command(name, help=_(kind.objective))
    @click.option("--site", help=_("Site that is hit; drawn by the seed otherwise."))
    @click.option("--seed", type=click.IntRange(0), help=_("Repeats a drill's draws; a new one otherwise."))
    @click.option("--steady-within-s", type=click.FloatRange(0), default=15, show_default=True,
                  help=_("How long the steady state is awaited, before and after."))  # fmt: skip
    @lab_option
    @click.option("--logs", type=click.Path(file_okay=False, path_type=Path), help=_("Folder for the raw probe logs."))
    @json_option()
    def command(
        *, site: str | None, seed: int | None, steady_within_s: float, lab_name: str, logs: Path | None, as_json: bool
    ) -> int:
        lab = open_lab(lab_name)
        seed = random.randrange(_SEEDS) if seed is None else seed
        hub = hub_node(lab.topology)
        assert hub is not None
        try:
            script = protection.write(name, lab.inventory, hub=hub, site=site, seed=seed)
        except ValueError as error:
            raise VerbError(str(error), ExitCode.USAGE) from None
        pace = fibre_cut.Pace(steady_within=steady_within_s)
        return _tell(run_script(lab, script, seed, logs=logs, pace=pace), as_json=as_json)


for _name, _kind in protection.KINDS.items():
    _scripted(_name, _kind)


def _of_playbook(name: str, playbook: str) -> None:
    """Add the verb that runs a drill of a playbook."""

    @run.command(name, help=_(playbook_drills.KINDS[playbook].objective))
    @click.option("--site", help=_("Site that is hit; drawn by the seed otherwise."))
    @click.option("--seed", type=click.IntRange(0), help=_("Repeats a drill's draws; a new one otherwise."))
    @click.option("--record", "recordings", type=click.Path(file_okay=False, path_type=Path),
                  help=_("Folder for the facts that runs were told, for `lifeline playbook simulate`."))  # fmt: skip
    @lab_option
    @json_option()
    def command(*, site: str | None, seed: int | None, recordings: Path | None, lab_name: str, as_json: bool) -> int:
        lab = open_lab(lab_name)
        seed = random.randrange(_SEEDS) if seed is None else seed
        try:
            script = playbook_drills.write(name, lab.inventory, site=site, seed=seed)
        except ValueError as error:
            raise VerbError(str(error), ExitCode.USAGE) from None
        return _tell(run_playbook(lab, script, seed, recordings=recordings), as_json=as_json)


for _drill_name, _playbook_name in playbook_drills.NAMES.items():
    _of_playbook(_drill_name, _playbook_name)


def _tell(report: DrillReport, *, as_json: bool) -> int:
    if as_json:
        emit_json(SCHEMA, report.to_json())
    else:
        show(report)
    return ExitCode.OK if report.verdict is Verdict.PASS else ExitCode.ACTION_FAILED


def open_lab(name: str) -> Lab:
    """Return the lab that is up.

    Raises:
        VerbError: none of that name is up.
    """
    try:
        return Lab(name)
    except LabError as error:
        raise VerbError(str(error), ExitCode.UNREACHABLE) from None


def run_fibre_cut(
    lab: Lab,
    target: Target,
    mode: str,
    direction: str | None,
    seed: int,
    *,
    target_ms: float = 50,
    logs: Path | None = None,
    pace: fibre_cut.Pace = fibre_cut.Pace(),  # noqa: B008 - frozen
    tell: Callable[[str], None] = narrate,
) -> DrillReport:
    """Run the drill against a lab's hub.

    Raises:
        HubUnreachableError: the hub does not answer; nothing was done.
    """

    def drill_on(hub: HubClient) -> Drill:
        targets = fibre_cut.targets_for(lab.inventory, target, target_ms)
        return fibre_cut.FibreCut(
            lab, hub, seed, target, mode, direction, targets, pace=pace, tell=lambda step: tell(_STEPS[step]())
        )

    tell(_("Fibre-cut drill at {site}, seed {seed}: steady state first").format(site=target.site, seed=seed))
    return _run(lab, drill_on, logs)


def run_script(
    lab: Lab,
    script: Script,
    seed: int,
    *,
    logs: Path | None = None,
    pace: fibre_cut.Pace = fibre_cut.Pace(),  # noqa: B008 - frozen
    tell: Callable[[str], None] = narrate,
) -> DrillReport:
    """Run a script against a lab's hub.

    Raises:
        HubUnreachableError: the hub does not answer; nothing was done.
    """
    sites = ", ".join(target.site for target in script.targets)
    tell(_("Drill {name} at {site}, seed {seed}: steady state first").format(name=script.name, site=sites, seed=seed))
    return _run(lab, lambda hub: Scripted(lab, hub, seed, script, pace=pace, tell=lambda text: tell(_(text))), logs)


def run_time(
    lab: Lab,
    script: TimeScript,
    seed: int,
    *,
    pace: fibre_cut.Pace = fibre_cut.Pace(),  # noqa: B008 - frozen
    tell: Callable[[str], None] = narrate,
) -> DrillReport:
    """Run a drill of the time against a lab's hub.

    Raises:
        HubUnreachableError: the hub does not answer; nothing was done.
    """
    tell(_("Drill {name} at {site}, seed {seed}: steady state first").format(
        name=script.name, site=script.site, seed=seed))  # fmt: skip
    return _run(lab, lambda hub: TimeDrill(lab, hub, seed, script, pace=pace, tell=lambda text: tell(_(text))), None)


def run_playbook(
    lab: Lab,
    script: PlaybookScript,
    seed: int,
    *,
    recordings: Path | None = None,
    pace: fibre_cut.Pace = fibre_cut.Pace(),  # noqa: B008 - frozen
    tell: Callable[[str], None] = narrate,
) -> DrillReport:
    """Run a drill of a playbook against a lab's hub.

    Raises:
        HubUnreachableError: the hub does not answer; nothing was done.
    """
    node = hub_node(lab.topology)
    assert node is not None
    people = People(lab, node, f"https://{service_address(lab.inventory, node)}:{HUB_PORT}")
    tell(_("Drill {name} at {site}, seed {seed}: steady state first").format(
        name=script.name, site=script.site, seed=seed))  # fmt: skip
    return _run(lab, lambda hub: PlaybookDrill(lab, hub, seed, script, people, recordings, pace=pace,
                                               tell=lambda text: tell(_(text))), None)  # fmt: skip


def run_power(
    lab: Lab,
    script: PowerScript,
    seed: int,
    *,
    pace: fibre_cut.Pace = fibre_cut.Pace(),  # noqa: B008 - frozen
    tell: Callable[[str], None] = narrate,
) -> DrillReport:
    """Run a drill of power against a lab's hub.

    Raises:
        HubUnreachableError: the hub does not answer; nothing was done.
    """
    from .power_supply import Tanker

    sites = ", ".join(script.sites)
    tell(_("Drill {name} at {site}, seed {seed}: steady state first").format(name=script.name, site=sites, seed=seed))
    supply = Tanker(lab.inventory) if len(script.sites) > 1 else None
    return _run(lab, lambda hub: PowerDrill(lab, hub, seed, script, pace=pace, tell=lambda text: tell(_(text)),
                                            supply=supply), None)  # fmt: skip


def _at_room(name: str, objective: str, write: Callable[..., S], play: Callable[[Lab, S, int], DrillReport]) -> None:
    """Add the verb that runs a drill of a core room's time or power."""

    @run.command(name, help=_(objective))
    @click.option("--site", help=_("Core room that is hit; drawn by the seed otherwise."))
    @click.option("--seed", type=click.IntRange(0), help=_("Repeats a drill's draws; a new one otherwise."))
    @lab_option
    @json_option()
    def command(*, site: str | None, seed: int | None, lab_name: str, as_json: bool) -> int:
        lab = open_lab(lab_name)
        seed = random.randrange(_SEEDS) if seed is None else seed
        try:
            script = write(name, lab.inventory, site=site, seed=seed)
        except ValueError as error:
            raise VerbError(str(error), ExitCode.USAGE) from None
        return _tell(play(lab, script, seed), as_json=as_json)


for _time_name, _time_kind in time_drills.KINDS.items():
    _at_room(_time_name, _time_kind.objective, time_drills.write, run_time)
for _power_name, _power_kind in power_drills.KINDS.items():
    _at_room(_power_name, _power_kind.objective, power_drills.write, run_power)


def _run(lab: Lab, drill_on: Callable[[HubClient], Drill], logs: Path | None) -> DrillReport:
    async def drilled() -> tuple[DrillReport, Mapping[str, ProbeLog]]:
        # A drill that is told to end heals first: both signals cancel it, and cancelling heals.
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        async with HubClient(lab.hub_url) as hub:
            one = drill_on(hub)
            return await one.run(), one.logs

    before = signal.getsignal(signal.SIGTERM)
    try:
        report, raw = asyncio.run(drilled())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, before)
    if logs is not None:
        logs.mkdir(parents=True, exist_ok=True)
        for name, log in raw.items():
            log.save(logs / name.replace("/", "-"))
    return report


def show(report: DrillReport) -> None:
    """Write the scorecard to stdout."""
    plain = not (sys.stdout.encoding or "").lower().startswith("utf")
    click.echo(render(report.to_json(), colour=colour_wanted(sys.stdout), ascii_only=plain), nl=False)


_STEPS = {
    "cut": lambda: _("The fibre is cut; watching the switch"),
    "repair": lambda: _("The fibre is repaired; waiting to restore"),
}
