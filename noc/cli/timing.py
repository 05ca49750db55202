"""`lifeline time`: the sources of a site's time, which of them is trusted and why, how long it lasts without any."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lifeline.i18n import _
from lifeline.runtime.options import daemon_options
from noc.client import HubClient

from .ask import View, age_text, ask, command, hub_option
from .output import ExitCode, Styled, VerbError, emit, emit_json, emit_table, json_option

if TYPE_CHECKING:
    from lifeline.runtime.daemon import Settings

_COLOUR = {"locked": "green", "holdover-in-spec": "yellow", "holdover-out-of-spec": "red", "acquiring": "yellow",
           "free-run": "red", "unknown": "magenta"}  # fmt: skip
_run = click.option(
    "--local", "run", type=click.Path(path_type=Path, file_okay=False), metavar="RUN",
    help=_("Ask this machine's own daemon by its run directory, such as /run/lifeline, instead of a hub."),
)  # fmt: skip


@click.group(help=_("Time: sources, which is trusted and why, holdover budget"))
def timing() -> None:
    """Group the verbs."""


@timing.command("run", help=_("Arbitrate the time of a site until told to stop."))
@daemon_options(metrics="127.0.0.1:9472")
def run_(settings: Settings) -> int:
    """Be the time daemon."""
    from timesync.daemon import run_time

    return run_time(settings)


@timing.command(help=_("Show every site's time: its state, what is selected, how long it lasts alone.\n\n"
                       "Example: lifeline time status"))  # fmt: skip
@click.argument("site", required=False, default="")
@_run
@hub_option()
@json_option()
def status(site: str, run: Path | None, hub: str | None, as_json: bool) -> ExitCode:
    """Show the sites' states."""
    live = _live(hub, run, site)
    if as_json:
        emit_json("lifeline.time-status/1", {"sites": live})
    else:
        emit_table(
            [
                _("Site"),
                _("State"),
                _("Selected"),
                _("Served"),
                _("Sound to"),
                _("Limit"),
                _("Lasts alone"),
                _("Fresh"),
            ],
            [_status_row(it) for it in live],
        )
    return max((_exit(it) for it in live), default=ExitCode.DEGRADED)


def _status_row(view: View) -> list[object]:
    from timesync.core.body import amount

    body = view["body"]
    return [view["site"], Styled(_state(view), _COLOUR[_state(view)]), ", ".join(body["selected"]) or _("none"),
            _("yes") if body["serve"] else Styled(_("no"), "red"), amount(body["bound_ns"], "ns"),
            amount(body["limit_ns"], "ns"), _left(body), _("yes") if view["fresh"] else _("no")]  # fmt: skip


@timing.command(help=_("Show the time sources of SITE side by side.\n\nExample: lifeline time sources core-wired"))
@click.argument("site")
@_run
@hub_option()
@json_option()
def sources(site: str, run: Path | None, hub: str | None, as_json: bool) -> ExitCode:
    """Show one site's sources."""
    from timesync.core.body import amount

    view = _one(hub, run, site)
    if as_json:
        emit_json("lifeline.time-sources/1", {"site": site, "sources": view["body"]["sources"]})
        return _exit(view)
    emit_table(
        [_("Source"), _("Kind"), _("Reason"), _("Off"), _("Sound to"), _("Satellites"), "C/N0", _("Jamming"),
         _("Spoofing"), _("Heard"), _("Qualifies in")],
        [[it["source"], it["kind"], _reason(it), amount(it["offset_ns"], "ns"), amount(it["uncertainty_ns"], "ns"),
          it["used"], _strength(it), it["jamming"] or _("unknown"), it["spoofing"] or _("unknown"),
          None if it["heard_s"] is None else age_text(it["heard_s"]),
          None if it["qualifies_in_s"] is None else age_text(it["qualifies_in_s"])] for it in view["body"]["sources"]],
    )  # fmt: skip
    return _exit(view)


@timing.command(help=_("Explain why SITE trusts what it trusts: the evidence for each source.\n\n"
                       "Example: lifeline time explain core-wired"))  # fmt: skip
