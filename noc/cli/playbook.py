"""`lifeline playbook`: what there is, what a run would do, runs, and people's words about them."""

from __future__ import annotations

import asyncio
import getpass
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from lifeline.i18n import _
from noc.client import HubClient

from .ask import View, age_text, ask, clock_text, hub_option, styled
from .output import ExitCode, VerbError, emit, emit_json, emit_table, json_option, narrate

_F = TypeVar("_F", bound=Callable[..., Any])

_EXIT = {
    "done": ExitCode.OK, "passed": ExitCode.OK, "planned": ExitCode.OK, "approved": ExitCode.OK,
    "running": ExitCode.OK, "verifying": ExitCode.OK, "closed": ExitCode.OK, "refused": ExitCode.REFUSED,
    "rejected": ExitCode.REFUSED, "expired": ExitCode.TIMEOUT, "needs-human": ExitCode.CRITICAL,
}  # fmt: skip
"""By state of a run; one that was taken back ends as a failed action."""
_OVER = frozenset({"done", "compensated", "rejected", "expired", "refused", "aborted", "closed", "needs-human"})
_COLOURS = {"done": "ok", "needs-human": "critical", "compensated": "degraded", "compensating": "degraded"}


def _exit(state: str) -> ExitCode:
    return _EXIT.get(state, ExitCode.ACTION_FAILED)


def _parameters(given: Sequence[str]) -> dict[str, Any]:
    """Return parameters from `name=value`; a value that is JSON is taken as that."""
    found: dict[str, Any] = {}
    for one in given:
        name, mark, value = one.partition("=")
        if not mark:
            raise VerbError(_("{text!r} is no NAME=VALUE").format(text=one), ExitCode.USAGE)
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _by_option() -> Callable[[_F], _F]:
    return click.option("--by", help=_("Who you are, on the hub's own machine; your user name otherwise."))


_parameter_option = click.option(
    "-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help=_("A parameter; repeat for more.")
)
_file = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))


def _who(by: str | None) -> str:
    return by or getpass.getuser()


@click.group(help=_("Plan, check, run and approve playbooks"))
def playbook() -> None:
    """Group the verbs."""


@playbook.command("list", help=_("List the playbooks that the hub has loaded."))
@hub_option()
@json_option()
def list_(hub: str | None, as_json: bool) -> ExitCode:
    """List playbooks."""
    found = ask(hub, HubClient.playbooks)
    if as_json:
        emit_json("lifeline.playbooks/1", {key: it for key, it in found.items() if key != "schema"})
    else:
        emit_table(
            [_("Playbook"), _("Version"), _("Steps"), _("Approval"), _("Starts on"), _("Summary")],
            [
                [it["playbook"], it["version"], it["steps"], it["approval"] or None,
                 ", ".join([*it["triggers"], *it["schedules"]]) or None, it["summary"]]
                for it in found["playbooks"]
            ],
        )  # fmt: skip
        for problem in found["problems"]:
            narrate(problem)
        if found["halted"]:
            narrate(_("Halted: nothing is begun until `lifeline playbook release`."))
    return ExitCode.DEGRADED if found["problems"] else ExitCode.OK


@playbook.command(help=_("Show RUN: its plan, its steps, and what became of each."))
@click.argument("run")
@hub_option()
@json_option()
def show(run: str, hub: str | None, as_json: bool) -> ExitCode:
    """Show a run."""

    async def question(client: HubClient) -> View:
        return await client.playbook_run(run)

    found = ask(hub, question)
    if as_json:
        emit_json("lifeline.playbook-run/1", {"run": found["run"], "plan": found["plan"]})
    else:
        _tell_run(found["run"])
    return _exit(found["run"]["state"])


@playbook.command(help=_("""Check playbook FILES: every mistake with its line and column; exit 2 when there is one."""))
@_file
@json_option()
def validate(files: tuple[Path, ...], as_json: bool) -> ExitCode:
    """Check files."""
    from failover.playbooks import load_playbook
    from failover.steps.registry import Registry
    from lifeline.config import ConfigError, Problem

    problems: list[Problem] = []
    for file in files:
        try:
            load_playbook(file, Registry())
        except ConfigError as error:
            problems += error.problems
    if as_json:
        told = [{"file": it.file, "line": it.line, "column": it.column, "path": it.path, "message": it.message,
                 "hint": it.hint} for it in problems]  # fmt: skip
        emit_json("lifeline.playbook-problems/1", {"problems": told})
    else:
        for problem in problems:
            narrate(str(problem))
    return ExitCode.USAGE if problems else ExitCode.OK


