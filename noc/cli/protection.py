"""`lifeline protection`: how traffic is protected, and the operator's commands of ITU-T G.8031 9.1 and 9.2."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

from lifeline.i18n import _
from noc.client import HubClient

from .ask import View, ask, clock_text, health, hub_option, styled
from .output import ExitCode, VerbError, emit, emit_json, emit_table, json_option, narrate

_F = TypeVar("_F", bound=Callable[..., Any])
_EXIT = {"done": ExitCode.OK, "planned": ExitCode.OK, "refused": ExitCode.REFUSED}
"""By phase; an outcome that is not known ends like a time-out."""
_EVENTS = 20


@click.group(help=_("Show protection groups and command them"))
def protection() -> None:
    """Group the verbs."""


@protection.command("list", help=_("List protection groups: which path carries, in what state, by which request."))
@hub_option()
@json_option()
def list_(hub: str | None, as_json: bool) -> None:
    """List groups."""
    groups = ask(hub, HubClient.groups)
    if as_json:
        emit_json("lifeline.groups/1", {"groups": groups})
        return
    emit_table(
        [_("Group"), _("Health"), _("Carries on"), _("State"), _("Request"), _("Working"), _("Protection")],
        [
            [it["id"], health(it), styled(it["selector"]), it["state"], _requests(it), it["working"], it["protection"]]
            for it in groups
        ],
    )


def _requests(group: View) -> str:
    """Return what the ends request, each once; `?` for an end that is not heard."""
    told = [str(end.get("request")) if end["fresh"] else "?" for end in group["ends"].values()]
    return " / ".join(dict.fromkeys(told))


@protection.command(help=_("Show GROUP: both ends, why traffic is where it is, and what was done to it lately."))
@click.argument("group", metavar="GROUP")
@hub_option()
@json_option()
def show(group: str, hub: str | None, as_json: bool) -> None:
    """Show a group."""

    async def question(client: HubClient) -> tuple[View, Sequence[View], Sequence[View]]:
        view = await client.group(group)
        commands: list[View] = [it for it in await client.commands() if it["target"] == f"group:{group}"]
        routers = [it for it in await client.live("actuation:") if it["body"].get("group") == group]
        return view, commands[:_EVENTS], routers

    view, commands, routers = ask(hub, question)
    if as_json:
        emit_json("lifeline.group/1", {"group": view, "commands": commands, "routers": routers})
        return
    emit(_("{group}: {health}, traffic on {selector}, {state}").format(
        group=view["id"], health=health(view), selector=view["selector"], state=view["state"]))  # fmt: skip
    for site, end in view["ends"].items():
        emit("")
        emit(f"{site}" + ("" if end["fresh"] else "  " + _("(not heard now)")))
        emit(f"  {end['why']}")
        emit_table([_("Path"), _("Link"), "BFD", "SF", "SD", _("Loss in %"), _("Delay in ms"), _("Diagnostic")],
                   [_path(end, name) for name in _PATHS])  # fmt: skip
        for line in _told(end):
            emit(f"  {line}")
    if routers:
        emit("")
        emit_table([_("Router"), _("Driver"), _("Should stand"), _("Stands"), _("Result"), _("Reason")],
                   [_router(it) for it in routers])  # fmt: skip
    if commands:
        emit("")
        emit_table(
            [_("When"), _("Command"), _("At"), _("By"), _("Phase"), _("Detail")],
            [
                [clock_text(it["requested_at_ns"]), _title(it), it["at"], it["by"], it["phase"], it["detail"]]
                for it in commands
            ],
        )


_PATHS = ("working", "protection")


def _path(end: View, name: str) -> list[object]:
    path = end[name]
    quality = path.get("quality") or {}
    figures = quality.get("figures") or {}
    link = _("{group}, by {link}").format(group=path["group"], link=path["link"]) if path.get("group") else path["link"]
    return [name, link, path.get("bfd"), _flag(path.get("signal_fail")),
            _flag(quality["degraded"] if quality.get("known") else None), figures.get("loss_pct"),
            figures.get("delay_ms"), path.get("diag")]  # fmt: skip


def _router(state: View) -> list[object]:
    it = state["body"]
    stands = it["stands"] if state["fresh"] else "?"
    return [it["device"], it["driver"], it["wanted"], stands, it["result"], it["reason"]]


def _flag(value: bool | None) -> str:
    return {True: _("yes"), False: _("no"), None: "?"}[value]


def _told(end: View) -> list[str]:
    """Return what else an end says of itself."""
    told = [_("requests {request}").format(request=end.get("request"))]
    aps = end.get("aps") or {}
    if aps.get("far_request"):
        told.append(_("far end requests {request}, carries on {selector}").format(
            request=aps["far_request"], selector=aps["far_selector"]))  # fmt: skip
    if end.get("commands"):
        told.append(_("by command: {commands}").format(commands=", ".join(end["commands"])))
    if end.get("wtr_ends_at_ns"):
        told.append(_("reverts at {at}").format(at=clock_text(end["wtr_ends_at_ns"])))
    told += [_damped(name, end["damping"][name]) for name in _PATHS if (end.get("damping") or {}).get(name)]
    told += [f"{name}: {text}" for name, text in dict(aps.get("defects") or {}).items()]
    return told


def _damped(name: str, damping: View) -> str:
    """Return a path's penalty for flapping, and until when that keeps traffic from returning to it."""
    if until := damping.get("suppressed_until_ns"):
        return _("{path} is suppressed until {at}, penalty {penalty}").format(
            path=name, at=clock_text(until), penalty=damping["penalty"])  # fmt: skip
    return _("{path} has a penalty of {penalty}").format(path=name, penalty=damping["penalty"])


