"""Renders the transition tables as Markdown and Mermaid, and keeps the manual's pages equal to the code.

Run `python -m failover.tables docs/guide` after changing a table; a test compares the committed pages with the tables.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Final

from .core import actuation, bfd, poll, protection
from .core.packet import Diagnostic, State

Edges = Iterable[tuple[str, str, str]]
"""(from, to, label) of each transition."""


def bfd_table() -> str:
    """Return RFC 5880's state machine as a Markdown table: own state by what is received."""

    def cell(before: State, after: State, diagnostic: Diagnostic | None) -> str:
        told = f", diagnostic {diagnostic.value}" if diagnostic is not None else ""
        return "." if after is before and not told else after.text + told

    head = ["State", *(f"{received.text} received" for received in State), "Detection Time expired"]
    rows = [
        [
            f"**{own.text}**",
            *(cell(own, *bfd.TRANSITIONS[own, received]) for received in State),
            cell(own, *bfd.DETECTION_EXPIRED[own]),
        ]
        for own in State
    ]
    return _table(head, rows)


def bfd_diagram() -> str:
    """Return RFC 5880's state machine as a Mermaid diagram."""
    edges = [(own.text, after.text, received.text) for (own, received), (after, _) in bfd.TRANSITIONS.items()]
    edges += [(own.text, after.text, "silence") for own, (after, _) in bfd.DETECTION_EXPIRED.items()]
    orders = [(s.text, State.ADMIN_DOWN.text, "admin_down") for s in State]
    orders += [(State.ADMIN_DOWN.text, State.DOWN.text, "admin_up")]
    return _diagram(edges + orders, start=[State.DOWN.text])


def poll_table() -> str:
    """Return the Poll Sequence as a Markdown table."""
    rows = [
        [f"**{stage.value}**", *(_moved(stage, poll.POLL_TRANSITIONS[stage, what]) for what in poll.PollInput)]
        for stage in poll.Poll
    ]
    return _table(["Poll Sequence", *(what.value for what in poll.PollInput)], rows)


def requests_table() -> str:
    """Return the requests as a Markdown table, the highest priority first."""
    rows = [
        [f"**{request.value}**", str(protection.CODES[request].value), protection.MEANINGS[request]]
        for request in reversed(protection.Request)
    ]
    return _table(["Request", "Code", "Meaning"], rows)


def winners_table() -> str:
    """Return, as a Markdown table, what each winning request leads to, wherever the machine is."""
    rows = [
        [what.value, f"**{after.value}**", after.symbol, after.request.value, selector.value if selector else "."]
        for what, (after, selector) in protection.WINNERS.items()
    ]
    return _table(["What wins", "Leads to", "RFC 7271", "Tells the far end", "Selects"], rows)


def protection_table(transitions: protection.Transitions) -> str:
    """Return a protection table as Markdown: state by the inputs after which it matters where the machine is.

    States that the mode never enters are left out.
    """
    inputs = [what for what in protection.Input if what not in protection.WINNERS]
    rows = [
        [
            f"**{state.value}**",
            state.symbol,
            state.request.value,
            *(_protection_cell(transitions, state, what) for what in inputs),
        ]
        for state in _states(transitions)
    ]
    return _table(["State", "RFC 7271", "Tells", *(what.value for what in inputs)], rows)


def _states(transitions: protection.Transitions) -> list[protection.State]:
    known = {state for state, _ in transitions}
    return [state for state in protection.State if state in known]


def _protection_cell(transitions: protection.Transitions, state: protection.State, what: protection.Input) -> str:
    if (state, what) not in transitions:
        return ""
    after, selector = transitions[state, what]
    return _moved(state, after) + (f", select {selector}" if selector else "")


def protection_diagram(transitions: protection.Transitions) -> str:
    """Return this end's own part of a protection table as a Mermaid diagram.

    What wins leads to its state from everywhere, and is drawn from Normal only; states that follow the far end are left
    to the tables.
    """
    own = [state for state in _states(transitions) if state not in protection.FOLLOWS]
    edges = [
        (state.value, after.value, what.name)
        for (state, what), (after, _) in transitions.items()
        if state in own and after in own and (what not in protection.WINNERS or state is protection.State.NORMAL)
    ]
    start = [protection.State.START_WORKING.value, protection.State.START_PROTECTION.value]
    return _diagram(edges, start)


def actuation_table(transitions: actuation.Transitions) -> str:
    """Return a table of a router's change as Markdown: per state, what leads where."""
    rows: dict[actuation.State, list[str]] = {}
    for (before, what), after in transitions.items():
        rows.setdefault(before, []).append(f"{what.value}: **{after.value}**")
    return _table(["State", "What comes leads to"], [[f"**{s.value}**", "; ".join(cells)] for s, cells in rows.items()])


def actuation_diagram(transitions: actuation.Transitions) -> str:
    """Return a table of a router's change as a Mermaid diagram."""
    edges = [(before.value, after.value, what.value) for (before, what), after in transitions.items()]
    return _diagram(edges, [actuation.State.READING.value])


def _moved(before: Enum, after: Enum) -> str:
    return "." if after is before else str(after.value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _diagram(edges: Edges, start: Iterable[str]) -> str:
    """Draw each pair of states as one arrow with all its labels; what leads nowhere is not drawn."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for before, after, label in edges:
        if before != after:
            arrows.setdefault((before, after), []).append(label)
    names = dict.fromkeys(name for pair in arrows for name in pair)
    ids = {name: name.replace(" ", "") for name in names}
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{name}" as {ids[name]}' for name in names if ids[name] != name]
    lines += [f"    [*] --> {ids[name]}" for name in start]
    lines += [f"    {ids[a]} --> {ids[b]}: {', '.join(labels)}" for (a, b), labels in arrows.items()]
    return "\n".join([*lines, "```"])


SECTIONS: Final[Mapping[str, Callable[[], str]]] = {
    "bfd-table": bfd_table,
    "bfd-diagram": bfd_diagram,
    "poll-table": poll_table,
    "requests-table": requests_table,
    "winners-table": winners_table,
    "revertive-table": lambda: protection_table(protection.REVERTIVE),
    "revertive-diagram": lambda: protection_diagram(protection.REVERTIVE),
    "non-revertive-table": lambda: protection_table(protection.NON_REVERTIVE),
    "non-revertive-diagram": lambda: protection_diagram(protection.NON_REVERTIVE),
    "actuation-plain-diagram": lambda: actuation_diagram(actuation.PLAIN),
    "actuation-plain-table": lambda: actuation_table(actuation.PLAIN),
    "actuation-guarded-table": lambda: actuation_table(actuation.GUARDED),
}
PAGES: Final = ("bfd.md", "protection.md", "actuators.md")

_SECTION: Final = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(page: str) -> str:
    """Return a page's text with every generated section written anew.

    Raises:
        KeyError: the page asks for a section that does not exist.
    """
    return _SECTION.sub(lambda found: f"{found[1]}\n{SECTIONS[found['name']]()}\n\n{found[3]}", page)


def main(directory: Path) -> None:
    """Write the generated sections of the pages in a directory."""
    for name in PAGES:
        page = directory / name
        page.write_text(rendered(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
