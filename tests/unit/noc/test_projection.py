"""How words, alarms and silence become views: unknown is never healthy, the worst wins."""

from __future__ import annotations

import itertools

import pytest
from hubworld import AGENT, INVENTORY, Journal, Writer, condition, end

from lifeline.model.records import Event, EventKind, PerceivedSeverity
from noc.projection import GRACE_S, STALE_S, Projection
from noc.record import Record
from noc.views import AgentState, Health, LinkState, Selection

HUB = "noc-a/hub"
CLEARED, WARNING, CRITICAL = PerceivedSeverity.CLEARED, PerceivedSeverity.WARNING, PerceivedSeverity.CRITICAL


class Net:
    """A projection and its time."""

    def __init__(self) -> None:
        self.projection = Projection(INVENTORY, HUB, Record(), began_s=0.0)
        self.journal = Journal()
        self.agent, self.core, self.hub = Writer(), Writer("core/agent"), Writer(HUB)
        self.now_s = 0.0

    def apply(self, event: Event) -> None:
        self.projection.apply(self.journal.store(event))

    def hear(self, *sites: str) -> None:
        for site in sites:
            self.projection.hear(f"{site}/agent", self.now_s, self.now_ns)

    def tell(self, body: dict[str, object], subject: str = "group:pg-a") -> bool:
        return self.projection.set_state("core/agent", subject, body, self.now_s, self.now_ns)

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.projection.age(self.now_s)

    @property
    def now_ns(self) -> int:
        return int(self.now_s * 1e9) + 1

    def silence(self) -> list[tuple[str, bool]]:
        """Say what the hub observes, put it on record, and return it."""
        said = list(self.projection.silence(self.now_s))
        for one in said:
            self.apply(self.hub.event(EventKind.CONDITION, one.subject, one.to_body()))
        return [(one.subject, one.raised) for one in said]


@pytest.fixture
def net() -> Net:
    return Net()


# ---------------------------------------------------------------- sites


def test_a_site_is_as_well_as_its_agent_says(net: Net) -> None:
    assert net.projection.site("sbs-a").agent is AgentState.NEVER
    assert net.projection.site("sbs-a").health is Health.UNKNOWN
    net.hear("sbs-a")
    assert net.projection.site("sbs-a").agent is AgentState.UP
    assert net.projection.site("sbs-a").health is Health.OK
    net.wait(STALE_S)
    assert net.projection.site("sbs-a").agent is AgentState.SILENT
    assert net.projection.site("sbs-a").health is Health.UNKNOWN
    assert net.projection.site("sbs-a").last_heard_at_ns == 1


def test_after_a_restart_an_agent_is_silent_until_it_is_heard(net: Net) -> None:
    net.apply(net.agent.bfd()[0])
    again = Projection(INVENTORY, HUB, net.projection.record)
    assert again.site("sbs-a").agent is AgentState.SILENT
    assert again.site("sbs-a").last_heard_at_ns == 1006


def test_a_site_without_an_agent_is_unknown_and_does_not_count(net: Net) -> None:
    assert net.projection.site("mast").agent is AgentState.NONE
    assert net.projection.site("mast").health is Health.UNKNOWN
    everything_sound(net)
    assert net.projection.overall() is Health.OK
    net.apply(net.core.condition("site:mast", "power-low", WARNING))
    assert net.projection.site("mast").health is Health.UNKNOWN
    assert net.projection.overall() is Health.DEGRADED


@pytest.mark.parametrize(
    ("severity", "health"),
    [
        (WARNING, Health.DEGRADED),
        (PerceivedSeverity.MINOR, Health.DEGRADED),
        (PerceivedSeverity.MAJOR, Health.DEGRADED),
        (PerceivedSeverity.INDETERMINATE, Health.UNKNOWN),
        (CRITICAL, Health.CRITICAL),
    ],
)
def test_the_worst_alarm_is_the_sites_health(net: Net, severity: PerceivedSeverity, health: Health) -> None:
    net.hear("sbs-a")
    net.apply(net.agent.condition("daemon:sbs-a/fastpath", "x", severity, "it is bad"))
    net.apply(net.agent.condition("daemon:sbs-a/agent", "y", WARNING, "less bad"))
    assert net.projection.site("sbs-a").health is health
    if severity is not WARNING:
        assert net.projection.site("sbs-a").text == "it is bad"
    net.apply(net.agent.condition("daemon:sbs-a/fastpath", "x", CLEARED))
    net.apply(net.agent.condition("daemon:sbs-a/agent", "y", CLEARED))
    assert net.projection.site("sbs-a").health is Health.OK


