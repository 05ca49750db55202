"""Playbooks over the API: what there is, what a run would do, runs, and people's words about them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request
from pydantic import Field
from pydantic.dataclasses import dataclass

from failover.core.playbook import PlanError, Run
from failover.orchestrator import Orchestrator
from failover.orchestrator_port import NoSuchError, RefusedError
from failover.rehearsal import check as check_run
from failover.run_view import record_of
from lifeline.audit import digest
from lifeline.model.records import Json

from ..tokens import Role
from .auth import Approver, Identity, Operator, Viewer
from .problems import documented, not_found

router = APIRouter()


@dataclass
class RunRequest:
    """What a run is given."""

    parameters: dict[str, Any] = Field(default_factory=dict)
    text: str = ""
    """Why, for the record."""
    by: str | None = None
    """On the hub's own socket: which person asks. A token says that itself."""


@dataclass
class Word:
    """A person's word about a run."""

    hash: str | None = None
    """Of an approval: the plan that was read."""
    text: str = ""
    by: str | None = None
    """As of a run."""


@dataclass
class Decision:
    """What is the case with a run that needs a human."""

    verdict: Literal["handled", "again", "back", "close", "free"]
    by: str | None = None


def the_orchestrator(request: Request) -> Orchestrator:
    """Return the orchestrator of this hub."""
    orchestrator: Orchestrator = request.app.state.playbooks.orchestrator
    return orchestrator


Runs = Annotated[Orchestrator, Depends(the_orchestrator)]


def _person(who: Identity, by: str | None) -> str:
    """Return who speaks: only this machine's administrator may say for whom."""
    return by if by and who.token is None else who.name


async def _told(orchestrator: Orchestrator, asked: Awaitable[Run]) -> dict[str, Json]:
    try:
        return {"schema": "lifeline.playbook-run/1", "run": orchestrator.view(await asked)}
    except NoSuchError as error:
        raise _missing(orchestrator, error) from None
    except PlanError as error:
        raise HTTPException(422, str(error)) from None
    except RefusedError as error:
        raise HTTPException(409, str(error)) from None


def _missing(orchestrator: Orchestrator, error: NoSuchError) -> HTTPException:
    kind, name = error.args
    return not_found(kind, name, orchestrator.playbooks if kind == "playbook" else orchestrator.runs)


@router.get("/playbooks", responses=documented())
async def playbooks(orchestrator: Runs, request: Request, _who: Viewer) -> dict[str, Any]:
    """Return the playbooks, and the mistakes in files that were not loaded."""
    books = [
        {"playbook": it.playbook, "version": it.version, "summary": it.summary, "steps": len(it.steps),
         "triggers": [f"{trigger.condition} {trigger.subject}" for trigger in it.triggers],
         "schedules": [schedule.cron for schedule in it.schedules],
         "approval": it.approval.people if it.approval else 0}
        for it in orchestrator.playbooks.values()
    ]  # fmt: skip
    problems = [str(problem) for problem in request.app.state.playbooks.problems]
    return {"schema": "lifeline.playbooks/1", "playbooks": books, "problems": problems,
            "halted": orchestrator.halted.is_set()}  # fmt: skip


@router.post("/playbooks/{name}/plan", responses=documented(404, 422))
async def plan(name: str, asked: RunRequest, orchestrator: Runs, who: Viewer) -> dict[str, Any]:
    """Return what a run would do, with the hash that an approval would bind to; nothing is done or kept."""
    try:
        found = await orchestrator.plan(name, asked.parameters, {"kind": "person", "by": _person(who, asked.by)})
    except NoSuchError as error:
        raise _missing(orchestrator, error) from None
    except PlanError as error:
        raise HTTPException(422, str(error)) from None
    return {"schema": "lifeline.playbook-plan/1", "plan": found, "hash": digest(found)}


@router.post("/playbooks/{name}/check", responses=documented(404, 422))
async def check(name: str, asked: RunRequest, orchestrator: Runs, who: Operator) -> dict[str, Any]:
    """Go through a run against what is so now, reading only; nothing is done or kept."""
    try:
        found = await orchestrator.plan(name, asked.parameters, {"kind": "person", "by": _person(who, asked.by)})
        result = await check_run(orchestrator, found)
    except NoSuchError as error:
        raise _missing(orchestrator, error) from None
    except PlanError as error:
        raise HTTPException(422, str(error)) from None
    return {"schema": "lifeline.playbook-check/1", "plan": found, "hash": digest(found), **result}


