"""What the architecture tests look at: the project's own files and settings."""

import subprocess
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("lifeline", "netwatch", "power", "timesync", "failover", "noc", "tui", "lab")


@cache
def committed() -> tuple[Path, ...]:
    """Return the files under version control that stand in the tree, relative to its root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return tuple(path for name in listed.split("\0") if name and (ROOT / (path := Path(name))).is_file())


def modules(*tops: str) -> list[Path]:
    """Return the committed Python files below some folders."""
    return [path for path in committed() if path.suffix == ".py" and path.parts[0] in tops]
