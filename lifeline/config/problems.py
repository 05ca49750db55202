"""What is wrong with a configuration file, and how it is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from unicodedata import east_asian_width

from ..i18n import _, ngettext

KeyPath = tuple[str | int, ...]
"""Mapping keys and sequence indexes from the document's root, such as ("links", "fibre-x", "srgs", 0)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake at a key path, before the document has told where that is."""

    path: KeyPath
    message: str
    hint: str = ""
    at_key: bool = False
    """Whether the caret belongs under the key rather than under its value."""
    private: bool = False
    """Whether the source line may hold a secret and must not be shown."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake with its place. Lines and columns count from 1, in characters; None where there is no place."""

    file: str
    line: int | None
    column: int | None
    path: str
    message: str
    hint: str = ""
    source: str = ""
    """The line of the file, empty when unknown or private."""

    def __str__(self) -> str:
        """Return `file:line:column: key.path: message; hint` and, below, the source line with a caret."""
        place = self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"
        text = ": ".join(part for part in (place, self.path, self.message) if part)
        if self.hint:
            text += f"; {self.hint}"
        if not self.source or self.column is None:
            return text
        before = self.source[: self.column - 1]
        return f"{text}\n    {self.source}\n    {''.join(map(_blank, before))}^"


class ConfigError(Exception):
    """A configuration file cannot be used; `problems` holds every mistake found, in the order of the file."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        count = len(self.problems)
        total = ngettext("{n} problem", "{n} problems", count).format(n=count)
        return "\n".join([*map(str, self.problems), total])


def did_you_mean(word: str, candidates: Iterable[str], name: str) -> tuple[str | None, str]:
    """Return the candidate that `word` most likely stands for, if any, and a hint: that one, or all (a few) there are.

    Args:
        word: what was written.
        candidates: what might have been meant.
        name: what the candidates are, such as "valid keys".
    """
    folded = {candidate.lower().replace("_", "-"): candidate for candidate in candidates}
    found = get_close_matches(word.lower().replace("_", "-"), folded, n=1)
    if found:
        guess = folded[found[0]]
        return guess, _("did you mean {nearest!r}?").format(nearest=guess)
    shown = [*list(folded.values())[:16], *(["..."] if len(folded) > 16 else [])]
    return None, f"{name}: {', '.join(shown)}" if shown else ""


def dotted(path: KeyPath) -> str:
    """Return a key path as text: `links.fibre-x.srgs.0`."""
    return ".".join(map(str, path))


def is_private(path: KeyPath) -> bool:
    """Tell whether a path lies where secrets are expected; values there are never shown, in case one is inline."""
    return path[:1] in {("credentials",), ("secrets",)}


def _blank(character: str) -> str:
    """Return white space as wide as a character on a terminal: the caret stands right under Chinese and tabs too."""
    if character == "\t":
        return "\t"
    return "  " if east_asian_width(character) in "WF" else " "
