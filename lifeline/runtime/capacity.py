"""What links carry at present, as told on this machine: by whatever reads the modem, or by a person at the site.

One small file per link and teller in `<run>/capacity/`, so that who tells and who acts need not know one another, and
neither needs the hub. A word stands until its teller withdraws it or says otherwise: whoever falls silent in heavy rain
has not said that it ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import structlog

from ..clock import wall_ns
from .files import write_json
from .logging import EdgeLog

SCHEMA: Final = "lifeline.capacity/1"
_FOLDER: Final = "capacity"
_ID: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""The inventory's identifiers; the model itself is too heavy for the daemons that read this each second."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """A teller's word on a link."""

    link: str
    kbps: int
    """What it carries in the direction that this site sends, kbit/s."""
    by: str
    """The teller: an id such as `modem` or `operator`."""
    told_at_ns: int
    """Wall time."""


def tell(run: Path, link: str, kbps: int, by: str) -> None:
    """Say what a link carries now; whole or not at all.

    Raises:
        ValueError: a name is no identifier, or it carries nothing.
        OSError: it cannot be written.
    """
    if kbps <= 0:
        raise ValueError(f"{kbps} kbit/s: a link that carries nothing has failed, and continuity checks tell that")
    path = _path(run, link, by)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(path, {"schema": SCHEMA, **asdict(Capacity(link, kbps, by, wall_ns()))}, durable=False)


def withdraw(run: Path, link: str, by: str) -> bool:
    """Take a word back; return whether there was one.

    Raises:
        ValueError: a name is no identifier.
    """
    path = _path(run, link, by)
    stood = path.exists()
    path.unlink(missing_ok=True)
    return stood


class Capacities:
    """Reads what is told in a run directory; what cannot be read is passed over, and logged once."""

    def __init__(self, run: Path) -> None:
        self._folder = run / _FOLDER
        self._edges = EdgeLog(structlog.get_logger(__name__))

    def now(self) -> Mapping[str, Capacity]:
        """Return by link the least that anybody says."""
        least: dict[str, Capacity] = {}
        for path in sorted(self._folder.glob("[!.]*.json")):
            try:
                word = _read(path)
            except FileNotFoundError:  # withdrawn meanwhile
                continue
            except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
                self._edges.failed(path.name, "what a link carries cannot be read", error, path=str(path))
                continue
            self._edges.succeeded(path.name, "what a link carries is read again")
            if word.link not in least or word.kbps < least[word.link].kbps:
                least[word.link] = word
        return least


def _read(path: Path) -> Capacity:
    data = json.loads(path.read_text(encoding="utf-8"))
    if data.pop("schema") != SCHEMA:
        raise ValueError(f"not a {SCHEMA}")
    word = Capacity(**data)
    if not isinstance(word.kbps, int) or word.kbps <= 0:
        raise ValueError(f"kbps is {word.kbps!r}")
    return word


def _path(run: Path, link: str, by: str) -> Path:
    for name in (link, by):
        if not _ID.fullmatch(name):
            raise ValueError(f"{name!r} is no identifier: lower-case letters, digits and hyphens")
    return run / _FOLDER / f"{link}@{by}.json"
