"""The verb, before it opens anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tui import verbs


def test_without_a_terminal_it_says_what_to_use_instead() -> None:
    result = CliRunner().invoke(verbs.tui, [])
    assert result.exit_code == 2
    assert "lifeline status" in result.output


def test_a_token_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    with pytest.raises(verbs.click.UsageError, match=str(path)):
        verbs._read_token(path)
    path.write_text(" secret\n")
    assert verbs._read_token(path) == "secret"
    monkeypatch.setenv("LIFELINE_TOKEN", "from-environment")
    assert verbs._read_token(None) == "from-environment"
