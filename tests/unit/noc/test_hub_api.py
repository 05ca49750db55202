"""What may be asked of a hub, by whom, and what it answers."""

from __future__ import annotations

import ssl
from typing import Any

import httpx
import pytest
from hubworld import World, Writer, end
from pydantic import TypeAdapter

from lifeline.alarms import Alarm
from lifeline.model.records import EventKind, PerceivedSeverity
from noc import tokens, views
from noc.api import app
from noc.client import HubClient, HubRefusedError, HubUnreachableError

ALARM = "path-down.link.fibre-a"
GETS = ("/state", "/sites", "/sites/core", "/links", "/links/sat-a", "/groups", "/groups/pg-a", "/alarms", "/events",
        "/commands")  # fmt: skip


@pytest.fixture
async def alarmed(hub: World, client: HubClient) -> HubClient:
    """A hub with one alarm."""
    async with hub.daemon() as daemon:
        await daemon.deliver([Writer().condition()])
    return client


async def test_state_and_its_parts_agree(hub: World, alarmed: HubClient) -> None:
    state = await alarmed.state()
    assert state["schema"] == "lifeline.state/1"
    assert state["sites"] == await alarmed.sites()
    assert state["links"] == await alarmed.links()
    assert state["groups"] == await alarmed.groups()
    assert state["alarms"] == await alarmed.alarms(active=True)
    assert state["alarms"] == [await alarmed.alarm(ALARM)]
    assert state["sites"][0] in [await alarmed.site(site["id"]) for site in state["sites"]]
    assert state["links"][1] == await alarmed.link("sat-a")
    assert state["cursor"] == (await alarmed.events())[-1]["cursor"]


async def test_an_alarm_looks_as_its_own_json_does(alarmed: HubClient) -> None:
    seen = await alarmed.alarm(ALARM)
    assert seen.items() >= Alarm.from_json(seen).to_json().items()
    assert (seen["root"], seen["why"]) == (ALARM, "Nothing that stands explains it.")


def test_the_view_of_an_alarm_has_all_that_its_json_has() -> None:
    from hubworld import Journal

    from lifeline.alarms import AlarmList

    alarms, writer, journal = AlarmList(), Writer(), Journal()
    alarms.apply(journal.store(writer.condition()))
    alarms.apply(journal.store(writer.event(EventKind.ALARM, f"alarm:{ALARM}", {"act": "acknowledge", "by": "w"})))
    alarm = alarms.get(ALARM)
    assert alarm is not None
    shown = TypeAdapter(views.AlarmView).dump_python(views.AlarmView.of(alarm), mode="json")
    assert shown.items() >= alarm.to_json().items()


async def test_events_are_paged_and_filtered(hub: World, client: HubClient) -> None:
    writer = Writer()
    async with hub.daemon() as daemon:
        await daemon.deliver([writer.condition(), *writer.bfd(3), writer.condition("group:pg-a", "x")])
    whole = await client.events()
    assert [e["cursor"] for e in whole] == list(range(1, len(whole) + 1))
    assert await client.events(after=2, limit=2) == whole[2:4]
    assert [e["kind"] for e in await client.events(kind="condition")] == ["condition", "condition"]
    assert [e["seq"] for e in await client.events(subject="link:fibre-a", kind="bfd")] == [2, 3, 4]
    assert await client.events(after=10_000) == []


async def test_alarms_are_told_active_cleared_or_all(hub: World, client: HubClient) -> None:
    writer = Writer()
    cleared = writer.condition(name="a"), writer.condition(name="a", severity=PerceivedSeverity.CLEARED)
    async with hub.daemon() as daemon:
        await daemon.deliver([*cleared, writer.condition(name="b")])
    assert [it["alarm_type_id"] for it in await client.alarms(active=True)] == ["b"]
    assert [it["alarm_type_id"] for it in await client.alarms(active=False)] == ["a"]
    assert [it["alarm_type_id"] for it in await client.alarms()] == ["b", "a"]


