"""Sentences that daemons write into the journal, shown in the operator's language.

A journal speaks one language, English, whoever reads it. Its sentences are made from a few templates; here a sentence
is matched against them, and what stood in its gaps is put into the translated template. A sentence that matches none
is shown as it came. A test holds these templates to the code that writes the sentences, which this package may not
import.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Final

from lifeline.i18n import _


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for "translated later"
    """Mark a text for the catalogue without translating it now."""
    return message


WHY: Final[Sequence[str]] = (
    N_("Just started: staying on {on} until both paths are known."),
    N_("Just started: staying on {on}, as found, until both paths are known."),
    N_("Both paths are healthy; carrying on {working}."),
    N_("Protection path {protection} failed ({protection_reason}); carrying on {working}."),
    N_("Working path {working} failed ({working_reason}); carrying on {protection}."),
    N_("Both paths failed, {working} ({working_reason}) and {protection} ({protection_reason}); staying on {on}."),
    N_("Working path {working} is healthy; carrying on {protection} until it has been so for {wtr_s:g} s."),
    N_("Working path {working} is healthy; staying on {protection} because the group is non-revertive."),
    N_("Path {on} failed ({reason}); giving it {hold_off_s:g} s to recover (hold-off)."),
)
REASONS: Final[Sequence[str]] = (
    N_("signal fail"),
)  # fmt: skip
CONDITIONS: Final[Sequence[str]] = (
    N_("The daemon ended {exits} times in a short while"),
    N_("The daemon runs steadily"),
    N_("The database is sound"),
    N_("The database was corrupt; it was set aside as {set_aside}"),
    N_("the agent of {site} is silent: how it is there is not known"),
    N_("the agent of {site} is heard again"),
    N_("no agent is expected at {site} any more"),
)
TEMPLATES: Final = (*WHY, *REASONS, *CONDITIONS)

_GAP = re.compile(r"\{(\w+)(:[^}]*)?\}")


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return each template as a pattern, the longest first: the most particular wins."""
    return tuple((_pattern(t), t) for t in sorted(TEMPLATES, key=len, reverse=True))


def _pattern(template: str) -> re.Pattern[str]:
    parts: list[str] = []
    at = 0
    for gap in _GAP.finditer(template):
        parts += (re.escape(template[at : gap.start()]), f"(?P<{gap[1]}>.+?)")
        at = gap.end()
    return re.compile("".join(parts) + re.escape(template[at:]))


def _fill(template: str, gaps: Mapping[str, str]) -> str:
    """Fill a template's gaps as they stand: a number that came as text is not formatted again."""
    return _GAP.sub(lambda gap: gaps[gap[1]], template)


@lru_cache(maxsize=1024)
def phrase(sentence: str) -> str:
    """Return a daemon's sentence in the operator's language, its gaps' contents too where they are phrases."""
    for pattern, template in _patterns():
        if match := pattern.fullmatch(sentence):
            gaps = {name: phrase(text) for name, text in match.groupdict().items()}
            return _fill(_(template), gaps)
    return sentence