@router.post("/playbooks/{name}/run", responses=documented(404, 409, 422))
async def run(
    name: str,
    asked: RunRequest,
    orchestrator: Runs,
    who: Operator,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> dict[str, Any]:
    """Start a run; one asked for again under its key is started once."""
    by = _person(who, asked.by)
    return await _told(
        orchestrator, orchestrator.begin(name, asked.parameters, by=by, why=asked.text, key=idempotency_key)
    )


@router.get("/facts", responses=documented())
async def facts(orchestrator: Runs, _who: Viewer, name: Annotated[list[str], Query(max_length=200)]) -> dict[str, Any]:
    """Return what playbooks would be told of facts, each with its age; `age_s` null: nobody knows."""
    found = {it: orchestrator.facts.get(it) for it in name}
    return {"schema": "lifeline.facts/1",
            "facts": {it: {"value": fact.value, "age_s": fact.age_s} for it, fact in found.items()}}  # fmt: skip


@router.get("/runs", responses=documented())
async def runs(orchestrator: Runs, _who: Viewer, playbook: str | None = None, limit: int = 200) -> dict[str, Any]:
    """Return the latest runs."""
    return {"schema": "lifeline.playbook-runs/1",
            "runs": orchestrator.views(max(1, limit), [playbook] if playbook else None),
            "halted": orchestrator.halted.is_set()}  # fmt: skip


@router.get("/runs/{identifier}", responses=documented(404))
async def one_run(identifier: str, orchestrator: Runs, _who: Viewer) -> dict[str, Any]:
    """Return a run with its plan, and with what each step was given, found and left behind."""
    try:
        found = orchestrator.run(identifier)
    except NoSuchError as error:
        raise _missing(orchestrator, error) from None
    return {"schema": "lifeline.playbook-run/1", "run": orchestrator.view(found), "plan": found.plan,
            "record": record_of(found)}  # fmt: skip


@router.get("/runs/{identifier}/preview", responses=documented(404))
async def preview(identifier: str, orchestrator: Runs, _who: Operator) -> dict[str, Any]:
    """Go through a run's plan against what is so now, reading only: what each step would find, and what it would do."""
    try:
        found = orchestrator.run(identifier)
    except NoSuchError as error:
        raise _missing(orchestrator, error) from None
    result = await check_run(orchestrator, found.plan)
    return {"schema": "lifeline.playbook-check/1", "plan": found.plan, "hash": found.hash, **result}


@router.post("/runs/{identifier}/approve", responses=documented(404, 409))
async def approve(identifier: str, word: Word, orchestrator: Runs, who: Approver) -> dict[str, Any]:
    """Agree to a run's plan."""
    return await _told(orchestrator, orchestrator.approve(identifier, _person(who, word.by), word.hash))


@router.post("/runs/{identifier}/reject", responses=documented(404, 409))
async def reject(identifier: str, word: Word, orchestrator: Runs, who: Operator) -> dict[str, Any]:
    """Refuse a run before it begins."""
    return await _told(orchestrator, orchestrator.reject(identifier, _person(who, word.by), word.text))


@router.post("/runs/{identifier}/abort", responses=documented(404, 409))
async def abort(identifier: str, word: Word, orchestrator: Runs, who: Operator) -> dict[str, Any]:
    """End a run, and take back what stands."""
    return await _told(orchestrator, orchestrator.abort(identifier, _person(who, word.by)))


@router.post("/runs/{identifier}/resume", responses=documented(404, 409))
async def resume(identifier: str, decision: Decision, orchestrator: Runs, who: Operator) -> dict[str, Any]:
    """Say what is the case, so that a run goes on that needs a human or is frozen."""
    by = _person(who, decision.by)
    if decision.verdict == "free":
        if not who.role.includes(Role.APPROVER):
            raise HTTPException(403, f"token {who.name!r} has the role {who.role.value}; to free a run needs approver")
        return await _told(orchestrator, orchestrator.free(identifier, by))
    return await _told(orchestrator, orchestrator.decide(identifier, decision.verdict, by))


_WORDS: Final = {"halt": True, "release": False}


@router.post("/orchestrator/{word}", responses=documented(409))
async def halt(word: Literal["halt", "release"], said: Word, orchestrator: Runs, who: Operator) -> dict[str, Any]:
    """Begin nothing any more, no run and no step; or go on."""
    try:
        await orchestrator.halt(_person(who, said.by), halted=_WORDS[word])
    except RefusedError as error:
        raise HTTPException(409, str(error)) from None
    return {"schema": "lifeline.playbook-halt/1", "halted": orchestrator.halted.is_set()}