def test_a_station_that_is_cut_off_is_critical_and_its_core_room_is_not(net: Net) -> None:
    net.hear("sbs-a", "sbs-b", "core")
    net.apply(net.core.condition("group:pg-a", "no-path", CRITICAL))
    assert net.projection.site("sbs-a").health is Health.CRITICAL
    assert net.projection.site("sbs-b").health is Health.OK
    assert net.projection.site("core").health is Health.DEGRADED
    net.apply(net.core.condition("group:pg-b", "no-path", CRITICAL))
    assert net.projection.site("core").health is Health.CRITICAL


def test_alarms_count_at_both_ends_of_a_link(net: Net) -> None:
    net.apply(net.agent.condition())
    assert net.projection.site("sbs-a").alarms.major == net.projection.site("core").alarms.major == 1
    assert net.projection.site("sbs-b").alarms.major == 0


def test_sites_come_worst_first(net: Net) -> None:
    net.hear("core", "sbs-a", "sbs-b")
    net.apply(net.agent.condition("site:sbs-b", "fire", CRITICAL))
    net.apply(net.agent.condition("site:core", "door", WARNING))
    assert [view.id for view in net.projection.sites()] == ["sbs-b", "mast", "core", "sbs-a"]


# ---------------------------------------------------------------- links


@pytest.mark.parametrize(
    ("at_site", "at_core", "state"),
    [
        (False, False, LinkState.UP),
        (False, None, LinkState.UP),
        (True, False, LinkState.DOWN),
        (False, True, LinkState.DOWN),
        (None, None, LinkState.UNKNOWN),
    ],
)
def test_a_link_is_down_when_one_end_says_so(
    net: Net, at_site: bool | None, at_core: bool | None, state: LinkState
) -> None:
    net.tell(end("sbs-a", fibre=at_site))
    net.tell(end("core", fibre=at_core))
    assert net.projection.link("fibre-a").state is state


def test_a_link_that_one_end_says_is_up_is_up_while_that_end_is_heard(net: Net) -> None:
    net.tell(end("core"))
    assert net.projection.link("fibre-a").state is LinkState.UP
    assert net.projection.link("fibre-a").ends["core"]["fresh"] is True
    net.wait(STALE_S)
    assert net.projection.link("fibre-a").state is LinkState.UNKNOWN
    assert net.projection.link("fibre-a").ends["core"]["fresh"] is False
    assert net.projection.link("fibre-a").ends["core"]["bfd"] == "Up"


def test_a_link_taken_down_on_purpose_says_so(net: Net) -> None:
    body = end("sbs-a", fibre=True)
    net.tell({**body, "working": {**body["working"], "bfd": "AdminDown"}})
    assert net.projection.link("fibre-a").state is LinkState.ADMIN_DOWN


def test_the_record_tells_what_was_last_known_and_never_that_it_is_so(net: Net) -> None:
    net.apply(net.agent.event(EventKind.PROTECTION, "group:pg-a", end("sbs-a", "protection", fibre=True)))
    assert net.projection.group("pg-a").selector is Selection.UNKNOWN
    assert net.projection.group("pg-a").ends["sbs-a"]["selector"] == "protection"
    assert net.projection.link("fibre-a").state is LinkState.UNKNOWN
    assert net.projection.link("fibre-a").ends["sbs-a"]["bfd"] == "Down"
    net.apply(net.agent.bfd()[0])
    assert net.projection.link("fibre-a").ends["sbs-a"]["bfd"] == "Up"


