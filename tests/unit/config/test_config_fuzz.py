"""Whatever a file holds, the loader answers with an inventory or with a ConfigError that can be told."""

import copy
import json
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lifeline.config import ConfigError, parse_inventory

GOVNET = (Path(__file__).parents[3] / "containerlab" / "govnet.inventory.yml").read_text(encoding="utf-8")
DATA = json.loads(json.dumps(yaml.load(GOVNET, Loader=yaml.CSafeLoader), default=str))  # dates as they are written

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
references = st.sampled_from(["core-wired", "sbs-dongcheng", "sat-dongcheng", "fibre-xicheng", "duct-east", "fibre"])
addresses = st.ip_addresses().map(str) | st.builds("{}/{}".format, st.ip_addresses(), st.integers(0, 130))
values = st.recursive(
    scalars | references | addresses,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | references, inner, max_size=3),
    max_leaves=6,
)


def paths(data, here=()):
    """Return the path of every node below the root."""
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, child in children:
        yield (*here, key)
        yield from paths(child, (*here, key))


PATHS = list(paths(DATA))


def told(text):
    """Load a text and return the problems told; each has words, and a place within the text or none."""
    problems = ()
    try:
        parse_inventory(text, "t.yaml")
    except ConfigError as error:
        problems = error.problems
    lines = text.count("\n") + text.count("\r") + text.count("\u2028") + text.count("\u2029") + text.count("\x85") + 1
    for problem in problems:
        assert problem.message
        assert str(problem).startswith("t.yaml:")
        assert (problem.line or 1) <= lines
    return problems


@given(
    st.lists(
        st.tuples(st.sampled_from(PATHS), st.sampled_from(["replace", "remove", "rename", "copy"]), values, references),
        min_size=1,
        max_size=4,
    )
)
@settings(deadline=None, max_examples=150)
def test_a_mutated_inventory_is_loaded_or_refused(mutations):
    data = copy.deepcopy(DATA)
    for path, act, value, name in mutations:
        parent = data
        try:
            for step in path[:-1]:
                parent = parent[step]
            old = parent[path[-1]]
        except (KeyError, IndexError, TypeError):  # an earlier mutation took it away
            continue
        if not isinstance(parent, dict | list):
            continue
        if act == "replace":
            parent[path[-1]] = value
        elif act == "copy" and isinstance(parent, dict):
            parent[name] = old
        else:
            del parent[path[-1]]
            if act == "rename" and isinstance(parent, dict):
                parent[f"{path[-1]}-x"] = old
    told(yaml.dump(data, Dumper=yaml.CSafeDumper, allow_unicode=True))


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_a_mutated_text_is_loaded_or_refused(data):
    text = GOVNET
    for _round in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 40)))
        inserted = data.draw(
            st.text(st.characters(codec="utf-8") | st.sampled_from("{}[]:,&*!|>'\"%@`-?#<\t\n "), max_size=8)
        )
        text = text[:start] + inserted + text[end:]
    told(text)


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("{}[]:,&*!|>'\"-?#<ab\t\n "), max_size=60))
@settings(deadline=None, max_examples=300)
def test_any_text_is_refused_for_it_lacks_a_format_version(text):
    assert told(text)
