"""The wheel holds the product, all of it and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import PurePosixPath

import pytest
from arch_tree import PACKAGES, PROJECT, ROOT, committed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return the paths inside a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return [PurePosixPath(name) for name in archive.namelist()]


def test_it_holds_exactly_the_intended_top_level_packages(wheel):
    information = f"lifeline-{PROJECT['project']['version']}.dist-info"
    assert {path.parts[0] for path in wheel} == {*PACKAGES, information}
    assert all(len(path.parts) > 1 for path in wheel)


def test_it_holds_every_committed_file_of_the_packages(wheel):
    """Modules, and what they read at run time: migrations, style sheets, catalogues."""
    ours = {path.as_posix() for path in committed() if path.parts[0] in PACKAGES}
    assert ours - {path.as_posix() for path in wheel} == set()


def test_it_holds_a_compiled_catalogue_beside_every_source_catalogue(wheel):
    sources = [path for path in committed() if path.suffix == ".po"]
    assert sources
    assert {PurePosixPath(path.with_suffix(".mo").as_posix()) for path in sources} <= set(wheel)


def test_it_holds_nothing_that_a_machine_left_behind(wheel):
    assert [path for path in wheel if path.suffix in {".pyc", ".db", ".log"} or "__pycache__" in path.parts] == []
