"""The containerlab file: what the lab cannot carry out is refused with its place, before anything is made."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.topology import Impairment, Topology
from lab.topology_file import load_topology
from lifeline.config import ConfigError, load_inventory
from lifeline.model.inventory import Media

ROOT = Path(__file__).resolve().parents[3]
GOVNET = ROOT / "containerlab/govnet.clab.yml"
SHARED = Path(os.environ.get("LIFELINE_SHARED", ROOT.parent / "shared"))

SMALL = """\
name: small
mgmt: {ipv4-subnet: 172.31.0.0/24}
topology:
  defaults: {kind: linux, sysctls: {net.ipv4.ip_forward: 1}, labels: {lifeline.services: sshd}}
  groups:
    station: {labels: {lifeline.daemons: "fastpath, agent"}, exec: [ip link show]}
  nodes:
    core: {mgmt-ipv4: 172.31.0.2}
    site: {group: station, exec: [ip address add 10.0.0.1/24 dev lo]}
  links:
    - endpoints: [core:f1, site:fibre]
      vars: {id: fibre-1, media: fibre, srg: duct-1}
    - endpoints: [core:s1, site:sat]
      vars: {id: sat-1, media: satellite, delay_ms: 270, rate_kbps: 4000}
    - endpoints: [core:c1, site:c1]
"""


def read(tmp_path: Path, text: str) -> Topology:
    path = tmp_path / "t.clab.yml"
    path.write_text(text)
    return load_topology(path)


def mistakes(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert caught.value.exit_code == 2
    return [str(problem).splitlines()[0].removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_nodes_inherit_as_in_containerlab(tmp_path: Path) -> None:
    site = read(tmp_path, SMALL).nodes["site"]
    assert site.exec == (("ip", "link", "show"), ("ip", "address", "add", "10.0.0.1/24", "dev", "lo"))
    assert site.sysctls == {"net.ipv4.ip_forward": "1"}
    assert (site.services, site.daemons) == (("sshd",), ("fastpath", "agent"))


def test_links_carry_their_nature(tmp_path: Path) -> None:
    links = read(tmp_path, SMALL).links
    assert links["fibre-1"].media is Media.FIBRE
    assert links["fibre-1"].srgs == ("duct-1",)
    assert str(links["fibre-1"].site) == "site:fibre"
    assert links["sat-1"].impairment == Impairment(delay_ms=270, rate_kbps=4000)
    assert links["core-c1-site-c1"].media is Media.COPPER


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("kind: linux", "kind: nokia_srlinux", "the lab does not know node kind 'nokia_srlinux'"),
        ("exec: [ip link show]", "startup-config: x", "the lab does not know node key 'startup-config'"),
        ("exec: [ip link show]", "exce: [ip link show]", "did you mean 'exec'?"),
        ("lifeline.services: sshd", "lifeline.services: telnetd", "the lab does not know services 'telnetd'"),
        ("lifeline.services: sshd", "lifeline.service: sshd", "did you mean 'lifeline.services'?"),
        ("group: station", "group: statoin", "did you mean 'station'?"),
        ("core:f1, site:fibre", "core:f1, side:fibre", "the lab does not know node 'side'; did you mean 'site'?"),
        ("core:s1, site:sat", "core:f1, site:sat", "core:f1 is an end of another link already"),
        ("core:s1, site:sat", "core:eth0, site:sat", "interface eth0 is not for links"),
        ("core:s1, site:sat", "core:an-interface-too-long, site:sat", "an interface's name has at most 15"),
        ("media: fibre, srg", "media: fiber, srg", "did you mean 'fibre'?"),
        ("media: fibre, srg: duct-1", "media: fibre, delay_ms: 3", "only a satellite link has delay_ms"),
        ("delay_ms: 270", "delay_ms: -1", "delay_ms is -1; it must be 0 to 10000"),
        ("delay_ms: 270", "delay_ms: fast", "must be a number"),
        ("- endpoints: [core:c1, site:c1]", "- {type: vxlan, endpoint: {}}", "the lab does not know link type 'vxlan'"),
        ("id: sat-1", "id: sat 1 up", "'sat 1 up' is no identifier"),
        ("id: sat-1", "id: fibre-1", "link id 'fibre-1' stands twice"),
        ("mgmt-ipv4: 172.31.0.2", "mgmt-ipv4: 172.32.0.2", "'172.32.0.2' is no address of the management network"),
        ("mgmt-ipv4: 172.31.0.2", "binds: [nowhere:/etc/x]", "there is no "),
        ("mgmt-ipv4: 172.31.0.2", "privileged: true", "must be false"),
        ("name: small", "name: Ünfit", "a lab's name is lower-case"),
        ("  nodes:", "  noeds:", "did you mean 'nodes'?"),
    ],
)
def test_what_the_lab_does_not_know_is_refused_with_its_place(
    tmp_path: Path, wrong: str, right: str, told: str
) -> None:
    text = SMALL.replace(wrong, right, 1)
    assert text != SMALL
    found = mistakes(tmp_path, text)
    changed = zip(text.splitlines(), SMALL.splitlines(), strict=True)
    line = next(number for number, (now, before) in enumerate(changed, 1) if now != before)
    assert any(told in each and each.startswith(f"t.clab.yml:{line}:") for each in found), found


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = (
        SMALL.replace("kind: linux", "kind: srl").replace("media: fibre", "media: glass").replace("site:sat", "x:sat")
    )
    assert len(mistakes(tmp_path, text)) == 3


def test_a_node_without_a_kind_is_refused(tmp_path: Path) -> None:
    found = mistakes(tmp_path, SMALL.replace("kind: linux, ", ""))
    assert found[0].startswith("t.clab.yml:8:5: topology.nodes.core: has no kind")


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    assert "must be a mapping" in mistakes(tmp_path, "- 1\n")[0]


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value below and including this one."""
    yield at
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from paths(child, (*at, key))