async def test_what_is_not_there_is_told_with_the_nearest_that_is(alarmed: HubClient) -> None:
    for asked, text in (
        (alarmed.site("sbs-aa"), "there is no site 'sbs-aa'; did you mean 'sbs-a'?"),
        (alarmed.link("fibre"), "there is no link 'fibre'; did you mean 'fibre-b'?"),
        (alarmed.group("zzz"), "there is no protection group 'zzz'"),
        (alarmed.alarm("path-down.link.fibre"), f"there is no alarm 'path-down.link.fibre'; did you mean {ALARM!r}?"),
        (alarmed.command("alarm.acknowledge", "nothing"), "there is no alarm 'nothing'"),
    ):
        with pytest.raises(HubRefusedError) as refused:
            await asked
        assert (refused.value.status, refused.value.text) == (404, text)


async def test_nonsense_is_answered_with_what_is_wrong(client: HubClient) -> None:
    for asked, text in (
        (client.events(limit=0), "query.limit"),
        (client.events(after=-1), "query.after"),
        (client.events(kind="rumour"), "query.kind"),
        (client.command("alarm.eat", "x"), "body.command"),
        (client.command("alarm.acknowledge", ""), "body.target"),
    ):
        with pytest.raises(HubRefusedError) as refused:
            await asked
        assert refused.value.status == 422
        assert refused.value.exit_code == 2
        assert text in refused.value.text


# ---------------------------------------------------------------- commands


async def test_an_acknowledgement_is_on_record_intent_first(alarmed: HubClient) -> None:
    before = (await alarmed.state())["cursor"]
    done = await alarmed.command("alarm.acknowledge", ALARM, "crew on the way")
    assert (done["phase"], done["by"], done["text"]) == ("done", "local", "crew on the way")
    alarm = await alarmed.alarm(ALARM)
    assert (alarm["acknowledged_by"], alarm["acknowledged_text"]) == ("local", "crew on the way")
    told = await alarmed.events(after=before)
    assert [(e["kind"], e["body"].get("phase")) for e in told] == [
        ("command", "requested"), ("alarm", None), ("command", "done"),
    ]  # fmt: skip
    assert {e["subject"] for e in told} == {f"alarm:{ALARM}"}
    assert await alarmed.commands() == [done]


async def test_an_act_that_the_alarm_does_not_allow_is_refused_and_on_record(alarmed: HubClient) -> None:
    refused = await alarmed.command("alarm.unacknowledge", ALARM)
    assert refused["phase"] == "refused"
    assert refused["detail"] == "cannot unacknowledge an alarm that is raised"
    assert (await alarmed.commands())[0] == refused


async def test_a_command_sent_again_under_its_key_is_carried_out_once(alarmed: HubClient) -> None:
    first = await alarmed.command("alarm.acknowledge", ALARM, idempotency_key="k1")
    cursor = (await alarmed.state())["cursor"]
    assert await alarmed.command("alarm.acknowledge", ALARM, idempotency_key="k1") == first
    assert (await alarmed.state())["cursor"] == cursor
    with pytest.raises(HubRefusedError) as refused:
        await alarmed.command("alarm.unacknowledge", ALARM, idempotency_key="k1")
    assert refused.value.status == 409


# ---------------------------------------------------------------- who may what


def https(hub: World, token: str | None) -> httpx.AsyncClient:
    context = ssl.create_default_context(cafile=hub.ca)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(base_url=f"{hub.tls_url}/api/v1", verify=context, headers=headers, trust_env=False)


