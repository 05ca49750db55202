from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hubworld import World, serving

from lifeline.i18n import choose_language
from noc.client import HubClient


@pytest.fixture(autouse=True)
def _in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIFELINE_HUB", "LIFELINE_TOKEN", "LIFELINE_TOKEN_FILE", "LIFELINE_CA"):
        monkeypatch.delenv(name, raising=False)
    choose_language("en")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, free_port())


@pytest.fixture
async def hub(world: World) -> AsyncIterator[World]:
    """Yield the world of a hub that runs in this loop, on its local socket and on TLS."""
    async with serving(world):
        yield world


@pytest.fixture
async def client(hub: World) -> AsyncIterator[HubClient]:
    async with HubClient(hub.url) as client:
        yield client
