"""What may be asked, and commanded."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response

from lifeline.clock import monotonic_s, wall_ns
from lifeline.model.records import EventKind

from .. import protection
from ..agents import NoAnswerError
from ..commands import ACTS, WINDOWS, ArgumentError, Asked, Commands, KeyReusedError, NoRoomError, NoSuchTargetError
from ..domains import NoSuchCommandError
from ..history.recorder import Recorder
from ..hub import Hub
from ..metrics import CONTENT_TYPE
from ..protection import NoSuchEndError, UnreachableError
from ..views import AlarmView, CommandView, EventView, GroupView, HistoryView, LinkView, SiteView, StateView
from . import schemas
from .auth import Operator, Viewer, require_near
from .problems import documented, not_found

PAGE_MAX = 1000

router = APIRouter()


def the_hub(request: Request) -> Hub:
    """Return the hub that this application serves."""
    hub: Hub = request.app.state.hub
    return hub


TheHub = Annotated[Hub, Depends(the_hub)]


@router.get("/health", responses={503: {"model": schemas.HealthView, "description": "The journal takes no events"}})
async def health(request: Request, response: Response, hub: TheHub) -> schemas.HealthView:
    """Tell how the hub itself is; needs no token."""
    if hub.trouble:
        response.status_code = 503
    return schemas.HealthView(
        schema="lifeline.health/1",
        status="failed" if hub.trouble else "ok",
        hub=hub.node,
        version=version("lifeline"),
        journal=hub.trouble or "ok",
        cursor=hub.cursor,
        uptime_s=round(monotonic_s() - request.app.state.began_s, 3),
    )


@router.get("/metrics", dependencies=[Depends(require_near)], responses=documented())
async def metrics(hub: TheHub) -> Response:
    """Return the hub's figures in Prometheus' text format; needs no token on this machine."""
    return Response(hub.metrics.render(), media_type=CONTENT_TYPE)


@router.get("/state", responses=documented())
async def state(hub: TheHub, _who: Viewer) -> StateView:
    """Return everything at once: what a screen needs for its first paint."""
    return hub.state()


@router.get("/sites", responses=documented())
async def sites(hub: TheHub, _who: Viewer) -> schemas.SitesPage:
    """Return all sites, worst first."""
    return schemas.SitesPage("lifeline.sites/1", hub.projection.sites())


@router.get("/sites/{identifier}", responses=documented(404))
async def site(identifier: str, hub: TheHub, _who: Viewer) -> SiteView:
    """Return one site."""
    if identifier not in hub.inventory.sites:
        raise not_found("site", identifier, hub.inventory.sites)
    return hub.projection.site(identifier)


@router.get("/links", responses=documented())
async def links(hub: TheHub, _who: Viewer) -> schemas.LinksPage:
    """Return all links."""
    return schemas.LinksPage("lifeline.links/1", hub.projection.links())


@router.get("/links/{identifier}", responses=documented(404))
async def link(identifier: str, hub: TheHub, _who: Viewer) -> LinkView:
    """Return one link."""
    if identifier not in hub.inventory.links:
        raise not_found("link", identifier, hub.inventory.links)
    return hub.projection.link(identifier)


@router.get("/groups", responses=documented())
async def groups(hub: TheHub, _who: Viewer) -> schemas.GroupsPage:
    """Return all protection groups."""
    return schemas.GroupsPage("lifeline.groups/1", hub.projection.groups())


@router.get("/groups/{identifier}", responses=documented(404))
async def group(identifier: str, hub: TheHub, _who: Viewer) -> GroupView:
    """Return one protection group."""
    if identifier not in hub.inventory.protection_groups:
        raise not_found("protection group", identifier, hub.inventory.protection_groups)
    return hub.projection.group(identifier)


@router.get("/live", responses=documented())
async def live(
    hub: TheHub,
    _who: Viewer,
    subject: Annotated[
        str,
        Query(description="A subject, such as `power:sbs-a`, or a beginning that ends in `:` or `/`; all if empty."),
    ] = "",
) -> schemas.LivePage:
    """Return what daemons show live."""
    return schemas.LivePage("lifeline.live/1", list(hub.projection.live.find(subject)))


@router.get("/readings", responses=documented(503))
async def readings(
    hub: TheHub,
    _who: Viewer,
    subject: Annotated[str, Query(description="As of `/live`.")] = "",
) -> schemas.ReadingsPage:
    """Return the latest readings since the hub began."""
    return schemas.ReadingsPage("lifeline.readings/1", _history(hub).latest(subject))


@router.get("/history", responses=documented(404, 503))
async def history(
    hub: TheHub,
    _who: Viewer,
    subject: str,
    metric: str,
    from_s: Annotated[
        int | None, Query(alias="from", ge=0, description="Wall time, s; two hours ago if absent.")
    ] = None,
    to_s: Annotated[int | None, Query(alias="to", ge=0, le=2**40, description="Wall time, s; now if absent.")] = None,
    step_s: Annotated[
        int | None, Query(alias="step", ge=1, description="Width of a point, s; what suits if absent.")
    ] = None,
) -> HistoryView:
    """Return a metric's history: single samples, or means with least and greatest values."""
    recorder = _history(hub)
    until_s = wall_ns() // 1_000_000_000 if to_s is None else to_s
    since_s = until_s - 7200 if from_s is None else from_s
    try:
        return await recorder.read(subject, metric, min(since_s, until_s), until_s, step_s)
    except KeyError:
        if metrics := recorder.metrics(subject):
            raise not_found(f"metric of {subject}", metric, metrics) from None
        raise not_found("subject with readings", subject, recorder.subjects()) from None


