"""`lifeline site`: sites, worst first, and one of them in detail."""

from __future__ import annotations

import click

from lifeline.i18n import _
from noc.client import HubClient

from .ask import View, ask, clock_text, emit_alarms, health, hub_option, name_of, styled
from .output import emit, emit_json, emit_table, json_option


@click.group(help=_("List and show sites"))
def site() -> None:
    """Group the verbs."""


@site.command("list", help=_("List all sites, worst first."))
@hub_option()
@json_option()
def list_(hub: str | None, as_json: bool) -> None:
    """List sites."""
    sites = ask(hub, HubClient.sites)
    if as_json:
        emit_json("lifeline.sites/1", {"sites": sites})
        return
    emit_table(
        [_("Site"), _("Name"), _("Kind"), _("District"), _("Health"), _("Agent"), _("What")],
        [
            [it["id"], name_of(it), it["kind"], it["district"], health(it), styled(it["agent"]), it["text"]]
            for it in sites
        ],
    )


@site.command(help=_("Show SITE: its health, links, protection and alarms."))
@click.argument("identifier", metavar="SITE")
@hub_option()
@json_option()
def show(identifier: str, hub: str | None, as_json: bool) -> None:
    """Show a site with what touches it."""

    async def question(client: HubClient) -> tuple[View, View]:
        return await client.site(identifier), await client.state()

    view, state = ask(hub, question)
    links = [link for link in state["links"] if identifier in (link["a"]["site"], link["b"]["site"])]
    groups = [group for group in state["groups"] if any(link["id"] == group["working"] for link in links)]
    mine = {*(f"link:{link['id']}" for link in links), *(f"group:{it['id']}" for it in groups)}
    own = {f"{kind}:{identifier}" for kind in ("site", "device", "power", "time", "daemon")}
    alarms = [it for it in state["alarms"] if it["resource"] in mine or it["resource"].partition("/")[0] in own]
    if as_json:
        emit_json("lifeline.site/1", {"site": view, "links": links, "groups": groups, "alarms": alarms})
        return
    emit(f"{view['id']}  {name_of(view)}  {view['kind']}")
    emit(f"{health(view)}  {view['text']}".rstrip())
    heard = clock_text(view["last_heard_at_ns"]) or _("never")
    emit(_("agent {state}, last heard {at}").format(state=view["agent"], at=heard) + "\n")
    emit_table(
        [_("Link"), _("Media"), _("State"), _("To")],
        [[it["id"], it["media"], styled(it["state"]), _far_end(it, identifier)] for it in links],
    )
    if groups:
        emit("")
        emit_table(
            [_("Group"), _("Traffic on"), _("State")],
            [[it["id"], styled(it["selector"]), it["state"]] for it in groups],
        )
    if alarms:
        emit("")
        emit_alarms(alarms, state["generated_at_ns"])


def _far_end(link: View, site_id: str) -> str:
    return str(link["b"]["site"] if link["a"]["site"] == site_id else link["a"]["site"])