@click.argument("site")
@_run
@hub_option()
@json_option()
def explain(site: str, run: Path | None, hub: str | None, as_json: bool) -> ExitCode:
    """Show the evidence."""
    from timesync.core.body import amount, sentence

    view = _one(hub, run, site)
    body = view["body"]
    if as_json:
        emit_json("lifeline.time-explanation/1", {"site": site, **{k: v for k, v in body.items() if k != "schema"}})
        return _exit(view)
    emit(_("{site}: {state}, for {age}").format(site=site, state=_state(view), age=age_text(body["since_s"] or 0)))
    emit(_("The time is sound to {bound}; no source shows less than {floor}.").format(
        bound=amount(body["bound_ns"], "ns"), floor=amount(body["floor_ns"], "ns")))  # fmt: skip
    if body["unresolved"]:
        emit(_("Unresolved: {sources} disagree, and there is no independent evidence.").format(
            sources=", ".join(body["unresolved"])))  # fmt: skip
    elif body["selected"] and not body["corroborated"]:
        emit(_("Nothing would show if the one source that is selected were wrong."))
    for it in body["sources"]:
        emit(f"\n{it['source']} ({it['kind']}): {it['reason'] or _('selected')}")
        if it["excluded_by"]:
            emit("  " + _("excluded by {by}").format(by=it["excluded_by"]))
        if it["verdict"] and it["verdict"] != it["reason"]:
            emit("  " + _("was {verdict}, must qualify anew").format(verdict=it["verdict"]))
        for evidence in it["evidence"]:
            emit("  " + sentence(evidence))
        for doubt in it["suspicions"]:
            emit("  " + _("suspicious, and no proof: {what}").format(what=doubt))
        if it["trouble"]:
            emit(f"  {it['trouble']}")
    if body["gate"]["trouble"]:
        emit(f"\nchrony: {body['gate']['trouble']}")
    return _exit(view)


@timing.command(help=_("Show how long SITE's time stays within its network's limit without any source.\n\n"
                       "Example: lifeline time budget core-wired"))  # fmt: skip
@click.argument("site")
@_run
@hub_option()
@json_option()
def budget(site: str, run: Path | None, hub: str | None, as_json: bool) -> ExitCode:
    """Show the holdover budget."""
    from timesync.core.body import amount

    view = _one(hub, run, site)
    body = view["body"]
    if as_json:
        keys = ("state", "serve", "bound_ns", "floor_ns", "limit_ns", "budget_s", "oscillator")
        emit_json("lifeline.time-budget/1", {"site": site, **{key: body[key] for key in keys}})
        return _exit(view)
    left = body["budget_s"]
    emit(_("{site} may be off by {limit}; it is off by {bound} at most now.").format(
        site=site, limit=amount(body["limit_ns"], "ns"), bound=amount(body["bound_ns"], "ns")))  # fmt: skip
    emit(_("Without any source: {low} for certain (then it is withdrawn), {mid} probably, {high} at best.").format(
        **{key: age_text(left[key] or 0) for key in ("low", "mid", "high")}))  # fmt: skip
    return _exit(view)


@timing.command(help=_("Show what SITE's arbiter has decided of late.\n\nExample: lifeline time history core-wired"))
@click.argument("site")
@_run
@hub_option()
@json_option()
def history(site: str, run: Path | None, hub: str | None, as_json: bool) -> ExitCode:
    """Show the latest decisions."""
    from timesync.core.body import sentence

    view = _one(hub, run, site)
    if as_json:
        emit_json("lifeline.time-history/1", {"site": site, "history": view["body"]["history"]})
    else:
        emit_table(
            [_("At"), _("Source"), _("From"), _("To"), _("Evidence")],
            [[datetime.fromtimestamp(it["at_ns"] / 1e9, UTC).strftime("%m-%d %H:%M:%S"), it["source"] or _("clock"),
              it["before"], it["after"], "; ".join(sentence(e) for e in it["evidence"][:1])]
             for it in view["body"]["history"]],
        )  # fmt: skip
    return _exit(view)


def _order_verb(verb: str, text: str, *, needs_source: bool) -> None:
    """Make a verb that gives an order."""

    @timing.command(verb, help=text)
    @click.argument("site")
    @click.argument("source", required=needs_source, default=None if needs_source else "")
    @click.option("--yes", is_flag=True, help=_("Do it; without this it is only told what would be."))
    @click.option("--text", default="", help=_("Why, for the record."))
    @_run
    @hub_option()
    @json_option()
    def give(
        site: str, source: str, yes: bool, text: str, run: Path | None, hub: str | None, as_json: bool
    ) -> ExitCode:
        return _order(verb, site, source, run, hub, text, yes=yes, as_json=as_json)


_order_verb("exclude", _("Take SOURCE of SITE out until it is released.\n\n"
                         "Example: lifeline time exclude core-wired gps --yes"), needs_source=True)  # fmt: skip
_order_verb("select", _("Let only SOURCE of SITE be selected, while it is sound.\n\n"
                        "Example: lifeline time select core-wired beidou --yes"), needs_source=True)  # fmt: skip