@playbook.command(help=_("Print the JSON Schema of playbook files."))
def schema() -> None:
    """Print the schema."""
    from failover.playbooks import json_schema

    emit(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@playbook.command(help=_("List the kinds of steps that playbooks can use, with what each offers after a crash."))
@json_option()
def steps(as_json: bool) -> None:
    """List kinds of steps."""
    from failover.steps.registry import Registry

    registry = Registry()
    found = [{"step": name, "recovery": registry[name].recovery.value, "changes": registry[name].changes,
              "text": registry[name].text} for name in registry]  # fmt: skip
    if as_json:
        emit_json("lifeline.playbook-steps/1", {"steps": found})
        return
    emit_table([_("Step"), _("When it is not known whether it was done"), _("What it does")],
               [[it["step"], it["recovery"], it["text"]] for it in found])  # fmt: skip


@playbook.command(
    help=_("""Show what a run of PLAYBOOK would do, with the hash that approvals bind to. Nothing is done.

\b
Example:
  lifeline playbook plan core-failover -p site=sbs-dongcheng""")
)
@click.argument("name", metavar="PLAYBOOK")
@_parameter_option
@hub_option()
@json_option()
def plan(name: str, parameters: tuple[str, ...], hub: str | None, as_json: bool) -> None:
    """Show a plan."""
    given = _parameters(parameters)

    async def question(client: HubClient) -> View:
        return await client.ask_playbook(name, "plan", given)

    found = ask(hub, question)
    if as_json:
        emit_json("lifeline.playbook-plan/1", {"plan": found["plan"], "hash": found["hash"]})
        return
    _tell_plan(found["plan"], found["hash"])


@playbook.command(
    help=_("""Go through a run of PLAYBOOK against what is so now, reading only: guards, prechecks, arguments, probes.

Exit 0 when it would begin and go through, 5 when it would be refused, 1 when a step would fail.""")
)
@click.argument("name", metavar="PLAYBOOK")
@_parameter_option
@hub_option()
@json_option()
def check(name: str, parameters: tuple[str, ...], hub: str | None, as_json: bool) -> ExitCode:
    """Check a run."""
    given = _parameters(parameters)

    async def question(client: HubClient) -> View:
        return await client.ask_playbook(name, "check", given)

    found = ask(hub, question)
    if as_json:
        emit_json("lifeline.playbook-check/1", {key: it for key, it in found.items() if key != "schema"})
    else:
        _tell_outcome(found)
    return _exit(found["state"])


@playbook.command(
    help=_("""Go through a run of the playbook in FILE with the facts of a RECORDING, without a hub.

\b
Example:
  lifeline playbook simulate utility-lost.yml utility-lost.facts.yml""")
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("recording", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_parameter_option
@json_option()
def simulate(file: Path, recording: Path, parameters: tuple[str, ...], as_json: bool) -> ExitCode:
    """Simulate a run."""
    from failover.core.playbook import PlanError, resolve
    from failover.playbooks import load_playbook
    from failover.rehearsal import Recorded
    from failover.rehearsal import simulate as rehearse
    from failover.steps.registry import Registry

    registry = Registry()
    book = load_playbook(file, registry)
    try:
        recorded, document = Recorded.read(recording)
        given = {**document.get("parameters", {}), **_parameters(parameters)}
        made = resolve(book, given, document.get("trigger", {"kind": "person"}), registry.kinds())
    except (ValueError, PlanError) as error:
        raise VerbError(str(error), ExitCode.USAGE) from None
    found = asyncio.run(rehearse(made, recorded))
    if as_json:
        emit_json("lifeline.playbook-simulation/1", {"plan": made, **found})
    else:
        _tell_outcome(found)
    return _exit(str(found["state"]))


@playbook.command(
    help=_("""Start a run of PLAYBOOK. Without --yes its plan is shown, and no more.

\b
Examples:
  lifeline playbook run utility-lost -p site=sbs-dongcheng
  lifeline playbook run utility-lost -p site=sbs-dongcheng --yes --wait 2min""")
)
@click.argument("name", metavar="PLAYBOOK")
@_parameter_option
@click.option("--text", default="", help=_("Why, for the record."))
@click.option("--yes", is_flag=True, help=_("Start it."))
@click.option("--wait", "wait_s", type=float, default=0.0, metavar="SECONDS", help=_("Wait for its end so long."))
@_by_option()
@hub_option()
@json_option()
def run(
    name: str,
    parameters: tuple[str, ...],
    text: str,
    yes: bool,
    wait_s: float,
    by: str | None,
    hub: str | None,
    as_json: bool,
) -> ExitCode:
    """Start a run."""
    given, key = _parameters(parameters), secrets.token_hex(16)

    async def question(client: HubClient) -> View:
        if not yes:
            return await client.ask_playbook(name, "plan", given)
        found = await client.ask_playbook(name, "run", given, text, _who(by), key)
        return await _until_over(client, found["run"], wait_s)

    found = ask(hub, question)
    if not yes:
        if as_json:
            emit_json("lifeline.playbook-plan/1", {"plan": found["plan"], "hash": found["hash"]})
        else:
            _tell_plan(found["plan"], found["hash"])
            narrate(_("Nothing was done. Add --yes to start it."))
        return ExitCode.OK
    return _answer({"run": found}, as_json)


async def _until_over(client: HubClient, view: View, wait_s: float) -> View:
    for _number in range(int(wait_s / 0.2)):
        if view["state"] in _OVER:
            break
        await asyncio.sleep(0.2)
        view = (await client.playbook_run(view["run"]))["run"]
    return view


@playbook.command(
    help=_("""Approve RUN's plan; with --hash only if it is still that one. It binds to the plan as it stands.""")
)
@click.argument("run")
@click.option("--hash", "plan_hash", help=_("Hash of the plan that you have read."))
@_by_option()
@hub_option()
@json_option()
def approve(run: str, plan_hash: str | None, by: str | None, hub: str | None, as_json: bool) -> ExitCode:
    """Approve a run."""
    return _say(run, "approve", hub, as_json, by=_who(by), hash=plan_hash)


@playbook.command(help=_("Refuse RUN before it begins."))
@click.argument("run")
@click.option("--text", default="", help=_("Why, for the record."))
@_by_option()
@hub_option()
@json_option()
def reject(run: str, text: str, by: str | None, hub: str | None, as_json: bool) -> ExitCode:
    """Reject a run."""
    _say(run, "reject", hub, as_json, by=_who(by), text=text)
    return ExitCode.OK


@playbook.command(help=_("End RUN after the step under way, and take back what stands."))
@click.argument("run")
@_by_option()
@hub_option()
@json_option()
def abort(run: str, by: str | None, hub: str | None, as_json: bool) -> ExitCode:
    """Abort a run."""
    _say(run, "abort", hub, as_json, by=_who(by))
    return ExitCode.OK


@playbook.command(
    help=_("""Say what is the case with RUN, so that it goes on.

\b
  handled  the step stands, or you have done by hand what it should have done
  again    nothing of it stands: try it again
  back     take everything back
  close    end the run here, as it is
  free     let it begin although too many sites fail at once""")
)
@click.argument("run")
@click.option("--as", "verdict", type=click.Choice(["handled", "again", "back", "close", "free"]), required=True)
@_by_option()
@hub_option()
@json_option()
def resume(run: str, verdict: str, by: str | None, hub: str | None, as_json: bool) -> ExitCode:
    """Decide about a run."""
    return _say(run, "resume", hub, as_json, by=_who(by), verdict=verdict)


@playbook.command(help=_("Begin nothing any more, no run and no step, until released."))
@_by_option()
@hub_option()
@json_option()
def halt(by: str | None, hub: str | None, as_json: bool) -> None:
    """Halt."""
    _halt(hub, as_json, by, halted=True)


@playbook.command(help=_("Go on after a halt."))
@_by_option()
@hub_option()
@json_option()
def release(by: str | None, hub: str | None, as_json: bool) -> None:
    """Release."""
    _halt(hub, as_json, by, halted=False)


@playbook.command(help=_("List runs, the latest first."))
@click.argument("name", metavar="PLAYBOOK", required=False)
@hub_option()
@json_option()
def history(name: str | None, hub: str | None, as_json: bool) -> None:
    """List runs."""

    async def question(client: HubClient) -> View:
        return await client.runs(name)

    found = ask(hub, question)
    if as_json:
        emit_json("lifeline.playbook-runs/1", {"runs": found["runs"], "halted": found["halted"]})
        return
    emit_table(
        [_("Run"), _("Playbook"), _("State"), _("By"), _("Began"), _("Took"), _("Reason")],
        [
            [it["run"], it["playbook"], _state(it), it["by"], clock_text(it["began_at_ns"]), _took(it),
             it["reason"] or it["held"] or None]
            for it in found["runs"]
        ],
    )  # fmt: skip


def _took(view: View) -> str | None:
    if view["began_at_ns"] is None or view["ended_at_ns"] is None:
        return None
    return age_text((view["ended_at_ns"] - view["began_at_ns"]) / 1e9)


def _state(view: View) -> Any:
    word = styled(str(_COLOURS.get(view["state"], view["state"])))
    return type(word)(view["state"], word.colour)


def _halt(hub: str | None, as_json: bool, by: str | None, *, halted: bool) -> None:
    async def question(client: HubClient) -> View:
        return await client.halt_playbooks(halted=halted, by=_who(by))

    found = ask(hub, question)
    if as_json:
        emit_json("lifeline.playbook-halt/1", {"halted": found["halted"]})
    else:
        emit(_("halted") if found["halted"] else _("released"))


def _say(run: str, word: str, hub: str | None, as_json: bool, **more: Any) -> ExitCode:
    async def question(client: HubClient) -> View:
        return await client.say_of_run(run, word, **more)

    return _answer(ask(hub, question), as_json)


def _answer(found: Mapping[str, Any], as_json: bool) -> ExitCode:
    if as_json:
        emit_json("lifeline.playbook-run/1", {"run": found["run"]})
    else:
        _tell_run(found["run"])
    return _exit(found["run"]["state"])


def _tell_run(view: View) -> None:
    why = view["reason"] or view["held"]
    emit(_("run {run} of {playbook}: {state}").format(run=view["run"], playbook=view["playbook"], state=view["state"])
         + (f" ({why})" if why else ""))  # fmt: skip
    emit(_("plan {hash}, started by {by}").format(hash=view["hash"][:12], by=view["by"]))
    emit_table(
        [_("Step"), _("Does"), _("State"), _("Detail")],
        [
            [f"{'↩ ' if it['leg'] == 'undo' else ''}{it['step']}", it["do"], it["state"], it["detail"] or None]
            for it in view["steps"]
        ],
    )


def _tell_plan(made: View, plan_hash: str) -> None:
    emit(f"{made['playbook']} {made['version']}: {made['summary']}")
    for name, value in made["parameters"].items():
        emit(f"  {name} = {value}")
    if made["approval"]:
        emit(_("Needs the approval of {n}.").format(n=made["approval"]["people"]))
    if made["locks"]:
        emit(_("Locks: {locks}").format(locks=", ".join(made["locks"])))
    emit_table(
        [_("Step"), _("Does"), _("With"), _("Taken back by")],
        [
            [it["id"], it["do"], json.dumps(it["args"], ensure_ascii=False),
             it["compensate"]["do"] if it["compensate"] else None]
            for it in made["steps"]
        ],
    )  # fmt: skip
    emit(_("plan {hash}").format(hash=plan_hash))


def _tell_outcome(found: View) -> None:
    emit(f"{found['state']}" + (f": {found['reason']}" if found["reason"] else ""))
    emit_table(
        [_("Step"), _("State"), _("Detail")],
        [[f"{'↩ ' if it['leg'] == 'undo' else ''}{it['step']}", it["state"], it["detail"] or None]
         for it in found["steps"]],
    )  # fmt: skip
