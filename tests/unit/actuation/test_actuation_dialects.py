"""What each platform shows is understood, and what it is told is what its command line takes."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.core.actuation import DIALECTS, ConfigurationError, Goal, OspfCost, StaticRoute, redact
from failover.core.actuation.configuration import Value, commands, holds, lines, parse, read_commands, wanted

PREFIX, PREFIX6 = ip_network("10.50.0.0/16"), ip_network("2001:db8::/32")
HOP, HOP6 = ip_address("10.0.0.2"), ip_address("fe80::1")
PORT = {
    "linux": "fibre",
    "cisco_ios": "GigabitEthernet0/1",
    "huawei_vrp": "GigabitEthernet0/0/1",
    "huawei_vrpv8": "GigabitEthernet0/1/0",
    "hp_comware": "Vlan-interface10",
}
SHOWN = {
    "linux": (
        "Building configuration...\n\nCurrent configuration:\n!\nfrr version 8.4.4\nhostname edge\n!\n"
        "ip route 10.50.0.0/16 10.0.0.2 tag 7 20\nip route 10.50.0.0/16 10.0.0.2 fibre 30\n"
        "ip route 10.60.0.0/16 blackhole\nipv6 route 2001:db8::/32 fe80::1 fibre 5\n!\n"
        "vrf red\n ip route 10.50.0.0/16 10.0.0.9\nexit-vrf\n!\n"
        "interface fibre\n ip ospf area 0\n ip ospf cost 100\n ip ospf cost 7 10.0.0.1\nexit\n!\nend\n"
    ),
    "cisco_ios": (
        "ip route 10.50.0.0 255.255.0.0 10.0.0.2 20 tag 7 name towards-core track 1\n"
        "ip route 10.50.0.0 255.255.0.0 GigabitEthernet0/1 10.0.0.2 30\n"
        "ip route vrf red 10.50.0.0 255.255.0.0 10.0.0.9\nip route 10.60.0.0 255.255.0.0 Null0\n"
        "ipv6 route 2001:DB8::/32 GigabitEthernet0/1 FE80::1 5\n"
        "Building configuration...\n\nCurrent configuration : 123 bytes\n!\n"
        "interface GigabitEthernet0/1\n ip address 10.0.0.1 255.255.255.252\n ip ospf cost 100\nend\n\nedge#"
    ),
    "huawei_vrp": (
        "ip route-static 10.50.0.0 255.255.0.0 10.0.0.2 preference 20 tag 7 description the preference 99 of the core\n"
        "ip route-static 10.50.0.0 255.255.0.0 GigabitEthernet0/0/1 10.0.0.2 preference 30\n"
        "ip route-static vpn-instance red 10.50.0.0 255.255.0.0 10.0.0.9\n"
        "ip route-static 10.60.0.0 255.255.0.0 NULL0\n"
        "ipv6 route-static 2001:DB8:: 32 GigabitEthernet0/0/1 FE80::1 preference 5\n"
        "#\ninterface GigabitEthernet0/0/1\n ip address 10.0.0.1 255.255.255.252\n ospf cost 100\n#\nreturn\n<edge>"
    ),
    "hp_comware": (
        "#\ninterface Vlan-interface10\n ip address 10.0.0.1 255.255.255.252\n ospf cost 100\n#\nreturn\n"
        " ip route-static 10.50.0.0 16 10.0.0.9\n"  # indented: of a VPN instance's section
        "ip route-static 10.50.0.0 16 10.0.0.2 preference 20 tag 7\n"
        "ip route-static 10.50.0.0 16 Vlan-interface10 10.0.0.2 preference 30\nip route-static 10.60.0.0 16 NULL0\n"
        "ipv6 route-static 2001:DB8:: 32 Vlan-interface10 FE80::1 preference 5\n<edge>"
    ),
}
SHOWN["huawei_vrpv8"] = SHOWN["huawei_vrp"].replace("GigabitEthernet0/0/1", PORT["huawei_vrpv8"])
PLATFORMS = pytest.mark.parametrize("platform", DIALECTS)


def goals(platform, distance=10):
    port = PORT[platform]
    return [
        Goal(StaticRoute(PREFIX, HOP, distance=distance)),
        Goal(StaticRoute(PREFIX, HOP, port, distance)),
        Goal(StaticRoute(PREFIX6, HOP6, port, distance)),
        Goal(OspfCost(port, distance)),
    ]


@PLATFORMS
def test_what_it_shows_is_understood(platform):
    scope = parse(DIALECTS[platform], SHOWN[platform], goals(platform))
    assert [value.number for values in scope.values() for value in values] == [20, 30, 5, 100]
    first = next(iter(scope.values()))[0]
    assert first.options.startswith("tag 7")
    assert ("preference 99" in first.options) is platform.startswith("huawei")


@PLATFORMS
def test_a_new_distance_replaces_the_old_one_and_keeps_the_options(platform):
    dialect, asked = DIALECTS[platform], goals(platform)
    now = parse(dialect, SHOWN[platform], asked)
    told = commands(dialect, now, wanted(dialect, asked, now))
    assert not [line for line in told if line.split()[0] in {"no", "undo"}]
    expected = {
        "linux": "ip route 10.50.0.0/16 10.0.0.2 10 tag 7",
        "cisco_ios": "ip route 10.50.0.0 255.255.0.0 10.0.0.2 10 tag 7 name towards-core track 1",
        "huawei_vrp": "ip route-static 10.50.0.0 255.255.0.0 10.0.0.2 preference 10 tag 7"
        " description the preference 99 of the core",
        "hp_comware": "ip route-static 10.50.0.0 16 10.0.0.2 preference 10 tag 7",
    }
    assert told[0] == expected[platform.removesuffix("v8")]
    leave = "quit" if dialect.negation == "undo" else "exit"
    ospf = "ospf cost 10" if dialect.negation == "undo" else "ip ospf cost 10"
    assert told[-3:] == (f"interface {PORT[platform]}", ospf, leave)


@PLATFORMS
def test_a_removal_names_the_route_as_it_stands(platform):
    dialect = DIALECTS[platform]
    asked = [Goal(StaticRoute(PREFIX6, HOP6, PORT[platform]), present=False)]
    now = parse(dialect, SHOWN[platform] if platform == "linux" else _routes_only(SHOWN[platform]), asked)
    expected = {
        "linux": "no ipv6 route 2001:db8::/32 fe80::1 fibre 5",
        "cisco_ios": "no ipv6 route 2001:db8::/32 GigabitEthernet0/1 fe80::1 5",
        "huawei_vrp": "undo ipv6 route-static 2001:db8:: 32 GigabitEthernet0/0/1 fe80::1",
        "huawei_vrpv8": "undo ipv6 route-static 2001:db8:: 32 GigabitEthernet0/1/0 fe80::1",
        "hp_comware": "undo ipv6 route-static 2001:db8:: 32 Vlan-interface10 fe80::1",
    }
    assert commands(dialect, now, wanted(dialect, asked, now)) == (expected[platform],)


def _routes_only(shown):
    return "\n".join(line for line in shown.splitlines() if "route" in line)


@PLATFORMS
@given(data=st.data())
def test_what_was_written_reads_back_and_undoing_leads_back(platform, data):
    dialect, asked = DIALECTS[platform], goals(platform)[:3]
    keys = [goal.setting.key for goal in asked]
    number = st.integers(1, 255)
    values = st.lists(st.builds(Value, number, st.sampled_from(["", "tag 7"])), max_size=2, unique=True).map(tuple)
    before = {key: data.draw(values) for key in keys}
    then = wanted(dialect, asked, before)
    assert parse(dialect, _shown(dialect, before), asked) == before
    assert holds(dialect, asked, parse(dialect, _shown(dialect, then), asked))
    assert commands(dialect, then, then) == ()
    if before != then:
        assert commands(dialect, before, then)
        assert commands(dialect, then, before)


def _shown(dialect, scope):
    return "\n".join([*lines(dialect, scope), dialect.complete])


@PLATFORMS
def test_several_lines_for_one_route_become_one(platform):
    dialect, asked = DIALECTS[platform], goals(platform)[:1]
    now = {asked[0].setting.key: (Value(5), Value(9))}
    told = commands(dialect, now, wanted(dialect, asked, now))
    assert [line.split()[0] in {"no", "undo"} for line in told] == [True, True, False]


def test_nothing_of_a_route_through_an_interface_is_taken_for_an_address():
    shown = "ip route 10.50.0.0/16 fe0.1 20\nip route 10.50.0.0/16 10.0.0.2 be.1 label 16 30 table 4\nend"
    asked = [Goal(StaticRoute(PREFIX, None, "fe0.1")), Goal(StaticRoute(PREFIX, HOP, "be.1"))]
    scope = parse(DIALECTS["linux"], shown, asked)
    assert list(scope.values()) == [(Value(20),), (Value(30, "label 16 table 4"),)]


@pytest.mark.parametrize(
    ("platform", "said"),
    [
        ("linux", "% Unknown command: show running-config"),
        ("cisco_ios", "show run\n            ^\n% Invalid input detected at '^' marker.\n\nedge#"),
        ("huawei_vrp", "            ^\nError: Unrecognized command found at '^' position.\n<edge>"),
        ("huawei_vrpv8", "Error: You do not have permission to run the command.\n<edge>"),
        ("hp_comware", "            ^\n % Unrecognized command found at '^' position.\n<edge>"),
    ],
)
def test_a_refusal_is_never_taken_for_an_empty_configuration(platform, said):
    with pytest.raises(ConfigurationError, match="it answers"):
        parse(DIALECTS[platform], said, goals(platform)[:1])


@pytest.mark.parametrize(
    ("platform", "said"),
    [
        ("cisco_ios", "%SYS-5-CONFIG_I: Configured from console by vty0\nedge#"),
        ("hp_comware", "%Sep  4 10:00:00:123 2026 edge SHELL/6/SHELL_CMD: -Line=vty0\n<edge>"),
    ],
)
def test_a_log_line_is_no_refusal(platform, said):
    assert DIALECTS[platform].refusal(said) is None


def test_a_truncated_configuration_is_refused():
    shown = SHOWN["linux"]
    with pytest.raises(ConfigurationError, match="truncated"):
        parse(DIALECTS["linux"], shown[: len(shown) // 2], goals("linux"))
    with pytest.raises(ConfigurationError, match="truncated"):
        parse(DIALECTS["linux"], "", goals("linux"))


def test_an_interface_by_another_name_is_told():
    with pytest.raises(ConfigurationError, match="it shows no interface Gi0/1; it shows GigabitEthernet0/1"):
        parse(DIALECTS["cisco_ios"], SHOWN["cisco_ios"], [Goal(OspfCost("Gi0/1", 5))])


@PLATFORMS
def test_only_what_is_in_question_is_read(platform):
    dialect = DIALECTS[platform]
    asked = read_commands(dialect, goals(platform))
    if platform == "linux":
        assert asked == ("show running-config",)
    else:
        assert len(asked) == 3
        assert any(command.endswith(PORT[platform]) for command in asked)


@pytest.mark.parametrize("name", ["eth0\nno router ospf", "a b", "", "0/1", "eth0;reload", "x" * 64])
def test_an_interface_name_cannot_smuggle_a_command(name):
    with pytest.raises(ValueError, match="no interface name"):
        StaticRoute(PREFIX, interface=name)
    with pytest.raises(ValueError, match="no interface name"):
        OspfCost(name, 10)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: StaticRoute(PREFIX), "needs a next hop"),
        (lambda: StaticRoute(PREFIX, HOP6), "no next hop for"),
        (lambda: StaticRoute(PREFIX, HOP, distance=0), "1 to 255"),
        (lambda: OspfCost("eth0", 70000), "1 to 65535"),
    ],
)
def test_what_cannot_be_is_refused(make, told):
    with pytest.raises(ValueError, match=told):
        make()


@pytest.mark.parametrize(
    "line",
    [
        "enable secret 5 $1$HIDDEN",
        "username ops privilege 15 password 7 HIDDEN",
        " ip ospf message-digest-key 1 md5 HIDDEN",
        " ip ospf authentication-key HIDDEN",
        " neighbor 10.0.0.1 password HIDDEN",
        "snmp-server community HIDDEN RO",
        "snmp-agent community read cipher %^%#HIDDEN%^%#",
        " ospf authentication-mode md5 1 cipher HIDDEN",
        " key-string HIDDEN",
        "password: HIDDEN",
        "the device echoed s3cret-HIDDEN back",
    ],
)
def test_secrets_are_taken_out_of_lines(line):
    told = redact(f"before\n{line}\r\nafter", ["s3cret-HIDDEN"])
    assert "HIDDEN" not in told
    assert "[redacted]" in told
    assert told.startswith("before\n")
    assert told.endswith("\nafter")


def test_routes_survive_redaction():
    for shown in SHOWN.values():
        assert redact(shown) == shown