@pytest.mark.parametrize("path", list(paths(yaml.safe_load(SMALL)))[1:], ids=lambda path: ".".join(map(str, path)))
def test_whatever_stands_where_it_should_not_is_a_mistake_and_never_a_crash(
    tmp_path: Path, path: tuple[Any, ...]
) -> None:
    for odd in (None, 7, True, "", "x y", [], [[1]], {}, {"x": {}}):
        data = yaml.safe_load(SMALL)
        parent = data
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = odd
        with suppress(ConfigError):
            read(tmp_path, yaml.safe_dump(data))


def test_govnet_is_what_its_inventory_says() -> None:
    topology = load_topology(GOVNET)
    inventory = load_inventory(ROOT / "containerlab/govnet.inventory.yml")
    assert topology.nodes.keys() == inventory.sites.keys()
    interfaces = {str(end) for link in topology.links.values() for end in link.ends}
    for link_id, link in inventory.links.items():
        assert {f"{end.site}:{end.interface}" for end in (link.a, link.b)} <= interfaces
        assert topology.links[link_id].media == link.media
        assert topology.links[link_id].srgs == tuple(link.srgs)
    with_daemons = {node.name for node in topology.nodes.values() if "agent" in node.daemons}
    assert with_daemons == {site for site, each in inventory.sites.items() if each.agent}


def test_govnet_is_valid_containerlab() -> None:
    schema_file = SHARED / "schemas/clab.schema.json"
    if not schema_file.exists():
        pytest.skip(f"containerlab's schema is not at {schema_file}; LIFELINE_SHARED says where")
    import jsonschema
    import regex

    def pattern(_validator: Any, wanted: str, instance: Any, _schema: Any) -> Any:
        if isinstance(instance, str) and not regex.search(wanted, instance):
            yield jsonschema.ValidationError(f"{instance!r} does not match {wanted!r}")

    schema = json.loads(schema_file.read_text())
    validator = jsonschema.validators.extend(jsonschema.validators.validator_for(schema), {"pattern": pattern})(schema)
    assert [error.message for error in validator.iter_errors(yaml.safe_load(GOVNET.read_text()))] == []


def test_every_address_of_govnet_stands_on_one_interface_only() -> None:
    addresses = re.findall(r"ip address replace ([0-9.]+)/", GOVNET.read_text())
    assert len(addresses) == len(set(addresses))