def _title(command: View) -> str:
    name = str(command["command"]).removeprefix("protection.")
    return f"{name} {command['to']}" if command["to"] else name


# ---------------------------------------------------------------- commands


def _acting(verb: _F) -> _F:
    """Add what every command takes."""
    options = [
        click.argument("group", metavar="GROUP"),
        click.option("--at", metavar="SITE", help=_("The site at whose end to act; the hub chooses otherwise.")),
        click.option("--text", default="", help=_("Why, for the record.")),
        click.option("--yes", is_flag=True, help=_("Act. Without it the plan and its effect are shown, and no more.")),
        hub_option(),
        json_option(),
    ]
    for option in reversed(options):
        verb = option(verb)
    return verb


@protection.command(help=_("""Lock GROUP out of protection (LO): traffic stays on working, whatever happens to it.

The highest request of all. It leaves a failed working path only when you clear it."""))  # fmt: skip
@_acting
def lockout(**given: Any) -> ExitCode:
    """Order a lockout."""
    return _command("lockout", **given)


@protection.command(
    help=_("""Force GROUP to the protection path (FS), even when that is degraded.

\b
Example:
  lifeline protection force pg-dongcheng                  # what would happen
  lifeline protection force pg-dongcheng --yes --text "splicing in duct-east\"""")
)
@_acting
def force(**given: Any) -> ExitCode:
    """Order a forced switch."""
    return _command("force", **given)


@protection.command(help=_("Switch GROUP to a path (MS) as long as both paths are sound; any failure overrides it."))
@click.option("--to", type=click.Choice(_PATHS), required=True, help=_("The path that shall carry."))
@_acting
def manual(**given: Any) -> ExitCode:
    """Order a manual switch."""
    return _command("manual", **given)


@protection.command(help=_("Exercise the protocol of GROUP with the far end (EXER); traffic stays where it is."))
@_acting
def exercise(**given: Any) -> ExitCode:
    """Order an exercise."""
    return _command("exercise", **given)


@protection.command(help=_("""Freeze GROUP at one end: it stays as it is there, whatever happens, until cleared.

Local: the far end is not told. It protects from nothing while it stands."""))  # fmt: skip
@_acting
def freeze(**given: Any) -> ExitCode:
    """Order a freeze."""
    return _command("freeze", **given)


@protection.command(help=_("Clear the command or the freeze that stands in GROUP, or its wait to restore."))
@_acting
def clear(**given: Any) -> ExitCode:
    """Order a clear."""
    return _command("clear", **given)


@protection.command(help=_("""Bring the router that follows GROUP to where it should stand now.

The agent does that by itself after each switch, tries again and checks; this is for whoever does not want to wait.

\b
Example:
  lifeline protection apply pg-dongcheng                  # what would be typed
  lifeline protection apply pg-dongcheng --at core-wired --yes"""))  # fmt: skip
@_acting
def apply(group: str, at: str | None, text: str, yes: bool, hub: str | None, as_json: bool) -> ExitCode:
    """Order that a router follows."""
    key = secrets.token_hex(16) if yes else None

    async def question(client: HubClient) -> Any:
        target = _router_of(await client.live("actuation:"), group, at)
        return await client.command("actuator.apply", target, text, idempotency_key=key, dry_run=not yes)

    command = ask(hub, question)
    if as_json:
        emit_json("lifeline.command/1", {"command": command})
    elif command["dry_run"]:
        _tell(command)
    else:
        emit(_("{target}: {phase}").format(target=command["target"], phase=command["phase"]))
        emit(command["detail"])
    return _EXIT.get(command["phase"], ExitCode.TIMEOUT)


def _router_of(states: Iterable[View], group: str, at: str | None) -> str:
    """Return the live subject of the router that follows a group.

    Raises:
        VerbError: no agent shows one, or there are several and no site was named.
    """
    found = {state["site"]: state["subject"] for state in states if state["body"].get("group") == group}
    if at is not None:
        found = {site: subject for site, subject in found.items() if site == at}
    if len(found) == 1:
        return str(next(iter(found.values())))
    if found:
        text = _("routers at {sites} follow {group}: say which with --at").format(
            sites=_(" and ").join(sorted(found)), group=group)  # fmt: skip
    else:
        text = _("no agent shows a router that follows {group}").format(group=group)
    raise VerbError(text, ExitCode.USAGE)


def _command(
    name: str, group: str, at: str | None, text: str, yes: bool, hub: str | None, as_json: bool, to: str | None = None
) -> ExitCode:
    """Predict, or act; a retry inside the client carries the same key and acts once."""
    key = secrets.token_hex(16) if yes else None

    async def question(client: HubClient) -> Any:
        return await client.command(
            f"protection.{name}", f"group:{group}", text, idempotency_key=key, at=at, to=to, dry_run=not yes
        )

    command = ask(hub, question)
    if as_json:
        emit_json("lifeline.command/1", {"command": command})
    else:
        _tell(command)
    return _EXIT.get(command["phase"], ExitCode.TIMEOUT)


def _tell(command: View) -> None:
    if command["dry_run"]:
        for sentence in command["plan"]:
            emit(sentence)
        if command["phase"] == "planned":
            narrate(_("Nothing was done. Add --yes to act."))
        return
    group = str(command["target"]).removeprefix("group:")
    emit(_("{command} of {group} at {site}: {phase}").format(
        command=_title(command), group=group, site=command["at"], phase=command["phase"]))  # fmt: skip
    if command["detail"]:
        emit(command["detail"])
    if command["phase"] == "unknown":
        narrate(_("Whether it was carried out is not known yet; look at `lifeline protection show {group}`.").format(
            group=group))  # fmt: skip