@pytest.mark.parametrize(
    ("role", "get", "post"),
    [
        (None, 401, 401),
        ("guessed", 401, 401),
        ("agent", 403, 403),
        ("viewer", 200, 403),
        ("operator", 200, 200),
        ("administrator", 200, 200),
    ],
)
async def test_who_may_what_over_the_network(
    hub: World, alarmed: HubClient, role: str | None, get: int, post: int
) -> None:
    known = role in list(tokens.Role)
    token = tokens.create(hub.data, "somebody", str(role)) if known else role
    async with https(hub, token) as http:
        answers = [await http.get(path) for path in GETS]
        answers += [await http.get("/stream")] if get != 200 else []
        assert {answer.status_code for answer in answers} == {get}
        body = {"command": "alarm.acknowledge", "target": ALARM}
        answers.append(await http.post("/commands", json=body))
        assert answers[-1].status_code == post
        assert (await http.get("/health")).status_code == 200
        assert (await http.get("/metrics")).status_code == 200, "this machine needs no token for metrics"
    for answer in answers:
        if answer.status_code != 200:
            assert answer.headers["content-type"] == "application/problem+json"
            assert len(answer.json()["detail"]) > 20
        if answer.status_code == 401:
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_command_is_on_record_under_its_tokens_name(hub: World, alarmed: HubClient) -> None:
    async with HubClient(hub.tls_url, tokens.create(hub.data, "shift-desk", "operator"), hub.ca) as remote:
        done = await remote.command("alarm.acknowledge", ALARM)
    assert done["by"] == "shift-desk"
    assert (await alarmed.alarm(ALARM))["acknowledged_by"] == "shift-desk"


async def test_a_revoked_token_is_refused_at_once(hub: World) -> None:
    async with HubClient(hub.tls_url, tokens.create(hub.data, "guest", "viewer"), hub.ca) as remote:
        await remote.state()
        tokens.TokenStore(hub.data).revoke("guest")
        with pytest.raises(HubRefusedError, match="revoked") as refused:
            await remote.state()
        assert (refused.value.status, refused.value.exit_code) == (401, 5)


async def test_a_file_of_tokens_that_is_damaged_is_told_and_admits_nobody(hub: World) -> None:
    secret = tokens.create(hub.data, "guest", "viewer")
    async with https(hub, secret) as http:
        tokens.TokenStore(hub.data).path.write_text("{garbage")
        answer = await http.get("/state")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert "not a file of tokens" in answer.json()["detail"]


async def test_nobody_can_claim_to_be_local(hub: World) -> None:
    async with https(hub, None) as http:
        headers = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=unix", "Host": "hub", "lifeline.local": "1"}
        assert (await http.get("/state", headers=headers)).status_code == 401


async def test_a_certificate_that_is_not_the_pinned_one_is_not_trusted(hub: World, tmp_path: Any) -> None:
    from noc.tls import ensure_certificate

    other = ensure_certificate(tmp_path / "other", ["127.0.0.1"])
    async with HubClient(hub.tls_url, "x", other.certificate) as remote:
        with pytest.raises(HubUnreachableError, match="LIFELINE_CA"):
            await remote.state()


async def test_the_local_socket_is_for_its_owner(hub: World) -> None:
    assert (hub.run / "hub.sock").stat().st_mode & 0o777 == 0o600
    assert (hub.data / "tokens.json").stat().st_mode & 0o777 == 0o600 if (hub.data / "tokens.json").exists() else True


async def test_health_needs_nothing_and_tells_the_essentials(hub: World, client: HubClient) -> None:
    async with hub.daemon() as daemon:
        await daemon.deliver([Writer().event(EventKind.PROTECTION, "group:pg-a", end())])
    health = await client.health()
    assert (health["status"], health["journal"], health["hub"]) == ("ok", "ok", "noc-a/hub")
    assert health["cursor"] == (await client.state())["cursor"]


# ---------------------------------------------------------------- the document


def test_the_committed_openapi_document_is_the_codes() -> None:
    from pathlib import Path

    committed = Path(__file__).parents[3] / "docs" / "openapi.json"
    assert committed.read_text(encoding="utf-8") == app.openapi_text(), (
        "the API has changed: python -m noc.api.app > docs/openapi.json"
    )


def test_every_path_that_needs_a_token_says_so_in_the_document() -> None:
    document = app.create_app().openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            needs = path.rsplit("/", 1)[1] not in ("health", "metrics")
            assert bool(operation.get("security")) is needs, (method, path)
