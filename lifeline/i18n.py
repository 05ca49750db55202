"""Interface texts through gettext: English in code, zh_CN in the catalogue.

The locale is chosen once, before a module with texts is imported (Textual evaluates BINDINGS at class creation).
`LIFELINE_LANG` wins over the POSIX variables. `_` is for texts people read; log keys and JSON stay English.
"""

from __future__ import annotations

import gettext
import os
from pathlib import Path

LOCALE_DIR = Path(__file__).parent / "locale"
_translation: gettext.NullTranslations = gettext.NullTranslations()
_language = "en"


def choose_language(language: str | None = None) -> str:
    """Set the language of every later `_` call and return it: `zh_CN` or `en`.

    Args:
        language: `zh_CN`, `zh`, `en`, or None for the environment's choice.
    """
    global _translation, _language  # noqa: PLW0603 - the process speaks one language, chosen once
    wanted = language or next(
        (v for n in ("LIFELINE_LANG", "LC_ALL", "LC_MESSAGES", "LANG") if (v := os.environ.get(n))), "en"
    )
    chosen = "zh_CN" if wanted.lower().startswith("zh") else "en"
    _translation = gettext.translation("lifeline", LOCALE_DIR, languages=[chosen], fallback=True)
    _language = chosen
    return chosen


def language() -> str:
    """Return the chosen language, `zh_CN` or `en`: data that carries names in both picks by it."""
    return _language


def _(message: str) -> str:
    """Return the message in the chosen language."""
    return _translation.gettext(message)


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for it
    """Return the message as it is: a text that a catalogue must have, and that `_` translates when it is shown."""
    return message


def ngettext(singular: str, plural: str, n: int) -> str:
    """Return the message for `n` things in the chosen language."""
    return _translation.ngettext(singular, plural, n)


choose_language()
