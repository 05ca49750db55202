"""Rows and details of playbook runs: what waits for approval first, then what needs a human, then what goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from lifeline.i18n import _

from .cells import Age, Cell, Line, Row
from .details import fact, heading, text
from .model import NetworkModel

STATES: Final = {
    "planned": _("waits for approval"), "approved": _("waits for room"), "running": _("running"),
    "verifying": _("verifying"), "compensating": _("being taken back"), "needs-human": _("needs a human"),
    "done": _("done"), "compensated": _("taken back"), "rejected": _("rejected"), "expired": _("expired"),
    "refused": _("refused"), "aborted": _("aborted"), "closed": _("closed"),
}  # fmt: skip
_ROLES: Final = {
    "needs-human": "critical", "planned": "degraded", "compensating": "degraded", "compensated": "degraded",
    "done": "ok", "running": "ok", "verifying": "ok",
}  # fmt: skip
_ORDER: Final = ("needs-human", "planned", "compensating", "running", "verifying", "approved")
_STEP_ROLES: Final = {"done": "ok", "failed": "degraded", "broken": "critical", "stuck": "critical"}
_STEP_STATES: Final = {
    "waiting": _("waiting"), "intended": _("under way"), "probing": _("being read"), "pausing": _("tried again soon"),
    "verifying": _("verifying"), "done": _("done"), "skipped": _("passed over"), "failed": _("failed"),
    "broken": _("may stand"), "stuck": _("not known"),
}  # fmt: skip


def playbook_row(model: NetworkModel, view: Mapping[str, Any]) -> Row:
    """Return a run's row."""
    body = view["body"]
    state = str(body["state"])
    order = _ORDER.index(state) if state in _ORDER else len(_ORDER)
    over = sum(step["state"] in {"done", "skipped"} for step in body["steps"] if step["leg"] == "do")
    total = sum(step["leg"] == "do" for step in body["steps"])
    since_ns = int(body["ended_at_ns"] or body["began_at_ns"] or body["created_at_ns"])
    role = "unknown" if model.stale else _ROLES.get(state, "muted")
    return Row(
        key=str(view["subject"]),
        cells=(
            Cell(STATES.get(state, state), role, role, order),
            Cell(str(body["playbook"])),
            Cell(" ".join(str(value) for value in body["parameters"].values())),
            Cell(f"{over}/{total}"),
            Cell(str(body["reason"] or body["held"]), "muted"),
            Cell(Age(since_ns), "muted", sort=-since_ns),
        ),
        rank=(order, -since_ns),
        haystack=f"{body['run']} {body['by']}",
    )


def playbook_detail(view: Mapping[str, Any], preview: Mapping[str, Any] | None = None) -> list[Line]:
    """Return a run's detail: who and why, approval, steps live, what was taken back.

    Args:
        view: the run.
        preview: how its plan would go against what is so now, where somebody has asked.
    """
    body = view["body"]
    state = str(body["state"])
    lines = [heading(str(body["playbook"]), Cell(STATES.get(state, state), _ROLES.get(state, "muted")))]
    if why := body["reason"] or body["held"]:
        lines.append(text(Cell(str(why), _ROLES.get(state, "muted"))))
    lines += [
        fact(_("Run"), Cell(str(body["run"]))),
        fact(_("Plan"), Cell(str(body["hash"])[:12])),
        fact(_("Started by"), Cell(str(body["by"]))),
    ]
    if body["approval"]:
        agreed = ", ".join(body["agreed"]) or _("nobody yet")
        needed = _("{n} needed").format(n=body["approval"]["people"])
        lines.append(fact(_("Approved by"), Cell(agreed), Cell(f"({needed})", "muted")))
    if body["parameters"]:
        given = ", ".join(f"{name} = {value}" for name, value in body["parameters"].items())
        lines.append(fact(_("With"), Cell(given)))
    if body["locks"]:
        lines.append(fact(_("Locks"), Cell(", ".join(body["locks"]))))
    if preview is not None:
        lines += _against_now(preview)
    for leg, title in (("do", _("Steps")), ("undo", _("Taken back"))):
        steps = [step for step in body["steps"] if step["leg"] == leg]
        if steps:
            lines.append(heading(title))
        for step in steps:
            role = _STEP_ROLES.get(step["state"], "muted")
            lines.append(fact(str(step["step"]), Cell(_STEP_STATES.get(step["state"], step["state"]), role),
                              Cell(str(step["do"]), "muted")))  # fmt: skip
            if step["detail"]:
                lines.append(text(Cell(str(step["detail"]), "muted")))
            elif step["args"] and step["state"] == "waiting":
                lines.append(text(Cell(json.dumps(step["args"], ensure_ascii=False), "muted")))
    return lines


def _against_now(preview: Mapping[str, Any]) -> list[Line]:
    """Return what each step would find and do: the difference that an approval is about."""
    lines = [heading(_("Against what is so now"))]
    if preview["state"] != "passed":
        lines.append(text(Cell(f"{preview['state']}: {preview['reason']}", "critical")))
    for step in preview["steps"]:
        lines.append(fact(str(step["step"]), Cell(str(step["detail"]))))
        if step["before"] is not None:
            lines.append(text(Cell(f"- {json.dumps(step['before'], ensure_ascii=False)}", "muted")))
        if step["args"]:
            lines.append(text(Cell(f"+ {json.dumps(step['args'], ensure_ascii=False)}", "muted")))
    return lines