def _history(hub: Hub) -> Recorder:
    if hub.history is None:
        raise HTTPException(503, "the history cannot be opened; the hub's log says why")
    return hub.history


@router.get("/alarms", responses=documented())
async def alarms(
    hub: TheHub,
    _who: Viewer,
    active: Annotated[bool | None, Query(description="Only the active ones, or only the cleared ones.")] = None,
) -> schemas.AlarmsPage:
    """Return alarms: active ones worst first, then cleared ones, the latest first."""
    shown = [alarm for alarm in hub.projection.alarms() if active is None or alarm.is_cleared is not active]
    now_ns = wall_ns()
    return schemas.AlarmsPage("lifeline.alarms/1", [hub.projection.correlation.view(alarm, now_ns) for alarm in shown])


@router.get("/alarms/{identifier}", responses=documented(404))
async def alarm(identifier: str, hub: TheHub, _who: Viewer) -> AlarmView:
    """Return one alarm with its history."""
    found = hub.projection.alarm(identifier)
    if found is None:
        raise not_found("alarm", identifier, (alarm.id for alarm in hub.projection.alarms()))
    return hub.projection.correlation.view(found, wall_ns())


@router.get("/events", responses=documented())
async def events(
    hub: TheHub,
    _who: Viewer,
    after: Annotated[int, Query(ge=0, description="Begin behind this cursor.")] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX, description="At most so many.")] = 200,
    subject: Annotated[str | None, Query(description="Only events of this subject, `kind:id`.")] = None,
    kind: Annotated[EventKind | None, Query(description="Only events of this kind.")] = None,
) -> schemas.EventsPage:
    """Return a page of the journal, oldest first."""
    found = [EventView.of(stored) async for stored in hub.read(after, limit, subject=subject, kind=kind)]
    return schemas.EventsPage("lifeline.events/1", found, found[-1].cursor if found else after, hub.cursor)


@router.get("/maintenance", responses=documented())
async def maintenance(hub: TheHub, _who: Viewer) -> schemas.WindowsPage:
    """Return the maintenance windows that are planned or open."""
    now_ns = wall_ns()
    windows = [window for window in hub.projection.record.windows if window.until_ns > now_ns]
    return schemas.WindowsPage("lifeline.maintenance/1", windows)


@router.get("/commands", responses=documented())
async def commands(hub: TheHub, _who: Viewer) -> schemas.CommandsPage:
    """Return the latest commands, newest first."""
    return schemas.CommandsPage("lifeline.commands/1", list(hub.projection.record.commands.values())[::-1])


@router.post("/commands", responses=documented(404, 409, 422, 502, 503, 504))
async def command(
    asked: schemas.CommandRequest,
    request: Request,
    who: Operator,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> CommandView:
    """Carry out a command, or predict what it would do; one sent again under its key is carried out once.

    502: the agent that should act is not connected, and nothing was done. 504: an agent did not answer to a dry run.
    """
    runner: Commands = request.app.state.commands
    dry_run = asked.dry_run is not False and asked.command not in (*ACTS, *WINDOWS)
    one = Asked(
        asked.command, asked.target, who.name, asked.text, idempotency_key, asked.at, asked.to, dry_run, asked.arguments
    )
    try:
        return await runner.run(one)
    except NoSuchTargetError as error:
        raise _no_such_target(asked.command, str(error), the_hub(request)) from None
    except tuple(_STATUS) as error:
        raise HTTPException(_STATUS[type(error)], str(error)) from None


_STATUS: Final[dict[type[Exception], int]] = {
    KeyReusedError: 409,
    ArgumentError: 422,
    NoSuchEndError: 422,
    NoSuchCommandError: 422,
    UnreachableError: 502,
    NoRoomError: 503,
    NoAnswerError: 504,
}


def _no_such_target(command: str, name: str, hub: Hub) -> HTTPException:
    if command in protection.COMMANDS:
        return not_found("protection group", name, hub.inventory.protection_groups)
    if command in WINDOWS:
        return not_found("maintenance window", name, (window.id for window in hub.projection.record.windows))
    if command not in ACTS:
        return not_found("subject", name, (view.subject for view in hub.projection.live.find()))
    return not_found("alarm", name, (alarm.id for alarm in hub.projection.alarms()))
