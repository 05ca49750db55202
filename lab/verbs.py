"""`lifeline lab`: deploy the lab, look at it, enter it, break it on purpose, heal it, take it down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from lifeline.clock import monotonic_s
from lifeline.i18n import _
from noc.cli.output import ExitCode, Styled, emit, emit_json, emit_table, json_option, narrate

from .deployment import DEFAULT_NAME
from .devices import FAULTS as DEVICE_FAULTS
from .faults import DIRECTIONS, MODES, Fault
from .lab import DEFAULT_INVENTORY, DEFAULT_TOPOLOGY, Lab
from .plants import FAULTS as POWER_FAULTS
from .simulators.time_ntp import NTP_FAULTS
from .simulators.time_sky import FAULTS as SKY_FAULTS

_NAME = click.option("--name", default=DEFAULT_NAME, show_default=True, help=_("Name of the lab."))


_ELSEWHERE = {"drill": "lab.drills.verbs", "demo": "lab.demo"}


def __getattr__(name: str) -> click.Command:
    """Return a verb of another module, imported when it is asked for: taking a lab down needs no drill."""
    if name not in _ELSEWHERE:
        raise AttributeError(name)
    command = getattr(import_module(_ELSEWHERE[name]), name)
    assert isinstance(command, click.Command)
    return command


@click.group(help=_("Deploy the lab, inject faults, heal them"))
def lab() -> None:
    """Group the verbs."""


@lab.command(help=_("Deploy the lab and wait until its routes have converged; harmless when it is up."))
@click.option("--topology", type=click.Path(path_type=Path), default=DEFAULT_TOPOLOGY, help=_("A containerlab file."))
@click.option("--inventory", type=click.Path(path_type=Path), default=DEFAULT_INVENTORY, help=_("Its inventory."))
@click.option("--name", help=_("Name of the lab; the topology's own otherwise."))
@click.option("--no-daemons", is_flag=True, help=_("Leave lifeline's own daemons out."))
@json_option()
def up(topology: Path, inventory: Path, name: str | None, no_daemons: bool, as_json: bool) -> None:
    """Deploy."""
    started = monotonic_s()
    deployed = Lab.up(topology, inventory, name, with_daemons=not no_daemons, tell=_stopwatch(started))
    took_s = monotonic_s() - started
    if as_json:
        emit_json("lifeline.lab-up/1", {"name": deployed.name, "took_s": round(took_s, 3)})
    else:
        emit(_("lab {name} is up after {seconds:.1f} s").format(name=deployed.name, seconds=took_s))


@lab.command(help=_("Take the lab down and leave nothing of it on this machine."))
@_NAME
@click.option("--keep-data", is_flag=True, help=_("Leave the nodes' /var/lib/lifeline for the next `up`."))
def down(name: str, keep_data: bool) -> None:
    """Remove."""
    started = monotonic_s()
    if Lab.down(name, keep_data=keep_data):
        narrate(_("lab {name} is down after {seconds:.1f} s").format(name=name, seconds=monotonic_s() - started))
    else:
        narrate(_("there is no lab {name!r}").format(name=name))


@lab.command(help=_("Show the lab's nodes."))
@_NAME
@json_option()
def status(name: str, as_json: bool) -> int:
    """Show."""
    deployed = Lab(name)
    nodes = deployed.status()
    missing = deployed.unreachable()
    if as_json:
        body = {
            node: {
                "on": each.on,
                "processes": {str(pid): program for pid, program in each.processes.items()},
                "rss_kb": each.rss_kb,
                "no_route_to": missing.get(node, []),
            }
            for node, each in nodes.items()
        }
        standing = [each.to_json() for each in deployed.faults.active()]
        satellite = deployed.relay_stats()
        emit_json("lifeline.lab-status/1", {"name": name, "nodes": body, "satellite": satellite, "faults": standing})
    else:
        emit_table(
            [_("Node"), _("Power"), _("Runs"), _("Memory, MB"), _("No route to")],
            [
                (
                    node,
                    Styled(_("on"), "green") if each.on else Styled(_("off"), "red"),
                    " ".join(sorted(set(each.processes.values()))),
                    round(each.rss_kb / 1024),
                    " ".join(missing.get(node, [])) or "-",
                )
                for node, each in nodes.items()
            ],
        )
        if emulator := deployed.relay_stats()["emulator"]:
            narrate(_("satellite paths by {emulator}").format(emulator=emulator))
        for each in deployed.faults.active():
            narrate(_("fault {id} stands: {kind} {targets} {how}").format(
                id=each.id, kind=each.kind, targets=" ".join(each.targets), how=_how(each)).rstrip())  # fmt: skip
    return ExitCode.DEGRADED if missing or not all(each.on for each in nodes.values()) else ExitCode.OK


@lab.command(
    "exec",
    help=_("Run a program on a node: lifeline lab exec sbs-dongcheng -- ip route"),
    context_settings={"ignore_unknown_options": True},
)
@_NAME
@click.argument("node")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(name: str, node: str, argv: Sequence[str]) -> int:
    """Run."""
    process = Lab(name).popen(node, argv, inside=True)
    while True:
        try:
            ended = process.wait()
            return ended if ended >= 0 else 128 - ended
        except KeyboardInterrupt:
            continue  # the terminal has told the program as well; it decides


@lab.group(help=_("Inject a fault; its undo is on disk before it is in the network."))
def fault() -> None:
    """Group the faults."""


def _cut_options(command: Callable[..., Any]) -> Callable[..., Any]:
    direction = click.option(
        "--direction", type=click.Choice(DIRECTIONS), help=_("Which direction a one-way cut loses; to-site otherwise.")
    )
    mode = click.option(
        "--mode",
        type=click.Choice(MODES),
        default="silent",
        show_default=True,
        help=_("silent: both directions, carrier stays; oneway: one direction; carrier: the site loses its carrier."),
    )
    return _NAME(json_option()(mode(direction(command))))


@fault.command("fibre-cut", help=_("Cut fibres at mid-span: lifeline lab fault fibre-cut fibre-dongcheng"))
@click.argument("link", nargs=-1, required=True)
@_cut_options
def fibre_cut(link: Sequence[str], **options: Any) -> None:
    """Cut."""
    _inject("fibre-cut", link, **options)


@fault.command("duct-cut", help=_("Cut every fibre of a duct at once: lifeline lab fault duct-cut duct-east"))
@click.argument("srg", nargs=-1, required=True)
@_cut_options
def duct_cut(srg: Sequence[str], **options: Any) -> None:
    """Cut."""
    _inject("duct-cut", srg, **options)


@fault.command("fibre-degrade", help=_("Let fibres lose frames: ... fibre-degrade fibre-haidian --loss-pct 5"))
@click.argument("link", nargs=-1, required=True)
@click.option("--loss-pct", type=click.FloatRange(0, 100, min_open=True), required=True, help=_("Frames, by chance."))
@click.option("--direction", type=click.Choice(DIRECTIONS), help=_("Which direction loses; both otherwise."))
@_NAME
@json_option()
def fibre_degrade(link: Sequence[str], **options: Any) -> None:
    """Degrade."""
    _inject("fibre-degrade", link, **options)


@fault.command("node-off", help=_("Pull the plug of nodes; healing boots them: lifeline lab fault node-off noc-b"))
@click.argument("node", nargs=-1, required=True)
@_NAME
@json_option()
def node_off(node: Sequence[str], **options: Any) -> None:
    """Switch off."""
    _inject("node-off", node, **options)


@fault.command("satellite-degrade", help=_("Let satellite paths fade: more loss, delay or jitter, less rate."))
@click.argument("link", nargs=-1, required=True)
@click.option("--delay-ms", type=float, help=_("One way."))
@click.option("--jitter-ms", type=float)
@click.option("--loss-pct", type=float)
@click.option("--rate-kbps", type=float)
@_NAME
@json_option()
def satellite_degrade(link: Sequence[str], **options: Any) -> None:
    """Degrade."""
    _inject("satellite-degrade", link, **options)


@fault.command("gnss", help=_("Jam, spoof or silence receivers: lifeline lab fault gnss core-wired/gps --mode jam"))
@click.argument("receiver", nargs=-1, required=True, metavar="NODE/RECEIVER...")
@click.option(
    "--mode",
    type=click.Choice(sorted({*SKY_FAULTS, *NTP_FAULTS})),
    required=True,
    help=_("What happens to it; NODE/ntp, a simulated NTP server, can be frozen, step, leap or silent."),
)
@click.option(
    "--size",
    type=float,
    default=0.0,
    help=_("ns of a step or of a replay, ns/s of a ramp, s of a leap second, weeks, m/s of a walk."),
)
@_NAME
@json_option()
def gnss(receiver: Sequence[str], **options: Any) -> None:
    """Disturb."""
    _inject("gnss", receiver, **options)


@fault.command("device", help=_("Break a device of a site: lifeline lab fault device core-800m/room --mode hot"))
@click.argument("device", nargs=-1, required=True, metavar="NODE/DEVICE...")
@click.option("--mode", type=click.Choice(DEVICE_FAULTS), required=True, help=_("What happens to it."))
@click.option(
    "--size", type=float, default=0.0, help=_("Degrees, percent, m/s2, or notifications a second; the usual where 0.")
)
@_NAME
@json_option()
def break_device(device: Sequence[str], **options: Any) -> None:
    """Break."""
    _inject("device", device, **options)


@fault.command("power", help=_("Break a power plant or a device of it.\n\n"
                               "\b\n"
                               "lifeline lab fault power core-wired/feed-a --mode lost\n"
                               "lifeline lab fault power core-wired/feeds --mode lost          all of them\n"
                               "lifeline lab fault power core-wired/generator-1 --mode no-start\n"
                               "lifeline lab fault power core-wired/generator-1 --mode stops --size 5\n"
                               "lifeline lab fault power core-wired/ats-a --mode stuck\n"
                               "lifeline lab fault power core-wired/generator-1 --mode leak --size 200\n"
                               "lifeline lab fault power core-wired/ups-a/string-1 --mode open\n"
                               "lifeline lab fault power core-wired/genset-1 --mode silent     a device\n"
                               "lifeline lab fault power core-wired/clock --mode hasten --size 600"))  # fmt: skip
@click.argument("part", nargs=-1, required=True, metavar="NODE/PART...")
@click.option("--mode", type=click.Choice(POWER_FAULTS), required=True, help=_("What happens to it."))
@click.option(
    "--size",
    type=click.FloatRange(0),
    default=0.0,
    help=_("Minutes until it stops, l/h of a leak, per cent of a level, how many times faster."),
)
@_NAME
@json_option()
def power(part: Sequence[str], **options: Any) -> None:
    """Break."""
    _inject("power", part, **options)


def _inject(kind: str, targets: Sequence[str], *, name: str, as_json: bool, **options: Any) -> None:
    injected = Lab(name).faults.inject(kind, targets, **options)
    if as_json:
        emit_json("lifeline.lab-fault/1", injected.to_json())
    else:
        emit(_("fault {id} stands: {kind} {targets}; undo it with `lifeline lab heal {id}`").format(
            id=injected.id, kind=kind, targets=" ".join(targets)))  # fmt: skip


@lab.group(help=_("Look at faults."))
def faults() -> None:
    """Group the verbs."""


@faults.command("list", help=_("List the faults that stand; with --all those that were healed too."))
@click.option("--all", "healed_too", is_flag=True, help=_("Healed ones too."))
@_NAME
@json_option()
def list_faults(name: str, healed_too: bool, as_json: bool) -> None:
    """List."""
    known = Lab(name).faults
    shown = known.all() if healed_too else known.active()
    if as_json:
        emit_json("lifeline.lab-faults/1", {"faults": [each.to_json() for each in shown]})
    else:
        emit_table(
            [_("Fault"), _("Kind"), _("Targets"), _("How"), _("Phase")],
            [(each.id, each.kind, " ".join(each.targets), _how(each), each.phase) for each in shown],
        )


@lab.command(help=_("Undo the fault ID, or all that stand; also after whoever injected it was killed."))
@click.argument("fault_id", metavar="[ID]", required=False)
@click.option("--all", "all_", is_flag=True, help=_("All faults, as without ID."))
@_NAME
@json_option()
def heal(fault_id: str | None, all_: bool, name: str, as_json: bool) -> None:
    """Heal."""
    if fault_id and all_:
        raise click.UsageError(_("give an ID or --all, not both"))
    healed = Lab(name).faults.heal(fault_id)
    if as_json:
        emit_json("lifeline.lab-heal/1", {"healed": [each.to_json() for each in healed]})
    elif not healed:
        emit(_("nothing to heal"))
    for each in healed if not as_json else ():
        emit(_("fault {id} is healed: {kind} {targets}").format(
            id=each.id, kind=each.kind, targets=" ".join(each.targets)))  # fmt: skip


def _how(fault: Fault) -> str:
    return " ".join(f"{key}={value}" for key, value in fault.options.items())


def _stopwatch(started: float) -> Callable[[str], None]:
    """Return a narrator whose lines begin with the seconds passed."""

    def tell(text: str) -> None:
        narrate(f"{monotonic_s() - started:5.1f} s  {text}")

    return tell
