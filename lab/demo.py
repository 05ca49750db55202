"""`lifeline demo`: one command from nothing to a base station that loses its fibre and keeps talking."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys

import click

from lifeline.clock import monotonic_s
from lifeline.i18n import _
from noc.cli.output import ExitCode, narrate
from noc.client import HubClient, HubUnreachableError

from .drills import fibre_cut
from .drills.record import Verdict
from .drills.verbs import lab_option, run_fibre_cut, show
from .lab import DEFAULT_NAME, Lab, deployed

_HUB_WITHIN_S = 30.0
_PACE = fibre_cut.Pace(steady_within=30.0)


@click.command(help=_("Deploy the lab and see a fibre cut survived, in the terminal interface or as a scorecard."))
@click.option("--headless", is_flag=True, help=_("Run the fibre-cut drill and print its scorecard; exit 0 on pass."))
@click.option("--keep", is_flag=True, help=_("Leave the lab up after a headless run."))
@lab_option
def demo(*, headless: bool, keep: bool, lab_name: str) -> int:
    """Run the demonstration."""
    was_up = lab_name in deployed()
    if not headless and not (sys.stdin.isatty() and sys.stderr.isatty()):
        narrate(_("No terminal here: running headless."))
        headless = True
    lab = Lab.up(name=lab_name, tell=narrate)
    if not headless:
        return _in_terminal(lab)
    try:
        return _headless(lab)
    finally:
        if not was_up and not keep:
            narrate(_("taking the lab down"))
            Lab.down(lab_name)


def _headless(lab: Lab) -> int:
    _await_hub(lab)
    seed = random.randrange(2**32)
    target, direction = fibre_cut.plan(lab.inventory, mode="silent", site=None, direction=None, seed=seed)
    report = run_fibre_cut(lab, target, "silent", direction, seed, pace=_PACE)
    show(report)
    return ExitCode.OK if report.verdict is Verdict.PASS else ExitCode.ACTION_FAILED


def _in_terminal(lab: Lab) -> int:
    _await_hub(lab)
    site, target = next(iter(sorted(fibre_cut.candidates(lab.inventory).items())))
    of = "" if lab.name == DEFAULT_NAME else f" --name {lab.name}"
    hint = _("To cut the fibre of {site}, in another terminal:  {command}").format(
        site=site, command=f"lifeline lab fault fibre-cut{of} {target.working}"
    )
    narrate(hint)
    argv = [sys.executable, "-m", "noc.cli.main", "tui"]
    code = subprocess.run(argv, check=False, env={**os.environ, "LIFELINE_HUB": lab.hub_url}).returncode
    narrate(hint)
    narrate(_("The lab stays up. To remove it:  {command}").format(command=f"lifeline lab down{of}"))
    return code


def _await_hub(lab: Lab) -> None:
    """Wait until the hub answers.

    Raises:
        HubUnreachableError: it does not within 30 s.
    """

    async def answers() -> None:
        deadline_s = monotonic_s() + _HUB_WITHIN_S
        async with HubClient(lab.hub_url) as hub:
            while True:
                try:
                    await hub.state()
                except HubUnreachableError:
                    if monotonic_s() > deadline_s:
                        raise
                    await asyncio.sleep(0.1)
                else:
                    return

    asyncio.run(answers())
