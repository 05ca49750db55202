# noqa: INP001 - a script, not a package
"""Keeps the interface's texts and their translations in step: code -> .pot -> .po -> .mo.

    python packaging/catalogue.py          extract, merge, compile; names what is still untranslated

The files carry no dates and no line numbers, so that they change only when a text does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parent.parent
PACKAGES = ("lifeline", "netwatch", "power", "timesync", "failover", "noc", "tui", "lab")
LOCALE = ROOT / "lifeline" / "locale"
POT = LOCALE / "lifeline.pot"
PO = LOCALE / "zh_CN" / "LC_MESSAGES" / "lifeline.po"
MO = PO.with_suffix(".mo")
_HEADER = "# Texts of lifeline's interface. Made by packaging/catalogue.py from the code.\n#"
_GAP = re.compile(r"\{(\w*)[^}]*\}")


def extract() -> Catalog:
    """Return every text of the code, with the files it stands in."""
    catalogue = Catalog(project="lifeline", header_comment=_HEADER, fuzzy=False)
    for path in sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        for line, message, _comments, context in extract_from_file("python", path, keywords=DEFAULT_KEYWORDS):
            catalogue.add(message, locations=[(name, line)], context=context)
    return catalogue


def read() -> Catalog:
    """Return the Chinese catalogue."""
    if not PO.exists():
        return Catalog(locale="zh_CN", project="lifeline", fuzzy=False)
    with PO.open("rb") as file:
        return read_po(file, locale="zh_CN")


def merged(texts: Catalog, translations: Catalog) -> Catalog:
    """Return the translations of exactly these texts; what is gone from the code goes, nothing is guessed."""
    translations.update(texts, no_fuzzy_matching=True)
    translations.obsolete.clear()
    translations.header_comment = _HEADER
    return translations


def po_bytes(catalogue: Catalog) -> bytes:
    """Return a catalogue as a .po file: sorted, without dates and line numbers."""
    out = BytesIO()
    write_po(out, catalogue, sort_output=True, include_lineno=False, width=120)
    dates = re.compile(rb'^"(POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|Report-Msgid-Bugs-To'
                       rb'|Generated-By|Project-Id-Version):.*\n', re.MULTILINE)  # fmt: skip
    return dates.sub(b"", out.getvalue())


def mo_bytes(catalogue: Catalog) -> bytes:
    """Return a catalogue compiled; its header's dates stand still."""
    catalogue.creation_date = catalogue.revision_date = datetime(2000, 1, 1, tzinfo=UTC)
    out = BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def problems(texts: Catalog, translations: Catalog) -> Iterator[str]:
    """Tell what is not translated, or translated with other gaps than the text has."""
    for message in texts:
        if not message.id:
            continue
        found = translations.get(message.id, message.context)
        if found is None or not found.string or not all(_strings(found)):
            yield f"not translated: {message.id!r} ({message.locations[0][0]})"
            continue
        wanted = set(_GAP.findall(_ids(message)[-1]))
        for string in _strings(found):
            if set(_GAP.findall(string)) != wanted:
                yield f"gaps differ: {message.id!r} and {string!r}"


def _ids(message: Message) -> tuple[str, ...]:
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def _strings(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)


def main() -> int:
    """Bring all three files up to date."""
    texts = extract()
    translations = merged(texts, read())
    PO.parent.mkdir(parents=True, exist_ok=True)
    POT.write_bytes(po_bytes(texts))
    PO.write_bytes(po_bytes(translations))
    MO.write_bytes(mo_bytes(read()))
    found = list(problems(texts, translations))
    for problem in found:
        sys.stderr.write(problem + "\n")
    sys.stderr.write(f"{len(texts)} texts, {len(found)} problems\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
