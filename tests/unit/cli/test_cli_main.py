"""The `lifeline` command itself: verbs found, one imported, errors told, exit codes kept."""

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import click
import pytest

from lifeline.config import ConfigError, Problem
from lifeline.i18n import choose_language
from noc.cli import main as cli
from noc.cli.output import ExitCode, VerbError

ROOT = Path(__file__).parents[3]
LIFELINE = Path(sys.executable).parent / "lifeline"


@pytest.fixture(autouse=True)
def _in_english(monkeypatch):
    monkeypatch.setenv("LIFELINE_LANG", "en")
    choose_language()
    yield
    monkeypatch.undo()
    choose_language()


@pytest.fixture
def verb(monkeypatch):
    """Return a function that makes `lifeline x` do something."""

    def install(act):
        entry_point = Mock(module="noc.cli.main", group="lifeline.verbs", load=lambda: click.Command("x", callback=act))
        entry_point.name = "x"
        monkeypatch.setattr(cli.VerbGroup, "_entry_points", lambda _self: {"x": entry_point})

    return install


def raising(error):
    def act():
        raise error

    return act


def test_help_lists_every_verb_and_imports_none():
    script = (
        "import sys; from noc.cli.main import main; code = main(['--help']); "
        "print([m for m in ('pydantic', 'yaml', 'httpx', 'textual', 'sqlmodel', 'pyroute2') if m in sys.modules]); "
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n")
    for name in cli.VerbGroup(name="lifeline").list_commands(Mock()):
        assert f"\n  {name} " in done.stdout


def test_help_of_a_verb_is_the_same_by_both_ways(capsys):
    assert cli.main(["help", "inventory", "validate"]) == ExitCode.OK
    by_word = capsys.readouterr().out
    assert cli.main(["inventory", "validate", "--help"]) == ExitCode.OK
    assert by_word == capsys.readouterr().out
    assert "--secrets" in by_word


def test_a_verb_that_cannot_be_imported_is_an_error_line_and_harms_no_other(capsys, monkeypatch):
    broken = Mock(module="noc.cli.no_such_module", load=Mock(side_effect=ModuleNotFoundError("no such module")))
    monkeypatch.setattr(cli.VerbGroup, "_entry_points", lambda _self: {"status": broken, "new": broken})
    assert cli.main(["--help"]) == ExitCode.OK
    assert capsys.readouterr().out.count("(cannot be loaded: no module noc.cli.no_such_module)") == 2
    assert cli.main(["status"]) == ExitCode.ACTION_FAILED
    assert capsys.readouterr().err == "Error: verb 'status' cannot be loaded: no such module\n"


def test_an_unknown_verb_is_a_usage_error_that_names_the_nearest(capsys):
    assert cli.main(["inventroy"]) == ExitCode.USAGE
    assert "no verb 'inventroy'; did you mean 'inventory'?" in capsys.readouterr().err


def test_version(capsys):
    assert cli.main(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("lifeline ")


@pytest.mark.parametrize(
    ("act", "code", "told"),
    [
        (lambda: None, 0, ""),
        (lambda: ExitCode.DEGRADED, 10, ""),
        (raising(click.exceptions.Exit(11)), 11, ""),
        (raising(VerbError("refused", ExitCode.REFUSED)), 5, "refused\n"),
        (raising(ConfigError([Problem("f", None, None, "", "is empty")])), 2, "f: is empty\n1 problem\n"),
        (raising(TimeoutError("no answer in 5 s")), 4, "timeout: no answer in 5 s\n"),
        (raising(KeyboardInterrupt), 130, ""),
        (raising(click.Abort), 130, ""),
        (raising(click.ClickException("no luck")), 1, "Error: no luck\n"),
    ],
)
def test_a_verb_ends_with_its_exit_code_and_one_text_on_stderr(verb, capsys, act, code, told):
    verb(act)
    assert cli.main(["x"]) == code
    assert capsys.readouterr() == ("", told)


def test_a_bug_of_ours_keeps_its_traceback(verb):
    verb(raising(ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError):
        cli.main(["x"])


def test_a_broken_pipe_elsewhere_is_not_taken_for_stdout_s(verb):
    verb(raising(BrokenPipeError("a socket")))
    with pytest.raises(BrokenPipeError):
        cli.main(["x"])


def test_a_reader_that_leaves_ends_the_command_silently():
    read_end, write_end = os.pipe()
    os.close(read_end)
    inventory = ROOT / "containerlab" / "govnet.inventory.yml"
    done = subprocess.run(
        [LIFELINE, "inventory", "show", inventory], stdout=write_end, stderr=subprocess.PIPE, check=False
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (ExitCode.READER_GONE, b"")


@pytest.mark.parametrize(("arguments", "language"), [(["--lang", "zh"], "zh_CN"), (["--lang", "en"], "en")])
def test_the_language_is_chosen_before_the_verb_is_imported(monkeypatch, arguments, language):
    order = []
    monkeypatch.setattr(cli, "choose_language", lambda wanted: order.append(choose_language(wanted)) or order[-1])
    load = cli.VerbGroup.get_command
    monkeypatch.setattr(cli.VerbGroup, "get_command", lambda *args: order.append("import") or load(*args))
    assert cli.main([*arguments, "inventory", "--help"]) == ExitCode.OK
    assert order == [language, "import"]
    assert os.environ["LIFELINE_LANG"] == language


def test_completion_offers_verbs():
    environment = {**os.environ, "_LIFELINE_COMPLETE": "bash_complete", "COMP_WORDS": "lifeline inv", "COMP_CWORD": "1"}
    done = subprocess.run([LIFELINE], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout == "plain,inventory\n"
