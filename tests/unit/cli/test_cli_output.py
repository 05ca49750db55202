"""Tables align, colour stays on terminals, JSON names its schema."""

import io
import json
import sys

import pytest

from noc.cli.output import Styled, cell_width, emit_json, emit_table


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_columns_align_under_chinese_and_numbers_stand_right(capsys):
    emit_table(["Site", "名称", "n", "h"], [["a", "东城", 1, 7.50], ["bbb", Styled("x", "red"), 22, None]])
    assert capsys.readouterr().out == "Site  名称   n    h\na     东城   1  7.5\nbbb   x     22    -\n"


def test_an_empty_table_shows_its_headers(capsys):
    emit_table(["Site", "Kind"], [])
    assert capsys.readouterr().out == "Site  Kind\n"


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("", True), ("1", False)])
def test_colour_on_a_terminal_only_and_never_with_no_color(monkeypatch, no_color, coloured):
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    emit_table(["Health"], [[Styled("critical", "red", bold=True)]])
    assert ("\x1b[31m" in sys.stdout.getvalue()) is coloured


def test_json_starts_with_its_schema_and_keeps_chinese(capsys):
    emit_json("lifeline.x/1", {"name": "东城"}, one_line=True)
    out = capsys.readouterr().out
    assert out == '{"schema": "lifeline.x/1", "name": "东城"}\n'


def test_json_for_a_stream_in_another_encoding_is_escaped(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    emit_json("lifeline.x/1", {"name": "东城"})
    assert json.loads(raw.getvalue())["name"] == "东城"


@pytest.mark.parametrize(("text", "width"), [("", 0), ("abc", 3), ("东城", 4), ("a东", 3)])
def test_a_chinese_character_takes_two_cells(text, width):
    assert cell_width(text) == width
