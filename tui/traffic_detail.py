"""What travels over a link, and which routers follow a group: lines for the detail pane. No widget, no clock."""

from __future__ import annotations

from typing import Final

from lifeline.i18n import _

from .cells import Age, Cell, Line
from .model import NetworkModel
from .sentences import site_name
from .shapes import View
from .words import PATH_NAME, word

CONTROL: Final = "control"
_MILLION: Final = 1_000_000


def traffic_lines(model: NetworkModel, link: str) -> list[Line]:
    """Return, per end, what each traffic class may have, sends, loses and keeps waiting; nothing where none is told."""
    lines: list[Line] = []
    for told in model.live_of(f"traffic:{link}"):
        lines += [Line(), Line((_heading(model, told),)), *_classes(told)]
    return lines


def _heading(model: NetworkModel, told: View) -> Cell:
    body, site = told["body"], site_name(told["body"]["site"], model)
    if not told["fresh"] or model.stale:
        return Cell(Age(told["heard_at_ns"], _("Sent by {site}, told {{age}} ago").format(site=site)), "stale", "stale")
    if not body["divided"]:
        text = _("{site} does not divide the link: {trouble}").format(site=site, trouble=body["trouble"])
        return Cell(text, "minor")
    if body["told_by"]:
        return Cell(_("Sent by {site}: {rate} instead of {planned} kbit/s, by the word of {by}").format(
            site=site, rate=body["rate_kbps"], planned=body["planned_rate_kbps"], by=body["told_by"]),
            "degraded", "degraded")  # fmt: skip
    return Cell(_("Sent by {site}, of {rate} kbit/s").format(site=site, rate=body["rate_kbps"]), "heading")


def _classes(told: View) -> list[Line]:
    classes = told["body"]["classes"]
    if not classes:
        return []
    titles = (_("granted"), _("at most"), _("sends"), _("lost"), _("waits"))
    return [
        Line(tuple(Cell(title, "muted") for title in titles), "kbit/s", columns=True),
        *(Line(_class(one, fresh=told["fresh"]), str(one["class"]), columns=True) for one in classes),
    ]


def _class(one: View, *, fresh: bool) -> tuple[Cell, ...]:
    """Return a class's cells: its promise, its rate, the packets that found no room, the bytes that wait."""
    live = "" if fresh else "stale"
    sends = Cell(_("unknown"), "unknown") if one["kbps"] is None else Cell(f"{one['kbps']:.0f}", live)
    lost_role = "warning" if one["dropped"] and one["class"] != CONTROL else "major" if one["dropped"] else live
    return (
        Cell(str(one["guaranteed_kbps"])),
        Cell(str(one["ceiling_kbps"])),
        sends,
        Cell(_count(one["dropped"]), lost_role if fresh else live),
        Cell(_("{kb:.0f} kB").format(kb=one["backlog_bytes"] / 1000) if one["backlog_bytes"] else "-", live),
    )


def _count(number: int) -> str:
    return f"{number / _MILLION:.1f}M" if number >= _MILLION else str(number)


def router_lines(model: NetworkModel, group: View) -> list[Line]:
    """Return how the routers that follow a group stand; nothing where none does."""
    lines: list[Line] = []
    for site in model.end_sites(group):
        for told in model.live_of(f"actuation:{site}/{group['id']}"):
            body = told["body"]
            lines.append(Line((Cell(str(body["device"]), "strong"), Cell("  "), _follows(told, model)), _("Router")))
            if body["reason"]:
                lines.append(Line((Cell(str(body["reason"])),)))
    return lines


def _follows(told: View, model: NetworkModel) -> Cell:
    body = told["body"]
    if not told["fresh"] or model.stale:
        return Cell(Age(told["heard_at_ns"], _("told {age} ago")), "stale", "stale")
    if not body["wanted"]:
        return Cell(_("does not know which path carries"), "unknown", "unknown")
    wanted = word(PATH_NAME, body["wanted"])
    if body["stands"] == body["wanted"]:
        return Cell(_("stands for {path}").format(path=wanted), "ok", "ok")
    if body["failures"]:
        return Cell(_("does not follow to {path}, tried {n} times").format(path=wanted, n=body["failures"]),
                    "major", "down")  # fmt: skip
    return Cell(_("is being changed for {path}").format(path=wanted), "switched", "switched")
