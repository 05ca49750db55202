from pathlib import Path

import pytest

from failover.tables import PAGES, SECTIONS, main, rendered

GUIDE = Path(__file__).parents[3] / "docs" / "guide"


@pytest.mark.parametrize("name", PAGES)
def test_the_manual_shows_the_tables_that_the_program_runs(name):
    page = (GUIDE / name).read_text("utf-8")
    assert rendered(page) == page, "run: python -m failover.tables docs/guide"


def test_every_table_and_diagram_is_in_the_manual():
    text = "".join((GUIDE / name).read_text("utf-8") for name in PAGES)
    assert [name for name in SECTIONS if f"<!-- generated: {name} -->" not in text] == []


def test_a_page_that_asks_for_an_unknown_section_is_refused():
    with pytest.raises(KeyError, match="no-such-table"):
        rendered("<!-- generated: no-such-table -->\n<!-- end -->")


def test_pages_are_written_in_place(tmp_path):
    for name in PAGES:
        (tmp_path / name).write_text("# Title\n<!-- generated: poll-table -->\nold\n<!-- end -->\nrest\n", "utf-8")
    main(tmp_path)
    written = (tmp_path / PAGES[0]).read_text("utf-8")
    assert written.startswith("# Title\n")
    assert written.endswith("<!-- end -->\nrest\n")
    assert "old" not in written
