"""`lifeline link`: links with the protection that uses them: who carries, what BFD says, and why."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lifeline.i18n import _
from noc.client import HubClient

from .ask import View, age_text, ask, clock_text, hub_option, styled
from .output import emit, emit_json, emit_table, json_option


@click.group(help=_("List and show links and protection groups"))
def link() -> None:
    """Group the verbs."""


@link.command("list", help=_("List all links: state, what each end's BFD says, and whether it carries its group."))
@hub_option()
@json_option()
def list_(hub: str | None, as_json: bool) -> None:
    """List links and groups."""
    state = ask(hub, HubClient.state)
    groups = {group["id"]: group for group in state["groups"]}
    if as_json:
        emit_json("lifeline.links/1", {"links": state["links"], "groups": state["groups"]})
        return
    emit_table(
        [_("Link"), _("Media"), _("State"), _("BFD at a"), _("BFD at b"), _("Group"), _("Role"), _("Carries")],
        [_row(it, groups) for it in state["links"]],
    )


def _row(it: View, groups: dict[str, View]) -> list[object]:
    ends = [_bfd(it["ends"].get(it[end]["site"])) for end in ("a", "b")]
    head = [it["id"], it["media"], styled(it["state"]), *ends]
    if not it["groups"]:
        return [*head, None, None, None]
    group = groups[it["groups"][0]]
    role = "working" if group["working"] == it["id"] else "protection"
    return [*head, group["id"], role, _carries(group, role)]


def _bfd(end: View | None) -> str | None:
    if not end or not end.get("bfd"):
        return None
    return str(end["bfd"]) if end["fresh"] else f"{end['bfd']}?"


def _carries(group: View, role: str) -> str:
    if group["selector"] == role:
        return _("yes")
    return "" if group["selector"] in ("working", "protection") else str(group["selector"])


@link.command(help=_("Show LINK, or the protection GROUP of that name: both ends, BFD and why traffic is where it is."))
@click.argument("identifier", metavar="LINK|GROUP")
@hub_option()
@json_option()
def show(identifier: str, hub: str | None, as_json: bool) -> None:
    """Show a link with its group, or a group with its links."""

    async def question(client: HubClient) -> tuple[View | None, Sequence[View], Sequence[View], int]:
        state = await client.state()
        groups = {group["id"]: group for group in state["groups"]}
        if identifier in groups:
            group = groups[identifier]
            links: list[View] = [it for it in state["links"] if identifier in it["groups"]]
        else:
            links = [await client.link(identifier)]  # the hub knows the nearest name when there is none
            group = groups[links[0]["groups"][0]] if links[0]["groups"] else None
        traffic = [told for it in links for told in await client.live(f"traffic:{it['id']}")]
        return group, links, traffic, state["generated_at_ns"]

    group, links, traffic, now_ns = ask(hub, question)
    if as_json:
        emit_json("lifeline.link/1", {"group": group, "links": links, "traffic": traffic})
        return
    for it in links:
        _show_link(it, now_ns)
        for told in traffic:
            if told["body"]["link"] == it["id"]:
                _show_traffic(told)
    if group:
        _show_group(group)


def _show_link(it: View, now_ns: int) -> None:
    emit(f"{it['id']}  {it['media']}  {it['state']}" + (f"  [{', '.join(it['srgs'])}]" if it["srgs"] else ""))
    rows: list[list[object]] = []
    for side in ("a", "b"):
        end, told = it[side], it["ends"].get(it[side]["site"])
        row: list[object] = [end["site"], end["interface"], end["address"]]
        if told and told.get("bfd"):
            since = age_text((now_ns - told["since_ns"]) / 1e9) if told.get("since_ns") else None
            row += [told["bfd"], told["diag"], since, told["detect_ms"], _("yes") if told["fresh"] else _("no")]
        else:
            row += [None] * 5
        rows.append(row)
    emit_table([_("Site"), _("Interface"), _("Address"), "BFD", _("Diagnostic"), _("For"), _("Detects in ms"),
                _("Fresh")], rows)  # fmt: skip
    emit("")


def _show_traffic(told: View) -> None:
    """Show what one end sends over a link, by traffic class."""
    it = told["body"]
    head = _("{site} divides {rate} kbit/s").format(site=it["site"], rate=it["rate_kbps"])
    if not it["divided"]:
        head = _("{site} does not divide the link: {trouble}").format(site=it["site"], trouble=it["trouble"])
    elif it["told_by"]:
        head = _("{site} divides {rate} instead of {planned} kbit/s, by the word of {by}").format(
            site=it["site"], rate=it["rate_kbps"], planned=it["planned_rate_kbps"], by=it["told_by"])  # fmt: skip
    emit(head + ("" if told["fresh"] else "  " + _("(not heard now)")))
    if it["classes"]:
        emit_table(
            [_("Class"), _("Guaranteed kbit/s"), _("Ceiling kbit/s"), _("Sends kbit/s"), _("Dropped"), _("Waiting kB")],
            [
                [one["class"], one["guaranteed_kbps"], one["ceiling_kbps"], one["kbps"], one["dropped"],
                 round(one["backlog_bytes"] / 1000, 1)]
                for one in it["classes"]
            ],
        )  # fmt: skip
    emit("")


def _show_group(group: View) -> None:
    emit(_("{group}: traffic on {selector}, {state}").format(
        group=group["id"], selector=group["selector"], state=group["state"]))  # fmt: skip
    for site, end in group["ends"].items():
        emit(f"  {site}: {end['why']}")
        if end.get("wtr_ends_at_ns"):
            emit("    " + _("reverts at {at}").format(at=clock_text(end["wtr_ends_at_ns"])))
        if end.get("last_switch_at_ns"):
            emit("    " + _("{n} switches, the last at {at}").format(
                n=end["switch_count"], at=clock_text(end["last_switch_at_ns"])))  # fmt: skip
