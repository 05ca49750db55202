"""From views to table rows: what each screen's list shows of an object. No widget, no clock.

When the model is stale every state is shown as what it *was*, with the symbol of the unknown: old data never look
healthy.
"""

from __future__ import annotations

from typing import Final

from lifeline.i18n import _, language

from .cells import Age, Cell, Countdown, Row
from .model import NetworkModel, health_rank, severity_rank
from .sentences import alarm_in_brief, event_role, event_sentence, event_severity, path_name, site_name, told
from .shapes import View
from .words import EVENT_KIND, HEALTH, LINK_STATE, MEDIA, PATH_NAME, SEVERITY, SITE_KIND, TRAFFIC, word

_AGENT_ROLE: Final = {"up": "muted", "silent": "critical", "never": "unknown"}
_LINK_ROLE: Final = {"up": "ok", "down": "critical", "unknown": "unknown", "admin-down": "muted"}
_LINK_RANK: Final = {"down": 0, "unknown": 1, "admin-down": 2, "up": 3}


def clock_text(ns: int, template: str = "%H:%M:%S") -> str:
    """Return a wall time as this machine's local time."""
    from datetime import datetime

    return datetime.fromtimestamp(ns / 1e9).astimezone().strftime(template)


def state_cell(model: NetworkModel, text: str, role: str, symbol: str = "", sort: float | None = None) -> Cell:
    """Return the cell of a state; with the mark of the unknown, when it is old."""
    return Cell(text, "stale", "stale", sort) if model.stale else Cell(text, role, symbol, sort)


def health_cell(model: NetworkModel, health: str) -> Cell:
    """Return the cell of a health."""
    known = health if health in HEALTH else "unknown"
    text = word(HEALTH, health)
    return state_cell(model, was(text) if model.stale else text, known, known, health_rank(health))


def was(state: str) -> str:
    """Return how one says that something was so, and that nobody knows whether it still is."""
    return _("was {state}").format(state=state)


def district_of(site: View) -> str:
    """Return the name of a site's district."""
    return str((language() == "zh_CN" and site["district_name_zh"]) or site["district_name"] or site["district"] or "")


# ---- overview ----


def site_row(model: NetworkModel, site: View) -> Row:
    """Return a site's row: state, site, district, kind, agent, path, what is wrong, since when."""
    alarms = model.alarms_at(site["id"])
    worst = alarms[0] if alarms else None
    severity = severity_rank(worst["perceived_severity"]) if worst else 0
    name = site_name(site["id"], model)
    trouble = alarm_in_brief(worst, model) if worst else told(site.get("text") or "", model)
    if len(alarms) > 1:
        trouble = _("{text} +{n}").format(text=trouble, n=len(alarms) - 1)
    return Row(
        key=site["id"],
        cells=(
            health_cell(model, site["health"]),
            Cell(name),
            Cell(district_of(site), "muted"),
            Cell(word(SITE_KIND, site["kind"]), "muted"),
            agent_cell(model, site),
            traffic_cell(model, site["id"]),
            Cell(trouble, worst["perceived_severity"] if worst else "", sort=-severity),
            Cell(Age(worst["raised_at_ns"] if worst else None), "muted", sort=-(worst["raised_at_ns"] if worst else 0)),
        ),
        rank=(health_rank(site["health"]), -severity, name),
        haystack=site["id"],
    )


def agent_cell(model: NetworkModel, site: View) -> Cell:
    """Return whether a site's agent is heard; how long not, when it is not."""
    agent, heard = site["agent"], site.get("last_heard_at_ns")
    if agent == "none":
        return Cell("-", "muted", sort=3)
    if agent == "silent" and not model.stale:
        return Cell(Age(heard), "critical", "silent", sort=0)
    text = {"up": _("heard"), "silent": _("silent"), "never": _("never")}.get(agent, str(agent))
    return state_cell(model, text, _AGENT_ROLE.get(agent, "unknown"), sort=2 if agent == "up" else 1)


def traffic_cell(model: NetworkModel, site: str) -> Cell:
    """Return which path carries a site's traffic; for a site of many groups, how many are switched."""
    groups = model.groups_at(site)
    if not groups:
        return Cell("-", "muted")
    if len(groups) == 1:
        return selector_cell(model, groups[0])
    selectors = [group["selector"] for group in groups]
    for role, n in (
        ("unknown", sum(selector not in ("working", "protection", "mixed") for selector in selectors)),
        ("switched", sum(selector != "working" for selector in selectors)),
    ):
        if n:
            return state_cell(model, _("{n} of {all}").format(n=n, all=len(groups)), role, role, 0)
    return state_cell(model, _("all {all}").format(all=len(groups)), "ok", "ok", 2)


def selector_cell(model: NetworkModel, group: View) -> Cell:
    """Return where a group's traffic is: the media of the path, or that the ends do not agree."""
    selector = group["selector"]
    if group.get("health") == "critical":
        return state_cell(model, TRAFFIC["no-path"], "critical", "critical", 0)
    if selector in PATH_NAME:
        role = "switched" if selector == "protection" else "ok"
        media = word(MEDIA, model.media(link_of(group, selector)))
        return state_cell(model, media, role, role, 1 if selector == "protection" else 2)
    return state_cell(model, word(TRAFFIC, selector), "unknown", "unknown", 0)


def link_of(group: View, path: str) -> str:
    """Return the link by which a path goes now: of a protection path that is a group, what an end says."""
    said = [end[path]["link"] for end in group["ends"].values() if end["fresh"] and end[path].get("group")]
    return str(said[0] if said else group[path])


# ---- links ----


