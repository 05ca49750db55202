"""The scorecard of a drill: 80 columns, in the reader's language, symbol and text and colour.

It is drawn from the drill's JSON record, so that an old record shows as it did on its day.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

from rich.box import Box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text

from lifeline.i18n import N_, _
from lifeline.model.records import Json

WIDTH = 80
# Okabe and Ito's colours, told apart by colour-blind eyes.
_GOOD, _BAD, _UNSURE, _QUIET = "#009e73", "#d55e00", "#e69f00", "grey62"
_SYMBOLS = {"good": "✔", "bad": "✖", "unsure": "⚠"}
_ASCII_SYMBOLS = {"good": "+", "bad": "X", "unsure": "!"}
_COLOURS = {"good": _GOOD, "bad": _BAD, "unsure": _UNSURE}
_RULE_UNDER_HEAD = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
_ASCII_RULE_UNDER_HEAD = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def render(report: Mapping[str, Json], *, colour: bool = False, ascii_only: bool = False) -> str:
    """Return the scorecard of a `lifeline.drill/1` record as text of at most 80 columns.

    Args:
        report: the record.
        colour: with ANSI colours.
        ascii_only: for terminals and logs that carry nothing else.
    """
    out = io.StringIO()
    console = Console(
        file=out, width=WIDTH, force_terminal=colour, color_system="truecolor" if colour else None, highlight=False
    )
    console.print(_Card(report, ascii_only).draw())
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


class _Card:
    def __init__(self, report: Mapping[str, Json], ascii_only: bool) -> None:
        self.report = report
        self.symbols = _ASCII_SYMBOLS if ascii_only else _SYMBOLS
        self.box = _ASCII_RULE_UNDER_HEAD if ascii_only else _RULE_UNDER_HEAD

    def draw(self) -> RenderableType:
        report = self.report
        parts: list[RenderableType] = [self._headline(), Padding(Text(_(report["objective"])), (0, 1))]
        if report["tasks"]:
            parts += ["", self._tasks()]
        if report["traffic"]:
            parts += ["", self._traffic()]
        if report["timeline"]:
            parts.append(self._timeline())
        parts += [
            Padding(self._mark("bad" if report["verdict"] == "fail" else "unsure", reason), (0, 1))
            for reason in report["reasons"]
        ]
        parts.append(Padding(self._closing(), (1, 1, 0, 1)))
        return Group(*parts)

    def _mark(self, kind: str, text: str) -> Text:
        return Text.assemble((f"{self.symbols[kind]} {text}", Style(color=_COLOURS[kind])))

    def _headline(self) -> RenderableType:
        report = self.report
        verdict = report["verdict"]
        kind = {"pass": "good", "fail": "bad"}.get(verdict, "unsure")
        word = {"pass": _("PASS"), "fail": _("FAIL")}.get(verdict, _("NOT RUN"))
        line = Text(style=Style(bold=True)).append_text(self._mark(kind, word))
        sites = ", ".join([report["target"], *report.get("also", ())])
        line.append("   " + _("drill {drill} at {target}").format(drill=report["drill"], target=sites))
        if report["mode"] not in _CUTS:
            return Group("", Padding(line, (0, 1)))
        how = _(_CUTS[report["mode"]])
        if report["direction"]:
            how += {"to-site": _(", towards the site"), "to-core": _(", towards the core")}[report["direction"]]
        cut = _("{link}: {how}").format(how=how, **_texts(report))
        return Group("", Padding(line, (0, 1)), Padding(Text(cut), (0, 1)))

    def _tasks(self) -> RenderableType:
        table = self._table(_("Timed task"), _("target"), _("actual"))
        for task in self.report["tasks"]:
            actual = _("did not happen") if task["actual_ms"] is None else f"{task['actual_ms']:,.1f} ms"
            kind = "good" if task["met"] else "bad"
            table.add_row(self._mark(kind, _(_TASKS.get(task["name"], task["name"]))), _ms(task["target_ms"]), actual)
        return table

    def _traffic(self) -> RenderableType:
        table = self._table(
            _("Traffic, 1,000/s"), _("sent"), _("lost"), _("longest gap"), _("duplicated"), _("reordered")
        )
        for flow, windows in self.report["traffic"].items():
            site, _slash, direction = flow.rpartition("/")
            way = {"site_to_hub": _("site to hub"), "hub_to_site": _("hub to site")}[direction]
            way = f"{site}: {way}" if site else way
            for window, numbers in windows.items():
                good = numbers["sent"] and self._may_lose(window, numbers["lost_ms"])
                table.add_row(
                    self._mark("good" if good else "bad", f"{way}, {_(window)}"),
                    f"{numbers['sent']:,}",
                    _ms(numbers["lost_ms"]),
                    _ms(numbers["longest_gap_ms"]),
                    str(numbers["duplicated"]),
                    str(numbers["reordered"]),
                )
        return table

    def _may_lose(self, window: str, lost_ms: float) -> bool:
        limits = self.report.get("limits") or {"cut": 50, "revert": 0}  # records of before there were limits
        limit_ms = limits.get(window)
        return limit_ms is None or lost_ms <= limit_ms

    def _timeline(self) -> RenderableType:
        table = Table.grid(padding=(0, 2), pad_edge=True)
        table.add_column(justify="right", style=Style(color=_QUIET), no_wrap=True)
        table.add_column()
        for moment in self.report["timeline"]:
            text = _what(moment)
            if text is not None:
                table.add_row(f"{moment['at_ms']:,.1f} ms", text)
        return Group(Padding(Text(_("What happened"), style=Style(bold=True)), (1, 1, 0, 1)), Padding(table, (0, 1)))

    def _closing(self) -> Text:
        report = self.report
        healed = _("The lab is healed.") if report["healed"] else _("The lab is NOT healed: run `lifeline lab heal`.")
        again = _("Took {took_s} s; --seed {seed} repeats it.").format(**_texts(report))
        return Text(f"{healed} {again}", style=Style(color=_QUIET if report["healed"] else _BAD))

    def _table(self, first: str, *others: str) -> Table:
        table = Table(box=self.box, show_edge=False, pad_edge=True, header_style=Style(bold=True), padding=(0, 1))
        table.add_column(first)
        for name in others:
            table.add_column(name, justify="right")
        return table


def _ms(value: float) -> str:
    return f"{value:,.0f} ms"


def _texts(record: Mapping[str, Json]) -> dict[str, str]:
    return {name: str(value) for name, value in record.items() if not isinstance(value, dict | list)}


def _what(moment: Mapping[str, Json]) -> str | None:
    """Return a moment's sentence in the reader's language; None for one that needs no line."""
    facts = {"link": _("the fibre")} | _texts(moment)  # records of earlier versions do not name it
    match moment["what"]:
        case "phase":
            name = facts["name"]
            return _(name).upper()
        case "cut":
            return _("{link} is cut").format(**facts)
        case "repair":
            return _("{link} is repaired").format(**facts)
        case "bfd" if moment["state"] == "Down":
            return _("{site}: BFD Down on {link} ({diag})").format(**facts)
        case "bfd" if moment["state"] == "Up":
            return _("{site}: BFD Up on {link}").format(**facts)
        case "protection" if moment["request"] == "WTR":
            return _("{site}: waits to restore").format(**facts)
        case "protection" if moment["selector"] == "protection":
            return _("{site}: traffic on the protection path ({request})").format(**facts)
        case "protection":
            return _("{site}: traffic on the working path ({request})").format(**facts)
        case "alarm":
            return _("{site}: its alarm {name} stands at the hub").format(**facts)
        case "clear":
            return _("{site}: its alarm {name} is cleared at the hub").format(**facts)
        case "time" | "power":
            return f"{_(facts['who'])}: {_(facts['is'])}"
        case "word":
            return _("{who} approves {playbook}").format(**facts)
        case "run" if facts["step"]:
            return f"{facts['playbook']}: {facts['step']}: {_(facts['state'])}"
        case "run":
            return f"{facts['playbook']}: {_(facts['state'])}"
        case "client":
            return _("the client's clock was off by {error} at most while it was served").format(**facts)
    return None


# The record's names and their texts.
_CUTS = {"silent": N_("a silent cut"), "oneway": N_("a one-way cut"), "carrier": N_("a cut with loss of carrier")}
_TASKS = {
    "detect": N_("detect"),
    "switch": N_("switch"),
    "alarm raised": N_("alarm raised"),
    "site's own report": N_("site's own report, over satellite"),
    "revert": N_("revert"),
    "alarm cleared": N_("alarm cleared"),
    "left the lossy path": N_("left the lossy path"),
    "no path left": N_("no path left, told"),
    "a path again": N_("a path again"),
    "carries again": N_("carries again"),
    "protected again": N_("protected again"),
    "waits to restore": N_("waits to restore"),
    "back on the fibre": N_("back on the fibre"),
    "told after the restart": N_("told after the restart"),
    "whole story told": N_("whole story told, late"),
}
