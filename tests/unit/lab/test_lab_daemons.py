"""What lifeline's daemons are given in a lab: certificates, tokens, configuration; and when they cannot run there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import daemons
from lab import place as place_module
from lab.driver import LabError
from lab.equipment import Access
from lab.lab import DEFAULT_INVENTORY, DEFAULT_TOPOLOGY
from lab.place import Place
from lab.topology_file import load_topology
from lifeline.config import load_inventory
from lifeline.config.loader import parse_inventory
from noc.tokens import Role, TokenStore

TOPOLOGY = load_topology(DEFAULT_TOPOLOGY)
INVENTORY = load_inventory(DEFAULT_INVENTORY)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(place_module, "RUN", tmp_path / "run")
    monkeypatch.setattr(place_module, "DATA", tmp_path / "data")
    made = Place("govnet")
    made.secrets.mkdir(parents=True)
    Access.make().save(made.secrets)
    made.inventory.write_text(DEFAULT_INVENTORY.read_text())
    return made


def test_every_node_gets_a_token_of_its_own_that_the_hub_knows(place: Place) -> None:
    files = daemons.admit(TOPOLOGY, INVENTORY, place)
    store = TokenStore(place.data / "noc-a")
    assert files.keys() == TOPOLOGY.nodes.keys()
    for node, each in files.items():
        token = store.find(each["token"])
        assert token
        assert (token.name, token.role) == (node, Role.AGENT)
    administrator = store.find((place.secrets / "token").read_text())
    assert administrator
    assert administrator.role is Role.ADMINISTRATOR
    assert (place.secrets / "token").stat().st_mode & 0o077 == 0


def test_admitting_again_ends_the_tokens_of_the_life_before_and_keeps_the_certificate(place: Place) -> None:
    first = daemons.admit(TOPOLOGY, INVENTORY, place)["noc-b"]
    second = daemons.admit(TOPOLOGY, INVENTORY, place)["noc-b"]
    store = TokenStore(place.data / "noc-a")
    assert store.find(first["token"]) is None
    assert store.find(second["token"])
    assert first["hub.crt"] == second["hub.crt"]


def test_only_the_hub_itself_talks_to_the_hub_without_tls(place: Place) -> None:
    files = daemons.admit(TOPOLOGY, INVENTORY, place)
    hubs = {node: json.loads(each["supervise.json"])["hubs"] for node, each in files.items()}
    assert hubs.pop("noc-a") == ["unix:///run/lifeline/hub.sock"]
    assert set(map(tuple, hubs.values())) == {("https://10.0.10.1:8443",)}


def test_an_inventory_that_does_not_fit_is_told_before_anything_is_made() -> None:
    text = DEFAULT_INVENTORY.read_text().replace("interface: f-dongcheng", "interface: f-elsewhere")
    with pytest.raises(LabError, match="fibre-dongcheng of the inventory ends at core-wired:f-elsewhere") as caught:
        daemons.check(TOPOLOGY, parse_inventory(text))
    assert caught.value.exit_code == 2
    daemons.check(TOPOLOGY, INVENTORY)