def test_links_name_their_groups_and_ends(net: Net) -> None:
    view = net.projection.link("sat-b")
    assert (view.groups, view.a.site, view.b.interface, view.a.address) == (["pg-b"], "sbs-b", "sat0", "10.66.0.12/24")


# ---------------------------------------------------------------- groups


def test_both_ends_must_be_heard_and_agree(net: Net) -> None:
    net.tell(end("sbs-a", "protection"))
    assert net.projection.group("pg-a").selector is Selection.UNKNOWN
    assert net.projection.group("pg-a").state == "unknown"
    net.tell(end("core", "working"))
    assert net.projection.group("pg-a").selector is Selection.MIXED
    net.tell(end("core", "protection"))
    assert net.projection.group("pg-a").selector is Selection.PROTECTION
    assert net.projection.group("pg-a").state == "Normal"
    net.wait(STALE_S - 1)
    net.tell(end("core", "protection"))
    net.wait(1)
    assert net.projection.group("pg-a").selector is Selection.UNKNOWN
    assert net.projection.group("pg-a").ends["sbs-a"]["fresh"] is False


@pytest.mark.parametrize(
    ("site", "core", "health"),
    [
        (end("sbs-a"), end("core"), Health.OK),
        (end("sbs-a"), None, Health.UNKNOWN),
        (end("sbs-a", fibre=None), end("core"), Health.UNKNOWN),
        (end("sbs-a", "protection", fibre=True), end("core", "protection", fibre=True), Health.DEGRADED),
        (end("sbs-a", sat=True), end("core"), Health.DEGRADED),
        (end("sbs-a", "protection"), end("core", "working"), Health.DEGRADED),
        (end("sbs-a", fibre=True, sat=True), None, Health.CRITICAL),
    ],
)
def test_a_groups_health(net: Net, site: dict[str, object], core: dict[str, object] | None, health: Health) -> None:
    for body in filter(None, (site, core)):
        net.tell(body)
    assert net.projection.group("pg-a").health is health


def test_alarms_on_a_group_or_its_links_count_for_its_health(net: Net) -> None:
    net.tell(end("sbs-a"))
    net.tell(end("core"))
    net.apply(net.agent.condition("link:sat-a", "quality", WARNING))
    assert net.projection.group("pg-a").health is Health.DEGRADED
    net.apply(net.agent.condition("group:pg-a", "switch-refused", CRITICAL))
    assert net.projection.group("pg-a").health is Health.CRITICAL


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("group:pg-x", end()),
        ("group:pg-a", end("sbs-b")),
        ("link:fibre-a", end()),
        ("group:pg-a", {}),
        ("group:pg-a", {**end(), "selector": "both"}),
        ("group:pg-a", {**end(), "working": "fibre-a"}),
        ("group:pg-a", {**end(), "working": {"link": "fibre-a", "signal_fail": "no"}}),
    ],
)
def test_a_live_state_that_makes_no_sense_is_passed_over(net: Net, subject: str, body: dict[str, object]) -> None:
    assert not net.tell(body, subject)
    assert net.projection.malformed == 1
    assert net.projection.group("pg-a").ends == {}


# ---------------------------------------------------------------- everything


def everything_sound(net: Net) -> None:
    net.hear("core", "sbs-a", "sbs-b")
    for site, group in itertools.chain(
        itertools.product(("sbs-a", "core"), "a"), itertools.product(("sbs-b", "core"), "b")
    ):
        net.tell(end(site, group=group), f"group:pg-{group}")


def test_the_whole_is_as_bad_as_its_worst_part(net: Net) -> None:
    assert net.projection.overall() is Health.UNKNOWN
    everything_sound(net)
    assert net.projection.overall() is Health.OK
    net.apply(net.agent.condition())
    assert net.projection.overall() is Health.DEGRADED
    net.wait(STALE_S)
    assert net.projection.overall() is Health.UNKNOWN
    net.apply(net.hub.condition("daemon:elsewhere/hub", "journal-full", CRITICAL))
    assert net.projection.overall() is Health.CRITICAL


