"""What verbs share: stdout is data, stderr is narration, exit codes are an API.

Colour appears on a terminal only and never with NO_COLOR set. Nothing here translates at import, because the
language is chosen after this module is loaded.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

import click

from lifeline.i18n import _

_F = TypeVar("_F", bound=Callable[..., Any])


class ExitCode(IntEnum):
    """What a verb's exit means; 128 + n is the shell's habit for signal n."""

    OK = 0
    ACTION_FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    TIMEOUT = 4
    REFUSED = 5
    DEGRADED = 10
    CRITICAL = 11
    INTERRUPTED = 130
    READER_GONE = 141


class VerbError(Exception):
    """Ends a verb with a text on stderr and an exit code."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.ACTION_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Styled:
    """A table cell with a colour, shown on terminals only: the text alone must say it all."""

    text: str
    colour: str | None = None
    bold: bool = False

    def __str__(self) -> str:
        return self.text


def json_option() -> Callable[[_F], _F]:
    """Return the `--json` option, passed to the verb as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=_("Print JSON instead of text."))


def narrate(text: str) -> None:
    """Write a line to stderr."""
    click.echo(text, err=True, color=colour_wanted(sys.stderr))


def emit(text: str) -> None:
    """Write a line to stdout."""
    click.echo(text, color=colour_wanted(sys.stdout))


def emit_json(schema: str, body: Mapping[str, Any], *, one_line: bool = False) -> None:
    """Write an object with its schema's name to stdout.

    Args:
        schema: such as `lifeline.state/1`.
        body: the object's other members.
        one_line: for streams, one object a line.
    """
    document = {"schema": schema, **body}
    # UTF-8 on anything that can carry it; a terminal in another encoding gets escapes, never a crash.
    escape = not (sys.stdout.encoding or "").lower().startswith("utf")
    click.echo(json.dumps(document, ensure_ascii=escape, indent=None if one_line else 2, default=str))


def colour_wanted(stream: Any) -> bool:
    """Tell whether a stream shows colour: a terminal, and the user has not set NO_COLOR (no-color.org)."""
    return not os.environ.get("NO_COLOR") and stream.isatty()


def emit_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write an aligned table to stdout: columns two spaces apart, numbers to the right, CJK two cells wide.

    Args:
        headers: one text per column.
        rows: cells; numbers align right, None shows as `-`, `Styled` has a colour, anything else as its `str`.
    """
    body = [list(row) for row in rows]
    columns = list(zip(*body, strict=True)) if body else [()] * len(headers)
    laid_out = [_lay_out(header, column) for header, column in zip(headers, columns, strict=True)]
    emit("\n".join("  ".join(cells).rstrip() for cells in zip(*laid_out, strict=True)))


def _lay_out(header: str, column: Sequence[object]) -> list[str]:
    """Return a column's cells, header first, padded to one width and coloured."""
    texts = [header, *(_cell_text(cell) for cell in column)]
    width = max(map(cell_width, texts))
    to_right = any(column) and all(isinstance(cell, int | float | None) for cell in column)
    laid_out = []
    for cell, text in zip([Styled(header, bold=True), *column], texts, strict=True):
        pad = " " * (width - cell_width(text))
        shown = click.style(text, fg=cell.colour, bold=cell.bold or None) if isinstance(cell, Styled) else text
        laid_out.append(pad + shown if to_right else shown + pad)
    return laid_out


def _cell_text(cell: object) -> str:
    if cell is None:
        return "-"
    return f"{cell:g}" if isinstance(cell, float) else str(cell)


def cell_width(text: str) -> int:
    """Return how many terminal cells a text takes; a Chinese character takes two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
