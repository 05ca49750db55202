"""What the loader accepts, and mistakes that no committed file can hold."""

import os
import time
from ipaddress import ip_interface, ip_network
from pathlib import Path

import pytest

from bench.inventory_gen import inventory_text
from lifeline.config import ConfigError, SecretError, load_inventory, parse_inventory, read_secret
from lifeline.config.problems import did_you_mean
from lifeline.model.inventory import LinkEnd, SecretRef, Site, SiteKind

GOVNET = Path(__file__).parents[3] / "containerlab" / "govnet.inventory.yml"
DISTRICTS = {"dongcheng", "xicheng", "chaoyang", "haidian", "fengtai", "shijingshan"}


def problems_of(text):
    with pytest.raises(ConfigError) as caught:
        parse_inventory(text, "t.yaml")
    return [(problem.line, problem.column, problem.path, problem.message) for problem in caught.value.problems]


def test_the_lab_inventory_protects_a_station_in_each_of_the_six_central_districts():
    inventory = load_inventory(GOVNET)
    stations = {name: site for name, site in inventory.sites.items() if site.kind is SiteKind.SUPER_BASE_STATION}
    assert {site.district for site in stations.values()} == set(inventory.districts) == DISTRICTS
    for name in stations:
        (group,) = inventory.groups_at(name).values()
        working, protection = inventory.links[group.working], inventory.links[group.protection]
        assert (working.media, protection.media) == ("fibre", "satellite")
        assert working.far_end(name).site == protection.far_end(name).site == "core-wired"
    assert inventory.sites["core-wired"].power.target_autonomy_h == 72
    assert inventory.sites["core-800m"].power.target_autonomy_h == 8
    assert all(site.agent for site in inventory.sites.values())


def test_anchors_and_merges_work_and_what_stands_here_wins_over_what_is_merged():
    inventory = parse_inventory("""
        lifeline: 1
        sites:
          a: &station {kind: relay, name: A, agent: true}
          b: {<<: *station, name: B}
          c: {<<: [{name: C}, *station]}
    """)
    assert [(site.name, site.agent) for site in inventory.sites.values()] == [("A", True), ("B", True), ("C", True)]


def test_an_error_in_a_merged_part_points_to_where_it_was_written():
    told = problems_of("lifeline: 1\nsites:\n  a: {<<: &s {kind: rely}, name: A}\n  b: {<<: *s, name: B}\n")
    assert [(line, column, path) for line, column, path, _message in told] == [
        (3, 21, "sites.a.kind"),
        (3, 21, "sites.b.kind"),
    ]


def test_words_of_yaml_1_1_are_just_words():
    inventory = parse_inventory(
        "lifeline: 1\ndistricts:\n  no: {name: off}\n  '12': {name: 12:30}\n  0x1: {name: 0777}\n"
    )
    assert {name: district.name for name, district in inventory.districts.items()} == {
        "no": "off", "12": "12:30", "0x1": "0777",
    }  # fmt: skip


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    file = tmp_path / "inventory.yaml"
    file.write_bytes("\ufefflifeline: 1\r\nsites:\r\n  a: {kind: relay, name: 中心}\r\n".encode())
    assert load_inventory(file).sites["a"].name == "中心"


def test_columns_are_counted_in_characters_and_lines_as_the_parser_counts_them():
    assert problems_of("lifeline: 1\r\nsites:\r\n  a: {kind: relay, name: 中心, x: 1}\r\n")[0][:3] == (
        3,
        30,
        "sites.a.x",
    )


def test_ipv6_is_an_address_like_any_other():
    end = "{{site: {0}, interface: x, address: '2001:db8::{1}/64'}}"
    inventory = parse_inventory(
        "lifeline: 1\nsites:\n  a: {kind: relay, name: A}\n  b: {kind: relay, name: B, prefixes: ['2001:db8:1::/48']}\n"
        f"links:\n  l: {{media: fibre, a: {end.format('a', 1)}, b: {end.format('b', 2)}}}\n"
    )
    assert inventory.links["l"].a.address == ip_interface("2001:db8::1/64")
    assert inventory.sites["b"].prefixes == [ip_network("2001:db8:1::/48")]


def test_point_to_multipoint_links_share_interface_and_subnet():
    assert len(parse_inventory(inventory_text(3)).links) == 6


