"""The `lifeline` command: finds its verbs through entry points and imports the one that was called, and no other.

Every package brings its verbs under the entry-point group `lifeline.verbs`, so `lifeline status` never pays for a
sensor and `noc` never imports `lab` or `tui`. The language is chosen before a verb's module is imported, because
help texts are evaluated at decoration.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, distribution, version
from importlib.util import find_spec

import click

from lifeline.i18n import _, choose_language

from .output import ExitCode, narrate

PROGRAM = "lifeline"


def _summaries() -> dict[str, str]:
    """Return one line per verb, in the order of an operator's day: `--help` shows them without importing a verb."""
    return {
        "status": _("Show how the network stands"),
        "watch": _("Follow the network as it changes"),
        "site": _("List and show sites"),
        "device": _("Recognise devices and decode what they say"),
        "link": _("List and show links and protection groups"),
        "protection": _("Show protection groups and command them"),
        "alarm": _("List, explain, acknowledge and shelve alarms"),
        "playbook": _("Plan, check, run and approve playbooks"),
        "audit": _("Verify the record of what was done"),
        "maintenance": _("Say what is worked on"),
        "history": _("Plot what was measured"),
        "event": _("List the journal's events"),
        "tui": _("Open the terminal interface"),
        "demo": _("Deploy the lab and see a fibre cut survived"),
        "drill": _("Run drills in the lab and score them"),
        "lab": _("Deploy the lab, inject faults, heal them"),
        "inventory": _("Validate and show the inventory"),
        "hub": _("Run the hub"),
        "agent": _("Run a site's agent"),
        "fastpath": _("Run a site's fast path: continuity checks and the switch"),
        "supervise": _("Start daemons, watch them and restart them"),
        "token": _("Create, list and revoke access tokens"),
    }


class VerbGroup(click.Group):
    """A group whose commands are entry points, loaded when called."""

    def _entry_points(self) -> dict[str, EntryPoint]:
        # One distribution's entry points, not the environment's: nobody else may add verbs, and it takes 1 ms, not 10.
        return {e.name: e for e in distribution(PROGRAM).entry_points if e.group == "lifeline.verbs"}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs' names: those with a summary in its order, then others, then `help`."""
        found = self._entry_points()
        ordered = [name for name in _summaries() if name in found]
        return [*ordered, *sorted(found.keys() - set(ordered)), "help"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return a verb; None when there is none of that name.

        Raises:
            click.ClickException: the verb's module does not import; the text names the reason.
        """
        if cmd_name == "help":
            return _help
        entry_point = self._entry_points().get(cmd_name)
        if entry_point is None:
            return None
        try:
            command = entry_point.load()
        except (ImportError, AttributeError) as error:
            raise click.ClickException(_("verb {name!r} cannot be loaded: {error}").format(
                name=cmd_name, error=error)) from error  # fmt: skip
        if not isinstance(command, click.Command):
            raise click.ClickException(f"{entry_point.value} is not a click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a verb as click does, and name the nearest one when there is none."""
        from difflib import get_close_matches

        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self.list_commands(ctx):
            nearest = get_close_matches(name, self.list_commands(ctx), n=1)
            hint = _("; did you mean {nearest!r}?").format(nearest=nearest[0]) if nearest else ""
            ctx.fail(_("no verb {name!r}").format(name=name) + hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs without importing them; one whose module is missing gets an error line."""
        summaries = {**_summaries(), "help": _("Show help for lifeline or one of its verbs")}
        entry_points = self._entry_points()
        rows = []
        for name in self.list_commands(ctx):
            entry_point = entry_points.get(name)
            text = summaries.get(name) or _summary_of(entry_point)
            if entry_point is not None and not _importable(entry_point.module):
                text = _("(cannot be loaded: no module {module})").format(module=entry_point.module)
            rows.append((name, text))
        with formatter.section(_("Verbs")):
            formatter.write_dl(rows)


def _importable(module: str) -> bool:
    """Tell whether a module's file exists; imports its parent packages only, which are empty."""
    try:
        return find_spec(module) is not None
    except ImportError:
        return False


def _summary_of(entry_point: EntryPoint | None) -> str:
    """Return the summary of a verb that the table does not know, at the price of importing it."""
    try:
        return str(entry_point.load().get_short_help_str()) if entry_point else ""
    except Exception as error:  # noqa: BLE001 - help lists the other verbs whatever is wrong with this one
        return _("(cannot be loaded: {error})").format(error=error)


def _choose_language(_context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        os.environ["LIFELINE_LANG"] = choose_language(value)  # what this process starts speaks the same


def _print_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"{PROGRAM} {version(PROGRAM)}")
        context.exit()


@click.command("help", add_help_option=False)
@click.argument("verb", nargs=-1)
@click.pass_context
def _help(context: click.Context, verb: tuple[str, ...]) -> None:
    """Show help for lifeline or one of its verbs."""
    assert context.parent is not None
    shown = context.parent
    for name in verb:
        group = shown.command
        command = group.get_command(shown, name) if isinstance(group, click.Group) else None
        if command is None:
            raise click.UsageError(_("no verb {name!r}").format(name=" ".join(verb)), ctx=context.parent)
        shown = command.context_class(command, info_name=name, parent=shown)
    click.echo(shown.get_help())


def build() -> click.Group:
    """Return the command in the language of the environment."""
    return VerbGroup(
        name=PROGRAM,
        help=_("Keeps a government's communications alive through a catastrophe."),
        epilog=_("Exit codes: 0 ok, 1 action failed, 2 usage or configuration, 3 unreachable, 4 timeout, "
                 "5 refused, 10 degraded, 11 critical, 130 interrupted."),
        context_settings={"help_option_names": ["-h", "--help"]},
        params=[
            click.Option(["--lang"], type=click.Choice(["en", "zh"]), is_eager=True, expose_value=False,
                         callback=_choose_language, help=_("Language of texts; LIFELINE_LANG otherwise.")),
            click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False,
                         callback=_print_version, help=_("Show the version and exit.")),
        ],
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return the process's exit code.

    Errors that carry an int `exit_code` (`ConfigError`, the client's errors, click's) are told in one breath on
    stderr; anything else is a bug of ours and keeps its traceback. A verb may return its exit code, or None for 0.
    """
    command = build()
    if instruction := os.environ.get("_LIFELINE_COMPLETE"):
        from click.shell_completion import shell_complete

        return shell_complete(command, {}, PROGRAM, "_LIFELINE_COMPLETE", instruction)
    try:
        with command.make_context(PROGRAM, list(sys.argv[1:] if arguments is None else arguments)) as context:
            result = command.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, click.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        if not _reader_gone():
            raise
        return ExitCode.READER_GONE
    except TimeoutError as error:
        narrate(_("timeout: {error}").format(error=error))
        return ExitCode.TIMEOUT
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:
        exit_code = getattr(error, "exit_code", None)
        if not isinstance(exit_code, int):
            raise
        narrate(str(error))
        return exit_code
    return result if isinstance(result, int) else ExitCode.OK


def _reader_gone() -> bool:
    """Tell whether stdout's reader has gone (`lifeline event list | head`); if so, silence the flush at exit."""
    poller = select.poll()
    poller.register(sys.stdout.fileno(), 0)  # errors and hang-ups are reported whatever is asked for
    if not poller.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


if __name__ == "__main__":
    sys.exit(main())
