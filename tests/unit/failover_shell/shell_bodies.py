"""Bodies as the fast path reports them, and plans of one group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from failover.plan import FastPathPlan, GroupPlan, SessionPlan


def path(
    link: str, *, failed: bool | None = False, carrier: bool | None = True, quality: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "link": link,
        "bfd": "Down" if failed else "Up",
        "diag": "Control Detection Time Expired" if failed else "No Diagnostic",
        "remote_bfd": "Up",
        "remote_diag": "No Diagnostic",
        "signal_fail": failed,
        "carrier": carrier,
        "since_ns": 1,
        "interval_ms": 10.0,
        "detect_ms": 30.0,
        "trouble": "",
        "quality": quality,
    }


def quality(*reasons: str, known: bool = True) -> dict[str, Any]:
    return {
        "degraded": bool(reasons),
        "reasons": list(reasons),
        "known": known,
        "measuring": True,
        "figures": {"loss_forward_pct": 0.0},
        "trouble": "",
    }


def group(
    selector: str = "working",
    *,
    working: bool | None = False,
    protection: bool | None = False,
    trouble: str = "",
    defects: Iterable[tuple[str, str]] = (),
) -> dict[str, Any]:
    return {
        "group": "pg",
        "site": "site-a",
        "state": "Normal",
        "selector": selector,
        "working": path("fibre", failed=working),
        "protection": path("sat", failed=protection),
        "why": "Because.",
        "request": "NR",
        "wtr_ends_at_ns": None,
        "switch_count": 0,
        "last_switch_at_ns": None,
        "revertive": True,
        "hold_off_ms": 0,
        "wtr_ms": 500,
        "trouble": trouble,
        "switch_us": 0.0,
        "frozen": False,
        "commands": [],
        "aps": {"heard": True, "far_request": "NR", "far_selector": selector, "defects": dict(defects)},
    }


def snapshot(**of_group: Any) -> dict[str, Any]:
    end = group(**of_group)
    return {"site": "site-a", "pid": 1, "paths": [end["working"], end["protection"]], "groups": [end], "stats": {}}


def report(seq: int, kind: str, body: dict[str, Any], *, instance: str = "life-1") -> dict[str, Any]:
    subject = f"group:{body['group']}" if kind == "protection" else f"link:{body['path']['link']}"
    return {
        "instance": instance,
        "seq": seq,
        "at_monotonic_ns": seq,
        "at_wall_ns": 1_000 + seq,
        "kind": kind,
        "subject": subject,
        "body": body,
    }


def bfd_body(link: str = "fibre", *, failed: bool = True) -> dict[str, Any]:
    return {
        "site": "site-a",
        "state": "Down" if failed else "Up",
        "previous": "Up" if failed else "Init",
        "diag": "Control Detection Time Expired",
        "remote_state": "Up",
        "remote_diag": "No Diagnostic",
        "path": path(link, failed=failed),
    }


def plan(interface: str = "lo", local: str = "127.0.0.1", remote: str = "127.0.0.1") -> FastPathPlan:
    sessions = (
        SessionPlan("fibre", interface, local, remote, 1, 10_000, 3),
        SessionPlan("sat", "sat", "10.66.0.1", "10.66.0.2", 2, 300_000, 3),
    )
    groups = (GroupPlan("pg", 1000, "fibre", "sat", ("10.2.0.0/24",), revertive=True, wtr_ms=500, hold_off_ms=0),)
    return FastPathPlan("site-a", ("10.1.0.0/24",), sessions, groups)
