"""`lifeline audit`: whether the record of what people and playbooks did is whole."""

from __future__ import annotations

from pathlib import Path

import click

from lifeline.i18n import _

from .output import ExitCode, VerbError, emit, emit_json, json_option


@click.group(help=_("Verify the record of what was done"))
def audit() -> None:
    """Group the verbs."""


@audit.command(
    help=_("""Verify the audit's chain in a hub's data directory, and its end against the second place.

It finds entries that were changed, removed, added or cut off. Exit 0 when all is well, 11 when something is wrong.

\b
Example:
  lifeline audit verify --data /var/lib/lifeline --audit-copy /mnt/other/audit""")
)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False, exists=True), default="/var/lib/lifeline",
              show_default=True, help=_("The hub's data directory."))  # fmt: skip
@click.option("--audit-copy", type=click.Path(path_type=Path, file_okay=False),
              help=_("The second place; DATA/audit otherwise."))  # fmt: skip
@json_option()
def verify(data: Path, audit_copy: Path | None, as_json: bool) -> ExitCode:
    """Verify the chain."""
    from lifeline.audit import AUDITED, HUB_SUFFIX
    from lifeline.audit import verify as check
    from lifeline.journal.engine import JournalError
    from lifeline.journal.offline import read_offline
    from noc.audit import HEAD_FILE, KEY_FILE, audit_key

    heads = (audit_copy or data / "audit") / HEAD_FILE
    if not (data / KEY_FILE).exists():
        raise VerbError(_("{path} is missing: no hub has run on this data").format(path=data / KEY_FILE),
                        ExitCode.USAGE)  # fmt: skip
    try:
        signatures = heads.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise VerbError(_("the second place cannot be read: {error}").format(error=error)) from None
    try:
        head, wrong = check(read_offline(data / "journal.db", AUDITED, HUB_SUFFIX), signatures, audit_key(data))
    except JournalError as error:
        raise VerbError(str(error)) from None
    if as_json:
        emit_json("lifeline.audit/1", {"entries": head.number, "hash": head.hash, "wrong": wrong})
    else:
        for sentence in wrong:
            emit(sentence)
        emit(_("{n} entries, {m} countersignatures: {word}").format(
            n=head.number, m=len(signatures), word=_("all is well") if not wrong else _("NOT whole")))  # fmt: skip
    return ExitCode.CRITICAL if wrong else ExitCode.OK
