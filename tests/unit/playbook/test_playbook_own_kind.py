"""The guide's step of one's own: installed as a package with an entry point, it is found, checked and carried out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from failover.core.playbook import Recovery, resolve
from failover.playbooks import parse_playbook
from failover.steps import Registry, StepError

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "playbooks.md"
BOOK = """\
playbook: lamp
version: 1
summary: Lights a lamp.
steps:
  - id: light
    do: lamp.set
    args: {path: PATH, "on": true}
    compensate: {do: lamp.set, args: {path: PATH, "on": false}}
"""


async def test_a_kind_from_an_entry_point_works_as_the_guide_says(tmp_path, monkeypatch):
    section = GUIDE.read_text(encoding="utf-8").partition("## A step of your own")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code is not None
    (tmp_path / "yours.py").write_text(code[1])
    info = tmp_path / "yours-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: yours\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lifeline.steps]\nlamp.set = yours:Lamp\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry()
    assert "lamp.set" in registry
    book = parse_playbook(BOOK.replace("PATH", str(tmp_path / "lamp")), registry)
    (step,) = resolve(book, {}, {"kind": "person"}, registry.kinds())["steps"]
    assert (step["recovery"], step["changes"]) == (Recovery.PROBE.value, True)
    kind = registry["lamp.set"]
    args = kind.args(step["args"])
    assert (await kind.do(args, None)).result == "did"
    assert (await kind.look(args, None)).result == "achieved"
    assert (await kind.look(kind.args(step["compensate"]["args"]), None)).result == "untouched"
    with pytest.raises(StepError, match=r"lamp\.set: "):
        kind.args({"path": 3})