@pytest.mark.parametrize(
    ("path", "reason"),
    [("nowhere.yaml", "no such file or directory"), (".", "is a directory"), ("a.yaml/b.yaml", "not a directory")],
)
def test_an_unreadable_file_is_told_by_name_and_reason(tmp_path, monkeypatch, path, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").touch()
    with pytest.raises(ConfigError, match=f"^{path}: cannot be read: {reason}\n"):
        load_inventory(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_read_permission_is_told(tmp_path):
    file = tmp_path / "inventory.yaml"
    file.touch(mode=0)
    with pytest.raises(ConfigError, match="cannot be read: permission denied"):
        load_inventory(file)


def test_a_file_without_end_is_not_read_to_its_end():
    with pytest.raises(ConfigError, match="larger than 64 MiB"):
        load_inventory("/dev/zero")


def test_a_thousand_stations_load_quickly_and_completely():
    text = inventory_text(1000)
    started = time.perf_counter()
    inventory = parse_inventory(text)
    assert time.perf_counter() - started < 5  # bench measures; this only catches something quadratic
    assert (len(inventory.sites), len(inventory.links), len(inventory.protection_groups)) == (1002, 2000, 1000)


def test_a_thousand_wrong_references_are_told_quickly():
    text = inventory_text(1000).replace("site: sbs-", "site: station-")
    started = time.perf_counter()
    told = problems_of(text)
    assert time.perf_counter() - started < 10
    assert sum("there is no site" in message for *_place, message in told) == 2000


class TestSecrets:
    def test_a_variable_is_read(self, monkeypatch):
        monkeypatch.setenv("LIFELINE_TEST_SECRET", "s3cret")
        assert read_secret(SecretRef(env="LIFELINE_TEST_SECRET")) == "s3cret"

    def test_a_file_is_read_without_its_line_end(self, tmp_path):
        file = tmp_path / "secret"
        file.write_text("s3cret \n")
        file.chmod(0o640)
        assert read_secret(SecretRef(file=str(file))) == "s3cret "

    @pytest.mark.parametrize(
        ("content", "mode", "reason"),
        [(b"x", 0o644, "is open to every user"), (b"\n", 0o600, "is empty"), (b"\xff", 0o600, "cannot be read")],
    )
    def test_a_file_open_to_all_or_without_a_secret_is_refused(self, tmp_path, content, mode, reason):
        file = tmp_path / "secret"
        file.write_bytes(content)
        file.chmod(mode)
        with pytest.raises(SecretError, match=reason):
            read_secret(SecretRef(file=str(file)))

    def test_secrets_are_fetched_only_when_asked_for(self, tmp_path, monkeypatch):
        file = tmp_path / "inventory.yml"
        file.write_text("lifeline: 1\ncredentials:\n  radios: {kind: snmp-v2c, secret: {env: RADIOS_COMMUNITY}}\n")
        monkeypatch.delenv("RADIOS_COMMUNITY", raising=False)
        load_inventory(file)
        with pytest.raises(ConfigError, match="RADIOS_COMMUNITY is not set"):
            load_inventory(file, secrets=True)
        monkeypatch.setenv("RADIOS_COMMUNITY", "public")
        load_inventory(file, secrets=True)


class TestModelInCode:
    def test_addresses_may_be_given_parsed_or_as_text(self):
        parsed = LinkEnd(site="a", interface="eth1", address=ip_interface("10.0.0.1/30"))
        assert parsed == LinkEnd(site="a", interface="eth1", address="10.0.0.1/30")

    @pytest.mark.parametrize("wrong", [5, True, "10.0.0.0/30", "10.0.0.3/30", "10.0.0.1", "fe80::1%eth0/64", None])
    def test_a_link_address_must_be_a_host_with_prefix_length(self, wrong):
        with pytest.raises(ValueError, match="must be"):
            LinkEnd(site="a", interface="eth1", address=wrong)

    def test_entries_cannot_be_changed(self):
        site = Site(kind=SiteKind.RELAY, name="A")
        with pytest.raises(AttributeError):
            site.name = "B"


@pytest.mark.parametrize(
    ("word", "guess"),
    [("knd", "kind"), ("Kind", "kind"), ("name-zh", "name_zh"), ("nameZh", "name_zh"), ("xyzzy", None), ("", None)],
)
def test_the_nearest_candidate_is_found_through_case_and_punctuation(word, guess):
    assert did_you_mean(word, ["kind", "name", "name_zh"], "valid keys")[0] == guess
