"""Loads the inventory: document, shape, references, and on demand secrets; all mistakes at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..model.inventory import Inventory
from .document import Document
from .problems import ConfigError
from .references import check
from .secrets import check_secrets
from .shape import validate


def load_inventory(path: Path | str, *, secrets: bool = False) -> Inventory:
    """Read, check and return the inventory.

    Args:
        path: the YAML file.
        secrets: also fetch every secret it refers to, which only the daemons' own user can on the daemons' own machine.

    Raises:
        ConfigError: with every problem of the file, in its order.
    """
    with _collector_paused():
        return _checked(Document.read(Path(path)), secrets=secrets)


def parse_inventory(text: str, file: str = "inventory") -> Inventory:
    """Check and return an inventory given as text; `file` is what problems call it.

    Raises:
        ConfigError: with every problem of the text, in its order.
    """
    with _collector_paused():
        return _checked(Document(text, file), secrets=False)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the cyclic garbage collector off: it would walk 100,000 live nodes over and over, and triple the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _checked(document: Document, *, secrets: bool) -> Inventory:
    inventory, findings = validate(document.data)
    findings += check(inventory, document.data)
    if secrets:
        findings += check_secrets(inventory)
    problems = list(document.problems)
    told = {(problem.line, problem.column) for problem in problems}  # what follows from those is no news
    problems += [it for it in map(document.problem, findings) if (it.line, it.column) not in told]
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0)))
    return inventory