def test_the_state_holds_everything_for_a_first_paint(net: Net) -> None:
    net.apply(net.agent.condition())
    state = net.projection.state("j", 7)
    assert (state.schema, state.journal, state.cursor, state.generated_at_ns) == ("lifeline.state/1", "j", 1, 7)
    assert len(state.sites) == 4
    assert [view.id for view in state.links] == ["fibre-a", "sat-a", "fibre-b", "sat-b"]
    assert [view.id for view in state.groups] == ["pg-a", "pg-b"]
    assert [view.id for view in state.alarms] == ["path-down.link.fibre-a"]


def test_alarms_come_active_first_and_worst_first(net: Net) -> None:
    net.apply(net.agent.condition("site:core", "a", CRITICAL))
    net.apply(net.agent.condition("site:core", "a", CLEARED))
    net.apply(net.agent.condition("site:core", "b", WARNING))
    net.apply(net.agent.condition("site:core", "c", CRITICAL))
    assert [alarm.alarm_type_id for alarm in net.projection.alarms()] == ["c", "b", "a"]
    assert [alarm.alarm_type_id for alarm in net.projection.active_alarms()] == ["c", "b"]


# ---------------------------------------------------------------- silence


def test_silence_is_held_against_an_agent_only_after_it_had_a_chance(net: Net) -> None:
    net.hear("core", "sbs-a")
    net.wait(GRACE_S - 0.1)
    assert net.silence() == []
    net.hear("core")
    net.wait(0.1)
    assert net.silence() == [("site:sbs-a", True), ("site:sbs-b", True)]
    assert net.silence() == []
    net.hear("sbs-b")
    assert net.silence() == [("site:sbs-b", False)]
    assert net.silence() == []


def test_a_restart_neither_repeats_nor_forgets_a_silence(net: Net) -> None:
    net.hear("core")
    net.wait(GRACE_S)
    net.hear("core")
    net.silence()
    net.projection = Projection(INVENTORY, HUB, net.projection.record, began_s=net.now_s)
    assert net.silence() == []
    net.hear("core")
    net.wait(GRACE_S)
    net.hear("core")
    assert net.silence() == []
    net.hear("sbs-a", "sbs-b")
    assert net.silence() == [("site:sbs-a", False), ("site:sbs-b", False)]


def test_silence_ends_when_no_agent_is_expected_any_more(net: Net) -> None:
    gone = condition("site:gone", "agent-silent")
    net.apply(net.hub.event(EventKind.CONDITION, gone.subject, gone.to_body()))
    assert ("site:gone", False) in net.silence()


# ---------------------------------------------------------------- news


def test_only_what_has_changed_is_dirty(net: Net) -> None:
    everything_sound(net)
    net.projection.take_dirty()
    everything_sound(net)
    assert net.projection.take_dirty() == set()
    net.tell(end("sbs-a", "protection"))
    assert net.projection.take_dirty() >= {"group:pg-a", "link:fibre-a", "link:sat-a"}
    net.apply(net.agent.condition("site:sbs-b", "fire"))
    assert net.projection.take_dirty() == {"site:sbs-b"}
    net.wait(STALE_S)
    assert net.projection.take_dirty() >= {"site:core", "site:sbs-a", "site:sbs-b", "group:pg-a", "link:fibre-b"}


def test_an_alarm_that_the_journal_cannot_take_is_shown_until_it_can(net: Net) -> None:
    net.projection.show_unkept(net.hub.condition("daemon:noc-a/hub", "journal-full", CRITICAL))
    assert [alarm.id for alarm in net.projection.active_alarms()] == ["journal-full.daemon.noc-a~hub"]
    assert net.projection.alarm("journal-full.daemon.noc-a~hub") is not None
    assert net.projection.record.alarms.active() == []
    net.projection.show_unkept(None)
    assert net.projection.active_alarms() == []


def test_a_daemon_heard_again_is_news(net: Net) -> None:
    net.hear("sbs-a")
    assert net.projection.take_dirty() == {"site:sbs-a"}
    net.wait(1)
    net.hear("sbs-a")
    assert net.projection.take_dirty() == set()
    assert AGENT == "sbs-a/agent"