def group_row(model: NetworkModel, group: View) -> Row:
    """Return a group's row: state, group, traffic, selectors, BFD of both paths, request, why, switches, last."""
    ends = end_states(model, group)
    heard = [end for _site, end in ends if end]
    switches = max((end["switch_count"] for end in heard), default=0)
    last = max((end["last_switch_at_ns"] or 0 for end in heard), default=0)
    return Row(
        key=f"group:{group['id']}",
        cells=(
            health_cell(model, group["health"]),
            Cell(group["id"]),
            selector_cell(model, group),
            Cell("/".join(selector_letter(end) for _site, end in ends)),
            bfd_cell(model, group, "working"),
            bfd_cell(model, group, "protection"),
            request_cell(model, heard),
            why_cell(model, heard),
            Cell(str(switches), sort=-switches),
            Cell(Age(last or None), "muted", sort=-last),
        ),
        rank=(0, health_rank(group["health"]), group["selector"] == "working", group["id"]),
        haystack=" ".join((group["working"], group["protection"], *(site_name(site, model) for site, _end in ends))),
    )


def link_row(model: NetworkModel, link: View) -> Row:
    """Return the row of a link that no group protects, in the columns of `group_row`."""
    ends = " / ".join(site_name(link[side]["site"], model) for side in ("a", "b"))
    return Row(
        key=f"link:{link['id']}",
        cells=(
            link_state_cell(model, link),
            Cell(link["id"]),
            Cell(word(MEDIA, link["media"]), "muted"),
            Cell("-", "muted"),
            Cell(" / ".join(end["bfd"] for end in link["ends"].values()) or "-", "muted"),
            Cell("-", "muted"),
            Cell("-", "muted"),
            Cell(_("not protected: {ends}").format(ends=ends), "muted"),
            Cell("-", "muted", sort=0),
            Cell(""),
        ),
        rank=(1, _LINK_RANK.get(link["state"], 1), True, link["id"]),
        haystack=ends,
    )


def link_state_cell(model: NetworkModel, link: View) -> Cell:
    """Return whether a link carries packets; that nobody checks it is not the same as an end that is not heard."""
    if not link["ends"] and not link["groups"]:
        return state_cell(model, _("unchecked"), "unknown", "unknown", 1)
    state = link["state"]
    symbol = {"up": "ok", "down": "down"}.get(state, "unknown")
    role = _LINK_ROLE.get(state, "unknown")
    return state_cell(model, word(LINK_STATE, state), role, symbol, _LINK_RANK.get(state, 1))


def end_states(model: NetworkModel, group: View) -> list[tuple[str, View | None]]:
    """Return both ends of a group as (site, last known state or None), in the order of the working link's ends."""
    return [(site, group["ends"].get(site)) for site in model.end_sites(group)]


def selector_letter(end: View | None) -> str:
    """Return one end's selector as the standard's letter, W or P; in doubt a question mark stands with it."""
    if end is None:
        return "?"
    letter = {"working": "W", "protection": "P"}.get(end["selector"], "?")
    return letter if end["fresh"] else f"{letter}?"


def bfd_cell(model: NetworkModel, group: View, path: str) -> Cell:
    """Return a path's BFD states at both ends, and SF where an end has declared signal fail."""
    ends = [end for _site, end in end_states(model, group)]
    states = ["?" if end is None else end[path]["bfd"] for end in ends]
    text = states[0] if len(set(states)) == 1 else "/".join(states)
    failed = any(end and end[path]["signal_fail"] for end in ends)
    if failed:
        text = f"SF {text}"
    if not all(end and end["fresh"] for end in ends):
        return Cell(text.lstrip("?"), "unknown", "unknown")
    return state_cell(model, text, "critical" if failed else "ok" if set(states) == {"Up"} else "unknown")


def request_cell(model: NetworkModel, ends: list[View]) -> Cell:
    """Return what the group requests (G.8031 table 11-1), and during WTR what is left of it."""
    if not ends:
        return Cell("?", "unknown")
    waiting = [end["wtr_ends_at_ns"] for end in ends if end["wtr_ends_at_ns"]]
    if waiting and not model.stale:
        return Cell(Countdown(max(waiting), "WTR {left}"), "switched", sort=1)
    request = telling_end(ends)["request"]
    return state_cell(model, request, "" if request == "NR" else "strong", sort=2 if request == "NR" else 0)


def why_cell(model: NetworkModel, ends: list[View]) -> Cell:
    """Return why the selector stands where it does: the end that knows most speaks."""
    if not ends:
        return Cell(_("neither end has been heard of yet"), "unknown")
    return Cell(told(telling_end(ends)["why"], model), "stale" if model.stale else "")


def telling_end(ends: list[View]) -> View:
    """Return the end whose account explains most: one that is heard, and of these one that sees a failure."""
    return max(ends, key=lambda end: (end["fresh"], end["request"] != "NR"))


# ---- log ----


def event_row(model: NetworkModel, event: View) -> Row:
    """Return an event's row: date, time, what kind, how severe, what happened."""
    severity = event_severity(event)
    return Row(
        key=str(event["cursor"]),
        cells=(
            Cell(clock_text(event["observed_at_ns"], "%m-%d"), "muted", sort=event["observed_at_ns"]),
            Cell(clock_text(event["observed_at_ns"]), "muted", sort=event["observed_at_ns"]),
            Cell(word(EVENT_KIND, event["kind"]), "muted"),
            Cell(word(SEVERITY, severity), severity, sort=-severity_rank(severity) if severity else 0),
            Cell(event_sentence(event, model), event_role(event)),
        ),
        rank=(event["cursor"],),
        haystack=f"{event['subject']} {event['node']}",
    )


__all__ = ["event_row", "group_row", "link_row", "path_name", "site_row"]