_order_verb("lock", _("Let no other source of SITE be selected than those that are now.\n\n"
                      "Example: lifeline time lock core-wired --yes"), needs_source=False)  # fmt: skip
_order_verb("release", _("Let SOURCE of SITE, or all of them, be selected again.\n\n"
                         "Example: lifeline time release core-wired gps --yes"), needs_source=False)  # fmt: skip


def _order(
    verb: str, site: str, source: str, run: Path | None, hub: str | None, text: str, *, yes: bool, as_json: bool
) -> ExitCode:
    from timesync.orders import Order, leave_order

    order = Order(verb, source, getpass.getuser())
    if not yes:
        told = _("Would be done: {what}. Say --yes to do it.").format(what=order.sentence())
        if as_json:
            emit_json("lifeline.time-order/1", {"order": verb, "site": site, "source": source or None, "done": False})
        else:
            emit(told)
        return ExitCode.OK
    target = f"time:{site}/{source}" if source else f"time:{site}"
    if run is None:
        return command(f"time.{verb}", target, hub, as_json, text)
    known = {it["source"] for it in _one(None, run, site)["body"]["sources"]}
    if source and source not in known:
        raise VerbError(_("there is no source {source!r}; there are {sources}").format(
            source=source, sources=", ".join(sorted(known))), ExitCode.USAGE)  # fmt: skip
    try:
        leave_order(run, site, order)
    except OSError as error:
        raise VerbError(f"{run}: {error.strerror}", ExitCode.REFUSED) from None
    if as_json:
        emit_json("lifeline.time-order/1", {"order": verb, "site": site, "source": source or None, "done": True})
    else:
        emit(_("Given to this machine's daemon: {what}").format(what=order.sentence()))
    return ExitCode.OK


# ---------------------------------------------------------------- what the verbs share


def _live(hub: str | None, run: Path | None, site: str) -> list[Mapping[str, Any]]:
    if run is not None:
        return _of_this_machine(run, site)

    async def question(client: HubClient) -> list[dict[str, Any]]:
        return await client.live(f"time:{site}")

    return list(ask(hub, question))


def _of_this_machine(run: Path, site: str) -> list[Mapping[str, Any]]:
    from lifeline.clock import wall_ns

    found: list[Mapping[str, Any]] = []
    for path in sorted(run.glob(f"time-{site or '*'}.json")):
        try:
            body, at_ns = json.loads(path.read_text(encoding="utf-8")), path.stat().st_mtime_ns
        except (OSError, ValueError) as error:
            raise VerbError(f"{path}: {error}", ExitCode.UNREACHABLE) from None
        fresh = wall_ns() - at_ns < 5e9
        found.append({"subject": f"time:{body['site']}", "site": body["site"], "heard_at_ns": at_ns, "fresh": fresh,
                      "body": body})  # fmt: skip
    if not found:
        raise VerbError(_("no time daemon has written to {run}").format(run=run), ExitCode.UNREACHABLE)
    return found


def _one(hub: str | None, run: Path | None, site: str) -> Mapping[str, Any]:
    found = _live(hub, run, site)
    if not found:
        raise VerbError(_("the hub has heard nothing of the time of {site}").format(site=site), ExitCode.DEGRADED)
    return found[0]


def _state(view: View) -> str:
    """Return the clock's state; what is stale is unknown."""
    return str(view["body"]["state"]) if view["fresh"] else "unknown"


def _exit(view: View) -> ExitCode:
    body = view["body"]
    if not view["fresh"]:
        return ExitCode.DEGRADED
    if not body["serve"]:
        return ExitCode.CRITICAL if body["state"] != "acquiring" else ExitCode.DEGRADED
    sound = body["state"] == "locked" and body["corroborated"] and not body["unresolved"]
    return ExitCode.OK if sound and not body["gate"]["trouble"] else ExitCode.DEGRADED


def _left(body: View) -> str:
    left = body["budget_s"]
    return f"{age_text(left['low'] or 0)} - {age_text(left['high'] or 0)}"


def _reason(it: View) -> Styled:
    if it["reason"] is None:
        return Styled(_("selected"), "green")
    return Styled(it["reason"], "yellow" if it["reason"] in {"coarse", "qualifying", "not-chosen"} else "red")


def _strength(it: View) -> str | None:
    heard = sorted(s[2] for s in it["satellites"] or () if s[2])
    return f"{heard[0]:.0f}-{heard[len(heard) // 2]:.0f}-{heard[-1]:.0f}" if heard else None
