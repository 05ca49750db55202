"""Writes the manual's tables of profiles, metrics, states and contradictions from the data they describe.

python -m lifeline.devices.documentation docs/guide/devices.md      renews the tables between the page's marks
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from .library import Library, shipped
from .vocabulary import Holds


def renewed(page: str, library: Library) -> str:
    """Return a page with its tables renewed; each stands between `<!-- name -->` and `<!-- /name -->`."""
    for name, table in _TABLES.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, _start, rest = page.partition(start)
        _old, _end, after = rest.partition(end)
        page = f"{before}{start}\n{table(library)}\n{end}{after}"
    return page


def _table(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(headers)]
    lines += [["---"] * len(lines[0]), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _profiles(library: Library) -> str:
    rows = ((f"`{name}`", it.kind.value, it.title, ", ".join(it.mibs)) for name, it in sorted(library.profiles.items()))
    return _table(("Profile", "Kind", "For", "Read for it"), rows)


def _metrics(library: Library) -> str:
    entries = library.vocabulary.metrics.items()
    rows = (
        (
            f"`{n}`",
            "" if it.unit == "1" else it.unit,
            f"{it.range[0]:g} to {it.range[1]:g}" if it.range else "",
            it.text,
        )
        for n, it in entries
    )
    return _table(("Metric", "Unit", "Plausible", "What it is"), rows)


def _states(library: Library) -> str:
    entries = library.vocabulary.states.items()
    rows = ((f"`{n}`", ", ".join(f"{w} ({h.value})" for w, h in it.words.items()), it.text) for n, it in entries)
    return _table(("State", "Words and how well each is", "What it tells"), rows)


def _checks(library: Library) -> str:
    rows = (
        (", ".join(kind.value for kind in it.kinds), " and ".join(map(_holds, it.when)),
         ", ".join(f"`{metric}`" for metric in it.metrics), f"{it.quality.value}: {it.because}")
        for it in library.vocabulary.checks
    )  # fmt: skip
    return _table(("Kind", "When", "Then", "Is"), rows)


def _holds(what: Holds) -> str:
    if what.state is not None:
        return f"`{what.state}` is {' or '.join(what.words)}"
    return f"`{what.metric}` {'below' if what.below is not None else 'above'} {what.below or what.above or 0:g}"


_TABLES: dict[str, Callable[[Library], str]] = {
    "profiles": _profiles, "metrics": _metrics, "states": _states, "checks": _checks,
}  # fmt: skip

if __name__ == "__main__":
    for file in map(Path, sys.argv[1:]):
        file.write_text(renewed(file.read_text(encoding="utf-8"), shipped()), encoding="utf-8")
