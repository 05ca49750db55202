"""Who may know whom: import-linter's contracts hold, cover every package, and bite."""

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import click
import pytest
from arch_tree import PACKAGES, PROJECT, ROOT, modules

CONTRACTS = PROJECT["tool"]["importlinter"]["contracts"]
VERBS = PROJECT["project"]["entry-points"]["lifeline.verbs"]


def imported_by(script: str) -> set[str]:
    """Return the names of the modules that a script leaves imported."""
    script += "\nimport sys; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stderr.split())


def test_the_contracts_hold():
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_stands_under_a_contract():
    assert tuple(PROJECT["tool"]["importlinter"]["root_packages"]) == PACKAGES
    governed = {name.split(".")[0] for contract in CONTRACTS for name in contract["source_modules"]}
    governed |= {"lab"}  # lab may import all; that nobody imports lab is a contract about the others
    assert governed == set(PACKAGES)


def test_every_core_is_declared_sans_io():
    (sans_io,) = (set(contract["source_modules"]) for contract in CONTRACTS if contract["name"] == "Cores are sans-IO")
    cores = {".".join(path.parts[:-1]) for path in modules(*PACKAGES) if path.match("core/__init__.py")}
    assert cores == {"netwatch.core", "power.core", "timesync.core", "failover.core"}
    devices = {f"lifeline.devices.{name}" for name in ("decode", "identify", "model", "traps", "units", "vocabulary")}
    assert sans_io == cores | devices | {"lifeline.model", "lifeline.alarms"}


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_imports_and_tells_what_it_does(name):
    installed = {e.name: e for e in distribution("lifeline").entry_points if e.group == "lifeline.verbs"}
    assert installed.keys() == VERBS.keys(), "pyproject.toml has changed: make setup"
    command = installed[name].load()
    assert isinstance(command, click.Command)
    assert command.get_short_help_str()


@pytest.mark.parametrize(
    ("verb", "unwanted"),
    [
        ("status", {*PACKAGES, "sqlmodel", "textual", "pyroute2"} - {"lifeline", "noc"}),
        ("inventory", {*PACKAGES, "sqlmodel", "textual", "httpx", "asyncio"} - {"lifeline", "noc"}),
        ("tui", {"netwatch", "power", "timesync", "failover", "lab", "sqlmodel", "sqlalchemy"}),
        ("agent", {"netwatch", "power", "timesync", "tui", "lab", "textual", "sqlmodel", "sqlalchemy"}),
        ("fastpath", {"netwatch", "power", "timesync", "tui", "lab", "textual", "sqlmodel", "sqlalchemy"}),
    ],
)
def test_a_verb_pays_for_its_own_package_only(verb, unwanted):
    script = f"from noc.cli.main import main; assert main([{verb!r}, '--help']) == 0"
    assert imported_by(script) & unwanted == set()


def test_the_fast_path_process_is_lean():
    heavy = {
        "pydantic",
        "asyncio",
        "click",
        "yaml",
        "sqlite3",
        "httpx",
        "noc",
        "lifeline.config",
        "lifeline.model.inventory",
    }
    assert imported_by("import failover.fastpath") & heavy == set()
